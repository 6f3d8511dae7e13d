"""Simulated ports without pyserial's help, and under the programs that come with it or stand on it."""

from __future__ import annotations

import array
import asyncio
import errno
import fcntl
import os
import select
import struct
import termios
import threading
import time
import tty
from os import read as bound_read

import pytest
import serial
import serial.threaded
import serial.tools.miniterm

from sim import SerialDevice, World, read, sleep

PORT = "/dev/ttyUSB0"


@pytest.fixture
def fd():
    """A raw loopback port at 1000 baud, opened with `os.open` alone."""
    with World() as world:
        world.serial(PORT)
        fd = os.open(PORT, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(fd)
        attributes = termios.tcgetattr(fd)
        attributes[4] = attributes[5] = termios.B1200
        termios.tcsetattr(fd, termios.TCSANOW, attributes)
        yield fd
        os.close(fd)


def test_a_port_can_be_opened_read_and_written_by_number(fd):
    """`os.open`, `termios`, `os.write` and `os.read` see the port; a read waits for its first byte."""
    assert os.isatty(fd)
    assert os.write(fd, b"abc") == 3
    assert os.read(fd, 10) == b"a"
    assert time.monotonic_ns() == 10 * 10**9 // 1200
    termios.tcdrain(fd)
    assert bound_read(fd, 10) == b"bc"


def test_a_number_that_does_not_block(fd):
    """O_NONBLOCK, by `fcntl` or `set_blocking`: EAGAIN with nothing there."""
    os.set_blocking(fd, False)
    assert os.get_blocking(fd) is False
    with pytest.raises(BlockingIOError):
        os.read(fd, 1)
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    assert os.get_blocking(fd) is True


def test_ioctls_by_number(fd):
    """Counts and lines, as bytes, or in the buffer that was given."""
    os.write(fd, b"abcd")
    time.sleep(1)
    assert fcntl.ioctl(fd, termios.FIONREAD, bytes(4)) == struct.pack("I", 4)
    count = array.array("i", [0])
    assert fcntl.ioctl(fd, termios.FIONREAD, count) == 0
    assert list(count) == [4]
    fcntl.ioctl(fd, termios.TIOCMBIC, struct.pack("I", termios.TIOCM_RTS))
    lines = struct.unpack("I", fcntl.ioctl(fd, termios.TIOCMGET, bytes(4)))[0]
    assert (lines & termios.TIOCM_CTS, bool(lines & termios.TIOCM_DSR)) == (0, True)
    termios.tcflush(fd, termios.TCIFLUSH)
    assert fcntl.ioctl(fd, termios.FIONREAD, bytes(4)) == bytes(4)
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
    with pytest.raises(OSError, match="Invalid argument"):
        fcntl.fcntl(fd, fcntl.F_DUPFD, 0)
    assert fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC


def test_a_number_of_pyserial_can_be_read_directly():
    """`os.read(port.fileno(), n)`, and `termios` calls that take the port itself."""
    with World() as world:
        world.serial(PORT)
        with serial.Serial(PORT, 57600) as port:
            port.write(b"xyz")
            port.flush()
            assert os.read(port.fileno(), 10) == b"xyz"
            assert termios.tcgetattr(port)[5] == termios.B57600


def test_real_files_stay_real(tmp_path):
    """Files and pipes of the machine are read and written as ever; what no port has is not found."""
    with World() as world:
        world.serial(PORT)
        path = tmp_path / "file"
        path.write_bytes(b"hello")
        real = os.open(path, os.O_RDONLY)
        assert os.read(real, 10) == b"hello"
        assert not os.isatty(real)
        os.close(real)
        with pytest.raises(FileNotFoundError):
            os.open("/dev/ttyUSB7", os.O_RDWR)


def test_a_thread_outside_and_a_world_that_is_gone_know_no_such_number():
    """EBADF, as for any number that is not open; the functions are the real ones again."""
    before = (os.read, os.open, termios.tcgetattr, fcntl.ioctl)
    errors = []

    def outside():
        started.acquire()
        try:
            before[0](box[0], 1)
        except (OSError, OverflowError) as error:
            errors.append(error.errno)

    started, box = threading.Lock(), []
    started.acquire()
    thread = threading.Thread(target=outside)
    thread.start()
    with World() as world:
        world.serial(PORT)
        port = serial.Serial(PORT)
        box.append(port.fileno())
        assert os.read is not before[0]
        started.release()
        port.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.read(box[0], 1)
    thread.join()
    assert (os.read, os.open, termios.tcgetattr, fcntl.ioctl) == before
    assert errors == [errno.EBADF]


# what stands on pyserial ------------------------------------------------------------------------------------------------------


def test_lines_by_a_reader_thread():
    """`serial.threaded.LineReader` in a `ReaderThread`: lines come as they are sent, and `write_line` is answered."""

    class Lines(serial.threaded.LineReader):
        def connection_made(self, transport):
            super().connection_made(transport)
            self.lines = []

        def handle_line(self, line):
            self.lines.append((line, time.monotonic()))

    def device(port):
        yield read(6)
        for word in (b"one\r\n", b"two\r\n"):
            yield sleep(0.5)
            port.send(word)

    with World() as world:
        world.serial(PORT, device)
        with serial.threaded.ReaderThread(serial.Serial(PORT, 10_000), Lines) as protocol:
            protocol.write_line("send")
            time.sleep(2)
    assert protocol.lines == [("one", 0.511), ("two", 1.011)]


def test_miniterm_can_be_imported():
    """It runs on the same port class."""
    assert issubclass(serial.tools.miniterm.Miniterm, object)


def test_pyserial_asyncio_streams():
    """`open_serial_connection` of pyserial-asyncio reads lines and writes, in virtual time."""
    serial_asyncio = pytest.importorskip("serial_asyncio", reason="needs pyserial-asyncio")

    class Echo(SerialDevice):
        def on_data(self, data):
            self.send(data.upper(), delay_s=3600)

    async def main():
        reader, writer = await serial_asyncio.open_serial_connection(url=PORT, baudrate=1000)
        writer.write(b"hello\n")
        line = await asyncio.wait_for(reader.readline(), 4000)
        writer.close()
        return line

    with World() as world:
        world.serial(PORT, Echo())
        assert asyncio.run(main()) == b"HELLO\n"
        assert 3600 * 10**9 < world.now_ns < 3601 * 10**9


def test_pyserial_asyncio_is_told_of_the_loss():
    """`connection_lost` with pyserial's exception after an unplug, while other tasks of the loop go on."""
    serial_asyncio = pytest.importorskip("serial_asyncio", reason="needs pyserial-asyncio")

    async def main(line):
        lost = asyncio.get_running_loop().create_future()

        class Protocol(asyncio.Protocol):
            def connection_lost(self, error):
                lost.set_result(error)

        await serial_asyncio.create_serial_connection(asyncio.get_running_loop(), Protocol, PORT)
        await asyncio.sleep(1)
        line.unplug()
        return await lost

    with World() as world:
        assert isinstance(asyncio.run(main(world.serial(PORT))), serial.SerialException)


def test_a_direct_number_can_be_waited_for(fd):
    """`select` on it, as for any port."""
    os.write(fd, b"a")
    assert select.select([fd], [], [], 1) == ([fd], [], [])
