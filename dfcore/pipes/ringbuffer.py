"""Values in memory that processes share, and references to them that are cheap to send.

Laws: a value lies in one block; the block is freed when the last reference to it, in any process or on its way between two, is
gone, and so is the last array that was read from it; read or not makes no difference. A writer that finds no room sleeps until a
block is freed or a process that held one dies. The memory has no name: who gets the ring, or a reference, opens it through the
process that sent it. What a killed process held is freed; what was pickled and never unpickled stays until the ring goes.
"""

from __future__ import annotations

import gc
import mmap
import os
import pathlib
import select
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .._commons import PROCESSES, Claim, Commons, size_for
from ..clock import world_around
from ..pickles import Packed, unpack
from ..pipe import pipe
from . import given

#: The rings that this process has mapped, by the inode of their memory.
_rings: weakref.WeakValueDictionary[int, SharedMemoryRingBuffer] = weakref.WeakValueDictionary()
_opening = threading.Lock()


class SharedMemoryRingBuffer:
    """Shared memory for values that are too large to be copied from process to process.

    Args:
        bytes: how many; at most 64 processes may use it at a time.
    Raises:
        ValueError: fewer bytes than 1, or more than 128 GiB.
    """

    def __init__(self, bytes: int):
        size = size_for(given.count("SharedMemoryRingBuffer", "bytes", bytes, 1))
        file = os.memfd_create("dfcore ring", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, size)
            ends = pipe(os.O_NONBLOCK)
        except BaseException:
            os.close(file)
            raise
        self._map(file, ends, fresh=True)

    def _map(self, file: int, ends: tuple[int, int], fresh: bool) -> None:
        """Take over the descriptors and join."""
        self._files = (file, *ends)
        weakref.finalize(self, _close, self._files).atexit = False
        self._inode = os.fstat(file).st_ino
        self._commons = Commons(mmap.mmap(file, 0), ends[1], fresh)
        self._join()
        _rings[self._inode] = self

    def _join(self) -> None:
        birth = _birth(os.getpid())
        while not self._commons.join(birth):
            if not self._bury():
                raise ValueError(f"SharedMemoryRingBuffer: needed a place among {PROCESSES} processes, all are taken; use fewer.")

    def write(self, value: Any) -> Reference:
        """Put a value there; waits until there is room.

        Args:
            value: anything that can be pickled; arrays in it are copied once.
        Raises:
            ValueError: the value needs more bytes than there are.
            RuntimeError: there is no room and nobody can make any: all values are held by this process, which has one thread; or
                the caller is in a simulated world, where there are no other processes.
            and whatever its parts raise when they cannot be pickled.
        """
        packed = Packed(value)
        if packed.size > self._commons.largest:
            raise ValueError(
                f"SharedMemoryRingBuffer: needed {packed.size} bytes, was {self._commons.largest} in all; make it larger."
            )
        collected = False
        while (claim := self._commons.lend(packed.size)) is None:
            if not self._is_stuck():
                self._wait()
            elif not collected:
                gc.collect()  # there may be references that only refer to each other
                collected = True
            else:
                raise RuntimeError(
                    f"SharedMemoryRingBuffer: needed room, was full of {self._commons.blocks} values whose references this process "
                    "holds itself, so it would wait for ever; drop some before writing, or make it larger."
                )
        claim.fill(packed)
        return Reference(self, claim)

    def read(self, reference: Reference) -> Any:
        """The value behind a reference, as often as wanted. Its arrays are read-only views, which keep the block.

        Raises:
            TypeError: it is no reference.
            whatever parts of the value raise when they are loaded.
        """
        if not isinstance(reference, Reference):
            raise TypeError(f"SharedMemoryRingBuffer: needed what `write` returned, was {type(reference).__name__}.")
        return unpack(reference.view())

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (os.getpid(), self._inode, self._files)

    def __repr__(self) -> str:
        return f"<SharedMemoryRingBuffer of {self._commons.largest} bytes, {self._commons.blocks} values in it>"

    # -- waiting for room -----------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Sleep until there may be room: a block was freed, or a process that may hold one has died."""
        if world_around() is not None:
            raise RuntimeError("SharedMemoryRingBuffer: needed room, was full; in a World no other process makes any.")
        if self._bury():
            return
        if on_wait is not None:
            on_wait(self._inode)
        poll = select.poll()
        poll.register(self._files[1], select.POLLIN)
        lives = [_pidfd(pid) for _, pid, _ in self._commons.joined]
        try:
            for pidfd in lives:
                if pidfd < 0:
                    return  # gone since
                poll.register(pidfd, select.POLLIN)
            for fd, _ in poll.poll():
                if fd == self._files[1]:
                    _take_stroke(fd)
        finally:
            for pidfd in lives:
                if pidfd >= 0:
                    os.close(pidfd)

    def _is_stuck(self) -> bool:
        """Whether nobody but this thread could have made room when there was none. (A worker first hands on what it has.)"""
        return self._commons.alone and threading.active_count() == 1 and on_wait is None and world_around() is None

    def _bury(self) -> bool:
        """Whether a process that had joined is gone; what it held is let go."""
        dead = [number for number, pid, birth in self._commons.joined if _birth(pid) != birth]
        for number in dead:
            self._commons.bury(number)
        return bool(dead)

    # -- other processes ------------------------------------------------------------------------------------------------------

    def _forked(self) -> None:
        """In a copy of the process: hold what the copies of references stand for."""
        self._join()


