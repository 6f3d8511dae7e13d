"""Devices written as a generator: what it yields is what it waits for.

Laws: bytes that nobody asked for yet are kept; each request takes its own from the front, so nothing is lost between two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from .device import SerialDevice
from .frame import Frame
from .pace import delay_ns


class Read(NamedTuple):
    """What a generator device yields to wait for bytes."""

    size: int

    def cut(self, buffer: bytearray) -> bytes | None:
        """Take so many bytes from the front of `buffer`; None if there are fewer."""
        if len(buffer) < self.size:
            return None
        data = bytes(buffer[: self.size])
        del buffer[: self.size]
        return data


class ReadUntil(NamedTuple):
    """What a generator device yields to wait for bytes that end in a certain way."""

    terminator: bytes

    def cut(self, buffer: bytearray) -> bytes | None:
        """Take the bytes up to the first terminator, with it; None if there is none."""
        at = buffer.find(self.terminator)
        return None if at < 0 else Read(at + len(self.terminator)).cut(buffer)


class ReadFrame(NamedTuple):
    """What a generator device yields to wait for a frame."""

    frame: Frame

    def cut(self, buffer: bytearray) -> tuple[Any, ...] | None:
        """Take the next good frame and what is before it; its fields, or None if there is none."""
        return self.frame.cut(buffer)[0]


class Sleep(NamedTuple):
    """What a generator device yields to let time pass."""

    duration_s: float


Waited = Read | ReadUntil | ReadFrame
Request = Waited | Sleep


def read(size: int) -> Read:
    """Yield it from a generator device: `data = yield read(4)` goes on when 4 bytes have come."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"read: needed a number of bytes from 1, was {size!r}; for a line use read_until(b'\\n')")
    return Read(size)


def read_until(terminator: bytes = b"\n") -> ReadUntil:
    """Yield it from a generator device: `line = yield read_until(b"\\n")` goes on when a line has come; it ends in the terminator."""
    if not isinstance(terminator, bytes) or not terminator:
        raise ValueError(f"read_until: needed a terminator of at least one byte, was {terminator!r}; for example b'\\n'")
    return ReadUntil(terminator)


def read_frame(frame: Frame) -> ReadFrame:
    """Yield it from a generator device: `x, y = yield read_frame(FRAME)` goes on when a good frame has come."""
    if not isinstance(frame, Frame):
        raise TypeError(f'read_frame: needed a Frame, was {frame!r}; for example Frame("<2f", sync=b"\\xaa")')
    return ReadFrame(frame)


def sleep(duration_s: float) -> Sleep:
    """Yield it from a generator device: `yield sleep(0.005)` goes on 5 ms later."""
    delay_ns(duration_s, "sleep")
    return Sleep(duration_s)


class GeneratorDevice(SerialDevice):
    """Runs a generator function of one argument, the device itself, from the first time the port is opened."""

    def __init__(self, function: Callable[[SerialDevice], Generator[Request, Any, Any]]) -> None:
        self._function = function
        self._generator: Generator[Request, Any, Any] | None = None
        self._buffer = bytearray()
        self._wanted: Waited | None = None

    @property
    def _kind(self) -> str:
        return getattr(self._function, "__name__", "generator")

    def on_open(self) -> None:
        """Start the generator, the first time."""
        if self._generator is None:
            self._generator = self._function(self)
            self._resume(None)

    def on_data(self, data: bytes) -> None:
        """Keep the bytes, and go on if they were waited for."""
        self._buffer += data
        self._feed()

    def _feed(self) -> None:
        while self._wanted is not None and (value := self._wanted.cut(self._buffer)) is not None:
            self._wanted = None
            self._step(value)

    def _resume(self, value: bytes | None) -> None:
        self._step(value)
        self._feed()

    def _step(self, value: Any) -> None:
        if self._generator is None:
            return
        try:
            request = self._generator.send(value)
        except StopIteration:
            return
        if isinstance(request, (Read, ReadUntil, ReadFrame)):
            self._wanted = request
        elif isinstance(request, Sleep):
            self.after(request.duration_s, self._resume, None)
        else:
            known = "read(size), read_until(terminator), read_frame(frame) or sleep(seconds)"
            raise TypeError(f"device {self._kind}: needed `yield` of {known}, was {request!r}; yield one of those")
