"""A driver tested on the twin of its sensor: what a user of `sim` would write. The driver is `imu_driver.Imu`, plain pyserial."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
import zlib
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest
import serial
import serial_imu
from hypothesis import find, given, settings
from hypothesis import strategies as st
from imu_driver import DATA_BYTES, SET, STATE, Framer, Imu, ImuError, pack
from serial_imu import PORT, Body, SimulatedImu

from sim import Delay, Drop, Duplicate, FaultSchedule, Flip, Insert, SerialDevice, Stall, Unplug, World, ftdi
from sim.strategies import disconnects, fault_schedule, faults
from tests.programs import ENVIRONMENT

EXAMPLES = Path(serial_imu.__file__).parent

QUICK = ftdi(latency_ms=1)
FIRST = 2  # the STATE after opening is frame 0, the one after `start` is frame 1, then come the samples
STATE_BYTES = len(pack(STATE, 0, 0))


def read(schedule=(), duration_s=10.0, driver=Imu, twin=None, *, profile=QUICK):
    """The reading of a driver that reads for so long under these faults, the twin, and all that the driver read."""
    twin = twin or SimulatedImu()
    with World(seed=1) as world:
        world.serial(PORT, twin, faults=schedule, profile=profile)
        with driver(PORT) as imu:
            first = twin.count
            reading = imu.read_for(duration_s)
        assert reading.begin == first
        return reading, twin, b"".join(event.data for event in world.trace if event.kind == "read")


# one fault at a time ----------------------------------------------------------------------------------------------------------


def test_a_quiet_line_loses_nothing():
    """Ten seconds at 100 Hz: every sample, in order, at its time, with the physics of the body."""
    reading, twin, _ = read()
    assert (reading.good, reading.lost, reading.corrupt, reading.repeated) == (twin.count, 0, 0, 0)
    assert [sample.number for sample in reading.samples] == list(range(1000))
    turns, accelerations = (np.array([getattr(sample, name) for sample in reading.samples]) for name in ("turn", "acceleration"))
    assert turns.mean(axis=0) == pytest.approx([0.3, 0.0, 0.1], abs=5 * 0.003 / 1000**0.5)
    assert np.linalg.norm(accelerations, axis=1) == pytest.approx(9.81, abs=5 * 0.03)


def test_a_dropped_frame_is_one_lost():
    """The number that is missing is counted once, and the others come."""
    reading, _, _ = read([Drop(frame=3)])
    assert reading.lost == 1
    assert (reading.good, reading.corrupt) == (999, 0)
    assert [sample.number for sample in reading.samples[:3]] == [0, 2, 3]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Flip(frame=5), (99, 1, 0, 0)),  # its mark
        (Flip(byte=100), (99, 1, 0, 0)),
        (Drop(byte=100), (99, 1, 0, 0)),
        (Insert(byte=100, data=b"\xa5\x5a\x01\x0e"), (99, 1, 0, 0)),
        (Insert(frame=5, data=b"\xa5\x5a\x01\x0e"), (100, 0, 0, 0)),  # the head of a frame that does not come
        (Duplicate(frame=5), (100, 0, 0, 1)),
        (Delay(frame=5, delay_s=0.2), (100, 0, 0, 0)),
        (Stall(0.5, 0.2), (100, 0, 0, 0)),
        (Drop(frame=0), (100, 0, 0, 0)),  # an answer
        (Drop(frame=1), (110, 0, 0, 0)),  # the driver asks again, and the sensor is sending already
        (Drop(frame=FIRST), (99, 0, 1, 0)),
        (Drop(frame=FIRST + 99), (99, 0, 1, 0)),
        (Drop(frame=FIRST + 100), (100, 0, 0, 0)),  # the last answer
    ],
    ids=repr,
)
def test_each_fault_costs_what_it_must(fault, expected):
    """Good, corrupt, lost, repeated: nothing but the frame that was hit."""
    reading, twin, _ = read([fault], duration_s=1.0)
    assert (reading.good, reading.corrupt, reading.lost, reading.repeated) == expected
    assert reading.counted == twin.count


def test_an_ftdi_adapter_sends_bursts():
    """With its latency timer at 16 ms samples come two at a time, up to 16 ms late; at 1 ms they do not."""
    slow, _, _ = read(profile="ftdi", duration_s=5.0)
    quick, _, _ = read(duration_s=5.0)
    assert slow.lost == quick.lost == 0
    assert 0.012 < max(slow.delays_s) <= 0.016
    assert max(quick.delays_s) <= 0.001
    assert len({sample.arrival_s for sample in slow.samples}) < 0.7 * slow.good
    assert len({sample.arrival_s for sample in quick.samples}) == quick.good


def test_a_port_that_is_plugged_in_again_goes_on():
    """The driver opens it again; what the sensor sent meanwhile is lost, and counted."""
    with World() as world:
        twin = SimulatedImu()
        line = world.serial(PORT, twin, profile=QUICK)
        with Imu(PORT) as imu:
            world.after(3.0, line.unplug)
            world.after(4.0, line.replug)
            reading = imu.read_for(10.0)
            assert imu.outages == 1
    assert (reading.good + reading.lost, reading.corrupt) == (1000, 0)
    assert 100 <= reading.lost <= 106  # one second, and at most a retry of 50 ms
    gaps = np.diff([sample.number for sample in reading.samples])
    assert (set(gaps[gaps > 1]), gaps.max()) == ({reading.lost + 1}, reading.lost + 1)


def test_numbers_that_wrap_are_no_loss():
    """The number in a frame has 16 bits; the count goes on."""
    reading, _, _ = read([Drop(frame=FIRST + 36)], duration_s=1.0, twin=SimulatedImu(count=65500))
    assert (reading.good, reading.lost) == (99, 1)
    assert 65536 not in {sample.number for sample in reading.samples}
    assert reading.samples[-1].number == 65599


def test_a_sensor_left_on_by_another_program_is_no_trouble():
    """A driver that starts in the middle of a stream begins to count at what it asks for."""
    with World() as world:
        twin = SimulatedImu()
        world.serial(PORT, twin)
        with Imu(PORT) as imu:
            imu.start()
        with Imu(PORT) as imu:
            reading = imu.read_for(1.0)
    assert (reading.good, reading.lost, reading.corrupt) == (100, 0, 0)
    assert reading.begin == twin.count - 100


@pytest.mark.parametrize(
    ("device", "options", "text"),
    [
        (SerialDevice(), {}, "was nothing"),
        (SimulatedImu(), {"baudrate": 57600}, "was nothing"),
        (SimulatedImu(), {}, "needed an answer of 77 Hz, was 0 Hz"),
    ],
    ids=["silent", "wrong baud rate", "a rate it does not have"],
)
def test_a_sensor_that_does_not_answer_is_an_error(device, options, text):
    """Port, need, what was found, and what to check; no thread is left."""
    with World() as world, pytest.raises(ImuError, match=text) as caught:
        world.serial(PORT, device)
        with Imu(PORT, **options) as imu:
            imu.start(77)
    assert PORT in str(caught.value)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("imu")]


def test_a_port_that_stays_away_is_an_error():
    """The driver waits for it for some seconds, and then says so."""
    with pytest.raises(ImuError, match=PORT):
        read([Unplug(0.5)], duration_s=1.0)
    with World(), pytest.raises(serial.SerialException, match=PORT):
        Imu(PORT)


def test_stop_without_start_is_refused():
    """The message says what was missing."""
    with World() as world, pytest.raises(ValueError, match=r"needed start\(\) before stop\(\)"):
        world.serial(PORT, SimulatedImu())
        with Imu(PORT) as imu:
            imu.stop()


# every fault ------------------------------------------------------------------------------------------------------------------

LONG_S = 0.15
FRAMES = 15 + 3
ANY_BYTES = faults(FRAMES * DATA_BYTES, max_faults=4, n_frames=FRAMES)
REPLUGGED = disconnects(LONG_S, max_faults=1).filter(lambda schedule: all(unplug.replug_s for unplug in schedule))
ANY = st.tuples(ANY_BYTES, fault_schedule(LONG_S, max_faults=1), REPLUGGED).map(lambda parts: FaultSchedule(chain(*parts)))
PROFILES = st.sampled_from(["ideal", "uart16550", "ftdi", "cdc_acm"])


def whole(frames, data):
    """The numbers of the frames that are in `data`, one behind the other: by mere chance two may share a byte."""
    found, end = [], 0
    for number, frame in enumerate(frames):
        if (at := data.find(frame, end)) >= 0:
            found.append(number)
            end = at + len(frame)
    return found


def check(schedule, profile=QUICK, driver=Imu):
    """The laws of the driver, for a line with these faults."""
    reading, twin, data = read(schedule, LONG_S, driver, profile=profile)
    # Whatever came whole is delivered, once, and nothing else is.
    assert [sample.number for sample in reading.samples] == whole(twin.frames, data)
    assert reading.good + reading.corrupt + reading.lost == twin.count
    assert min(reading.corrupt, reading.lost) >= 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ANY, PROFILES)
def test_the_driver_never_lies(schedule, profile):
    """Under every schedule: what came whole is delivered, nothing else is, and good + corrupt + lost is what was sent."""
    check(schedule, profile)


@pytest.mark.campaign
@settings(max_examples=5000, deadline=None)
@given(ANY, PROFILES)
def test_the_driver_never_lies_under_many_schedules(schedule, profile):
    """The same, over many more."""
    check(schedule, profile)


# drivers with a bug -----------------------------------------------------------------------------------------------------------


class Swallowing(Imu):
    """Believes the size in a damaged frame, and throws so many bytes away: the next good frame may be among them."""

    class framer(Framer):
        def cost(self, size):
            return size


class Credulous(Imu):
    """Believes every frame."""

    class framer(Framer):
        def intact(self, covered):
            return True


def fails(schedule, driver):
    """Whether a law is broken."""
    try:
        check(schedule, driver=driver)
    except (AssertionError, ImuError):
        return True
    return False


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        (Swallowing, FaultSchedule([Drop(byte=STATE_BYTES + 4)])),  # the answer to `start`: the first sample is swallowed
        (Credulous, FaultSchedule([Drop(byte=4)])),  # the first answer: the count in it is wrong
    ],
)
def test_a_bug_is_found_and_shrinks_to_one_fault(driver, expected):
    """Hypothesis ends with the one fault that shows it, at the first byte where it does: dropping no earlier one does."""
    options = settings(database=None, deadline=None)
    smallest = find(ANY_BYTES, lambda schedule: fails(schedule, driver), settings=options, random=random.Random(0))
    assert smallest == expected
    (fault,) = smallest
    assert [] == [byte for byte in range(fault.byte) if fails([Drop(byte=byte)], driver)]
    assert not fails(smallest, Imu)


# frames, and the program ------------------------------------------------------------------------------------------------------


def test_six_wrong_bits_are_always_found():
    """The remainders of all patterns of up to three wrong bits differ, so no pattern of up to six has the remainder 0."""
    size = DATA_BYTES - 2  # what is behind the mark: covered bytes, then the CRC
    nothing = zlib.crc32(bytes(size - 4))
    covered = [zlib.crc32((1 << bit).to_bytes(size - 4, "big")) ^ nothing for bit in range(8 * (size - 4))]
    remainders = np.array(covered + [1 << bit for bit in range(32)], np.uint32)
    patterns = [np.zeros(1, np.uint32)]
    for count in (1, 2, 3):
        chosen = np.array(list(combinations(range(len(remainders)), count)))
        patterns.append(np.bitwise_xor.reduce(remainders[chosen], axis=1))
    found = np.concatenate(patterns)
    assert len(found) == 1 + 160 + 160 * 159 // 2 + 160 * 159 * 158 // 6
    assert len(np.unique(found)) == len(found)


def test_a_frame_comes_through_in_any_pieces():
    """Bytes one by one, with noise in front that looks like the beginning of a frame."""
    framer, stream = Framer(), b"\xa5\xa5\x5a\x01" + pack(SET, 100) + b"\xa5" + pack(STATE, 100, 7)
    found = [frame for byte in stream for frame in framer.feed(bytes([byte]))]
    assert found == [(SET, (100,)), (STATE, (100, 7))]
    assert framer.rejected == 5


def test_a_body_at_rest_feels_gravity_upwards():
    """Not turning, its z axis stays up; turning by a right angle about x, up goes from z to y."""
    assert Body((0.0, 0.0, 0.0)).upward(5.0).tolist() == [0.0, 0.0, 1.0]
    assert Body((np.pi / 2, 0.0, 0.0)).upward(1.0) == pytest.approx([0.0, 1.0, 0.0], abs=1e-12)


def test_the_driver_knows_nothing_of_simulation():
    """Importing it imports no part of `sim`, and no part of `dfcore`."""
    command = [sys.executable, "-c", "import imu_driver, sys; sys.exit(bool({'sim', 'dfcore'} & set(sys.modules)))"]
    assert subprocess.run(command, cwd=EXAMPLES, check=False).returncode == 0


def test_the_program_reads_the_twin(capsys):
    """Without arguments: ten seconds, in virtual time, and what they were like."""
    assert serial_imu.main([]) == 0
    output = capsys.readouterr().out
    assert re.match(r"100\d samples: 0 lost, 0 corrupt, 0 repeated, 0 outages\n100\.0 Hz; behind the fastest: p50 ", output)


TWIN = f"""
import sys, time
sys.path.insert(0, {str(EXAMPLES)!r})
from serial_imu import SimulatedImu
from sim import World
with World(clock="wall") as world:
    world.serial("imu", SimulatedImu())
    print(world.pty("imu"), flush=True)
    while True:
        time.sleep(60)
