"""What a process stage and its workers say to each other: short notes through two pipes.

Laws: a note is at most `NOTE_BYTES`, so the kernel writes it whole, whoever else writes. Down, a read takes exactly one note, and
one worker gets it: whoever is free next. Up, notes follow each other in one stream. What is too large for a note lies in the
sender's arena, and the note says where; it is read there, and given back when nobody looks at it any more.
"""

from __future__ import annotations

import os
import select
import struct
import weakref
from typing import Any, NamedTuple

import numpy as np

from .._arena import Arena, Range
from ..pickles import Packed, unpack
from . import ringbuffer

#: What a pipe takes in one piece, whoever else writes.
NOTE_BYTES = select.PIPE_BUF

#: Kinds of notes. Down: items to be worked on; leave to go. Up: results; the error of one item; that a worker waits for room in a
#: ring; the end of a worker; that all are gone.
WORK, LEAVE, DONE, FAILED, FULL, DIED, GONE = range(7)

_HEAD = struct.Struct("=IHHqqQQ")
_SIZE = struct.Struct("=I")  # of all, the beginning of the head


class Note(NamedTuple):
    """One note: what it is about, and a body, which is a packed value.

    Fields: the kind; number of the worker; index of the first item; nanoseconds of work for each item, or the exit status of a
    process; offset in the sender's arena and bytes there (0: the body is in the note).
    """

    kind: int
    worker: int = 0
    item: int = 0
    value: int = 0
    offset: int = 0
    length: int = 0
    body: bytes | bytearray = b""

    def send(self, fd: int) -> None:
        """Write it, blocking until the pipe has room.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        os.write(fd, _HEAD.pack(_HEAD.size + len(self.body), *self[:-1]) + self.body)

    def read(self, memory: Range) -> Any:
        """The value of its body. Its buffers are read-only views of the sender's arena, mapped here as `memory`, or of the note.

        Raises whatever its parts raise when they are loaded.
        """
        if not self.length:
            return unpack(self.body)
        block = np.frombuffer(memory.bytes_of(self.offset), np.uint8, self.length)
        weakref.finalize(block, memory.give_back, self.offset).atexit = False  # every view of it keeps this array
        return unpack(block)


def written(kind: int, content: Any, arena: Arena, *, worker: int = 0, item: int = 0, value: int = 0) -> Note:
    """A note with `content` as its body, in a block of `arena` if it is large.

    Raises:
        MemoryError: it does not fit into the arena.
        and whatever parts of it raise when they cannot be pickled.
    """
    if ringbuffer.in_use():
        with ringbuffer.sent(kept=kind == WORK):
            packed = Packed(content)
    else:
        packed = Packed(content)
    if packed.size <= NOTE_BYTES - _HEAD.size:
        body = bytearray(packed.size)
        packed.write(body)
        return Note(kind, worker, item, value, body=body)
    offset = arena.lend(packed.size)
    if offset is None:
        raise MemoryError(f"{packed.size} bytes are too much beside the {arena.used} that are in use; keep fewer results.")
    packed.write(arena.range.bytes_of(offset))
    return Note(kind, worker, item, value, offset, packed.size)


class Notes:
    """The reading end of a pipe of notes."""

    def __init__(self, fd: int):
        self._fd = fd
        self._data = b""

    def read(self) -> list[Note]:
        """The notes that have come, perhaps none that is whole: blocks until something does.

        Raises:
            EOFError: everybody who could write is gone.
        """
        data = os.read(self._fd, 1 << 16)
        if not data:
            raise EOFError
        self._data += data
        notes, start = [], 0
        while len(self._data) - start >= _HEAD.size:
            (size,) = _SIZE.unpack_from(self._data, start)
            if len(self._data) - start < size:
                break
            notes.append(one(self._data[start : start + size]))
            start += size
        self._data = self._data[start:]
        return notes


def one(data: bytes) -> Note:
    """The note that these bytes are."""
    _, kind, worker, item, value, offset, length = _HEAD.unpack_from(data)
    return Note(kind, worker, item, value, offset, length, data[_HEAD.size :])
