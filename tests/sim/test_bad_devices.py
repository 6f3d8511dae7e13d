"""Devices and delays that cannot be meant: each a sentence that names the fix."""

from __future__ import annotations

import re
import time

import pytest
import serial

import sim
from sim import SerialDevice, World


@pytest.mark.parametrize("device", [SerialDevice, 3, "imu", object()])
def test_what_is_no_device_is_refused(device):
    """A class, or an object without hooks, would never answer: it is refused where it is given."""
    with World() as world, pytest.raises(TypeError, match="needed"):
        world.serial("imu", device)


def _of_none():
    yield sim.read(1)


def _of_two(line, baudrate):
    yield sim.read(baudrate)


def _with_default(line, size=1):
    line.send((yield sim.read(size)))


@pytest.mark.parametrize("device, count", [(_of_none, "none"), (_of_two, "2")])
def test_a_generator_device_takes_one_argument(device, count):
    """A generator function that cannot be called with the line is refused where it is given, not when the port is opened."""
    name = device.__name__
    expected = (
        f"device {name}: needed a generator function of one argument (the line), was one of {count}; write def {name}(device):"
    )
    with World() as world:
        with pytest.raises(TypeError) as failure:
            world.serial("imu", device)
        world.serial("imu", _with_default)  # the name is still free
    assert expected == str(failure.value)


def test_a_generator_device_is_given_as_a_function():
    """A call of it has no line yet."""
    with World() as world, pytest.raises(TypeError) as failure:
        world.serial("imu", _with_default(None))
    expected = "device _with_default: needed the generator function itself, was a call of it; give it without brackets: _with_default"
    assert expected == str(failure.value)


def _generator(device, *found):
    yield sim.sleep(1)


async def _coroutine(device, *found):
    pass


async def _both(device, *found):
    yield


@pytest.mark.parametrize("function", [_generator, _coroutine, _both])
@pytest.mark.parametrize(
    "base, hook", [(SerialDevice, "on_open"), (SerialDevice, "on_data"), (sim.LineDevice, "on_line"), (object, "on_close")]
)
def test_a_hook_that_would_never_run_is_refused(base, hook, function):
    """A call of a coroutine or of a generator function does nothing: the device would be silent for ever, and nobody told."""
    device = type("Imu", (base,), {hook: function})()
    with World() as world, pytest.raises(TypeError, match=f"device Imu: needed {hook} to be an ordinary function, was a"):
        world.serial("imu", device)


class Waiting(SerialDevice):
    """Its hook waits, by itself or in a driver of its own."""

    def __init__(self, wait):
        self.wait = wait

    def on_data(self, data):
        self.wait()


@pytest.mark.parametrize("wait", [lambda: time.sleep(1), lambda: serial.Serial("plug", timeout=1).read()])
def test_a_hook_that_waits_is_told_so_once(wait):
    """Who, when and what to do, in one sentence, also where the hook is inside pyserial."""
    with World() as world:
        world.serial("plug")
        world.serial("imu", Waiting(wait))
        with serial.Serial("imu", 9600) as port:
            port.write(b"a")
            with pytest.raises(sim.DeviceError) as failure:
                time.sleep(1)
    assert "device imu: Waiting.on_data: needed hooks that return at once, one waited at 0.001041666 s; " \
           "use after() or every() of the device" == str(failure.value)


@pytest.mark.parametrize(
    ("base", "name", "meant"),
    [
        (SerialDevice, "on_recieve_data", "on_data"),
        (SerialDevice, "on_receive", "on_data"),
        (SerialDevice, "on_dat", "on_data"),
        (SerialDevice, "on_opened", "on_open"),
        (SerialDevice, "on_setting", "on_settings"),
        (sim.LineDevice, "on_lines", "on_line"),
        (sim.LineDevice, "on_receive", "on_line"),
        (sim.FrameDevice, "on_frames", "on_frame"),
    ],
)
def test_a_hook_that_is_misspelt_is_warned_of(base, name, meant):
    """The device would be deaf; the warning is at the line that gave it."""
    device = type("Imu", (base,), {name: lambda self, *_: None})()
    text = f"device Imu: needed hooks by their names, was {name}, which nothing calls; did you mean {meant}?"
    with World() as world, pytest.warns(UserWarning, match=re.escape(text)) as caught:
        world.serial("imu", device)
    assert [__file__] == [each.filename for each in caught]


class Speaking(SerialDevice):
    """Its methods look like hooks, but it calls them itself, or has the hook besides, or a test calls them."""

    def on_open(self):
        self.every(1, self.on_dat)
        name = "on_clos"
        getattr(self, name)()

    def on_dat(self):
        pass

    def on_clos(self):
        pass

    def on_settings(self, settings):
        pass

    def on_setting(self):
        pass

    def on_press(self):
        pass

    def on_overheat(self):
        pass

    def no_data(self):
        pass


@pytest.mark.parametrize("device", [Speaking(), type("Heir", (Speaking,), {})()])
def test_methods_that_are_no_hooks_are_not_warned_of(device, recwarn):
    """A name that the class itself uses, one beside the real hook, and one that is like no hook."""
    with World() as world:
        world.serial("imu", device)
    assert [] == [str(each.message) for each in recwarn]


@pytest.mark.parametrize("delay_s", [-1, float("nan"), float("inf"), "x"])
def test_a_delay_is_a_number_of_seconds(delay_s):
    """Events lie in the future."""
    with World() as world, pytest.raises(ValueError, match="at least 0 s"):
        world.after(delay_s, print)


def test_an_event_is_a_function():
    """What cannot be called is refused where it is given, not when its time comes."""
    with World() as world, pytest.raises(TypeError, match="function"):
        world.after(1, None)


def test_send_takes_bytes():
    """A number is not so many zeros."""
    device = SerialDevice()
    with World() as world:
        world.serial("imu", device)
        with pytest.raises(TypeError, match="bytes"):
            device.send(3)


def test_a_star_import_leaves_pyserial_alone():
    """`from sim import *` brings public names only."""
    assert "serial" not in sim.__all__
