"""Memory of a run: zeroed, sized by the plan, writable by one context, and gone when nobody looks any more."""

import ctypes
import mmap
import os

import numpy as np
import pytest

from dfcore.memory import Memory
from dfcore.plan import ContextPlan, Layout, Plan, Region, SegmentPlan

SIZES = {-1: 4096 + 64, 0: 0, 1: 8192, 2: 64}


def context(index: int, kind: str) -> ContextPlan:
    """A context without nodes."""
    return ContextPlan(index=index, name=f"c{index}", kind=kind, cpu=None, priority=None, spin_us=0, nodes=())


@pytest.fixture
def plan() -> Plan:
    """Control, an empty inline segment, one of a process, one of a thread."""
    segments = tuple(
        SegmentPlan(name=f"s{index}", context=index, size=size, regions=(Region(name="all", offset=0, size=size),))
        for index, size in SIZES.items()
    )
    layout = Layout(segments=segments, outputs=(), edges=(), nodes=(), turns=(), contexts=(), run=0)
    contexts = (context(0, "inline"), context(1, "process"), context(2, "thread"))
    return Plan(name="g", contexts=contexts, nodes=(), outputs=(), edges=(), layout=layout, warnings=())


def open_files() -> list[str]:
    """What the descriptors of this process refer to, memory files only."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue  # the descriptor that lists the directory
        if "memfd" in target:
            found.append(target)
    return found


@pytest.mark.parametrize("shared", [True, False])
def test_segments_have_their_size_and_are_zero(plan, shared):
    """Every byte of the plan is there and zero before anybody writes."""
    with Memory.create(plan, shared) as memory:
        for index, size in enumerate(SIZES.values()):
            assert max(size, 1) == len(memory.buffer(index))
            assert not np.frombuffer(memory.buffer(index), np.uint8).any()


def test_private_memory_has_no_files(plan):
    """Without another process there is nothing to inherit."""
    with Memory.create(plan, shared=False) as memory:
        assert () == memory.fds
        assert [] == open_files()
        assert not memory.buffer(2).readonly


def test_two_mappings_are_one_memory(plan):
    """What a context writes is what the process that started it reads."""
    with Memory.create(plan, shared=True) as ours, Memory.attach(plan, [os.dup(fd) for fd in ours.fds], context=1) as theirs:
        theirs.words(2, 8, 1)[0] = 7
        assert 7 == ours.words(2, 8, 1)[0]
        ours.words(0, 4096, 8)[3] = 9
        assert 9 == theirs.words(0, 4096, 8)[3]


def test_only_its_own_context_writes_a_data_segment(plan):
    """L2: a data segment is read-only wherever its context does not run; the control segment is writable everywhere."""
    with Memory.create(plan, shared=True) as ours, Memory.attach(plan, [os.dup(fd) for fd in ours.fds], 1) as theirs:
        assert [False, False, True, False] == [ours.buffer(index).readonly for index in range(4)]
        assert [False, True, False, True] == [theirs.buffer(index).readonly for index in range(4)]
        with pytest.raises(ValueError, match="read-only"):
            theirs.words(3, 0, 1)[0] = 1


def test_files_cannot_change_size(plan):
    """A shrunk file would kill every reader with SIGBUS: the seals refuse it."""
    with Memory.create(plan, shared=True) as memory:
        for size in (0, 1 << 20):
            with pytest.raises(PermissionError):
                os.ftruncate(memory.fds[0], size)


def test_address_is_that_of_the_bytes(plan):
    """Native code sees the same bytes as the buffer, writable or not."""
    with Memory.create(plan, shared=True) as memory, Memory.attach(plan, [os.dup(fd) for fd in memory.fds], 0) as other:
        memory.words(0, 0, 1)[0] = 0x0102030405060708
        assert 0x0102030405060708 == ctypes.c_uint64.from_address(memory.address(0)).value
        assert 0 == other.address(2) % mmap.PAGESIZE
        assert 0 == ctypes.c_uint64.from_address(other.address(2)).value


def test_close_leaves_no_file_and_may_come_twice(plan):
    """L8: after close no descriptor of the run is left."""
    memory = Memory.create(plan, shared=True)
    assert 2 * len(SIZES) >= len(open_files()) >= len(SIZES)
    memory.close()
    memory.close()
    assert [] == open_files()


def test_a_view_outlives_close(plan):
    """A view that somebody kept stays valid; the mapping goes with the last one."""
    memory = Memory.create(plan, shared=True)
    view = memory.words(3, 0, 8)
    memory.close()
    view[:] = 5
    assert [5] * 8 == view.tolist()
    del view
    assert [] == open_files()


def test_attach_that_fails_keeps_nothing(plan):
    """Wrong descriptors: the error comes up and every descriptor handed over is closed."""
    with Memory.create(plan, shared=True) as memory:
        fds = [os.dup(fd) for fd in memory.fds[:2]]
        with pytest.raises(ValueError, match="longer"):
            Memory.attach(plan, fds, 0)
        for fd in fds:
            with pytest.raises(OSError):
                os.fstat(fd)