def _close(files: tuple[int, ...]) -> None:
    for file in files:
        os.close(file)


def _opened(pid: int, inode: int, files: tuple[int, int, int]) -> SharedMemoryRingBuffer:
    """The ring that process `pid` has as `files`, in this process."""
    with _opening:
        ring = _rings.get(inode)
        return ring if ring is not None else _open(pid, inode, files)


def _open(pid: int, inode: int, files: tuple[int, int, int]) -> SharedMemoryRingBuffer:
    opened: list[int] = []
    try:
        for file, flags in zip(files, (os.O_RDWR, os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY | os.O_NONBLOCK), strict=True):
            opened.append(os.open(f"/proc/{pid}/fd/{file}", flags | os.O_CLOEXEC))
        if os.fstat(opened[0]).st_ino != inode:
            raise FileNotFoundError
    except OSError as error:
        _close(tuple(opened))
        raise ValueError(
            f"SharedMemoryRingBuffer: needed the memory of process {pid}, which sent it, was gone; keep the ring there until then."
        ) from error
    ring = SharedMemoryRingBuffer.__new__(SharedMemoryRingBuffer)
    ring._map(opened[0], (opened[1], opened[2]), fresh=False)
    return ring


def _birth(pid: int) -> int:
    """When a process was started, in clock ticks since boot; -1: it is gone."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if stat[0] in "ZX" else int(stat[19])


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return -1


def _take_stroke(fd: int) -> None:
    try:
        os.read(fd, 1)
    except BlockingIOError:
        pass  # another writer was faster, and will have looked


def _after_fork() -> None:
    global _opening
    _opening = threading.Lock()
    for ring in list(_rings.values()):
        ring._forked()


os.register_at_fork(after_in_child=_after_fork)


# ----------------------------------------------------------------------------------------------------------------- references


class Reference:
    """A value in a ring: small, and can be pickled. Made by `write`, for `read`. The value lives as long as one of its references."""

    __slots__ = ("__weakref__", "_claim", "_ring")

    def __init__(self, ring: SharedMemoryRingBuffer, claim: Claim | bytes):
        self._ring, self._claim = ring, claim

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(self._claim, bytes) or not self._claim.shared:
            return _copied, (self._ring, bytes(self.view()))
        claim = self._claim
        return _arrived, (self._ring, claim.offset, claim.generation, claim.size, _travel.counts(claim))

    def __repr__(self) -> str:
        return f"<reference to {len(self.view())} bytes in {self._ring!r}>"

    def view(self) -> memoryview:
        """The packed value."""
        return memoryview(self._claim) if isinstance(self._claim, bytes) else self._claim.view()

    def take_out(self, inode: int) -> bool:
        """Make room in the ring of that memory: keep the value in memory of this process. False: it is not there, or was read."""
        return self._ring._inode == inode and isinstance(self._claim, Claim) and self._claim.take_out()


def _arrived(ring: SharedMemoryRingBuffer, offset: int, generation: int, size: int, counted: bool) -> Reference:
    claim = ring._commons.hold(offset, generation, size, counted and _travel.first(generation))
    if claim is None:
        raise ValueError("SharedMemoryRingBuffer: needed a value that somebody holds, was freed; keep the reference until it is there.")
    reference = Reference(ring, claim)
    _travel.came.append(reference)
    return reference


def _copied(ring: SharedMemoryRingBuffer, value: bytes) -> Reference:
    return Reference(ring, value)


class _Travel(threading.local):
    """How references are counted that this thread pickles or unpickles now.

    By itself each pickle of one keeps its value until it is unpickled, once. Inside `sent` and `received` that is said of a whole
    message: its pickle may be begun again, and may fail.
    """

    def __init__(self) -> None:
        self.kept = False
        self.going: dict[int, Claim] | None = None
        self.coming: set[int] | None = None
        self.came: list[Reference] | deque[Reference] = _nowhere

    def counts(self, claim: Claim) -> bool:
        """Whether the receiver shall take back a count; it is counted here."""
        if self.kept:
            return False
        if self.going is None:
            claim.send(1)
        elif claim.generation not in self.going:
            self.going[claim.generation] = claim
            claim.send(1)
        return True

    def first(self, generation: int) -> bool:
        """Whether a reference is the first to that value in this message, or in a message of its own."""
        if self.coming is None:
            return True
        first = generation not in self.coming
        self.coming.add(generation)
        return first


_nowhere: deque[Reference] = deque(maxlen=0)
_travel = _Travel()


@contextmanager
def sent(kept: bool) -> Iterator[None]:
    """Around the pickling of a message. `kept`: the sender keeps its content until the answer comes. Undone if it fails."""
    _travel.kept, _travel.going = kept, {}
    try:
        yield
    except BaseException:
        for claim in _travel.going.values():
            claim.send(-1)
        raise
    finally:
        _travel.kept, _travel.going = False, None


@contextmanager
def received() -> Iterator[list[Reference]]:
    """Around the unpickling of a message: the references in it."""
    came: list[Reference] = []
    _travel.coming, _travel.came = set(), came
    try:
        yield came
    finally:
        _travel.coming, _travel.came = None, _nowhere


def in_use() -> bool:
    """Whether this process has any ring."""
    return bool(_rings)


#: Called with the inode of a ring before this process sleeps until there is room in it.
on_wait: Callable[[int], None] | None = None
