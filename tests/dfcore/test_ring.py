"""The ring, one law at a time. Long lives are in `tests/properties/test_ring_model.py`, threads in `tests/native`."""

from __future__ import annotations

import mmap
import os
import struct

import pytest

from dfcore._ring import HEADER, LEASES, POLICIES, Reader, Writer
from tests.rings import Edge, Place, Rig, put, value_of

OPEN = 2**64 - 1


def taken(reader: Reader) -> list[int]:
    """Sequence numbers of everything a reader gets until nothing waits."""
    seqs = []
    while reader.take() is not None:
        seqs.append(reader.seq)
        reader.release()
    return seqs


def word(rig: Rig, offset: int) -> int:
    """A 64-bit word of the data segment."""
    return int(struct.unpack_from("<Q", rig.data, offset)[0])


# Layout ----------------------------------------------------------------------------------------------------------------------


def test_a_slot_is_header_then_record() -> None:
    """DESIGN section 5: seq, publish_ns, origin_ns, firing at 0, 8, 16, 24; kind at 32; the CDR header touches the record."""
    rig = Rig([("wait", 2)])
    writer = rig.writer()
    record = writer.loan()
    assert record is not None and writer.loaned is not None
    record[:8] = b"abcdefgh"
    start = rig.place.slots + writer.loaned * rig.place.stride
    writer.publish(publish_ns=20, origin_ns=10, firing=7, kind=1)
    assert (1, 20, 10, 7) == struct.unpack_from("<QqqQ", rig.data, start)
    assert 1 == rig.data[start + 32]
    assert b"\0\1\0\0abcdefgh" == rig.data[start + 60 : start + 72]
    assert 64 == HEADER


def test_head_and_end_are_the_first_words_of_an_output() -> None:
    """A fresh output is open: its end word is all ones; closing copies the head (RULES 10)."""
    rig = Rig([("wait", 4), ("drop_new", 1)])
    writer = rig.writer()
    assert (0, OPEN) == (word(rig, rig.place.words), word(rig, rig.place.words + 8))
    assert OPEN == word(rig, rig.edges[1].words + 8)
    put(writer, 1), put(writer, 2)
    writer.close()
    assert (2, 2) == (word(rig, rig.place.words), word(rig, rig.place.words + 8))
    assert (1, 1) == (word(rig, rig.edges[1].words), word(rig, rig.edges[1].words + 8))


def test_readers_need_no_right_to_write_the_data() -> None:
    """A reader works on a data segment mapped read-only, and what it hands over is read-only."""
    rig = Rig([("wait", 2), ("latest", 1)])
    fd = os.memfd_create("data", os.MFD_CLOEXEC)
    os.ftruncate(fd, rig.used)
    rig.data = mmap.mmap(fd, rig.used)
    mapped = mmap.mmap(fd, rig.used, access=mmap.ACCESS_READ)
    os.close(fd)
    put(rig.writer(), 5)
    for number, policy in enumerate(["wait", "latest"]):
        record = Reader(mapped, rig.control, rig.place, rig.slots, rig.edges[number], policy).take()
        assert record is not None
        assert ({5}, True) == (value_of(record), record.readonly)


# What each policy hands over -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("local", [False, True], ids=["shared", "local"])
def test_waiting_readers_get_every_record(local: bool) -> None:
    """L4: all of them, in order, and room iff head - tail < depth at the slowest."""
    rig = Rig([("wait", 3), ("wait", 5)], local=local)
    writer, slow, fast = rig.writer(), rig.reader(0), rig.reader(1)
    got_slow, got_fast = [], []
    for value in range(1, 101):
        while not writer.room():
            assert 0 == writer.full_end()
            assert slow.take() is not None
            got_slow.append(slow.seq)
            slow.release()
        put(writer, value)
        got_fast += taken(fast)
    assert list(range(1, 101)) == got_fast == got_slow + taken(slow)


@pytest.mark.parametrize("local", [False, True], ids=["shared", "local"])
def test_latest_gets_the_newest_and_only_once(local: bool) -> None:
    """L3, L4: one unread record at most, the newest; the overwritten ones are head - taken."""
    rig = Rig([("latest", 1)], local=local)
    writer, reader = rig.writer(), rig.reader(0)
    assert 0 == reader.waiting()
    for value in range(1, 6):
        put(writer, value)
    assert (1, [5], 0) == (reader.waiting(), taken(reader), reader.waiting())
    assert (1, 5, 5) == reader.counts


