"""The burst line against a model that moves one byte at a time."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.lane import Lane


class ByteLane:
    """The oracle: every byte is an event of its own, with exact times."""

    def __init__(self):
        self.byte = Fraction(10 * 10**9, 9600)
        self.start, self.index = Fraction(0), 0  # of the busy spell
        self.wire = []  # (begin, complete, value, start of its spell, index in it, length)
        self.held = []
        self.paused = False

    def end_ns(self):
        return floor(self.start + self.index * self.byte)

    def rate(self, bits, baud):
        byte = Fraction(bits * 10**9, baud)
        if byte != self.byte:
            self.start, self.index, self.byte = Fraction(self.end_ns()), 0, byte

    def put(self, now, data):
        for value in data:
            if self.paused:
                self.held.append(value)
                continue
            if self.end_ns() < now:
                self.start, self.index = Fraction(now), 0
            begin = self.end_ns()
            self.index += 1
            self.wire.append((begin, self.end_ns(), value, self.start, self.index - 1, self.byte))

    def take(self, now):
        taken = bytes(byte[2] for byte in self.wire if byte[1] <= now)
        self.wire = [byte for byte in self.wire if byte[1] > now]
        return taken

    def cut(self, now):
        back = [byte for byte in self.wire if byte[0] >= now]
        if back:
            begin, _, _, start, index, byte = back[0]
            self.start, self.index = (start, index) if byte == self.byte else (Fraction(begin), 0)
        self.wire = [byte for byte in self.wire if byte[0] < now]
        return bytes(byte[2] for byte in back)

    def pause(self, now):
        if not self.paused:
            self.held[:0] = self.cut(now)
            self.paused = True

    def resume(self, now):
        if self.paused:
            self.paused = False
            held, self.held = bytes(self.held), []
            self.put(now, held)

    def pending(self, now):
        return sum(byte[1] > now for byte in self.wire) + len(self.held)

    def when(self, count):
        return self.wire[count - 1][1] if count <= len(self.wire) else None


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3_000_000),
        st.one_of(
            st.tuples(st.just("put"), st.binary(min_size=1, max_size=6)),
            st.sampled_from([("take",), ("cut",), ("pause",), ("resume",)]),
            st.tuples(st.just("rate"), st.sampled_from([(10, 9600), (10, 115200), (11, 38400), (12, 7)])),
        ),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_bursts_are_bytes(steps):
    """Whatever is put, taken, cut, paused, resumed and re-timed: the burst lane and the byte model agree at every step."""
    lane, model, now = Lane(), ByteLane(), 0
    for wait, (what, *args) in steps:
        now += wait
        if what == "put":
            lane.put(now, *args)
            model.put(now, *args)
        elif what == "rate":
            lane.set_rate(*args[0])
            model.rate(*args[0])
        else:
            call = getattr(lane, what)
            assert call(now) == getattr(model, what)(now)
        assert lane.pending(now) == model.pending(now)
        assert [lane.when(count) for count in range(1, 40)] == [model.when(count) for count in range(1, 40)]
    assert lane.take(now + 10**12) == model.take(now + 10**12)


def test_a_busy_line_is_exact_to_the_nanosecond():
    """11 520 bytes at 115200 8N1 take one second, to the nanosecond, however they are handed in; so do 30 seconds of them."""
    lane = Lane(10, 115200)
    lane.put(0, bytes(11_520 * 30))
    assert lane.when(11_520) == 10**9
    assert lane.when(11_520 * 30) == 30 * 10**9
    pieces = Lane(10, 115200)
    for _ in range(5760):
        pieces.put(0, b"xy")
    assert pieces.when(11_520) == 10**9
    assert len(pieces.take(10**9 - 1)) == 11_519
    assert len(pieces.take(10**9)) == 1


def test_a_pause_lets_the_byte_on_the_wire_go():
    """Half-way through the second of three bytes: two arrive, one is held, and goes on after the pause."""
    lane = Lane(10, 10)  # one byte per second
    lane.put(0, b"abc")
    lane.pause(1_500_000_000)
    assert (lane.pending(10**10), lane.take(10**10)) == (1, b"ab")
    lane.resume(20 * 10**9)
    assert lane.when(1) == 21 * 10**9
