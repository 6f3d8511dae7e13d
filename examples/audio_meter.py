"""A level meter: how loud a microphone is, every 50 ms, and what of its sound was lost.

    python examples/audio_meter.py                        a simulated microphone that hears a tone, in virtual time
    python examples/audio_meter.py --xrun 100             the same, with a block that the program came too late for
    python examples/audio_meter.py --unplug 0.5           and with a plug that is pulled
    python examples/audio_meter.py --device USB           a real one: part of its name, or its number

`Meter` is plain sounddevice and knows nothing of simulation; `tests/examples/test_audio_meter.py` tests it on simulated microphones.
Levels are in dB of full scale: a tone whose peaks are full scale has a peak of 0 and an rms of -3.01.
"""

from __future__ import annotations

import argparse
import math
import queue
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import numpy as np

from sim import FaultSchedule, Unplug, World, Xrun, sine  # before sounddevice, which it lets be imported without PortAudio

# isort: split
import sounddevice

INTERVAL_S = 0.05
PATIENCE_S = 1.0  # how long a card may bring nothing
CLIPPED = 32767 / 32768  # the largest sample of a card of 16 bits
FLOOR_DB, BAR = -60, 40
NAME = "Microphone"


class MeterError(OSError):
    """The microphone does not bring sound."""


class Level(NamedTuple):
    """One interval.

    Attributes: `start_s` on the card's clock, from the first frame; `rms` and `peak`, full scale is 1; `clipped` samples;
    `losses`: how often frames were lost since the interval before was full; `lost_s`: how long that was.
    """

    start_s: float
    rms: float
    peak: float
    clipped: int
    losses: int
    lost_s: float

    @property
    def rms_db(self) -> float:
        return decibels(self.rms)

    @property
    def peak_db(self) -> float:
        return decibels(self.peak)


class Meter:
    """Levels of a microphone, while it is used as a context manager.

    Laws: every frame that the card brings is in one interval, which is told when it is full. A loss that PortAudio tells of is in
    the interval that it was in or came before, and moves the later ones: `start_s` is the card's time. How long it was is the gap
    between the times that PortAudio gives for the blocks around it, as exact as these. A card that falls silent is an error.

    Args:
        device: a number, part of a name, or None for the default.
        interval_s: the length of an interval.

    Raises:
        sounddevice.PortAudioError, ValueError: it cannot be opened.
    """

    def __init__(self, device: int | str | None = None, interval_s: float = INTERVAL_S) -> None:
        self._blocks: queue.Queue[tuple[float, bool, np.ndarray]] = queue.Queue()
        self._stream = sounddevice.InputStream(device=device, channels=1, dtype="float32", callback=self._hear)
        self.rate = self._stream.samplerate
        self._size = round(interval_s * self.rate)

    def __enter__(self) -> Self:
        self._stream.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def _hear(self, data: np.ndarray, frames: int, times: Any, status: sounddevice.CallbackFlags) -> None:
        self._blocks.put((times.inputBufferAdcTime, status.input_overflow, data[:, 0].copy()))

    def levels(self) -> Iterator[Level]:
        """One interval after the other. Raises MeterError: no sound came for a second."""
        start = position = losses = lost = 0  # in frames
        pending = np.empty(0, np.float32)
        origin_s: float | None = None
        while True:
            adc_s, overflow, block = self._next(position / self.rate)
            origin_s = adc_s if origin_s is None else origin_s
            if overflow:
                missing = max(0, round((adc_s - origin_s) * self.rate) - position)
                losses, lost, position = losses + 1, lost + missing, position + missing
                start = start if len(pending) else position
            position += len(block)
            pending = np.concatenate([pending, block])
            while len(pending) >= self._size:
                samples, pending = pending[: self._size], pending[self._size :]
                yield self._level(start, samples, losses, lost)
                start, losses, lost = position - len(pending), 0, 0

    def _next(self, time_s: float) -> tuple[float, bool, np.ndarray]:
        try:
            return self._blocks.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise MeterError(f"no sound for {PATIENCE_S:g} s, after {time_s:.2f} s of it; is the microphone plugged in?") from None

    def _level(self, start: int, samples: np.ndarray, losses: int, lost: int) -> Level:
        peak = np.abs(samples)
        rms = math.sqrt(np.mean(np.square(samples, dtype=np.float64)))
        return Level(start / self.rate, rms, float(peak.max()), int(np.sum(peak >= CLIPPED)), losses, lost / self.rate)


