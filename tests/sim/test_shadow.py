"""A real device, here a thread behind a real pseudo-terminal, and its twin side by side."""

from __future__ import annotations

import _thread
import os
import termios
import time
import tty

import pytest
import serial

from sim import LineDevice, SerialDevice, World

PORT = "/dev/ttyUSB0"


class Real:
    """Answers lines from the far end of a pseudo-terminal, in a thread that no world knows."""

    def __init__(self, answers):
        self.answers, self.heard = answers, b""
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.ended = _thread.allocate_lock()
        self.ended.acquire()
        _thread.start_new_thread(self.serve, (os.read, os.write))

    def serve(self, read, write):
        pending = b""
        while data := read(self.master, 1000):
            self.heard += data
            *lines, pending = (pending + data).split(b"\n")
            if b"END" in lines:
                break
            for line in lines:
                write(self.master, self.answers.get(line, b"?") + b"\n")
        os.close(self.master)
        self.ended.release()

    def close(self):
        if not self.ended.acquire(False):
            os.write(self.slave, b"\nEND\n")
            self.ended.acquire()
        os.close(self.slave)


class Twin(LineDevice):
    """What we think the real one does."""

    def __init__(self):
        self.settings = None

    def on_line(self, line):
        self.send_line({"ID?": "imu-1", "T?": "21.5"}.get(line, "?"))

    def on_settings(self, settings):
        self.settings = settings


@pytest.fixture
def real():
    """A device with the same answers as its twin, but for one digit."""
    real = Real({b"ID?": b"imu-1", b"T?": b"21.6"})
    yield real
    real.close()


def ask(world, shadow, question, size):
    """What the program is answered; waits until the twin has answered as much."""
    shadow.program.write(question + b"\n")
    answer = shadow.program.read(size)
    while len(shadow.twin.data) < len(shadow.real.data):
        time.sleep(0.001)
    return answer


@pytest.mark.parametrize("clock", ["wall", "x10"])
def test_both_are_asked_and_compared(real, clock):
    """The program hears the real one; what the twin answered otherwise is found, with its place and time; the settings are the same."""
    twin = Twin()
    with World(clock=clock) as world:
        shadow = world.shadow(PORT, twin, real=real.path)
        with serial.Serial(PORT, 57600, timeout=100) as shadow.program:
            assert ask(world, shadow, b"ID?", 6) == b"imu-1\n"
            assert shadow.divergences == []
            assert ask(world, shadow, b"T?", 5) == b"21.6\n"
            assert termios.tcgetattr(real.slave)[5] == termios.B57600
        (found,) = shadow.divergences
        assert found[:3] == (9, b"5", b"6")
        assert 0 < shadow.real.time_ns(0) <= found.t_ns <= world.now_ns
        assert found.t_ns == max(shadow.twin.time_ns(9), shadow.real.time_ns(9))
        assert twin.settings.baudrate == 57600
        assert real.heard == b"ID?\nT?\n"
        assert shadow.unsupported >= {"rts", "dtr"}  # a pseudo-terminal has none


def test_an_answer_that_one_of_them_does_not_give_diverges(real):
    """What only one has sent is a stretch with nothing on the other side."""
    with World(clock="wall") as world:
        shadow = world.shadow(PORT, SerialDevice(), real=real.path)
        with serial.Serial(PORT, timeout=100) as port:
            port.write(b"ID?\n")
            assert port.read(6) == b"imu-1\n"
        assert [found[:3] for found in shadow.divergences] == [(0, b"", b"imu-1\n")]
        assert shadow.divergences[0].t_ns == shadow.real.time_ns(0)


def test_a_port_can_be_opened_again_and_left_open(real):
    """Each opening listens to both anew; a world that ends gives the real port back."""
    before = len(os.listdir("/proc/self/fd"))
    with World(clock="wall") as world:
        shadow = world.shadow(real.path, Twin(), real=real.path)  # the program's name for it may be its own
        for count in (1, 2, 3):
            shadow.program = serial.Serial(real.path, timeout=100)
            assert ask(world, shadow, b"ID?", 6) == b"imu-1\n"
            assert bytes(shadow.twin.data) == b"imu-1\n" * count
            if count < 3:
                shadow.program.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert shadow.divergences == []


def test_more_than_a_buffer_goes_to_both(real):
    """20 000 bytes reach the real device and its twin, in order."""
    heard = bytearray()

    class Listener(SerialDevice):
        def on_data(self, data):
            heard.extend(data)

    data = bytes(range(48, 58)) * 2000
    with World(clock="wall") as world:
        world.shadow(PORT, Listener(), real=real.path)
        with serial.Serial(PORT, 4_000_000, timeout=100) as port:
            port.write(data + b"\n")
            assert port.read(2) == b"?\n"
            while len(heard) < len(data):
                time.sleep(0.001)
    assert real.heard == bytes(heard) == data + b"\n"


def test_a_real_device_that_goes_is_an_unplug():
    """The program is told as by a real port; the twin stays."""
    real = Real({})
    with World(clock="wall") as world:
        shadow = world.shadow(PORT, Twin(), real=real.path)
        os.write(real.slave, b"")
        port = serial.Serial(PORT, timeout=100)
        port.write(b"END\n")
        with pytest.raises(serial.SerialException, match="device reports readiness"):
            port.read(1)
        assert not shadow.line.plugged
        port.close()
    real.close()


def test_a_shadow_needs_real_time_a_real_port_and_a_twin(real):
    """Each is a sentence that names the port, and leaves the name free and no file open."""
    before = len(os.listdir("/proc/self/fd"))
    with World() as world, pytest.raises(ValueError, match=r"""shadow '/dev/ttyUSB0': needed a clock that real hardware shares, was "virtual";"""):
        world.shadow(PORT, Twin(), real=real.path)
    with World(clock="wall") as world:
        with pytest.raises(OSError, match=r"shadow '/dev/ttyUSB0': needed the real port '/dev/ttyUSB99', could not open it"):
            world.shadow(PORT, Twin(), real="/dev/ttyUSB99")
        with pytest.raises(TypeError, match="shadow '/dev/ttyUSB0': needed a twin"):
            world.shadow(PORT, None, real=real.path)
        world.serial("imu")
        with pytest.raises(ValueError, match="shadow '/dev/ttyUSB0': needed a real port, 'imu' is one of this world"):
            world.shadow(PORT, Twin(), real="imu")
        with pytest.raises(TypeError, match="needed a device, was its class"):
            world.shadow(PORT, Twin, real=real.path)
        world.serial(PORT)
    assert len(os.listdir("/proc/self/fd")) == before
