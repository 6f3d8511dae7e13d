"""The life of a stream.

Laws: a stream is stopped, starting, active or finished, and then closed. `start` returns when the first host period is there. A
stream whose callback ended it is finished: no longer active, but not stopped either, until `stop` or `abort`. Each start is
followed by one call of the finished-callback, never in the thread that stops. `close` of a stream that runs aborts it first.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from _sounddevice import ffi

from ..task import Bell
from .buffers import Format
from .devices import Microphone, Speaker
from .errors import Code, Refused
from .link import Link

if TYPE_CHECKING:
    from .host import Host

STOPPED, STARTING, ACTIVE, FINISHED, CLOSED = "stopped", "starting", "active", "finished", "closed"
NEVER_DROP_INPUT = 0x4  # of PaStreamFlags, the only one that changes anything here
DIGEST_EVERY = 64  # exchanges between two digests in the trace


@dataclass(frozen=True)
class Opening:
    """What a stream was opened with. A direction that it does not have is None, with 0 channels."""

    microphone: Microphone | None
    speaker: Speaker | None
    input_format: Format | None
    output_format: Format | None
    input_channels: int
    output_channels: int
    size: int  # frames of a block; 0: host periods
    flags: int
    latency_s: float  # wished for, the larger of the two
    callback: Any  # a PaStreamCallback*, or None
    userdata: Any


class Stream:
    """One stream on simulated devices; its subclasses exchange samples with a callback or with `read` and `write`.

    Attributes: `state`, `info` (a `PaStreamInfo*`), `finished_callback`, `load` (of the callback, as a fraction of real time).
    """

    def __init__(self, host: Host, number: int, opening: Opening) -> None:
        self.number, self.opening = number, opening
        self._host, self._kernel = host, host.kernel
        self.link = Link(opening.microphone, opening.speaker)
        self.state = STOPPED
        self.load = 0.0
        self.finished_callback: Any = None
        self.rate = self.link.devices[0].rate
        self._digest, self._exchanges = hashlib.blake2b(digest_size=8), 0
        self._starters: list[Bell] = []
        input_latency, output_latency = self._latencies()
        self.info = ffi.new("PaStreamInfo*", (1, input_latency / self.rate, output_latency / self.rate, float(self.rate)))
        for device in self.link.devices:
            device.streams.append(self)
        self.log("open", f"{opening.input_channels} in, {opening.output_channels} out, blocks of {opening.size}")

    def _latencies(self) -> tuple[int, int]:
        """Input and output latency in frames; that of a direction which is not there does not matter."""
        raise NotImplementedError

    def log(self, kind: str, text: str = "") -> None:
        """Add an event to the trace, under the name of the first device."""
        self.link.devices[0].log(kind, f"stream {self.number}{': ' if text else ''}{text}")

    # what PortAudio's functions do ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, and return when the host has."""
        if self.state is not STOPPED:
            raise Refused(Code.STREAM_IS_NOT_STOPPED)
        self._check_plugged()
        self._reset()
        self.state = STARTING
        self.log("start")
        self._launch()
        bell = Bell()
        self._starters.append(bell)
        try:
            while self.state is STARTING:
                self._kernel.wait(bell)
        finally:
            self._starters.remove(bell)
        if self.state is STOPPED:
            self._check_plugged()

    def stop(self) -> None:
        """Play what is pending, then stop."""
        self._end(drain=True)

    def abort(self) -> None:
        """Stop at once."""
        self._end(drain=False)

    def _end(self, *, drain: bool) -> None:
        if self.state is STOPPED:
            raise Refused(Code.STREAM_IS_STOPPED)
        self._halt(drain=drain)
        self.state = STOPPED
        self.log("stop" if drain else "abort")

    def close(self) -> None:
        """Abort if it runs, and be gone."""
        if self.state is not STOPPED and not self._kernel.closing:
            self.abort()
        self._tell_digest()
        self.state = CLOSED
        for device in self.link.devices:
            device.streams.remove(self)
        self.log("close")

    def lose(self) -> None:
        """A device has gone, for this stream for good: whoever waits for it has to look."""
        self.account()
        self.link.plugged = False
        self._wake()
        self._ring_starters()

    def set_finished_callback(self, callback: Any) -> None:
        """What to call when the stream becomes inactive."""
        if self.state is not STOPPED:
            raise Refused(Code.STREAM_IS_NOT_STOPPED)
        self.finished_callback = callback if callback else None

    def account(self) -> None:
        """Count what was lost up to now, if that is left until somebody looks."""

    def poll(self) -> None:
        """Charge a question."""
        self._kernel.poll()

    def memory(self) -> list[Any]:
        """What a program may still have pointers to when the stream is closed."""
        return [self.info]

    # what subclasses do -----------------------------------------------------------------------------------------------------

    def _reset(self) -> None:
        """Be as new."""
        raise NotImplementedError

    def _launch(self) -> None:
        """Begin with the next block, and have the host call when it is due."""
        raise NotImplementedError

    def _halt(self, *, drain: bool) -> None:
        """Park until the stream is inactive, and its finished-callback has been called."""
        raise NotImplementedError

    def _wake(self) -> None:
        """Have whoever waits for a block look again."""
        raise NotImplementedError

    # what they share --------------------------------------------------------------------------------------------------------

    def _activate(self) -> None:
        self.state = ACTIVE
        self._ring_starters()

    def _ring_starters(self) -> None:
        for bell in self._starters:
            self._kernel.wake(bell)

    def _finished(self) -> None:
        """It is inactive now; called in the thread of the stream."""
        if self.state is STARTING:
            self.state = STOPPED
            self._ring_starters()
            return
        self.state = FINISHED
        self._ring_starters()
        self._tell_digest()
        self.log("finished")
        if self.finished_callback is not None:
            self.finished_callback(self.opening.userdata)

    def _thread(self, function: Callable[[], None]) -> threading.Thread:
        name = f"PortAudio stream {self.number} of {self.link.devices[0].name!r}"
        thread = threading.Thread(target=function, name=name, daemon=True)
        thread.start()
        return thread

    def _join(self, thread: threading.Thread) -> None:
        if thread is not threading.current_thread():
            thread.join()

    def _check_plugged(self) -> None:
        if not self.link.plugged:
            self._host.blame("No such device (it was unplugged)")
            raise Refused(Code.UNANTICIPATED_HOST_ERROR)

    def _count(self, *data: Any) -> None:
        """Take what was exchanged into the digest, which goes into the trace now and then."""
        for part in data:
            self._digest.update(part)
        self._exchanges += 1
        if self._exchanges % DIGEST_EVERY == 0:
            self._tell_digest()

    def _tell_digest(self) -> None:
        self.log("samples", f"{self._exchanges} exchanges, {self._digest.hexdigest()}")