"""


def test_the_program_reads_a_real_port(capsys):
    """`--port`: the same driver, in real time, on a terminal of the machine; the twin is another program."""
    with subprocess.Popen([sys.executable, "-c", TWIN], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as twin:
        try:
            assert serial_imu.main(["--port", twin.stdout.readline().strip(), "--duration", "0.2"]) == 0
        finally:
            twin.kill()
    assert re.match(r"\d+ samples: 0 lost, 0 corrupt", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["--port", "/dev/no-such-port"], 1, "could not open port /dev/no-such-port"),
        (["--rate", "77"], 1, "needed an answer of 77 Hz, was 0 Hz"),
        (["--rate", "0"], 2, "argument --rate: needed a rate of 1 to 65535 Hz, was 0"),
        (["--duration", "nan"], 2, "argument --duration: needed seconds above 0, was nan"),
        (["--latency-ms", "300"], 2, "argument --latency-ms: needed 1 to 255, was 300"),
        (["--seed", "-1"], 2, "argument --seed: needed a number from 0, was -1"),
    ],
)
def test_what_goes_wrong_is_one_sentence(words, status, text, capsys):
    """No traceback: status 1 for the sensor, 2 for the command line."""
    try:
        found = serial_imu.main(words)
    except SystemExit as stop:
        found = stop.code
    assert (found, True) == (status, text in capsys.readouterr().err)