def decibels(amplitude: float) -> float:
    """An amplitude in dB of full scale; -inf of silence."""
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf


def line(level: Level) -> str:
    """An interval as text: the bar is the rms, the stroke in it the peak."""
    filled, mark = (round((max(value, FLOOR_DB) / -FLOOR_DB + 1) * BAR) for value in (level.rms_db, level.peak_db))
    bar = list("#" * filled + "-" * (BAR - filled))
    bar[min(mark, BAR - 1)] = "|"
    notes = f"  clipped {level.clipped}" * bool(level.clipped) + f"  lost {level.lost_s * 1e3:.1f} ms" * bool(level.losses)
    return f"{level.start_s:6.2f} s  rms {level.rms_db:6.2f}  peak {level.peak_db:6.2f} dBFS  {''.join(bar)}{notes}"


@contextmanager
def microphone(options: argparse.Namespace) -> Iterator[int | str]:
    """The microphone that `options` ask for; a simulated one ends with the block."""
    if options.device is not None:
        yield int(options.device) if options.device.isdigit() else options.device
    else:
        faults = [Xrun(block=block) for block in options.xrun] + [Unplug(at_s=at_s) for at_s in options.unplug]
        with World() as world:
            world.microphone(NAME, source=sine(options.hz, options.amplitude), faults=FaultSchedule(faults))
            yield NAME


def arguments(words: list[str] | None) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", metavar="NAME", help="a real microphone: part of its name, or its number")
    parser.add_argument("--duration", type=float, default=2.0, metavar="S", help="how long to listen (default 2)")
    parser.add_argument("--hz", type=float, default=440.0, help="of the simulated tone (default 440)")
    parser.add_argument("--amplitude", type=float, default=0.5, help="of the simulated tone (default 0.5)")
    parser.add_argument("--xrun", type=int, action="append", default=[], metavar="BLOCK", help="a block of 256 frames that is lost")
    parser.add_argument("--unplug", type=float, action="append", default=[], metavar="S", help="when the plug is pulled")
    options = parser.parse_args(words)
    if not 0 < options.duration < math.inf:
        parser.error(f"argument --duration: needed seconds above 0, was {options.duration:g}")
    if any(block < 0 for block in options.xrun):
        parser.error(f"argument --xrun: needed blocks from 0, was {min(options.xrun)}")
    if any(not at_s >= 0 for at_s in options.unplug):
        parser.error(f"argument --unplug: needed seconds from 0, was {min(options.unplug)}")
    return options


def main(words: list[str] | None = None) -> int:
    """Runs the example; 0 if nothing was lost."""
    options = arguments(words)
    seen: list[Level] = []
    try:
        with microphone(options) as device, Meter(device) as meter:
            for level in meter.levels():
                seen.append(level)
                print(line(level), flush=True)
                if level.start_s + 1.5 * INTERVAL_S > options.duration:
                    break
    except (sounddevice.PortAudioError, ValueError, OSError) as error:
        print(f"audio_meter: {error}", file=sys.stderr)
        return 1
    losses, lost_s, clipped = (sum(getattr(level, name) for level in seen) for name in ("losses", "lost_s", "clipped"))
    print(f"intervals: {len(seen)}, losses: {losses} ({lost_s * 1e3:.1f} ms), clipped samples: {clipped}")
    return 1 if losses else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
