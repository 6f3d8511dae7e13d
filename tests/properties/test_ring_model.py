"""L3 (counts), L4, L5, L10 and RULES 4, 5, 7, 9, 10, 21 of the ring, step by step against a model.

The pool has exactly the slots that the law asks for, and every loan is overwritten at once: a slot that is given away too early
shows as a torn record, one that is given back too late as a loan that fails.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dfcore._ring import Reader, Writer
from tests.properties.ring_model import End, RingModel
from tests.rings import Rig, put, value_of

ENDS = st.lists(st.tuples(st.sampled_from(["wait", "drop_new", "drop_oldest", "latest"]), st.integers(1, 4)), max_size=4)
NUMBER = st.integers(0, 4)


class RingMachine(RuleBasedStateMachine):
    """Writer, readers and a tap over one output, and the model beside them."""

    rig: Rig
    writer: Writer
    readers: list[Reader]
    model: RingModel
    views: dict[tuple[int, int], tuple[memoryview, int]]  # (reader, lease) -> what must not change; lease 0 is in hand

    @initialize(ends=ENDS, local=st.booleans(), mortal=st.booleans(), tombstones=st.booleans())
    def build(self, ends: list[tuple[str, int]], local: bool, mortal: bool, tombstones: bool) -> None:
        self.mortal = mortal  # a writer that begins anew would mend what the one before it lost
        self.tombstones = tombstones and not mortal  # it could not tell them from records that were refused
        self.rig = Rig(ends, local=local, tombstones=self.tombstones)
        self.writer = self.rig.writer()
        self.readers = [self.rig.reader(number) for number in range(len(ends) + 1)]
        self.model = RingModel([*ends, ("latest", 1)])
        self.views = {}

    def pick(self, number: int) -> tuple[int, Reader, End]:
        number %= len(self.readers)
        return number, self.readers[number], self.model.ends[number]

    def rang(self, local: bool) -> bool:
        """What a reader's step answers: whether the writer asked to be rung."""
        if local:
            return False
        asked, self.model.want = self.model.want, False
        return asked

    def has_room(self) -> bool:
        return not self.model.closed and self.model.full_end() is None

    @rule(count=st.integers(1, 12))
    def publish(self, count: int) -> None:
        for _ in range(count):
            if not self.has_room():
                break
            tombstone = self.tombstones and self.model.head * count % 3 == 1
            assert self.model.head + 1 == put(self.writer, self.model.head + 1, tombstone)
            self.model.publish(tombstone)
            self.check()

    @precondition(has_room)
    @rule(give_back=st.booleans())
    def loan(self, give_back: bool) -> None:
        record = self.writer.loan()
        assert record is not None
        record[:] = b"\xff" * len(record)
        if give_back:
            self.writer.unloan()

    @rule(number=NUMBER)
    def take(self, number: int) -> None:
        number, reader, end = self.pick(number)
        if end.gone:
            return
        expected, record = end.take(), reader.take()
        assert (expected is None) == (record is None)
        if record is not None and expected is not None:
            assert expected == reader.seq
            self.views[number, 0] = record, expected

    @rule(counts=st.lists(st.integers(0, 4), min_size=5, max_size=5))
    def flow(self, counts: list[int]) -> None:
        """What a run does most of the time: one record in, and some out at each reader."""
        self.publish(3)
        for number, count in enumerate(counts[: len(self.readers)]):
            for _ in range(count):
                self.take(number)
                self.finish(number, True)

    @rule(number=NUMBER, counted=st.booleans())
    def finish(self, number: int, counted: bool) -> None:
        number, reader, end = self.pick(number)
        if end.gone or end.take() is None:
            return
        if counted:
            reader.take()
        self.views.pop((number, 0), None)
        end.finish(counted)
        assert self.rang(self.rig.local) == (reader.release() if counted else reader.pass_over())

    @rule(number=NUMBER)
    def put_back(self, number: int) -> None:
        number, reader, end = self.pick(number)
        if end.policy == "drop_oldest":
            return
        self.views.pop((number, 0), None)
        end.put_back()
        reader.put_back()

    @rule(number=NUMBER)
    def keep(self, number: int) -> None:
        number, reader, end = self.pick(number)
        if end.hand is None:
            return
        expected = next((lease for lease in (1, 2) if lease not in end.kept), None)
        assert expected == reader.keep()
        if expected is not None:
            end.kept[expected] = end.hand
            self.views[number, expected] = self.views[number, 0]

    @rule(number=NUMBER, lease=st.integers(1, 2))
    def unkeep(self, number: int, lease: int) -> None:
        number, reader, end = self.pick(number)
        if end.kept.pop(lease, None) is None:
            return
        del self.views[number, lease]
        assert self.rang(False) == reader.unkeep(lease)

    @precondition(lambda self: self.model.head > 3)
    @rule(number=NUMBER)
    def leave(self, number: int) -> None:
        number, reader, end = self.pick(number)
        if end.gone:
            return
        self.views.pop((number, 0), None)
        end.forget()
        end.gone = True
        assert self.rang(self.rig.local) == reader.leave()

    @rule(number=NUMBER)
    def die_and_follow(self, number: int) -> None:
        number, _, end = self.pick(number)
        for lease in range(3):
            self.views.pop((number, lease), None)
        end.forget()
        end.kept.clear()
        self.readers[number] = self.rig.reader(number)

    @precondition(lambda self: self.mortal)
    @rule()
    def writer_dies_and_is_followed(self) -> None:
        self.writer = self.rig.writer()
        for end in self.model.ends:
            end.dropped = end.dropped if end.policy == "drop_new" else 0

    @rule()
    def want(self) -> None:
        self.writer.want()
        self.model.want = True

    @precondition(lambda self: self.model.head > 15)
    @rule()
    def close(self) -> None:
        self.writer.close()
        self.model.closed = True

    @invariant()
    def check(self) -> None:
        assert (self.model.full_end() is None) == self.writer.room()
        assert self.model.full_end() == self.writer.full_end()
        readers = self.model.ends[:-1]
        assert (bool(readers) and all(end.gone for end in readers)) == self.writer.all_gone()
        assert [end.dropped for end in readers] == [self.writer.dropped(i) for i in range(len(readers))]
        for view, value in self.views.values():
            assert {value % 251} == value_of(view)
        for reader, end in zip(self.readers, self.model.ends, strict=True):
            self.check_counts(reader, end)

    def check_counts(self, reader: Reader, end: End) -> None:
        """L5, exact at rest: published = taken + lost + waiting (+ in hand, where the tail is already behind it)."""
        in_hand = end.hand is not None and not end.passes_late
        assert [in_hand, 1 in end.kept, 2 in end.kept] == [slot is not None for slot in reader.leases]
        taken, tail, head = reader.counts
        waiting = min(head - tail, 1) if end.policy == "latest" else head - tail
        lost = tail - taken - in_hand + (end.seen - tail - waiting)
        assert (end.taken, end.lost, len(end.waits)) == (taken, lost, waiting)
        assert (len(end.waits) > 0) == (reader.waiting() > 0)
        assert reader.waiting() <= len(end.waits)
        assert (self.model.closed and not end.waits) == reader.ended()


