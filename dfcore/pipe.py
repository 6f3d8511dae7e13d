"""What travels between the processes of one run: messages on an inherited pipe, and errors that keep their origin.

Laws: a message is a length (u64) and one pickle, read whole or not at all; pickles are loaded only from pipes and memory that
this run's processes inherited; an error arrives as the exception that was raised, with its remote traceback as a note, and one
that cannot travel arrives as a `RemoteError` with the same words. Knows nothing of nodes and plans.
"""

from __future__ import annotations

import fcntl
import os
import struct
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .errors import told
from .pickles import dumps, loads

_LENGTH = struct.Struct("=Q")
_CHUNK = 1 << 20


class RemoteError(RuntimeError):
    """Stands for an exception of another process that could not be pickled."""


def pipe(flags: int = 0) -> tuple[int, int]:
    """A new pipe, `(read end, write end)`, with as large a buffer as an ordinary user gets. `flags`: as for `os.pipe2`."""
    reader, writer = os.pipe2(os.O_CLOEXEC | flags)
    try:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _CHUNK)
    except OSError:
        pass  # beyond the user's share of pipe memory: a small buffer only costs more wake-ups
    return reader, writer


def send(fd: int, message: Any) -> None:
    """Write one message, blocking until it is in the pipe.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    send_packed(fd, dumps(message))


def send_packed(fd: int, body: bytes) -> None:
    """Write a message that is pickled already."""
    for part in (_LENGTH.pack(len(body)), body):
        view = memoryview(part)
        while view:
            view = view[os.write(fd, view[:_CHUNK]) :]


def receive(fd: int) -> Any:
    """Read one message, blocking until it is whole.

    Raises:
        EOFError: the writer has closed its end.
    """
    (length,) = _LENGTH.unpack(_read(fd, _LENGTH.size))
    return loads(_read(fd, length))


def _read(fd: int, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        chunk = os.read(fd, min(length - len(data), _CHUNK))
        if not chunk:
            raise EOFError(f"message: needed {length} bytes, was the end of the pipe after {len(data)}; its writer is gone")
        data += chunk
    return bytes(data)


class Inbox:
    """The reading end of a pipe that is looked at only when it is readable: never blocks.

    States: open, then `ended` once the writer is gone. What is left of an unfinished message is dropped.
    """

    def __init__(self, fd: int):
        self.fd = fd
        self.ended = False
        self._data = bytearray()
        os.set_blocking(fd, False)

    def read(self) -> Iterator[Any]:
        """The messages that are complete now."""
        self._fill()
        while len(self._data) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._data)[0]
            if len(self._data) < end:
                return
            body = bytes(memoryview(self._data)[_LENGTH.size : end])
            del self._data[:end]
            yield loads(body)

    def close(self) -> None:
        """Close the descriptor; a second time is harmless."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd, self.ended = -1, True

    def _fill(self) -> None:
        while not self.ended:
            try:
                chunk = os.read(self.fd, _CHUNK)
            except BlockingIOError:
                return
            self.ended = not chunk
            self._data += chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedError:
    """An exception on its way between two processes."""

    message: str
    pickled: bytes | None
    traceback: str
    cause: PackedError | None


def pack_error(error: BaseException) -> PackedError:
    """`error` and its causes, ready for `send`."""
    cause = error.__cause__
    return PackedError(
        message=told(error),
        pickled=_pickled(error),
        traceback="".join(traceback.format_exception(error, chain=False)).rstrip(),
        cause=None if cause is None else pack_error(cause),
    )


def unpack_error(packed: PackedError, origin: str) -> BaseException:
    """The exception again. The innermost cause gets a note: `origin`, which says what process it was, and its traceback there."""
    error = _loaded(packed.pickled)
    if error is None:
        error = RemoteError(packed.message)
    if packed.cause is None:
        error.add_note(f"\nin {origin}:\n{packed.traceback}")
    else:
        error.__cause__ = unpack_error(packed.cause, origin)
    return error


class Travelling:
    """An exception that is pickled with its causes and its traceback, and is loaded as itself."""

    def __init__(self, error: BaseException):
        self._packed = pack_error(error)

    def __reduce__(self) -> tuple[Any, ...]:
        return unpack_error, (self._packed, f"process {os.getpid()}")


def with_causes(value: Any, depth: int = 2) -> Any:
    """`value` as it is to be pickled: exceptions, alone or in lists and tuples (of such, `depth` deep), as `Travelling`."""
    if isinstance(value, BaseException):
        return Travelling(value)
    if not depth or type(value) not in (list, tuple) or not any(isinstance(item, (BaseException, list, tuple)) for item in value):
        return value
    items = [with_causes(item, depth - 1) for item in value]
    return type(value)(items) if any(new is not old for new, old in zip(items, value, strict=True)) else value


def _pickled(error: BaseException) -> bytes | None:
    """None if the exception does not survive the way: it must be known before it is sent."""
    try:
        data: bytes = dumps(error)
        return data if type(_loaded(data)) is type(error) else None
    except Exception:  # noqa: BLE001 - it may hold anything, a lock or an open file; its text travels in any case
        return None


def _loaded(data: bytes | None) -> BaseException | None:
    if data is None:
        return None
    try:
        error = loads(data)
    except Exception:  # noqa: BLE001 - its constructor may need more than its `args`, and raise anything
        return None
    return error if isinstance(error, BaseException) else None