@pytest.mark.parametrize("local", [False, True], ids=["shared", "local"])
def test_drop_oldest_keeps_the_newest_records(local: bool) -> None:
    """L4: what is lost is counted exactly, and the writer always has room."""
    rig = Rig([("drop_oldest", 3)], local=local)
    writer, reader = rig.writer(), rig.reader(0)
    for value in range(1, 11):
        assert writer.room()
        put(writer, value)
    assert (3, 7) == (reader.waiting(), writer.dropped(0))
    assert [8, 9, 10] == taken(reader)


@pytest.mark.parametrize("local", [False, True], ids=["shared", "local"])
def test_drop_new_hides_from_one_reader_only(local: bool) -> None:
    """RULES 9: a refused record is refused to that reader alone, and a later one is shown."""
    rig = Rig([("drop_new", 1), ("wait", 4)], local=local)
    writer, choosy, other = rig.writer(), rig.reader(0), rig.reader(1)
    put(writer, 1), put(writer, 2)
    first = taken(choosy)
    put(writer, 3)
    assert [1, 3] == first + taken(choosy)
    assert [1, 2, 3] == taken(other)
    assert (1, 0) == (writer.dropped(0), writer.dropped(1))


# Rules -----------------------------------------------------------------------------------------------------------------------


def test_room_rings_the_writer_once() -> None:
    """RULES 1: whatever makes room answers a wish, and one answer ends it."""
    rig = Rig([("wait", 1), ("wait", 1)])
    writer, first, second = rig.writer(), rig.reader(0), rig.reader(1)
    put(writer, 1)
    assert first.take() is not None and second.take() is not None
    which = second.keep()
    assert which is not None
    writer.want()
    assert [True, False] == [first.release(), second.release()]
    writer.want()
    assert [True, False] == [second.unkeep(which), first.leave()]
    writer.want()
    assert [True, False] == [second.leave(), second.leave()]


def test_a_local_reader_rings_nobody() -> None:
    """RULES 31: writer and reader are one thread; the caller looks by itself."""
    rig = Rig([("wait", 1)], local=True)
    writer, reader = rig.writer(), rig.reader(0)
    put(writer, 1)
    writer.want()
    assert reader.take() is not None
    assert (False, True) == (reader.release(), writer.room())


@pytest.mark.parametrize("policy", ["wait", "drop_new", "drop_oldest", "latest"])
@pytest.mark.parametrize("local", [False, True], ids=["shared", "local"])
def test_kept_views_stay_as_they_are(policy: str, local: bool) -> None:
    """L10, RULES 7: a record kept before its release is not written again until its lease ends, with the fewest slots allowed."""
    rig = Rig([(policy, 2)], local=local)
    writer, reader = rig.writer(), rig.reader(0)
    kept: dict[int, tuple[memoryview, int]] = {}
    for value in range(1, 200):
        put(writer, value)
        record = reader.take()
        assert record is not None
        if value % 3 == 0:
            which = reader.keep()
            assert (which is None) == (len(kept) == LEASES - 1)
            if which is not None:
                kept[which] = record, value
        reader.release()
        if value % 7 == 0 and kept:
            which, (view, was) = kept.popitem()
            assert {was} == value_of(view)
            reader.unkeep(which)
    assert all({was} == value_of(view) for view, was in kept.values())


def test_a_record_in_hand_outlives_what_is_published_meanwhile() -> None:
    """RULES 5, L10: a lossy reader in the middle of a long firing keeps its slot, whatever the writer does."""
    rig = Rig([("latest", 1), ("drop_oldest", 1)], local=True)
    writer, latest, oldest = rig.writer(), rig.reader(0), rig.reader(1)
    put(writer, 1)
    views = [latest.take(), oldest.take()]
    for value in range(2, 60):
        put(writer, value)
    assert [{1}, {1}] == [value_of(view) for view in views if view is not None]


def test_readiness_never_disappears() -> None:
    """RULES 5: at depth 1 the edge is never empty between two records; the drop comes after the publication."""
    rig = Rig([("drop_oldest", 1)])
    writer, reader = rig.writer(), rig.reader(0)
    put(writer, 1)
    for value in range(2, 20):
        record = writer.loan()
        assert record is not None
        assert 1 == reader.waiting()
        record[:] = bytes([value]) * len(record)
        writer.publish()
        assert 1 == reader.waiting()


