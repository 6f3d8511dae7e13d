"""Arguments of a world that cannot be meant: each a sentence that names the device and the fix, and nothing left behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time

import pytest
import serial

from sim import Drop, FaultSchedule, LineDevice, SerialDevice, World, read, sleep
from sim.kernel import HookWaited
from tests.programs import ENVIRONMENT

PORT = "/dev/ttyUSB0"


@pytest.fixture(autouse=True)
def nothing_left():
    """Threads, patches and file numbers are after each test what they were before."""
    before = (set(threading.enumerate()), len(os.listdir("/proc/self/fd")), time.sleep, threading.Lock, serial.serialposix.os)
    yield
    assert (set(threading.enumerate()), len(os.listdir("/proc/self/fd")), time.sleep, threading.Lock, serial.serialposix.os) == before


@pytest.mark.parametrize("seed", ["x", -1, float("nan"), 1.5, True, None, b"1", [1]])
def test_a_seed_is_a_whole_number(seed):
    """From 0; the message shows what it was."""
    with pytest.raises(ValueError, match="World: needed a seed that is a whole number from 0, was .*; for example seed=1"):
        World(seed=seed)


def test_a_simulated_port_outside_its_world():
    """Opening `sim://imu` where no world is open says so; to make one and open it later is no error."""
    with pytest.raises(serial.SerialException, match="could not open port sim://imu: needed an open world, .*; open it in a `with World") as caught:
        serial.serial_for_url("sim://imu")
    assert caught.value.errno == errno.ENOENT
    port = serial.serial_for_url("sim://imu", do_not_open=True)
    with World() as world:
        world.serial("imu")
        port.open()
        port.close()


@pytest.mark.parametrize("name", ["", "/", "/dev/", "sim://", "a\0b"])
def test_a_name_can_be_that_of_a_port(name):
    """No directory, and not nothing."""
    with World() as world:
        with pytest.raises(ValueError, match="serial '.*': needed a path or a bare name, was neither; for example"):
            world.serial(name)
        line = world.serial(PORT)
        line.unplug()
        with pytest.raises(ValueError, match="needed a path or a bare name"):
            line.replug(name)


@pytest.mark.parametrize("name", [None, b"/dev/ttyUSB0", 3, ["imu"]])
def test_a_name_is_text(name):
    """The message shows what it was."""
    with World() as world, pytest.raises(TypeError, match="needed a name as text, was"):
        world.serial(name)


@pytest.mark.parametrize("profile", [[], None, "usb", 3])
def test_a_profile_is_one_of_four(profile):
    """The message lists them, and the name stays free."""
    with World() as world:
        with pytest.raises(ValueError, match="profile: needed one of ideal, uart16550, ftdi, cdc_acm, was"):
            world.serial(PORT, profile=profile)
        world.serial(PORT)


@pytest.mark.parametrize("faults", [3, [1], "drop", Drop(byte=0), None, [[Drop(byte=0)]]])
def test_faults_are_a_list_of_faults(faults):
    """One fault alone, its name, or a list of lists is none."""
    with World() as world, pytest.raises(TypeError, match="FaultSchedule: needed"):
        world.serial(PORT, SerialDevice(), faults=faults)


def test_a_schedule_needs_something_that_sends():
    """Faults of a loopback plug act on nobody; the line is named."""
    with World() as world, pytest.raises(ValueError, match="serial '/dev/ttyUSB0': needed a device for faults to act on"):
        world.serial(PORT, faults=FaultSchedule([Drop(byte=0)]))


def test_a_closed_world_does_nothing():
    """Every door says that it is closed."""
    with World() as world:
        line = world.serial(PORT, SerialDevice())
    doors = [
        lambda: world.serial("imu"), lambda: world.pty(PORT), lambda: world.spawn(print), lambda: world.run(print),
        lambda: world.after(1, print), lambda: line.unplug(), lambda: line.replug(), lambda: line.stall(1),
    ]  # fmt: skip
    for door in doors:
        with pytest.raises(RuntimeError, match="World: needed an open world, was closed; do this inside its `with` block"):
            door()
    with pytest.raises(serial.SerialException, match="could not open port"):
        serial.Serial(PORT)


@pytest.mark.parametrize("what", [None, 3, "print"])
def test_what_runs_is_a_function(what):
    """Refused where it is given, not in another thread."""
    with World() as world:
        device = SerialDevice()
        world.serial(PORT, device)
        for door in (world.run, world.spawn):
            with pytest.raises(TypeError, match="World.(run|spawn): needed a function to call, was"):
                door(what)
        for door in (device.after, device.every):
            with pytest.raises(TypeError, match="device SerialDevice.(after|every): needed a function to call, was"):
                door(1, what)


@pytest.mark.parametrize("period_s", [0, -1, float("nan"), float("inf"), "1", None, True])
def test_a_period_is_a_time(period_s):
    """Above 0 s and finite; a stall is one too, but may be 0."""
    with World() as world:
        device = SerialDevice()
        line = world.serial(PORT, device)
        with pytest.raises(ValueError, match="device SerialDevice.every: needed a (period above|delay of at least) 0 s, was"):
            device.every(period_s, print)
        if period_s != 0:
            with pytest.raises(ValueError, match="line /dev/ttyUSB0: stall: needed a delay of at least 0 s"):
                line.stall(period_s)


def test_a_stalled_device_drops_cts():
    """Until the stall is over."""
    with World() as world:
        line = world.serial(PORT, SerialDevice())
        with serial.Serial(PORT) as port:
            line.stall(1)
            assert port.cts is False
            time.sleep(2)
            assert port.cts is True


def test_opening_twice():
    """The second exclusive open is refused as the real one is; the first goes on."""
    with World() as world:
        world.serial(PORT)
        with serial.Serial(PORT, exclusive=True, timeout=1) as port:
            with pytest.raises(serial.SerialException, match=r"\[Errno 11\] Could not exclusively lock port"):
                serial.Serial(PORT, exclusive=True)
            with pytest.raises(serial.SerialException, match="already open"):
                port.open()
            port.write(b"x")
            assert port.read(1) == b"x"


@pytest.mark.parametrize("baudrate", [-1, None])
def test_an_impossible_rate_is_refused_by_pyserial_itself(baudrate):
    """As by the real class, with its own words."""
    with World() as world:
        world.serial(PORT)
        with pytest.raises(ValueError, match="Not a valid baudrate"):
            serial.Serial(PORT, baudrate)


class Fault(Exception):
    """What a broken device raises."""


def fail(*_):
    raise Fault("broken")


def timer(self):
    self.after(0.1, fail)


def period(self):
    self.every(0.1, fail)


def not_bytes(self):
    self.send("text")


def generator(line):
    yield sleep(0.1)
    fail()


def silly_generator(line):
    yield read(1)
    yield 3


def impatient(self):
    time.sleep(1)


BROKEN = {
    hook: type("Broken", (SerialDevice,), {hook: fail}) for hook in ("on_open", "on_close", "on_data", "on_settings", "on_modem")
}
BROKEN |= {"on_line": type("Broken", (LineDevice,), {"on_line": fail})}
BROKEN |= {body.__name__: type("Broken", (SerialDevice,), {"on_open": body}) for body in (timer, period, not_bytes, impatient)}


@pytest.mark.parametrize("what", [*BROKEN, "generator", "silly_generator"])
def test_a_device_that_raises_ends_the_run_by_name(what):
    """DeviceError names port, device and hook, the cause is what was raised, whichever thread the device's code ran in."""
    device = BROKEN[what]() if what in BROKEN else globals()[what]
    text = r"device /dev/ttyUSB0: \w+\.\w+: needed hooks that return(, \w+ was raised| at once, one waited)"
    with pytest.raises(OSError, match=text) as caught, World() as world:
        world.serial(PORT, device)
        with serial.Serial(PORT, timeout=0.5) as port:
            port.write(b"x\n")
            port.read(1)
    cause = {"not_bytes": TypeError, "silly_generator": TypeError, "impatient": HookWaited}
    assert type(caught.value).__name__ == "DeviceError"
    assert type(caught.value.__cause__) is cause.get(what, Fault)


def test_a_generator_is_called_by_its_name():
    """Messages name the function that the user wrote, and a time that cannot be meant where it is yielded."""

    def thermometer(line):
        yield sleep(-1)

    text = "device imu: thermometer.on_open: needed hooks that return, ValueError was raised .sleep: needed a delay of at least 0 s"
    with pytest.raises(OSError, match=text), World() as world:
        world.serial("imu", thermometer)
        serial.Serial("imu", timeout=1).read(1)


AUDIO_ONLY = """
import sys, time
sys.modules["serial"] = None
from sim import World
with World() as world:
    time.sleep(1000)
    print(world.now_ns)
    try:
        world.serial("imu")
    except ModuleNotFoundError as error:
        print(error)
"""


def test_a_world_without_pyserial_is_one_without_ports():
    """`sim` imports, time passes, and `serial` says what to install."""
    done = subprocess.run([sys.executable, "-c", AUDIO_ONLY], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "1000000000000",
        "serial 'imu': needed pyserial, was not installed; do `pip install 'dfcore[serial]'`",
    ]
