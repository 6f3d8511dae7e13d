"""The allocator step by step against a model: a list of stretches that do not overlap."""

from __future__ import annotations

import itertools
import mmap

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dfcore._arena import GRAIN, Arena

SIZES = st.one_of(st.integers(0, 300), st.integers(0, 5000), st.sampled_from([960, 1024, 1984, 4032]))


class ArenaMachine(RuleBasedStateMachine):
    """An arena, and beside it what each block in use holds: (bytes that it was filled with, holders or 0)."""

    @initialize(lines=st.integers(2, 300))
    def build(self, lines: int) -> None:
        self.memory = mmap.mmap(-1, lines * GRAIN)
        self.arena = Arena(self.memory)
        self.size = lines * GRAIN
        self.blocks: dict[int, tuple[int, bytes, int]] = {}  # offset -> size, content, holders (-1: not lent)
        self.stamp = 0

    def take(self, offset: int | None, size: int, holders: int) -> None:
        """A block was handed out, or none was: none only if no hole could hold it."""
        if offset is None:
            assert all(hole < size for hole in self.holes())
            return
        view = self.arena.range.bytes_of(offset)
        assert offset % GRAIN == 0
        assert len(view) >= size
        self.stamp += 1
        content = bytes([self.stamp % 251]) * len(view)
        view[:] = content
        self.blocks[offset] = (len(view), content, holders)

    def holes(self) -> list[int]:
        """Bytes of the stretches between the blocks in use, each without the note of the block that it could be."""
        ends, places = 0, []
        for offset in sorted(self.blocks):
            places.append(offset - GRAIN - ends)
            ends = offset + self.blocks[offset][0]
        return [place - GRAIN for place in [*places, self.size - ends] if place >= 2 * GRAIN]

    def collected(self) -> None:
        """What nobody holds any more is forgotten."""
        self.blocks = {offset: block for offset, block in self.blocks.items() if block[2]}

    @rule(size=SIZES)
    def allocate(self, size: int) -> None:
        self.take(self.arena.allocate(size), size, -1)

    @rule(size=SIZES)
    def lend(self, size: int) -> None:
        offset = self.arena.lend(size)
        if offset is None:
            self.collected()
        else:
            known = {known for known, _, used in self.arena.sizes() if used}
            self.blocks = {place: block for place, block in self.blocks.items() if place in known and place != offset or block[2]}
        self.take(offset, size, 1)

    @precondition(lambda self: self.blocks)
    @rule(number=st.integers(0, 1000))
    def free(self, number: int) -> None:
        offset = sorted(self.blocks)[number % len(self.blocks)]
        self.arena.free(offset)
        del self.blocks[offset]

    @precondition(lambda self: any(holders > 0 for _, _, holders in self.blocks.values()))
    @rule(number=st.integers(0, 1000), more=st.booleans())
    def hold_or_give_back(self, number: int, more: bool) -> None:
        held = sorted(offset for offset, (_, _, holders) in self.blocks.items() if holders > 0)
        offset = held[number % len(held)]
        size, content, holders = self.blocks[offset]
        if more:
            self.arena.range.hold(offset)
        else:
            self.arena.range.give_back(offset)
        self.blocks[offset] = (size, content, holders + (1 if more else -1))

    @rule()
    def collect(self) -> None:
        given_back = sum(not holders for _, _, holders in self.blocks.values())
        assert given_back == self.arena.collect()
        self.collected()

    @invariant()
    def blocks_are_where_they_should_be(self) -> None:
        """In order, without a gap or an overlap, no two free ones side by side, each as it was filled."""
        sizes = self.arena.sizes()
        ends = 0
        for offset, size, _ in sizes:
            assert ends + GRAIN == offset
            ends = offset + size
        assert self.size == ends
        assert not any(not one[2] and not other[2] for one, other in itertools.pairwise(sizes))
        assert sorted(self.blocks) == [offset for offset, _, used in sizes if used]
        for offset, (size, content, holders) in self.blocks.items():
            assert content == bytes(self.arena.range.bytes_of(offset)[:size])
            assert max(holders, 0) == (self.arena.range.holders(offset) if holders >= 0 else 0)
        assert len(self.blocks) == self.arena.blocks

    def teardown(self) -> None:
        """When everything is given back there is one block, of all memory."""
        for offset in self.blocks:
            self.arena.free(offset)
        if hasattr(self, "arena"):
            assert [(GRAIN, self.arena.largest, False)] == self.arena.sizes()


class TestArena(ArenaMachine.TestCase):
    """Any sizes, any order."""

    settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.campaign
class TestArenaForLong(ArenaMachine.TestCase):
    """The same over many more steps."""

    settings = settings(max_examples=2000, stateful_step_count=150, deadline=None)
