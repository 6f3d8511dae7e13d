"""A stream with a callback.

Laws: the callback runs in a thread of the stream, which is a task of the world, at the end of a host period, as often as the
buffer adaption says. It may wait. If it returns after the end of the next period, the periods that ended meanwhile are lost, in
both directions. What it returns counts: 1 (complete) plays what is pending and then ends, 2 (abort) ends now and throws this
block away.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from _sounddevice import ffi

from ..task import Bell
from .adaption import added_latency, steps
from .buffers import Block
from .errors import Code, Refused
from .link import OUTPUT_OVERFLOW
from .streams import ACTIVE, NEVER_DROP_INPUT, STARTING, Opening, Stream

if TYPE_CHECKING:
    from .host import Host

CONTINUE, COMPLETE, ABORT = 0, 1, 2  # PaStreamCallbackResult
LOAD_MEMORY = 0.9  # weight of the past in `load`, per host period
_NOT_A_NUMBER = float("nan")


def seconds(time_ns: int) -> float:
    """A stream time: world time, but never 0, which means that there is none."""
    return max(time_ns, 1) / 1e9


class CallbackStream(Stream):
    """Calls a `PaStreamCallback*`."""

    def __init__(self, host: Host, number: int, opening: Opening) -> None:
        super().__init__(host, number, opening)
        self._size = opening.size or self.link.period
        self._duplex = opening.microphone is not None and opening.speaker is not None
        self._in = self._block(opening.input_format, opening.input_channels)
        self._out = self._block(opening.output_format, opening.output_channels)
        self._times = ffi.new("PaStreamCallbackTimeInfo*")
        self._bell = Bell()
        self._runner: threading.Thread | None = None
        self._reset()

    def _block(self, form: Any, channels: int) -> Block | None:
        return None if form is None else Block(form, channels, self._size)

    def memory(self) -> list[Any]:
        """Its blocks too: a view of one must not outlive them."""
        return [*super().memory(), self._times, *(block.pointer for block in (self._in, self._out) if block is not None)]

    def _latencies(self) -> tuple[int, int]:
        duplex = self.opening.microphone is not None and self.opening.speaker is not None
        return self.link.period, added_latency(self.opening.size, duplex) + self.link.reserve

    def _reset(self) -> None:
        self._filled, self._left = 0, added_latency(self.opening.size, self._duplex)
        self._pending = np.zeros((self._size, self.opening.output_channels), np.float32)  # the last block of output
        self._result, self._halting = CONTINUE, False
        self._owed: list[int] = []  # blocks of input whose time is over, of a stream that never drops any

    def _launch(self) -> None:
        self._runner = self._thread(self._run)

    def _halt(self, *, drain: bool) -> None:
        assert self._runner is not None
        if self._runner is threading.current_thread():
            if self.state is not ACTIVE:
                return
            self._host.forbid(
                f"stream {self.number} of {self.link.devices[0].name!r}: needed stop, abort and close from outside the "
                "callback, was inside, where PortAudio waits for ever; raise CallbackStop or CallbackAbort"
            )
            raise Refused(Code.INTERNAL_ERROR)
        self._result = max(self._result, COMPLETE if drain else ABORT)
        if not drain:
            self._halting = True
            self._kernel.wake(self._bell)
        elif not self.link.plugged:
            self._wake()
        self._join(self._runner)

    def _wake(self) -> None:
        self._kernel.wake(self._bell)

    # the thread -------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self.link.begin(self._kernel.now)  # here: on the wall clock the thread may have taken its time to begin
        while self._wait() and self._cycle():
            pass
        if not self._kernel.closing:
            self._finished()

    def _wait(self) -> bool:
        """Park until the next block is due; False: there will be none."""
        kernel, link = self._kernel, self.link
        while not self._halting:
            plugged = link.plugged
            if not plugged and (self._result != CONTINUE or self.state is STARTING):
                return False
            if plugged and kernel.now >= link.due_ns:
                return True
            kernel.wait(self._bell, link.due_ns if plugged else None)
        return False

    def _cycle(self) -> bool:
        """One host period; whether there is another."""
        if self.state is STARTING:
            self._activate()
        if self._result != CONTINUE and not self._left:
            return False
        begin_ns, link = self._kernel.now, self.link
        if link.fails():
            self._lose(1)
        else:
            self._exchange()
            link.advance()
        now_ns = self._kernel.now
        if now_ns > link.due_ns:
            self._lose(link.missed(now_ns))
        used = (now_ns - begin_ns) * self.rate / (link.period * 1e9)
        self.load = LOAD_MEMORY * self.load + (1 - LOAD_MEMORY) * used
        return self._result != ABORT

    def _lose(self, blocks: int) -> None:
        keep = bool(self.opening.flags & NEVER_DROP_INPUT)
        if keep:
            self._owed.extend(range(self.link.block, self.link.block + blocks))
        self.link.skip(blocks, lost=not keep, silence=True)

    def _exchange(self) -> None:
        """Pass a host period through the blocks of the callback."""
        link, now_ns, flags = self.link, self._kernel.now, self.link.take_flags()
        if self._owed:
            self._pay(flags)
        heard = link.hear()
        played = None if self._out is None else np.zeros((link.period, self.opening.output_channels), np.float32)
        if self._result != CONTINUE:
            self._give(played, 0, min(self._left, link.period))
            link.play(played)
            return
        moves = steps(self._size, link.period, self._filled, self._left, self._in is not None, self._out is not None)
        if not any(move.call for move in moves):
            link.flags |= flags  # nobody has seen them yet
        taken = given = 0
        for take, call, give in moves:
            if self._in is not None and take:
                assert heard is not None
                self._in.put(self._filled, heard[taken : taken + take, : self.opening.input_channels])
                self._filled, taken = self._filled + take, taken + take
            if call:
                if self._result == CONTINUE:
                    adc_s = 0.0 if self._in is None else seconds(link.input_ns(taken - self._size))
                    dac_s = 0.0 if self._out is None else seconds(link.output_ns(given))
                    self._call(flags, now_ns, adc_s, dac_s)
                self._filled = 0
            given += self._give(played, given, min(give, self._left))
        link.play(played)

    def _give(self, played: npt.NDArray[np.float32] | None, at: int, count: int) -> int:
        """Let `count` frames of the last block go out."""
        if played is not None and count:
            first = self._size - self._left
            played[at : at + count] = self._pending[first : first + count]
            self._left -= count
        return count

    def _call(self, flags: int, now_ns: int, adc_s: float, dac_s: float) -> None:
        """Call the callback with a full block of input, for a block of output."""
        opening, times, block_in, block_out = self.opening, self._times, self._in, self._out
        times.inputBufferAdcTime, times.currentTime, times.outputBufferDacTime = adc_s, seconds(now_ns), dac_s
        if block_in is not None:
            self._digest.update(block_in.data)
        result = opening.callback(
            ffi.NULL if block_in is None else block_in.pointer, ffi.NULL if block_out is None else block_out.pointer,
            self._size, times, flags, opening.userdata,
        )  # fmt: skip
        self._result = max(self._result, result if result in (CONTINUE, COMPLETE) else ABORT)
        if block_out is not None:
            self._pending = block_out.take()
            self._left = 0 if self._result == ABORT else self._size
            self._digest.update(block_out.data)
            block_out.poison()
        self._count(bytes((flags, self._result)))
        if block_in is not None:
            block_in.poison()
        times.inputBufferAdcTime = times.currentTime = times.outputBufferDacTime = _NOT_A_NUMBER

    def _pay(self, flags: int) -> None:
        """Show the callback the input of blocks whose time is over. Nobody hears what it answers."""
        link, owed = self.link, self._owed
        self._owed = []
        for number in owed:
            if self._result != CONTINUE or self._in is None or link.microphone is None or link.speaker is None:
                return
            self._in.put(0, link.microphone.block(number)[:, : self.opening.input_channels])
            adc_s = seconds(link.microphone.clock.time_ns((number - 1) * link.period))
            self._call(flags | OUTPUT_OVERFLOW, self._kernel.now, adc_s, seconds(link.output_ns(0)))
            self._left = 0
            link.speaker.count_lost(link.period)
            link.speaker.log("xrun", f"output overflow, {link.period} frames lost")
