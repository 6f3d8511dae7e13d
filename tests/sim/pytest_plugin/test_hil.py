"""The same tests against hardware: here a terminal with an echo behind it, which no world knows."""

from __future__ import annotations

import os
import threading
import tty
from collections.abc import Iterator

import pytest


@pytest.fixture
def hardware() -> Iterator[str]:
    """The path of a real terminal that answers what it hears, in upper case."""
    near, far = os.openpty()
    tty.setraw(far)
    stop_out, stop_in = os.pipe()

    def echo() -> None:
        import select

        while stop_out not in (ready := select.select([near, stop_out], [], [])[0]):
            assert ready == [near]
            os.write(near, os.read(near, 100).upper())

    thread = threading.Thread(target=echo)
    thread.start()
    yield os.ttyname(far)
    os.write(stop_in, b"x")
    thread.join()
    for number in (near, far, stop_out, stop_in):
        os.close(number)


def test_a_port_is_the_real_one(suite, hardware):
    """The test opens hardware by the same lines, on the wall's clock; the device given is for the simulator and never runs."""
    text = """
class Upper(SerialDevice):
    def on_open(self):
        raise RuntimeError("the simulated device ran")

def test_upper(world, port):
    path = port("imu", Upper(), profile="ftdi")
    assert (path, world.clock) == (PATH, "wall")
    before_ns = world.now_ns
    with serial.Serial(path, port.baudrate("imu", 9600), timeout=10) as s:
        s.write(b"hello")
        assert s.read(5) == b"HELLO"
        assert s.baudrate == 19200
        s.timeout = 0.01
        assert s.read(1) == b""
    assert world.now_ns - before_ns >= 10_000_000
    assert world.ports == {}

def test_others_stay_simulated(world, port):
    with serial.Serial(port("gps", Echo()), 115200, timeout=10) as s:
        s.write(b"hello")
        assert s.read(5) == b"hello"
    assert port.baudrate("gps", 4800) == 4800
""".replace("PATH", repr(hardware))
    suite(text, "--hil", f"imu={hardware},19200").assert_outcomes(passed=2)


def test_what_needs_the_simulator_is_skipped_with_the_reason(suite):
    """Faults of a real port, `sim_only`, and a clock that hardware does not have; a wall clock is none."""
    result = suite(
        """
def test_faults(port):
    port("imu", Echo(), faults=[Drop(frame=1)])

def test_schedule(port):
    port("sim://imu", Echo(), faults=FaultSchedule([Drop(frame=1)]))

@pytest.mark.sim_only
def test_sim_only(port):
    pass

@pytest.mark.sim(clock="virtual")
def test_virtual(world):
    pass

@pytest.mark.sim(clock="x10")
def test_fast(world):
    pass

@pytest.mark.sim(clock="wall", seed=3)
def test_wall(world):
    pass

@pytest.mark.hil_only
def test_hil_only(port):
    assert port("imu", None) == "/dev/null"

@pytest.mark.hil_only
def test_hil_only_elsewhere(port):
    port("gps")

def test_no_faults(port):
    port("imu", Echo(), faults=[])
    port("gps", Echo(), faults=[Drop(frame=1)])
""",
        "--hil=imu=/dev/null",
        "-rs",
    )
    result.assert_outcomes(passed=3, skipped=6)
    for told in (
        "port 'imu': faults need a simulated port, and this one is real (--hil imu=/dev/null)",
        "sim_only: needs faults or virtual time, and --hil was given",
        "sim(clock='virtual'): needs that clock, and hardware (--hil) has the wall's",
        "sim(clock='x10'): needs that clock, and hardware (--hil) has the wall's",
        "port 'gps': hil_only needs a real port, and there is none of this name; give --hil gps=PATH",
    ):
        assert [line for line in result.outlines if line.startswith("SKIPPED") and line.endswith(told)], told


def test_a_failure_on_hardware_can_be_run_again(suite):
    """The command names the hardware."""
    result = suite("def test_it(port):\n    port('imu')\n    assert 0\n", "--hil=imu=/dev/null,9600")
    result.stdout.fnmatch_lines(["again: pytest test_it.py::test_it --sim-seed=0 --hil imu=/dev/null,9600"])


def test_hardware_that_no_test_asked_for_is_named(suite):
    """A name that was misspelt would otherwise test the simulator in silence."""
    text = "def test_it(port):\n    port('imu')\n"
    told = "sim: no test asked for the real port imU=/dev/null; is the name that of port(...)?"
    suite(text, "--hil=imU=/dev/null").stdout.fnmatch_lines([told])
    assert told not in suite(text, "--hil=imu=/dev/null").outlines
