"""The memory of one run in one process: the segments of a plan, mapped.

Laws: a run has one control segment, which every context may write, and one data segment per context, which only that context
may write (others map it read-only: a stray write is a fault in the process that made it). Segments are anonymous: nothing has a
name in `/dev/shm`, and nothing is left after any crash. All bytes are zero at first. This module knows sizes and protections,
not what lies where.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

from .plan import Plan, SegmentPlan


class Memory:
    """Mapped segments. States: mapped, then closed; closing twice is harmless.

    Segment 0 is the control segment, segment 1 + c the data segment of context c. A view that outlives `close` stays valid: the
    last one that goes takes the mapping with it.
    """

    def __init__(self, maps: Sequence[mmap.mmap], fds: Sequence[int]):
        self._maps = list(maps)
        #: One memory file per segment, to be inherited by children; empty for private memory.
        self.fds: tuple[int, ...] = tuple(fds)

    @classmethod
    def create(cls, plan: Plan, shared: bool) -> Memory:
        """New zeroed segments, in memory files if `shared`, else private to this process.

        Shared ones are writable here except those of process contexts, which are written in their own process only.
        """
        maps: list[mmap.mmap] = []
        fds: list[int] = []
        try:
            for segment in plan.layout.segments:
                if shared:
                    fds.append(_memory_file(segment))
                    elsewhere = segment.context >= 0 and plan.contexts[segment.context].kind == "process"
                    maps.append(_mapped(fds[-1], segment, writable=not elsewhere))
                else:
                    maps.append(mmap.mmap(-1, _size(segment), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        except BaseException:
            cls(maps, fds).close()
            raise
        return cls(maps, fds)

    @classmethod
    def attach(cls, plan: Plan, fds: Sequence[int], context: int) -> Memory:
        """The segments of a run as context number `context` maps them. Takes the descriptors over and closes them."""
        maps: list[mmap.mmap] = []
        try:
            for fd, segment in zip(fds, plan.layout.segments, strict=True):
                maps.append(_mapped(fd, segment, writable=segment.context in (-1, context)))
        except BaseException:
            cls(maps, ()).close()
            raise
        finally:
            for fd in fds:
                os.close(fd)
        return cls(maps, ())

    def buffer(self, segment: int) -> memoryview:
        """The bytes of a segment; read-only where this process may not write."""
        return memoryview(self._maps[segment])

    def address(self, segment: int) -> int:
        """Where a segment begins. Valid until `close`, or as long as a `buffer` of it lives."""
        return int(np.frombuffer(self._maps[segment], np.uint8).ctypes.data)

    def words(self, segment: int, offset: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """`count` u64 words of a segment as an array, `(count,)`; it sees what others write."""
        return np.frombuffer(self._maps[segment], np.uint64, count, offset)

    def array(self, segment: int, offset: int, count: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """`count` items of a segment, `(count,)`; it sees what others write."""
        return np.frombuffer(self._maps[segment], dtype, count, offset)

    def struct(self, segment: int, offset: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """One struct of a segment as a 0-d array; it sees what others write."""
        return np.frombuffer(self._maps[segment], dtype, 1, offset).reshape(())

    def close_files(self) -> None:
        """Close the memory files, once every child has inherited them; the mappings stay."""
        fds, self.fds = self.fds, ()
        for fd in fds:
            os.close(fd)

    def close(self) -> None:
        """Unmap everything that nobody looks at any more."""
        self.close_files()
        maps, self._maps = self._maps, []
        for map in maps:
            try:
                map.close()
            except BufferError:
                pass  # somebody still holds a view: the mapping goes when the view does

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def object_slots(plan: Plan, process: int | None, copies: bool = False) -> dict[int, list[Any]]:
    """Output index -> a place for the value of each slot, then one for the metadata of each: of the object outputs of `process`.

    They are shared by the contexts of that process. None: one process runs them all; with `copies` as if they were apart, for which
    there is a third place for each slot.
    """
    outputs = [output for output in plan.outputs if output.dtype.hasobject]
    here = [output for output in outputs if process is None or plan.process_of(output.context) == process]
    return {output.index: [None] * ((3 if copies else 2) * output.slots) for output in here}


def _size(segment: SegmentPlan) -> int:
    """Bytes to map: a context that writes nothing has an empty segment, and an empty mapping does not exist."""
    return max(segment.size, 1)


def _memory_file(segment: SegmentPlan) -> int:
    fd = os.memfd_create(f"dfcore {segment.context}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, _size(segment))
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _mapped(fd: int, segment: SegmentPlan, *, writable: bool) -> mmap.mmap:
    protection = mmap.PROT_READ | mmap.PROT_WRITE if writable else mmap.PROT_READ
    return mmap.mmap(fd, _size(segment), flags=mmap.MAP_SHARED, prot=protection)
