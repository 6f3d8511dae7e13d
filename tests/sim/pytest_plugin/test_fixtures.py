"""The fixtures `world`, `port` and `approx_time`."""

from __future__ import annotations

import pytest


def test_a_test_gets_an_open_world_and_ports_in_it(suite):
    """`world` is open in the test and closed after it; `port` makes what `serial.Serial` opens, and passes everything on."""
    suite("""
seen = []

def test_echo(world, port):
    seen.append(world)
    with serial.Serial(port("imu", Echo(), profile="ftdi", faults=[Drop(frame=1)]), 115200, timeout=1) as s:
        s.write(b"a")
        assert s.read(1) == b"a"
        s.write(b"b")
        assert s.read(1) == b""
    assert world.ports["imu"].profile.name == "ftdi"

def test_a_name_alone_is_a_loopback_plug(port):
    with serial.serial_for_url(port("sim://plug"), timeout=1) as s:
        s.write(b"a")
        assert s.read(1) == b"a"

def test_after():
    with pytest.raises(RuntimeError, match="was closed"):
        seen[0].check_open()
""").assert_outcomes(passed=3)


def test_bad_ports_are_refused_by_the_world(suite):
    """What `World.serial` refuses, `port` refuses with the same words."""
    suite("""
def test_twice(port):
    port("imu")
    with pytest.raises(ValueError, match="serial 'imu': needed a name that is free"):
        port("imu")

def test_class(port):
    with pytest.raises(TypeError, match="'imu'|Echo"):
        port("imu", Echo)

def test_no_name(port):
    with pytest.raises(TypeError, match="needed a name as text, was Echo"):
        port(Echo())
""").assert_outcomes(passed=3)


def test_what_other_fixtures_do_happens_in_the_world(suite):
    """A fixture that asks for the world, or for a port, runs inside it, before and after its test."""
    suite("""
import time

@pytest.fixture
def driver(world, port):
    time.sleep(3600)
    with serial.Serial(port("imu", Echo()), 115200, timeout=1) as opened:
        yield opened
        time.sleep(3600)
        assert world.now_ns == 7_200_000_000_000

def test_driver(driver, world):
    assert world.now_ns == 3_600_000_000_000
    assert driver.is_open
""").assert_outcomes(passed=1)


def test_what_a_device_raises_fails_the_test(suite):
    """An error of a device that no call of the test met comes out when the fixture closes the world, and names the device."""
    result = suite("""
class Broken(SerialDevice):
    def on_data(self, data):
        raise ZeroDivisionError("no")

def test_broken(port):
    s = serial.Serial(port("imu", Broken()), 115200, timeout=1)
    s.write(b"a")
    s.flush()
""")
    assert result.parseoutcomes().get("errors", 0) + result.parseoutcomes().get("failed", 0) == 1
    result.stdout.fnmatch_lines(["*device imu: Broken.on_data: needed hooks that return, ZeroDivisionError was raised (no)*"])


@pytest.mark.parametrize("fixture", ["world", "port"])
def test_a_hypothesis_test_is_told_to_open_its_own_world(suite, fixture):
    """The set-up fails, with the lines to write instead; also where another fixture asked for the world."""
    result = suite(f"""
@pytest.fixture
def driver({fixture}):
    return {fixture}

@given(st.integers())
def test_direct({fixture}, n):
    pass

class TestClass:
    @given(st.integers())
    def test_through(self, driver, n):
        pass
""")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines([f"test_direct: needed a world for each example, was the fixture `{fixture}`*; open a World in the body:"])
    result.stdout.fnmatch_lines(["    def test_through(...):", "        with World(seed=1) as world:"])
    assert "HealthCheck" not in result.stdout.str()


def test_hypothesis_and_pytest_see_real_time(suite):
    """An example that takes an hour of virtual time is not too slow, and the test's duration is that of the wall."""
    result = suite(
        """
import time

@settings(max_examples=5, deadline=60_000)
@given(st.integers(0, 9))
def test_hours(n):
    with World(seed=1):
        time.sleep(3600)

def test_hour(world):
    time.sleep(3600)
""",
        "--durations=0",
        "-vv",
    )
    result.assert_outcomes(passed=2)
    assert not [line for line in result.outlines if line.startswith("3600")]
    result.stdout.fnmatch_lines(["0.*s call*test_hour*"])


def test_times_are_compared_by_the_clock(suite):
    """`approx_time` takes one tolerance in virtual time and another on the wall."""
    text = """
import time

def test_time(world, approx_time):
    before_ns = world.now_ns
    time.sleep(0.01)
    elapsed_s = (world.now_ns - before_ns) / 1e9
    assert elapsed_s == approx_time(0.01, sim=1e-6, hil=1000)
    assert (elapsed_s == approx_time(900, sim=1e-6, hil=1000)) == (world.clock == "wall")
"""
    suite(text).assert_outcomes(passed=1)
    suite(text, "--sim-clock=wall").assert_outcomes(passed=1)
