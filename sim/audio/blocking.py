"""A stream without a callback: `read` and `write` wait.

Laws: between the program and each device is a ring of at least three host periods. Input that finds its ring full is lost, and
the next `read` says so; a ring of output that runs dry is silence, from the first `write` on, and the next `write` says so. A
program that waits in `read` or `write` for more than a ring holds loses nothing. A ring that cannot change costs nothing: the
host periods that pass then are counted when somebody looks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from _sounddevice import ffi

from ..task import Bell
from .buffers import decode, encode
from .errors import Code, Refused
from .streams import ACTIVE, STARTING, Opening, Stream

if TYPE_CHECKING:
    from .host import Host

PERIODS = 3  # in a ring, at least
LEAST_FRAMES = 32


class Queue:
    """Frames on their way, first in first out."""

    def __init__(self, channels: int) -> None:
        self._parts: deque[npt.NDArray[Any]] = deque()
        self._channels = channels
        self.frames = 0

    def put(self, samples: npt.NDArray[Any]) -> None:
        """Append `samples`."""
        self._parts.append(samples)
        self.frames += len(samples)

    def take(self, count: int) -> npt.NDArray[Any]:
        """The first `count` frames, or as many as there are."""
        taken = [np.zeros((0, self._channels), np.float32)]
        count = min(count, self.frames)
        self.frames -= count
        while count:
            part = self._parts.popleft()
            if len(part) > count:
                self._parts.appendleft(part[count:])
                part = part[:count]
            taken.append(part)
            count -= len(part)
        return np.concatenate(taken)


class BlockingStream(Stream):
    """Waits in `read` and `write`."""

    def __init__(self, host: Host, number: int, opening: Opening) -> None:
        super().__init__(host, number, opening)
        self._waiters: list[tuple[Bell, Callable[[], bool]]] = []
        self._entry: list[Any] | None = None  # the next host period, as an event
        self._reset()

    def _latencies(self) -> tuple[int, int]:
        opening, period = self.opening, self.link.period
        self.capacity = LEAST_FRAMES
        while self.capacity < max(PERIODS * period, opening.latency_s * self.rate):
            self.capacity *= 2
        return period, self.capacity + self.link.reserve

    def _reset(self) -> None:
        self._input, self._output = Queue(self.opening.input_channels), Queue(self.opening.output_channels)
        self._wanted = 0  # frames that readers wait for
        self._overflowed = self._underflowed = False
        self._playing = self._draining = False

    # host periods -----------------------------------------------------------------------------------------------------------

    def _launch(self) -> None:
        self.link.begin(self._kernel.now)
        self._schedule()

    def _schedule(self) -> None:
        self._entry = self._kernel.at(
            self.link.due_ns, self._period, owner=f"stream {self.number} of {self.link.devices[0].name!r}"
        )

    def _period(self) -> None:
        self._entry = None
        if not self.link.plugged:
            return
        if self.state is STARTING:
            self._activate()
        if self._draining and not self._output.frames:
            self._draining = self._playing = False
            self._wake()
            return
        if self.link.fails():
            self._miss(1)
        else:
            self._listen()
            self._speak()
            self.link.advance()
        for bell, ready in self._waiters:
            if ready():
                self._kernel.wake(bell)
        if not self._idle():
            self._schedule()

    def _idle(self) -> bool:
        """Whether the next period would change nothing but counts."""
        deaf = self.opening.microphone is None or (self._input.frames >= self.capacity and not self._wanted)
        mute = self.opening.speaker is None or not self._output.frames
        return deaf and mute and not self._draining

    def _catch_up(self) -> None:
        """Account for the periods that passed while nothing could change, and go on."""
        if self._entry is None and self.state is ACTIVE and self.link.plugged:
            missed = self.link.missed(self._kernel.now + 1)
            if missed:
                self._miss(missed)
            self._schedule()

    def account(self) -> None:
        """Count what was lost up to now."""
        if not self._kernel.closing:
            self._catch_up()

    def _miss(self, blocks: int) -> None:
        self.link.skip(blocks, lost=True, silence=self._playing and not self._draining)
        self._overflowed = self._overflowed or self.opening.microphone is not None
        self._underflowed = self._underflowed or self._playing

    def _listen(self) -> None:
        microphone, heard = self.opening.microphone, self.link.hear()
        if microphone is None or heard is None:
            return
        room = max(0, min(self.capacity + self._wanted - self._input.frames, len(heard)))
        self._input.put(heard[:room, : self.opening.input_channels])
        if room < len(heard):
            self._overflowed = True
            microphone.count_lost(len(heard) - room)
            microphone.log("xrun", f"input overflow, {len(heard) - room} frames lost")

    def _speak(self) -> None:
        speaker, period = self.opening.speaker, self.link.period
        if speaker is None or not self._playing:
            return
        played = self._output.take(period)
        gap = period - len(played)
        if gap and not self._draining:
            self._underflowed = True
            speaker.count_inserted(gap)
            speaker.log("xrun", f"output underflow, {gap} frames inserted")
        self.link.play(np.pad(played, ((0, gap), (0, 0))) if gap else played)

    # reading and writing ----------------------------------------------------------------------------------------------------

    @property
    def readable(self) -> int:
        """Frames that can be read at once."""
        self._catch_up()
        return min(self._input.frames, self.capacity)

    @property
    def writable(self) -> int:
        """Frames that can be written at once."""
        self._catch_up()
        return max(0, self.capacity - self._output.frames)

    def read(self, buffer: Any, frames: int) -> Code:
        """Fill `buffer` with `frames` frames; whether any were lost since the call before."""
        form = self.opening.input_format
        if form is None:
            raise Refused(Code.CANNOT_READ_FROM_OUTPUT_STREAM)
        self._catch_up()
        overflowed, self._overflowed = self._overflowed, False
        self._wanted += frames
        try:
            self._park_until(lambda: self._input.frames >= frames)
        finally:
            self._wanted -= frames
        data = encode(self._input.take(frames), form)
        ffi.memmove(buffer, data, data.size)
        self._count(data)
        return Code.INPUT_OVERFLOWED if overflowed else Code.NO_ERROR

    def write(self, buffer: Any, frames: int) -> Code:
        """Take `frames` frames from `buffer`; whether silence was inserted since the call before."""
        form, channels = self.opening.output_format, self.opening.output_channels
        if form is None:
            raise Refused(Code.CANNOT_WRITE_TO_INPUT_STREAM)
        self._catch_up()
        underflowed, self._underflowed = self._underflowed, False
        data = np.zeros(frames * channels * form.size, np.uint8)
        ffi.memmove(ffi.from_buffer(data), buffer, data.size)
        self._count(data)
        self._check_plugged()
        self._output.put(decode(data, form, channels))
        self._playing = True
        self._park_until(lambda: self._output.frames <= self.capacity)
        return Code.OUTPUT_UNDERFLOWED if underflowed else Code.NO_ERROR

    def _park_until(self, ready: Callable[[], bool]) -> None:
        waiter = (Bell(), ready)
        self._waiters.append(waiter)
        try:
            self._check_plugged()
            while not ready():
                if self.state is not ACTIVE:
                    raise Refused(Code.STREAM_IS_STOPPED)
                self._catch_up()
                self._kernel.wait(waiter[0])
                self._check_plugged()
        finally:
            self._waiters.remove(waiter)

    def _wake(self) -> None:
        for bell, _ in self._waiters:
            self._kernel.wake(bell)

    # the end ----------------------------------------------------------------------------------------------------------------

    def _halt(self, *, drain: bool) -> None:
        self._catch_up()
        if drain and self.state is ACTIVE:
            self._drain()
        if self._entry is not None:
            self._kernel.cancel(self._entry)
            self._entry = None
        if self.finished_callback is None:
            self._finished()
        else:
            self._join(self._thread(self._finished))
        self._wake()

    def _drain(self) -> None:
        """Park until what was written has been played, or the device has gone."""
        waiter = (Bell(), lambda: not self._draining)
        self._waiters.append(waiter)
        self._catch_up()
        self._draining = True
        try:
            while self._draining and self.link.plugged:
                self._kernel.wait(waiter[0])
        finally:
            self._draining = False
            self._waiters.remove(waiter)
