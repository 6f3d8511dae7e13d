"""Microphones and speakers: what they hear and play, on their own clocks.

Laws: a device runs on its clock whether or not a program listens; its host periods are a grid that begins when the world opens.
What it hears in one period is asked of its source once, whoever reads it. Every frame is accounted for: a microphone's frame
reaches each stream or is counted in `lost`; a frame of silence that a speaker played because nothing was there is counted in
`inserted`, and one that a program gave but nobody could hear in its `lost`.
"""

from __future__ import annotations

import numbers
import zlib
from bisect import insort
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..faults import MICROPHONE_KINDS, SPEAKER_KINDS, Drift, Drop, Fault, Insert, Unplug, Xrun, schedule_for
from .clocking import Clock
from .sources import as_source

if TYPE_CHECKING:
    from ..timeline import Timeline
    from .streams import Stream

RATES = (1_000, 768_000)  # what PortAudio takes for a rate
MOST_CHANNELS = 128


class Device:
    """What a microphone and a speaker have in common.

    Attributes: `name`, `rate`, `channels`, `period` (frames), `faults`, `plugged`, `clock`, `lost` (frames).
    """

    what = "device"
    kinds: tuple[type, ...]

    def __init__(self, world: Timeline, name: str, rate: int, channels: int, period: int, faults: Iterable[Fault]) -> None:
        where = f"{self.what} {name!r}"
        self.name = name
        self.rate = rate = _whole(where, "rate", rate, *RATES)
        self.channels = _whole(where, "channels", channels, 1, MOST_CHANNELS)
        self.period = _whole(where, "period", period, 1, 1 << 20)
        self.faults = schedule_for(where, faults, self.kinds)
        self.plugged = True
        self._other: Device | None = None  # of the same name: one box, one plug
        self._lost = 0
        self._world, self._kernel = world, world.kernel
        self.streams: list[Stream] = []
        self._first_frame: int | None = None  # that a program got
        self._xruns = {fault.block for fault in self.faults if isinstance(fault, Xrun)}
        self.clock = Clock(rate, self._drift(where))
        for fault in self.faults:
            self._check(where, fault)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}, {'plugged in' if self.plugged else 'unplugged'}>"

    @property
    def lost(self) -> int:
        """Frames that were lost up to now, of each stream."""
        self._account()
        return self._lost

    def count_lost(self, frames: int) -> None:
        """Count `frames` as lost."""
        self._lost += frames

    def _account(self) -> None:
        for stream in list(self.streams):
            stream.account()

    def unplug(self) -> None:
        """Pull the plug: callbacks cease; reading, writing and starting fail. After `replug`, streams have to be opened anew.

        A microphone and a speaker of one name have one plug.
        """
        if self.plugged:
            self.log("unplug")
            for half in self._halves():
                half.plugged = False
            for stream in dict.fromkeys(stream for half in self._halves() for stream in half.streams):  # one of both halves once
                stream.lose()

    def replug(self) -> None:
        """Plug it in again."""
        if not self.plugged:
            self.log("replug")
            for half in self._halves():
                half.plugged = True

    def join(self, other: Device) -> None:
        """Be one device with `other`, which has the same name. Raises ValueError: they differ in rate or period."""
        for what in ("rate", "period"):
            mine, its = getattr(self, what), getattr(other, what)
            if mine != its:
                text = f"needed the {what} of the {other.what} of this name, {its}, was {mine}; they are one device: choose another name"
                raise ValueError(f"{self.what} {self.name!r}: {text}")
        self._other, other._other = other, self
        self.plugged = other.plugged

    def _halves(self) -> list[Device]:
        return [self] if self._other is None else [self, self._other]

    def log(self, kind: str, text: str = "") -> None:
        """Add an event to the trace of the world."""
        self._world.trace.add(self._kernel.now, self.name, kind, text)

    def block_after(self, time_ns: int) -> int:
        """The first block of the grid that ends after `time_ns`. Block k ends at frame k * period."""
        return -(-self.clock.first_at(time_ns + 1) // self.period)

    def start_at(self, frame: int) -> None:
        """A stream begins with `frame`: from the first one on, the blocks and samples of faults are counted."""
        if self._first_frame is None:
            self._first_frame = frame
            placed = [
                (type(fault), fault.frame)
                for fault in self.faults
                if isinstance(fault, (Drop, Insert)) and fault.frame is not None
            ]
            self.clock.slip(*([frame + at for kind, at in placed if kind is wanted] for wanted in (Drop, Insert)))

    def fails_at(self, frame: int, count: int) -> bool:
        """Whether a fault takes one of `count` frames from `frame` on; it is logged."""
        if not self._xruns:
            return False
        first = frame - (self._first_frame or 0)
        blocks = range(first // self.period, (first + count - 1) // self.period + 1)
        hits = self._xruns.intersection(blocks)
        for block in sorted(hits):
            self.log("fault", repr(Xrun(block)))
        return bool(hits)

    def _drift(self, where: str) -> float:
        drifts = [fault.ppm for fault in self.faults if isinstance(fault, Drift)]
        if len(drifts) > 1:
            raise ValueError(f"{where}: needed one Drift, was {len(drifts)}; a clock has one rate")
        return drifts[0] if drifts else 0

    @staticmethod
    def _check(where: str, fault: Fault) -> None:
        if isinstance(fault, (Drop, Insert)):
            silent = not isinstance(fault, Insert) or fault.data == Insert.data
            if fault.frame is None or not silent or fault.towards != "program":
                text = "needed frame=, towards the program, and for Insert no data"
                raise ValueError(f"{where}: {text}, was {fault!r}; a sample is dropped, or one of silence inserted")

    def plan_faults(self) -> None:
        """Have the faults happen that happen at a time."""
        for fault in self.faults:
            if isinstance(fault, Unplug):
                at_ns = round(fault.at_s * 1e9)
                self._kernel.at(at_ns, self._pull, fault, owner=f"{self.what} {self.name!r}")
                if fault.replug_s is not None:
                    self._kernel.at(at_ns + round(fault.replug_s * 1e9), self.replug, owner=f"{self.what} {self.name!r}")
            elif isinstance(fault, Drift):
                self.log("fault", repr(fault))

    def _pull(self, fault: Unplug) -> None:
        self.log("fault", repr(fault))
        self.unplug()


def _whole(where: str, what: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= int(value) <= high:
        raise ValueError(f"{where}: needed {what} from {low} to {high}, was {value!r}; give a whole number")
    return int(value)


class Microphone(Device):
    """A simulated input, made by `World.microphone`. It hears its source, and the rooms it is in."""

    what, kinds = "microphone", MICROPHONE_KINDS

    def __init__(
        self, world: Timeline, name: str, source: Any, rate: int, channels: int, period: int, faults: Iterable[Fault]
    ) -> None:
        super().__init__(world, name, rate, channels, period, faults)
        self._source = as_source(source, name, rate, channels)
        self.rooms: list[Room] = []
        self._heard: tuple[int, npt.NDArray[np.float64]] | None = None
        self._silence = np.zeros((period, channels))

    def block(self, number: int) -> npt.NDArray[np.float64]:
        """What it took in block `number` of the grid: float64[period, channels]. Not to be written to."""
        if self._heard is None or self._heard[0] != number:
            self._heard = (number, self._hear((number - 1) * self.period))
        return self._heard[1]

    def _hear(self, first: int) -> npt.NDArray[np.float64]:
        taken = self.clock.taken_between(first, first + self.period)
        times = taken / self.clock.hz
        heard = self._silence
        if self._source is not None:
            values = self._kernel.call(f"microphone {self.name!r}: source", self._source, taken, times)
            if values is not None:  # else it failed, and the run is over
                heard = np.broadcast_to(values.reshape(self.period, -1), heard.shape)
        for room in self.rooms:
            heard = heard + room.heard(taken, times)
        inserted = [at - first for at in self.clock.inserts if first <= at < first + self.period]
        if inserted:
            heard = heard.copy()
            heard[inserted] = 0
        return heard


class Speaker(Device):
    """A simulated output, made by `World.speaker`. It remembers what it played, and when.

    What several streams play at the same time is added.
    """

    what, kinds = "speaker", SPEAKER_KINDS

    def __init__(self, world: Timeline, name: str, rate: int, channels: int, period: int, faults: Iterable[Fault]) -> None:
        super().__init__(world, name, rate, channels, period, faults)
        self._inserted = 0
        self._blocks: list[tuple[int, int, npt.NDArray[np.float32]]] = []  # first frame, a number to sort by, samples
        self._longest = 0

    @property
    def inserted(self) -> int:
        """Frames of silence that were played up to now because nothing was there."""
        self._account()
        return self._inserted

    @property
    def played(self) -> npt.NDArray[np.float32]:
        """Every frame played while a stream ran: float32[frames, channels], in order of time."""
        self._account()
        spans = self._spans()
        if not spans:
            return np.zeros((0, self.channels), np.float32)
        return np.concatenate([self.between(first, stop) for first, stop in spans])

    @property
    def times_ns(self) -> npt.NDArray[np.int64]:
        """When each frame of `played` left the converter: int64[frames], world time."""
        self._account()
        spans = self._spans()
        if not spans:
            return np.zeros(0, np.int64)
        return np.concatenate([self.clock.times_ns(first, stop - first) for first, stop in spans])

    def play(self, first: int, samples: npt.NDArray[np.float32]) -> None:
        """Play `samples`, with as many channels as a stream has, from frame `first` on."""
        if samples.shape[1] < self.channels:
            played = np.zeros((len(samples), self.channels), np.float32)
            played[:, : samples.shape[1]] = samples
            samples = played
        self._add(first, samples)

    def count_inserted(self, frames: int) -> None:
        """Count `frames` as inserted."""
        self._inserted += frames

    def insert_silence(self, first: int, count: int) -> None:
        """Play `count` frames of silence from frame `first` on, because nothing is there."""
        self.count_inserted(count)
        piece = 16 * self.period  # so that looking for what was played at some time stays quick
        for at in range(0, count, piece):
            silence = np.broadcast_to(np.zeros((1, self.channels), np.float32), (min(piece, count - at), self.channels))
            self._add(first + at, silence)

    def _add(self, first: int, samples: npt.NDArray[np.float32]) -> None:
        insort(self._blocks, (first, len(self._blocks), samples))
        self._longest = max(self._longest, len(samples))

    def between(self, first: int, stop: int) -> npt.NDArray[np.float32]:
        """What it plays from frame `first` up to `stop`; silence where nobody plays."""
        sound = np.zeros((stop - first, self.channels), np.float32)
        for start, _, samples in self._blocks_near(first, stop):
            low, high = max(first, start), min(stop, start + len(samples))
            if low < high:
                sound[low - first : high - first] += samples[low - start : high - start]
        return sound

    def _blocks_near(self, first: int, stop: int) -> Iterable[tuple[int, int, npt.NDArray[np.float32]]]:
        for block in reversed(self._blocks):
            if block[0] + self._longest <= first:
                return
            if block[0] < stop:
                yield block

    def _spans(self) -> list[tuple[int, int]]:
        """The stretches in which a stream ran."""
        spans: list[tuple[int, int]] = []
        for first, _, samples in self._blocks:
            stop = first + len(samples)
            if spans and first <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(stop, spans[-1][1]))
            else:
                spans.append((first, stop))
        return spans


class Room:
    """What a microphone hears of a speaker, made by `World.room`.

    With as many channels on both sides each is heard for itself, as over a cable; else each of the microphone hears the sum.
    Between two clocks of one rate the delay is rounded to whole frames and the samples are exact; else they are interpolated.
    """

    def __init__(
        self, world: Timeline, speaker: Speaker, microphone: Microphone, delay_s: float, gain: float, noise: float
    ) -> None:
        where = f"room of {getattr(speaker, 'name', speaker)!r} and {getattr(microphone, 'name', microphone)!r}"
        if not isinstance(speaker, Speaker) or not isinstance(microphone, Microphone):
            raise TypeError(
                f"{where}: needed a speaker and a microphone, in this order; make them with World.speaker and World.microphone"
            )
        if speaker._world is not world or microphone._world is not world:
            raise ValueError(f"{where}: needed devices of this world, was one of another; make both here")
        for what, value, low in (("delay_s", delay_s, 0), ("gain", gain, None), ("noise", noise, 0)):
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not np.isfinite(value)
                or (low is not None and value < low)
            ):
                raise ValueError(
                    f"{where}: needed a finite {what}{'' if low is None else ' from 0'}, was {value!r}; give a number"
                )
        self.speaker, self.microphone = speaker, microphone
        self.delay_s, self.gain, self.noise = delay_s, gain, noise
        self._seed = [world.seed, zlib.crc32(microphone.name.encode()), zlib.crc32(speaker.name.encode()), len(microphone.rooms)]
        microphone.rooms.append(self)

    def heard(self, taken: npt.NDArray[np.int64], times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """What arrives at the microphone at its samples `taken`, at `times`: float64[n, channels of the microphone]."""
        sound = self._exact(taken) if self.speaker.clock.same_as(self.microphone.clock) else self._interpolated(times)
        if self.speaker.channels != self.microphone.channels:
            sound = sound.sum(axis=1, keepdims=True)
        heard = self.gain * np.broadcast_to(sound, (len(taken), self.microphone.channels)).astype(np.float64)
        if self.noise:
            heard += np.random.default_rng([*self._seed, int(taken[0])]).normal(0, self.noise, heard.shape)
        return heard

    def _exact(self, taken: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        first = int(taken[0]) - round(self.delay_s * self.speaker.rate)
        return self.speaker.between(first, first + len(taken))

    def _interpolated(self, times: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        places = (times - self.delay_s) * self.speaker.clock.hz
        first = int(np.floor(places[0]))
        sound = self.speaker.between(first, int(np.floor(places[-1])) + 2)
        numbers = np.arange(first, first + len(sound))
        return np.stack([np.interp(places, numbers, channel) for channel in sound.T], axis=1)
