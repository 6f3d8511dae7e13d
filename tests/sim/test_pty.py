"""A world in real time serves other programs through a pseudo-terminal."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import serial

from sim import World
from sim.pace import _monotonic_ns

SERVER = """
    import sys
    sys.path[:0] = {path!r}
    import threading
    from sim import SerialDevice, World

    class Device(SerialDevice):
        told = 0
        def on_open(self):
            print("open", flush=True)
        def on_close(self):
            print("close", flush=True)
        def on_settings(self, settings):
            print("settings", *settings, flush=True)
        def on_data(self, data):
            self.told += 1
            if self.told <= 20:  # a pipe that nobody reads fills up, and the world would wait for it
                print("data", data.hex(), flush=True)
            self.send(bytes(byte ^ 2 for byte in data))

    def end(world, bell):
        sys.stdin.read()
        world.wake(bell)

    with World(clock={clock!r}) as world:
        world.serial("imu", Device())
        print(world.pty("imu"), flush=True)
        bell = world.bell()
        import _thread
        _thread.start_new_thread(end, (world, bell))
        world.wait(bell)
"""


@pytest.fixture(params=["wall", "x4"])
def server(request):
    """A process that serves one device; `.path`, and `.line()` for what the device was told."""
    program = textwrap.dedent(SERVER).format(path=sys.path, clock=request.param)
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.path = process.stdout.readline().strip()
        process.clock = request.param
        yield process
        process.stdin.close()
        assert process.wait(10) == 0


def test_another_program_talks_to_a_device(server):
    """Open, settings, data and close reach the device; its bytes reach the program; again, with other settings."""
    for baud in (115200, 19200):
        with serial.Serial(server.path, baud, timeout=10) as port:
            assert server.stdout.readline() == "open\n"
            port.write(b"\x00\x01\x11\x13\xff")
            assert port.read(5) == b"\x02\x03\x13\x11\xfd"
            lines = [server.stdout.readline()]
            if lines[0].startswith("settings"):
                assert lines[0] == f"settings {baud} 8 N 1 False False\n"
                lines = [server.stdout.readline()]
            assert lines[0] == "data 00011113ff\n"
        assert server.stdout.readline() == "close\n"


def test_the_pace_is_that_of_the_program_s_settings(server):
    """480 bytes at 9600 baud take half a second each way on the wall clock, a quarter of that at x4, and never less."""
    scale = 4 if server.clock == "x4" else 1
    with serial.Serial(server.path, 9600, timeout=10) as port:
        data = bytes(480)
        began_ns = _monotonic_ns()
        port.write(data)
        assert port.read(480) == bytes([2]) * 480
        assert (_monotonic_ns() - began_ns) * scale >= 990_000_000


def test_more_than_a_buffer_goes_through(server):
    """20 000 bytes at full speed arrive whole and in order."""
    with serial.Serial(server.path, 4_000_000, timeout=10) as port:
        data = bytes(range(250)) * 20
        got = b""
        for _ in range(4):
            port.write(data)
            got += port.read(len(data))
        assert got == bytes(byte ^ 2 for byte in data * 4)


def test_a_virtual_clock_cannot_be_shared():
    """The message says which clock to open."""
    with World() as world:
        world.serial("imu")
        with pytest.raises(ValueError, match=r"""needed a clock that others share, was "virtual"; open World\(clock="wall"\)"""):
            world.pty("imu")
        with pytest.raises(ValueError, match="make it with serial"):
            world.pty("gps")