TestRingMachine = RingMachine.TestCase
TestRingMachine.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)


def walk(seed: int, steps: int = 400) -> None:
    """A long life of one output: every step drawn alike; leaving and dying are for the end, or else nothing much would happen."""
    rng = random.Random(seed)
    machine = RingMachine()
    ends = [(rng.choice(["wait", "drop_new", "drop_oldest", "latest"]), rng.randint(1, 4)) for _ in range(rng.randint(0, 4))]
    machine.build(ends, local=rng.random() < 0.5, mortal=rng.random() < 0.2, tombstones=rng.random() < 0.5)
    steady: list[Callable[[], object]] = [
        lambda: machine.flow([rng.randint(0, 4) for _ in range(5)]),
        lambda: machine.publish(rng.randint(1, 6)),
        lambda: machine.loan(rng.random() < 0.5) if machine.has_room() else None,
        lambda: machine.take(rng.randrange(5)),
        lambda: machine.finish(rng.randrange(5), rng.random() < 0.8),
        lambda: machine.put_back(rng.randrange(5)),
        lambda: machine.keep(rng.randrange(5)),
        lambda: machine.unkeep(rng.randrange(5), rng.randint(1, 2)),
        machine.want,
    ]
    deaths: list[Callable[[], object]] = [lambda: machine.die_and_follow(rng.randrange(5)), machine.writer_dies_and_is_followed]
    last: list[Callable[[], object]] = [lambda: machine.leave(rng.randrange(5)), lambda: machine.die_and_follow(rng.randrange(5))]
    for step in range(steps):
        late = step > steps * 0.9
        rng.choice(steady + deaths * machine.mortal + last * late)()
        machine.check()


@pytest.mark.parametrize("seed", range(60))
def test_long_lives_agree_with_the_model(seed: int) -> None:
    """A ring agrees with its model over hundreds of records, where a leaked slot has time to be missed."""
    walk(seed)


@pytest.mark.campaign
def test_many_long_lives_agree_with_the_model() -> None:
    """The same for thousands of lives."""
    for seed in range(1000, 6000):
        walk(seed)
