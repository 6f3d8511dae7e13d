"""Faults are data: placed by index, printable, storable, logged, and they shrink."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest
import serial
from hypothesis import find, given, settings
from hypothesis import strategies as st

import sim
from sim import (
    Delay,
    Drift,
    Drop,
    Duplicate,
    FaultSchedule,
    Flip,
    Insert,
    Jitter,
    Noise,
    SerialDevice,
    Stall,
    Unplug,
    World,
    Xrun,
)
from sim.applied import Applied
from sim.strategies import chunking, disconnects, fault_schedule, faults, jitter

PORT = "/dev/ttyUSB0"
FRAMES = [b"ab", b"cde", b"", b"f", b"ghij"]
SENT = b"".join(FRAMES)


class Source(SerialDevice):
    """Sends the frames, one each 10 ms, from the opening of the port on."""

    def on_open(self):
        for index, frame in enumerate(FRAMES):
            self.send(frame, delay_s=0.01 * (index + 1))


def received(schedule, duration_s=1.0, **options):
    """What a program reads in `duration_s`."""
    with World() as world:
        line = world.serial(PORT, Source(), faults=schedule, **options)
        with serial.Serial(PORT, 115200, timeout=duration_s) as port:
            data = port.read(1000)
        assert line.faults == FaultSchedule(schedule)
        return data, [event.data for event in world.trace if event.kind == "fault"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Drop(byte=0), b"bcdefghij"),
        (Drop(frame=1), b"abfghij"),
        (Drop(frame=2), SENT),
        (Flip(byte=3, mask=0x20), b"abcDefghij"),
        (Flip(frame=4, mask=0xFF), b"abcdef\x98hij"),
        (Duplicate(byte=5), b"abcdeffghij"),
        (Duplicate(frame=1), b"abcdecdefghij"),
        (Insert(byte=9, data=b"!?"), b"abcdefghi!?j"),
        (Insert(frame=0, data=b"!"), b"!abcdefghij"),
        (Delay(frame=1, delay_s=0.5), SENT),
        (Drop(byte=99), SENT),
    ],
    ids=repr,
)
def test_each_fault_hits_its_byte_or_frame(fault, expected):
    """Nothing else changes, and the trace names the fault if it acted."""
    data, log = received([fault])
    assert data == expected
    assert log == ([] if fault == Drop(byte=99) else [repr(fault)])


def test_a_delay_holds_up_what_follows_and_nothing_overtakes():
    """The line is idle before the byte; the frames behind it queue."""

    with World() as world:
        world.serial(PORT, Source(), faults=[Delay(byte=3, delay_s=0.1)])
        with serial.Serial(PORT, 10_000, timeout=1) as port:
            got = []
            for _ in SENT:
                got.append((port.read(1), world.now_ns // 1_000_000))
    assert got == [
        (b"a", 11), (b"b", 12), (b"c", 21), (b"d", 122), (b"e", 123),
        (b"f", 124), (b"g", 125), (b"h", 126), (b"i", 127), (b"j", 128),
    ]  # fmt: skip


def test_jitter_is_a_list_that_repeats():
    """Frame k is late by the k-th entry."""
    with World() as world:
        world.serial(PORT, Source(), faults=[Jitter([0, 3000])])
        with serial.Serial(PORT, 10_000, timeout=1) as port:
            firsts = []
            for frame in (b"ab", b"cde", b"f", b"ghij"):
                port.read(1)
                firsts.append(world.now_ns // 100_000)
                port.read(len(frame) - 1)
    assert firsts == [110, 240, 440, 510]


def test_noise_lasts_as_long_as_it_should_and_is_seeded():
    """At rate 1 bytes in the window are replaced, the others are not; two runs agree."""
    first, second = received([Noise(0.015, 0.01, 1.0)]), received([Noise(0.015, 0.01, 1.0)])
    assert first == second
    data, log = first
    assert (data[:2], data[5:]) == (b"ab", b"fghij")
    assert data[2:5] != b"cde"
    assert log == ["Noise(at_s=0.015, duration_s=0.01, rate=1.0)"]


def test_stalls_and_unplugs_come_at_their_time():
    """A stall loses nothing; an unplugged port fails, and may come back."""
    data, log = received([Stall(0.012, 0.5)])
    assert (data, log) == (SENT, ["Stall(at_s=0.012, duration_s=0.5)"])
    with World() as world:
        world.serial(PORT, Source(), faults=[Unplug(0.015, replug_s=0.1)])
        port = serial.Serial(PORT, 115200, timeout=1)
        assert port.read(2) == b"ab"
        with pytest.raises(serial.SerialException):
            port.read(3)
        port.close()
        time.sleep(0.2)
        with serial.Serial(PORT, 115200, timeout=1) as again:
            assert again.read(10) == SENT


@pytest.mark.parametrize("other", [Stall(0.02, 0.01), Stall(0.02, 0.492), Stall(0.012, 0.1)], ids=repr)
def test_a_stall_within_another_ends_nothing(other):
    """The line stands still until the last stall is over."""
    with World() as world:
        world.serial(PORT, Source(), faults=[Stall(0.012, 0.5), other])
        with serial.Serial(PORT, 115200, timeout=1) as port:
            port.read(2)
            port.read(1)
            assert world.now_ns == 512_086_805


@pytest.mark.parametrize(
    ("fault", "plain"),
    [
        (Drop(byte=np.int64(3)), Drop(byte=3)),
        (Flip(frame=np.uint8(1), mask=np.uint8(7)), Flip(frame=1, mask=7)),
        (Delay(byte=0, delay_s=np.float32(0.5)), Delay(byte=0, delay_s=0.5)),
        (Stall(Fraction(1, 2), np.int32(1)), Stall(0.5, 1)),
        (Unplug(np.float64(1), replug_s=np.float64(2)), Unplug(1.0, replug_s=2.0)),
        (Noise(np.float64(1), rate=np.float32(0.5)), Noise(1.0, rate=0.5)),
        (Jitter(np.array([1, 2])), Jitter([1, 2])),
        (Xrun(np.int64(3)), Xrun(3)),
        (Drift(np.float64(50)), Drift(50.0)),
    ],
    ids=repr,
)
def test_numbers_of_any_library_are_kept_as_those_of_python(fault, plain):
    """So a schedule prints, and is stored, whatever computed its numbers."""
    schedule = FaultSchedule([fault])
    assert repr(schedule) == repr(FaultSchedule([plain]))
    assert FaultSchedule.from_json(schedule.to_json()) == schedule


@pytest.mark.parametrize("long_s", [1e300, 10**400])
def test_a_time_that_no_clock_holds_is_refused(long_s):
    """When it is written down, not when it acts."""
    for make in (lambda: Delay(byte=0, delay_s=long_s), lambda: Stall(long_s), lambda: Stall(0, long_s), lambda: Unplug(0, replug_s=long_s)):
        with pytest.raises(ValueError, match=f"was {str(long_s)[:2]}"):
            make()
    with World() as world, pytest.raises(ValueError, match="World.after: needed a delay"):
        world.after(long_s, print)


@pytest.mark.parametrize("text", ['[{"kind": "Insert", "byte": 0, "data": 5}]', '[{"kind": "Insert", "byte": 0, "data": "zz"}]',
                                  '[{"kind": ["Drop"], "byte": 0}]'])  # fmt: skip
def test_json_that_nobody_wrote_is_refused(text):
    """In the words of this class."""
    with pytest.raises(ValueError, match="FaultSchedule: needed .* was it written by to_json"):
        FaultSchedule.from_json(text)


def test_the_order_of_a_list_and_other_faults_do_not_matter():
    """Faults of one byte act in one order; removing one moves no other."""
    both = [Insert(byte=0, data=b"!"), Flip(byte=0, mask=0x20), Drop(frame=3)]
    assert received(both)[0] == received(both[::-1])[0] == b"!Abcdeghij"
    assert received(both[1:])[0] == b"Abcdeghij"


@pytest.mark.parametrize(
    "both",
    [
        [Insert(byte=3, data=b"1"), Insert(byte=3, data=b"2")],
        [Duplicate(frame=1), Duplicate(byte=3)],
        [Noise(0, 1, 0.3), Noise(0, 1, 0.6)],
        [Noise(0, 1, 0.3), Duplicate(byte=4)],
        [Jitter([0, 900]), Jitter([300]), Delay(frame=2)],
    ],
    ids=repr,
)
def test_two_faults_at_one_place_act_in_one_order(both):
    """Whichever of them the list names first."""
    assert received(both) == received(both[::-1])


def test_two_unplugs_at_one_instant_act_in_one_order():
    """Whether the plug comes back does not hang on which the list names first."""

    def log(schedule):
        with World() as world:
            world.serial(PORT, Source(), faults=schedule)
            time.sleep(1)
        return [str(event) for event in world.trace]

    both = [Unplug(0.022, replug_s=0.1), Unplug(0.022)]
    assert log(both) == log(both[::-1])


@pytest.mark.parametrize("towards", ["program", "device"])
def test_noise_spoils_the_same_bytes_whatever_else_happens(towards):
    """It has numbers of its own: no other fault moves what it does, be that another noise."""

    def told(schedule):
        if towards == "program":
            return received(schedule)[0]
        return b"".join(data for data, _ in heard(schedule)[0])

    noise = Noise(0, 1, 0.5, towards=towards)
    alone = told([noise])
    assert sum(one != other for one, other in zip(alone, SENT, strict=True)) in range(1, len(SENT))
    assert told([noise, Drop(byte=1, towards=towards)]) == alone[:1] + alone[2:]
    assert told([Insert(byte=1, data=b"!!", towards=towards), noise]) == alone[:1] + b"!!" + alone[1:]
    assert told([noise, Noise(0.5, 1, 1.0, towards=towards)]) == alone
    assert told([Noise(0, 1, 0.0, towards=towards), noise]) == alone


def test_noise_at_rate_one_spoils_every_byte():
    """Replaced is replaced by another."""
    with World() as world:
        device = Listener()
        world.serial(PORT, device, faults=[Noise(0, 100, 1.0, towards="device")])
        with serial.Serial(PORT, 1_000_000) as port:
            port.write(bytes(4000))
    assert 0 not in b"".join(data for data, _ in device.heard)


class Listener(SerialDevice):
    """Writes down what it hears, and when in microseconds."""

    def __init__(self):
        self.heard = []

    def on_data(self, data):
        self.heard.append((data, self.now_ns // 1000))


def heard(schedule, writes=(b"ab", b"cde", b"f", b"ghij")):
    """What a device hears of a program that writes something each 10 ms, and the faults that acted."""
    with World() as world:
        device = Listener()
        line = world.serial(PORT, device, faults=schedule)
        with serial.Serial(PORT, 10_000) as port:
            for data in writes:
                port.write(data)
                time.sleep(0.01)
            time.sleep(1)
        assert b"".join(data for data, _ in device.heard) == line.sent
        return device.heard, [event.data for event in world.trace if event.kind == "fault"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Drop(byte=0, towards="device"), b"bcdefghij"),
        (Drop(frame=1, towards="device"), b"abfghij"),
        (Flip(byte=3, mask=0x20, towards="device"), b"abcDefghij"),
        (Duplicate(frame=1, towards="device"), b"abcdecdefghij"),
        (Insert(byte=9, data=b"!?", towards="device"), b"abcdefghi!?j"),
        (Delay(frame=1, delay_s=0.5, towards="device"), b"abcdefghij"),
        (Jitter([0, 900], towards="device"), b"abcdefghij"),
        (Noise(0.0, 10.0, 0.0, towards="device"), b"abcdefghij"),
        (Drop(byte=0), b"abcdefghij"),
    ],
    ids=repr,
)
def test_a_device_hears_faults_too(fault, expected):
    """`towards="device"` is what the program sends; other faults do not touch it; the trace names it if it acted."""
    pieces, log = heard([fault])
    assert b"".join(data for data, _ in pieces) == expected
    assert set(log) == ({repr(fault)} if fault.towards == "device" and not isinstance(fault, Noise) else set())


def test_what_a_delay_holds_up_is_heard_in_order():
    """A byte and all behind it are late; nothing overtakes, and what is on time again is not held up."""
    pieces, _ = heard([Delay(byte=3, delay_s=0.012, towards="device")])
    assert pieces == [(b"ab", 2000), (b"c", 13000), (b"de", 25000), (b"f", 25000), (b"ghij", 34000)]


def test_noise_towards_a_device_is_seeded_and_touches_nothing_else():
    """At rate 1 what the device hears in the window is other bytes; two runs agree."""
    fault = Noise(0.005, 0.01, 1.0, towards="device")
    first, log = heard([fault])
    assert (first, log) == heard([fault])
    assert [len(data) for data, _ in first] == [2, 3, 1, 4]
    assert [data == sent for (data, _), sent in zip(first, (b"ab", b"cde", b"f", b"ghij"), strict=True)] == [True, False, True, True]
    assert log == [repr(fault)]


def test_what_is_under_way_to_a_device_is_lost_with_its_plug():
    """A frame that a fault holds up is never heard by a device that was unplugged meanwhile."""
    device = Listener()
    with World() as world:
        line = world.serial(PORT, device, faults=[Delay(frame=0, delay_s=1, towards="device")])
        port = serial.Serial(PORT)
        port.write(b"late")
        time.sleep(0.5)
        line.unplug()
        line.replug()
        time.sleep(5)
    assert device.heard == []


@pytest.mark.parametrize("towards", ["program", "device", "both"])
def test_the_smallest_fault_is_found_in_either_direction(towards):
    """A device that must hear its command, and a program that must hear the answer: one drop is enough."""

    def device(line):
        while True:
            yield sim.read(2)
            line.send(b"ok")

    def answered(schedule):
        with World() as world:
            world.serial(PORT, device, faults=schedule)
            with serial.Serial(PORT, timeout=1) as port:
                port.write(b"go")
                return port.read(2) == b"ok"

    smallest = find(faults(2, ["drop"], towards=towards), lambda schedule: not answered(schedule))
    assert [type(fault) for fault in smallest] == [Drop]
    assert smallest == FaultSchedule([Drop(byte=0, towards="program" if towards == "both" else towards)])


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (lambda: Drop(3), "Drop: needed byte= or frame= by name, was 3; write Drop(byte=3)"),
        (lambda: Insert(b"x", 1), "Insert: needed byte= or frame= by name, was b'x', 1; write Insert(byte=3)"),
    ],
)
def test_a_number_without_a_name_is_refused(fault, text):
    """It may be meant as a byte or as a frame."""
    with pytest.raises(TypeError) as failure:
        fault()
    assert text == str(failure.value)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Drop(byte=True), "an index from 0, was True"),
        (lambda: Drop(byte=0.5), "an index from 0, was 0.5"),
        (lambda: Drop(byte="0"), "an index from 0, was '0'"),
        (lambda: Drop(byte=0, towards="imu"), 'needed towards="program" or "device", was \'imu\''),
        (lambda: Noise(0, towards=None), 'Noise: needed towards="program" or "device"'),
        (lambda: Jitter([1], towards=""), 'Jitter: needed towards="program" or "device"'),
        (lambda: Flip(byte=0, mask=256), "a mask of 1 to 255, was 256"),
        (lambda: Flip(byte=0, mask="1"), "a mask of 1 to 255, was '1'"),
        (lambda: Delay(byte=0, delay_s=float("nan")), "above 0 s, was nan"),
        (lambda: Delay(byte=0, delay_s="1"), "above 0 s, was '1'"),
        (lambda: Noise(0, -1), "needed duration_s of at least 0 s, was -1"),
        (lambda: Noise(0, 1, 1.5), "a rate of 0 to 1, was 1.5"),
        (lambda: Noise(0, 1, float("nan")), "a rate of 0 to 1, was nan"),
        (lambda: Stall(0, float("inf")), "needed duration_s of at least 0 s, was inf"),
        (lambda: Unplug(0, "soon"), "needed replug_s of at least 0 s, was 'soon'"),
        (lambda: Unplug(float("nan")), "a time from 0 s, was nan"),
        (lambda: Jitter([0.5]), "delays from 0 us"),
        (lambda: FaultSchedule.from_json("3"), "needed a JSON list of objects"),
        (lambda: FaultSchedule.from_json('[{"kind": "Drop", "bite": 1}]'), r"needed the fields of Drop, was \['bite'\]"),
        (lambda: faults(3, towards="me"), 'needed towards="program", "device" or "both", was \'me\''),
        (lambda: Drop(), "needed byte= or frame=, was neither"),
        (lambda: Drop(byte=1, frame=1), "was both"),
        (lambda: Drop(byte=-1), "an index from 0"),
        (lambda: Flip(byte=1, mask=0), "a mask of 1 to 255"),
        (lambda: Delay(byte=1, delay_s=0), "above 0 s"),
        (lambda: Stall(-1), "a time from 0 s"),
        (lambda: Jitter([]), "delays from 0 us"),
    ],
)
def test_bad_faults_say_what_they_need(make, text):
    """The message names kind, need and value."""
    with pytest.raises(ValueError, match=text):
        make()


def test_bad_schedules_are_refused():
    """What is no fault, and faults without a device to act on."""
    with pytest.raises(TypeError, match="needed faults"):
        FaultSchedule(["drop"])
    with pytest.raises(TypeError, match="needed data as bytes, was 'x'"):
        Insert(byte=0, data="x")
    with pytest.raises(TypeError, match="needed a list of delays in us, was 3"):
        Jitter(3)
    for what in (3, "drop", None, Drop(byte=0)):
        with pytest.raises(TypeError, match="needed a list of faults, was"):
            FaultSchedule(what)
    with pytest.raises(ValueError, match="needed a kind of"):
        FaultSchedule.from_json('[{"kind": "Explode"}]')
    with World() as world, pytest.raises(ValueError, match="needed a device for faults to act on"):
        world.serial("loop", faults=[Drop(byte=0)])


SCHEDULES = st.one_of(faults(20, n_frames=5, towards="both"), fault_schedule(1.0), disconnects(1.0), jitter(500).map(lambda one: FaultSchedule([one])))


@settings(deadline=None)
@given(SCHEDULES)
def test_a_schedule_is_python_and_json(schedule):
    """`repr` evaluates to an equal schedule, and so does its JSON."""
    assert eval(repr(schedule), vars(sim)) == schedule
    assert FaultSchedule.from_json(schedule.to_json()) == schedule
    assert hash(FaultSchedule(list(schedule))) == hash(schedule)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=9), min_size=1, max_size=5), faults(30, n_frames=5))
def test_bytes_out_are_bytes_in_but_for_the_faults(frames, schedule):
    """Against a plain model: a list of bytes, each dropped, flipped, doubled or preceded by others."""
    applied = Applied(schedule, ())
    out = b"".join(part for frame in frames for _, part in applied.send(frame, 0)[0])
    expected, first = b"", 0
    for number, frame in enumerate(frames):
        cells = [[b"", bytes([byte]), b""] for byte in frame]  # before, the byte, after
        for kind in (Flip, Drop, Duplicate, Insert):
            for fault in sorted((fault for fault in schedule if type(fault) is kind), key=repr):
                if fault.frame is not None:
                    hit = cells if fault.frame == number else []
                else:
                    hit = cells[fault.byte - first :][:1] if first <= fault.byte else []
                if not hit:
                    continue
                if kind is Flip and hit[0][1]:
                    hit[0][1] = bytes([hit[0][1][0] ^ fault.mask])
                elif kind is Drop:
                    for cell in hit:
                        cell[1] = b""
                elif kind is Duplicate:
                    hit[-1][2] += b"".join(cell[0] + cell[1] + cell[2] for cell in hit)
                elif kind is Insert:
                    hit[0][0] = fault.data + hit[0][0]
        expected += b"".join(b"".join(cell) for cell in cells)
        first += len(frame)
    assert out == expected


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=30).flatmap(lambda data: st.tuples(st.just(data), chunking(data))))
def test_chunks_join_to_the_whole(case):
    """No piece is empty and nothing is lost."""
    data, chunks = case
    assert b"".join(chunks) == data
    assert all(chunks)


def test_the_smallest_schedule_is_found():
    """Of all schedules that lose the last frame, the one Hypothesis ends with is a single drop."""
    smallest = find(faults(10, n_frames=5), lambda schedule: b"ghij" not in received(schedule)[0])
    assert len(smallest) == 1


def test_hypothesis_prints_a_schedule_as_python():
    """The failing example is what `repr` says, also where Hypothesis would tell how it was drawn."""

    @settings(database=None, max_examples=50)
    @given(faults(n_bytes=1, kinds=["flip"], max_faults=2))
    def fails(schedule):
        assert not len(schedule)

    with pytest.raises(AssertionError) as caught:
        fails()
    assert "schedule=FaultSchedule([Flip(byte=0)])" in "\n".join(caught.value.__notes__)
