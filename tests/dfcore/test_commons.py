"""Blocks that several processes allocate: who holds one, and what is mended after a death in turn."""

from __future__ import annotations

import mmap
import os
import random

import pytest

from dfcore._commons import HEAD, PROCESSES, Commons


class Filler:
    """What `Claim.fill` lets write."""

    def __init__(self, value):
        self.value = value

    def write(self, memory):
        """Put it there."""
        memory[:] = self.value


def two(lines=100):
    """The same memory as two processes see it, and the reading end of their bell."""
    reader, writer = os.pipe2(os.O_NONBLOCK)
    memory = mmap.mmap(-1, HEAD + 64 * lines)
    pair = Commons(memory, writer, True), Commons(memory, writer, False)
    for birth, commons in enumerate(pair):
        assert commons.join(birth)
    return *pair, reader, writer


@pytest.fixture
def commons():
    """See `two`."""
    *pair, reader, writer = two()
    yield *pair, reader
    os.close(reader)
    os.close(writer)


def test_a_block_is_free_when_nobody_holds_it(commons):
    """Neither a process nor what is on its way; several claims of a process are one hold."""
    ours, theirs, _ = commons
    claim = ours.lend(100)
    claim.fill(Filler(bytes(range(100))))
    claim.send(1)
    place = claim.offset, claim.generation, claim.size
    del claim
    assert 1 == ours.blocks
    first, second = theirs.hold(*place, True), theirs.hold(*place, False)
    assert bytes(range(100)) == bytes(first)
    del first
    assert 1 == ours.blocks
    del second
    assert 0 == ours.blocks
    assert theirs.hold(*place, False) is None


def test_a_view_keeps_a_claim(commons):
    """Its bytes are read-only, and do not change while somebody looks."""
    ours, _, _ = commons
    claim = ours.lend(64)
    claim.fill(Filler(b"x" * 64))
    view = memoryview(claim)
    assert view.readonly
    del claim
    assert (b"x" * 64, 1) == (bytes(view), ours.blocks)
    del view
    assert 0 == ours.blocks


def test_whoever_finds_no_room_is_rung_once_when_some_is_freed(commons):
    """One byte for each that was told so since the last time."""
    ours, theirs, reader = commons
    claim = ours.lend(ours.largest)
    assert (None, None) == (ours.lend(1), theirs.lend(1))
    del claim
    assert b"\0\0" == os.read(reader, 10)
    del_me = theirs.lend(1)
    del del_me
    with pytest.raises(BlockingIOError):
        os.read(reader, 10)


def test_what_is_taken_out_makes_room_and_stays(commons):
    """Unless somebody looks at it."""
    ours, _, _ = commons
    claim = ours.lend(ours.largest)
    claim.fill(Filler(b"y" * ours.largest))
    view = memoryview(claim)
    assert not claim.take_out()
    view.release()
    assert claim.take_out() and not claim.shared
    assert 0 == ours.blocks
    other = ours.lend(ours.largest)
    other.fill(Filler(b"z" * ours.largest))
    assert b"y" * ours.largest == bytes(claim)
    assert not claim.take_out()


def test_the_dead_hold_nothing(commons):
    """Blocks that others hold too stay."""
    ours, theirs, reader = commons
    lost = [theirs.lend(100) for _ in range(5)]
    shared = theirs.lend(100)
    kept = ours.hold(shared.offset, shared.generation, shared.size, False)
    assert ours.lend(ours.largest) is None
    [(number, pid, birth)] = ours.joined
    assert (os.getpid(), 1) == (pid, birth)
    ours.bury(number)
    assert (1, []) == (ours.blocks, ours.joined)
    assert 0 < len(os.read(reader, 10))
    del kept
    assert 0 == ours.blocks
    assert 5 == len(lost)


def test_only_so_many_may_join():
    """One place each; a place is free again when its owner is buried."""
    memory = mmap.mmap(-1, HEAD + 6400)
    everybody = [Commons(memory, -1, number == 0) for number in range(PROCESSES + 1)]
    assert [True] * PROCESSES + [False] == [commons.join(0) for commons in everybody]
    everybody[0].bury(5)
    assert everybody[-1].join(0)


def test_what_was_freed_is_not_found_in_the_bytes_of_another_block(commons):
    """Wherever a block has begun and whatever lies there now, also an image of what was noted about it."""
    ours, theirs, _ = commons
    first, second = ours.lend(64), ours.lend(64)
    stale = second.offset, second.generation, second.size
    noted = second.offset - first.offset
    del first, second
    claim = ours.lend(64 * 8)
    image = stale[1].to_bytes(8, "little") * 64  # as the generation, as those who hold it, as all that is noted
    claim.fill(Filler(image))
    assert claim.offset < stale[0] < claim.offset + claim.size
    assert 128 == noted
    assert theirs.hold(*stale, False) is None
    assert theirs.hold(claim.offset, claim.generation + 1, claim.size, False) is None
    assert image == bytes(claim)
    assert 1 == ours.blocks


def test_generations_begin_anywhere():
    """So that what was pickled from one memory, or what lies in it, is not taken for a place in another."""
    made = [two() for _ in range(3)]
    assert 3 == len({ours.lend(1).generation for ours, *_ in made})
    for *_, reader, writer in made:
        os.close(reader)
        os.close(writer)


def test_memory_too_small_is_refused():
    """It needs its head and three lines."""
    with pytest.raises(ValueError, match="commons: needed"):
        Commons(mmap.mmap(-1, HEAD + 128), -1, True)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_mended_is_as_before(seed):
    """After any history: the blocks in use keep their bytes, all the rest can be had again, in one piece when all are free."""
    ours, theirs, reader, writer = two(1000)
    chance, claims = random.Random(seed), {}
    for number in range(300):
        if chance.random() < 0.6:
            claim = chance.choice((ours, theirs)).lend(chance.randrange(3000))
            if claim is not None:
                claim.fill(Filler(bytes([number % 256]) * claim.size))
                claims[number] = claim
        elif claims:
            del claims[chance.choice(list(claims))]
        claim = None
        if number % 10 == 0:
            assert ours.mend()
    assert len(claims) == ours.blocks
    for number, claim in claims.items():
        assert bytes([number % 256]) * claim.size == bytes(claim)
    del claim
    claims.clear()
    assert 0 == ours.blocks
    assert ours.lend(ours.largest) is not None
    os.close(reader)
    os.close(writer)
