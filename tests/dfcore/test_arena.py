"""Blocks of an arena: handed out by one side, given back in any order, by anybody."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys

import pytest

from dfcore._arena import GRAIN, Arena
from tests.programs import ENVIRONMENT
from tests.records import failing

SIZE = 1 << 16


def arena(size: int = SIZE) -> Arena:
    """An arena that fills memory of its own."""
    return Arena(mmap.mmap(-1, size))


def test_a_block_has_its_bytes_at_a_line():
    """Offsets are multiples of 64, also in the address space; sizes are rounded up to lines; size 0 has a place too."""
    made = arena()
    for size in (0, 1, 63, 64, 65, 1000):
        offset = made.allocate(size)
        assert 0 == offset % GRAIN
        assert max(64, -(-size // 64) * 64) == len(made.range.bytes_of(offset))


def test_all_of_an_arena_can_be_one_block():
    """`largest` is what is left of the size when the note about the block is taken off; one byte more there is not."""
    made = arena()
    assert SIZE - GRAIN == made.largest
    assert made.allocate(made.largest + 1) is None
    offset = made.allocate(made.largest)
    assert made.largest == len(made.range.bytes_of(offset))
    assert made.allocate(1) is None
    made.free(offset)
    assert made.allocate(made.largest) == offset


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1)])
def test_neighbours_that_are_free_are_one(order):
    """In whatever order four blocks are freed, one free block is left."""
    made = arena()
    offsets = [made.allocate(size) for size in (100, 2000, 64, 30000)]
    for index in order:
        made.free(offsets[index])
    assert [(GRAIN, made.largest, False)] == made.sizes()
    assert (0, 0) == (made.blocks, made.used)


def test_a_hole_is_found_if_it_is_large_enough():
    """Sizes are kept in classes, and a hole of the same class as what is asked for may still do."""
    for hole in range(1, 3000, 7):
        made = arena()
        first, _ = made.allocate(hole), made.allocate(64)
        rest = made.allocate(made.sizes()[-1][1])
        made.free(first)
        assert rest is not None
        assert first == made.allocate(hole), hole


def test_memory_freed_last_is_used_first():
    """Of two holes of one size the younger is taken: its bytes are in the cache."""
    made = arena()
    first, _, second, _ = (made.allocate(1024) for _ in range(4))
    made.free(second)
    made.free(first)
    assert first == made.allocate(1024)


def test_a_lent_block_is_free_when_nobody_holds_it():
    """Each hold is given back once; the block is collected at the next look, not before."""
    made = arena()
    offset = made.lend(1000)
    other = made.range
    other.hold(offset)
    other.give_back(offset)
    assert (0, 1) == (made.collect(), other.holders(offset))
    other.give_back(offset)
    assert (1, 0) == (made.blocks, other.holders(offset))
    assert 1 == made.collect()
    assert [(GRAIN, made.largest, False)] == made.sizes()


def test_lending_collects_what_was_given_back():
    """A few at each call, all of them if memory is short: a held block in front does not hide those behind it."""
    made = arena(1 << 12)
    held, *others = (made.lend(960) for _ in range(4))
    assert made.lend(960) is None or made.lend(64) is None
    for offset in others[1:]:
        made.range.give_back(offset)
    assert others[1] == made.lend(1984)
    made.range.give_back(held)
    assert held == made.lend(960)


@pytest.mark.parametrize("held", [1, 5, 40])
def test_blocks_that_stay_held_do_not_keep_others_from_being_used_again(held):
    """Whoever keeps the first results of many: what is used stays within a third more than what is held."""
    made = arena(1 << 20)
    for _ in range(held):
        made.lend(100)
    most = 0
    for _ in range(1000):
        offset = made.lend(100)
        most = max(most, made.blocks)
        made.range.give_back(offset)
    assert most <= held + held // 3 + 2


def test_a_block_freed_while_it_is_lent_is_not_looked_at_any_more():
    """Wherever the look for blocks that were given back has stopped, that block may go."""
    made = arena()
    offsets = [made.lend(100) for _ in range(12)]
    for offset in offsets:
        made.free(offset)
        made.range.give_back(made.lend(64))
    assert 1 == made.collect()
    assert [(GRAIN, made.largest, False)] == made.sizes()


def test_a_block_can_be_freed_while_it_is_lent():
    """The allocating side may take back what it lent: the list of lent blocks stays whole."""
    made = arena()
    offsets = [made.lend(100) for _ in range(3)]
    made.free(offsets[1])
    for offset in (offsets[0], offsets[2]):
        made.range.give_back(offset)
    assert 2 == made.collect()
    assert [(GRAIN, made.largest, False)] == made.sizes()


def test_another_process_gives_back():
    """The word of a block lies in the memory: a process that only inherited it lets the block go."""
    file = os.memfd_create("arena", 0)
    os.ftruncate(file, SIZE)
    memory = mmap.mmap(file, SIZE)
    made = Arena(memory)
    offset = made.lend(100)
    made.range.bytes_of(offset)[:5] = b"hello"
    code = f"import mmap; from dfcore._arena import Range; seen = Range(mmap.mmap({file}, {SIZE}))"
    code += f"; print(bytes(seen.bytes_of({offset})[:5]).decode()); seen.give_back({offset})"
    command = [sys.executable, "-c", code]
    child = subprocess.run(command, pass_fds=[file], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    os.close(file)
    assert ("hello\n", "") == (child.stdout, child.stderr)
    assert (0, 1) == (made.range.holders(offset), made.collect())


def test_an_arena_may_be_a_part_of_its_memory():
    """It begins at any line and writes nothing outside."""
    memory = mmap.mmap(-1, 8192)
    memory[:] = b"\xaa" * 8192
    made = Arena(memory, 1024, 4096)
    offset = made.allocate(made.largest)
    made.range.bytes_of(offset)[:] = bytes(made.largest)
    assert b"\xaa" * 1024 == memory[:1024]
    assert b"\xaa" * (8192 - 5120) == memory[5120:]


def test_memory_lives_as_long_as_a_block_is_looked_at():
    """The buffer stays exported while the arena, or a view of a block, is there."""
    memory = mmap.mmap(-1, SIZE)
    view = Arena(memory).range.bytes_of(64)
    with pytest.raises(BufferError):
        memory.close()
    del view
    memory.close()


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ((0, SIZE + 1), "needed 65537 bytes at 0, the memory has 65536"),
        ((-64, None), "needed 65600 bytes at -64"),
        ((SIZE + 64, None), "the memory has 65536"),
        ((0, 64), "needed 128 bytes to 128 GiB, was 64"),
        ((8, None), "aligned to 64 bytes, offset was 8"),
    ],
)
def test_a_place_that_does_not_do_is_refused(place, said):
    """Outside the memory, too small or not aligned: named, and nothing is written."""
    memory = mmap.mmap(-1, SIZE)
    assert said in failing(lambda: Arena(memory, *place), ValueError)
    assert bytes(SIZE) == memory[:]


@pytest.mark.parametrize("offset", [0, 32, 100, SIZE, SIZE + 64, 1 << 40])
def test_an_offset_of_nothing_is_refused(offset):
    """Everything that takes an offset looks whether a block could be there."""
    made = arena()
    for call in (made.free, made.range.hold, made.range.give_back, made.range.holders, made.range.bytes_of):
        assert "needed the offset of a block" in failing(lambda call=call: call(offset), ValueError)


def test_what_is_done_once_is_refused_twice():
    """A block freed twice, a hold given back twice, and a hold on what nobody holds."""
    made = arena()
    offset = made.allocate(10)
    made.free(offset)
    assert "was free at 64; free each block once" in failing(lambda: made.free(offset), ValueError)
    offset = made.lend(10)
    made.range.give_back(offset)
    assert "give each hold back once" in failing(lambda: made.range.give_back(offset), ValueError)
    assert "hold it before giving it back" in failing(lambda: made.range.hold(offset), ValueError)


def test_read_only_memory_is_refused():
    """An arena writes, and so does whoever gives a block back."""
    with pytest.raises(BufferError):
        Arena(bytes(SIZE))