def test_a_following_writer_finishes_a_pending_drop() -> None:
    """RULES 5: a writer killed after publishing and before dropping leaves depth + 1 records; the next one drops."""
    rig = Rig([("drop_oldest", 2)])
    writer, reader = rig.writer(), rig.reader(0)
    for value in range(1, 4):
        put(writer, value)
    struct.pack_into("<Q", rig.control, rig.edges[0].line, 0)  # the tail as it was before the drop
    assert 3 == reader.waiting()
    writer = rig.writer()
    assert (2, 3, 1) == (reader.waiting(), writer.head, writer.dropped(0))
    assert [2, 3] == taken(reader)


def test_a_following_writer_goes_on_from_memory() -> None:
    """Everything a writer knows is in the segment: after it another one loses nothing, tears nothing, repeats nothing."""
    rig = Rig([("wait", 3), ("drop_new", 2), ("latest", 1)])
    readers = [rig.reader(number) for number in range(3)]
    got: list[list[int]] = [[], [], []]
    for value in range(1, 41):
        writer = rig.writer()
        record = writer.loan()
        assert record is not None
        record[:] = b"\xff" * len(record)  # it dies writing
        writer = rig.writer()
        put(writer, value)
        for number, reader in enumerate(readers):
            if number == 0 or value % 3:
                record = reader.take()
                assert record is not None
                assert {reader.seq} == value_of(record)
                got[number].append(reader.seq)
                reader.release()
    assert list(range(1, 41)) == got[0]
    assert sorted(set(got[1])) == got[1]
    assert [value for value in range(1, 41) if value % 3] == got[2]


def test_the_end_is_a_word_behind_the_last_record() -> None:
    """RULES 10: closing needs no room, overwrites nothing, and has arrived when the last record has been taken."""
    rig = Rig([("wait", 1), ("latest", 1), ("drop_new", 1), ("drop_oldest", 1)])
    writer, readers = rig.writer(), [rig.reader(number) for number in range(4)]
    put(writer, 1)
    assert [None] * 4 == [reader.end for reader in readers]
    writer.close()
    assert [False] * 4 == [reader.ended() for reader in readers]
    assert [[1]] * 4 == [taken(reader) for reader in readers]
    assert [(True, 1)] * 4 == [(reader.ended(), reader.end) for reader in readers]


def test_an_output_may_end_before_its_first_record() -> None:
    """RULES 10: no record is needed to end."""
    rig = Rig([("wait", 1), ("latest", 1)])
    writer, readers = rig.writer(), [rig.reader(0), rig.reader(1)]
    assert [False, False] == [reader.ended() for reader in readers]
    writer.close()
    assert [True, True] == [reader.ended() for reader in readers]


def test_readers_that_left_hold_nobody_up() -> None:
    """RULES 21: a gone reader does not fill the edge, and an output is alone when all are gone, but not if it never had one."""
    rig = Rig([("wait", 1), ("wait", 1)])
    writer, first, second = rig.writer(), rig.reader(0), rig.reader(1)
    put(writer, 1)
    first.leave()
    assert (False, 1) == (writer.all_gone(), writer.full_end())
    second.leave()
    assert (True, None) == (writer.all_gone(), writer.full_end())
    for value in range(2, 40):
        put(writer, value)
    assert not Rig([]).writer().all_gone()


def test_counts_are_exact_at_rest() -> None:
    """L5: published = taken + lost + waiting, with records passed over in lost."""
    rig = Rig([("wait", 8)])
    writer, reader = rig.writer(), rig.reader(0)
    for value in range(1, 9):
        put(writer, value)
    for value in range(1, 6):
        assert reader.take() is not None
        reader.release() if value % 2 else reader.pass_over()
    took, tail, head = reader.counts
    assert (3, 5, 8) == (took, tail, head)
    assert (2, 3) == (tail - took, reader.waiting())


def test_pass_over_needs_no_take() -> None:
    """Passing over takes the next record if none is in hand, and does nothing where none waits."""
    rig = Rig([("wait", 4)])
    writer, reader = rig.writer(), rig.reader(0)
    assert not reader.pass_over()
    put(writer, 1), put(writer, 2)
    reader.pass_over()
    assert [2] == taken(reader)
    assert (1, 2, 2) == reader.counts


@pytest.mark.parametrize("policy", ["wait", "drop_new", "latest"])
def test_put_back_makes_it_unread_again(policy: str) -> None:
    """A record may be looked at and left for later; meanwhile a newer one replaces it on `latest`."""
    rig = Rig([(policy, 4)])
    writer, reader = rig.writer(), rig.reader(0)
    put(writer, 1)
    assert reader.take() is not None
    reader.put_back()
    assert (None, 1, 0) == (reader.held, reader.waiting(), reader.counts[1])
    put(writer, 2)
    assert ([2] if policy == "latest" else [1, 2]) == taken(reader)


@pytest.mark.parametrize(("size", "most"), [(64, 2), (1 << 15, 2)], ids=["local", "shared and large"])
def test_the_slot_freed_last_is_lent_first(size: int, most: int) -> None:
    """DESIGN section 6: a fast reader and its writer go round in two slots, which stay in the cache."""
    rig = Rig([("wait", 16)], size=size, local=size == 64)
    writer, reader = rig.writer(), rig.reader(0)
    used = set()
    for value in range(100):
        writer.loan()
        used.add(writer.loaned)
        put(writer, value)
        taken(reader)
    assert most == len(used)


def test_a_loan_is_the_same_until_it_is_published_or_given_back() -> None:
    """Two loans without a publication are one."""
    rig = Rig([("wait", 2)])
    writer = rig.writer()
    writer.loan()
    slot, free = writer.loaned, writer.free
    writer.loan()
    assert (slot, free) == (writer.loaned, writer.free)
    writer.unloan()
    assert (None, free + 1) == (writer.loaned, writer.free)


# Refusals --------------------------------------------------------------------------------------------------------------------


def test_publishing_needs_a_loan_room_and_an_open_output() -> None:
    """The wrapper refuses what the C leaves to its caller, with what was missing."""
    rig = Rig([("wait", 1)])
    writer = rig.writer()
    with pytest.raises(ValueError, match="nothing was"):
        writer.publish()
    put(writer, 1)
    writer.loan()
    with pytest.raises(ValueError, match="it was full"):
        writer.publish()
    writer.close()
    with pytest.raises(ValueError, match="it was closed"):
        writer.publish()


def test_too_few_slots_are_refused() -> None:
    """N >= max depth + depths of drop_new + 1 + lease words: one fewer could leave a writer with room but without a slot."""
    rig = Rig([("wait", 3), ("drop_new", 2)])
    rig.slots -= 1
    with pytest.raises(ValueError, match="needs 15 slots for its readers, had 14"):
        rig.writer()


def test_a_short_index_is_refused() -> None:
    """RULES 5: depth + 1 entries, at least two."""
    rig = Rig([("wait", 3)])
    for entries in (1, 3):
        rig.place = Place(rig.place.words, rig.place.index, entries, rig.place.slots, rig.place.stride, rig.place.want)
        with pytest.raises(ValueError, match="entries"):
            rig.writer()


def test_offsets_outside_the_memory_are_refused() -> None:
    """What lies outside the buffer, or off its words, is named and not touched."""
    rig = Rig([("wait", 1)])
    for line, complaint in [(len(rig.control), "the segment has"), (3, "aligned"), (-64, "the segment has")]:
        with pytest.raises(ValueError, match=complaint):
            Reader(rig.data, rig.control, rig.place, rig.slots, Edge(line, -1, -1, 0), "wait")
    with pytest.raises(ValueError, match="slots: needs"):
        Reader(rig.data, rig.control, rig.place, 10**6, rig.edges[0], "wait")


def test_unknown_words_are_refused() -> None:
    """A policy has a name, a lease a number, a reader a place."""
    rig = Rig([("wait", 1), ("drop_oldest", 1)])
    with pytest.raises(ValueError, match="was 'block'"):
        Reader(rig.data, rig.control, rig.place, rig.slots, rig.edges[0], "block")
    writer, reader, dropping = rig.writer(), rig.reader(0), rig.reader(1)
    with pytest.raises(ValueError, match="was 0"):
        reader.unkeep(0)
    with pytest.raises(ValueError, match="there was none"):
        reader.keep()
    with pytest.raises(ValueError, match="drop_oldest"):
        dropping.put_back()
    with pytest.raises(IndexError):
        writer.dropped(2)
    assert POLICIES["error"] == POLICIES["wait"]


def test_buffers_are_let_go_with_their_ring() -> None:
    """A mapping can be closed once the last writer, reader and record over it is gone."""
    rig = Rig([("wait", 1)])
    writer, reader = rig.writer(), rig.reader(0)
    put(writer, 1)
    record = reader.take()
    assert isinstance(writer, Writer)
    with pytest.raises(BufferError):
        rig.data.close()
    del writer, reader, record
    rig.data.close()
    rig.control.close()
