"""What the real pyserial does on a terminal: one suite, two terminals, the simulated one and a real pty.

Modem lines, parity, break and the pace of a wire are not here, because a pty has none of them.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import threading
import time
import tty

import pytest
import serial

from sim import SerialDevice, World

SHORT_S = 0.02


class Peer(SerialDevice):
    """The far end of a simulated line: what it was sent, and what it is told to send."""

    def __init__(self):
        self.got = b""

    def on_data(self, data):
        self.got += data


class SimTerminal:
    """A simulated terminal, inside its world."""

    missing = "/dev/ttyUSB7"

    def __init__(self, world):
        self.peer = Peer()
        self.line = world.serial("/dev/ttyUSB0", self.peer)
        self.path = "/dev/ttyUSB0"

    def send(self, data):
        self.peer.send(data)
        time.sleep(len(data) * 0.002)  # the bytes are on the wire for so long at 9600 baud

    def received(self, count):
        time.sleep(count * 0.002)
        return self.peer.got

    def hang_up(self):
        self.line.unplug()


class PtyTerminal:
    """A real pseudo-terminal."""

    missing = "/dev/pts/does-not-exist"

    def __init__(self):
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self.slave = slave

    def send(self, data):
        """The bytes go through a work queue of the kernel, so they are waited for."""
        before = self.waiting()
        os.write(self.master, data)
        while self.waiting() < before + len(data):
            select.select([self.slave], [], [])

    def waiting(self):
        return struct.unpack("i", fcntl.ioctl(self.slave, termios.FIONREAD, b"\0\0\0\0"))[0]

    def received(self, count):
        data = b""
        while len(data) < count:
            data += os.read(self.master, count - len(data))
        return data

    def hang_up(self):
        os.close(self.master)
        self.master = None

    def close(self):
        os.close(self.slave)
        if self.master is not None:
            os.close(self.master)


@pytest.fixture(params=["sim", "pty"])
def terminal(request):
    """A terminal of each kind."""
    if request.param == "sim":
        with World() as world:
            yield SimTerminal(world)
    else:
        terminal = PtyTerminal()
        yield terminal
        terminal.close()


def open_port(terminal, **settings):
    return serial.Serial(terminal.path, **{"timeout": SHORT_S, **settings})


def test_bytes_go_both_ways(terminal):
    """What one end sends is what the other gets, every byte value included."""
    data = bytes(range(256))
    with open_port(terminal, timeout=2) as port:
        terminal.send(data)
        assert port.read(256) == data
        assert port.write(data) == 256
        assert terminal.received(256) == data


def test_a_read_gives_what_came_before_its_timeout(terminal):
    """Too few bytes and no timeout exception: the partial data, after the whole timeout."""
    with open_port(terminal) as port:
        terminal.send(b"abc")
        began = time.monotonic()
        assert port.read(10) == b"abc"
        assert time.monotonic() - began >= SHORT_S * 0.9
        assert port.read(10) == b""


def test_a_read_of_nothing_and_a_read_without_waiting_return_at_once(terminal):
    """`read(0)` is empty; timeout 0 gives what is there."""
    with open_port(terminal, timeout=0) as port:
        assert port.read(5) == b""
        terminal.send(b"xyz")
        assert port.read(0) == b""
        assert port.read(2) == b"xy"
        assert port.read(9) == b"z"


def test_counting_and_throwing_away(terminal):
    """`in_waiting` counts, `reset_input_buffer` empties, `read_all` takes all."""
    with open_port(terminal) as port:
        terminal.send(b"12345")
        assert port.in_waiting == 5
        port.reset_input_buffer()
        assert port.in_waiting == 0
        terminal.send(b"67")
        assert port.read_all() == b"67"
        port.flush()
        port.reset_output_buffer()
        assert port.out_waiting == 0


def test_lines_end_where_asked(terminal):
    """`readline`, `read_until` and iteration by line."""
    with open_port(terminal) as port:
        terminal.send(b"one\ntwo\r\nrest")
        assert port.readline() == b"one\n"
        assert port.read_until(b"\r\n") == b"two\r\n"
        assert port.readline() == b"rest"


@pytest.mark.parametrize("data", [b"ab", bytearray(b"ab"), memoryview(b"ab"), [97, 98]], ids=lambda data: type(data).__name__)
def test_what_can_be_written(terminal, data):
    """Bytes in every form, and lists of numbers."""
    with open_port(terminal) as port:
        assert port.write(data) == 2
        assert terminal.received(2) == b"ab"


def test_text_is_not_bytes(terminal):
    """A str is a TypeError."""
    with open_port(terminal) as port, pytest.raises(TypeError):
        port.write("text")


def test_cancel_gives_back_what_was_read(terminal):
    """`cancel_read` during a read returns the partial data at once; before a read, the next one returns nothing."""
    with open_port(terminal, timeout=None) as port:
        terminal.send(b"ab")
        result = []
        reader = threading.Thread(target=lambda: result.append(port.read(5)))
        reader.start()
        while port.in_waiting:  # the reader has not taken them yet
            time.sleep(0.001)
        port.cancel_read()
        reader.join()
        assert result == [b"ab"]
        port.cancel_read()
        assert port.read(1) == b""


def test_an_exclusive_port_has_one_user(terminal):
    """A second exclusive open fails with EAGAIN; a second plain one succeeds."""
    with open_port(terminal, exclusive=True):
        with pytest.raises(serial.SerialException, match="Could not exclusively lock port") as caught:
            open_port(terminal, exclusive=True)
        assert caught.value.errno == 11
        open_port(terminal).close()


def test_a_port_that_is_not_there(terminal):
    """Errno 2, and the name of the port in the text."""
    with pytest.raises(serial.SerialException, match="could not open port") as caught:
        serial.Serial(terminal.missing)
    assert caught.value.errno == 2
    assert terminal.missing in str(caught.value)


def test_opening_twice_and_using_a_closed_port(terminal):
    """Each has its own exception."""
    port = open_port(terminal)
    with pytest.raises(serial.SerialException, match="already open"):
        port.open()
    port.close()
    port.close()
    with pytest.raises(serial.PortNotOpenError):
        port.read()
    with pytest.raises(serial.PortNotOpenError):
        port.write(b"x")
    with pytest.raises(TypeError):
        _ = port.in_waiting
    port.cancel_read()


def test_settings_are_kept_by_the_terminal(terminal):
    """What pyserial set is what `tcgetattr` of pyserial's own module says: raw, 8 bits, the rate; a custom rate too."""
    with open_port(terminal, baudrate=57600, stopbits=2) as port:
        attributes = serial.serialposix.termios.tcgetattr(port.fd)
        assert attributes[5] == termios.B57600
        assert attributes[2] & termios.CSIZE == termios.CS8
        assert attributes[2] & termios.CSTOPB
        assert not attributes[3] & (termios.ICANON | termios.ECHO)
        port.baudrate = 250_001
        assert port.baudrate == 250_001


def test_a_bad_setting_is_refused(terminal):
    """An inter-byte timeout of 30 s does not fit into VTIME."""
    with open_port(terminal) as port, pytest.raises(ValueError, match="Invalid vtime: 300"):
        port.inter_byte_timeout = 30


def test_an_inter_byte_timeout_changes_nothing(terminal):
    """On POSIX pyserial's read waits for its whole timeout whatever the inter-byte timeout is."""
    with open_port(terminal, inter_byte_timeout=0.001) as port:
        terminal.send(b"abc")
        began = time.monotonic()
        assert port.read(10) == b"abc"
        assert time.monotonic() - began >= SHORT_S * 0.9


GONE = {
    "read": (lambda port: port.read(1), serial.SerialException, "device reports readiness to read but returned no data"),
    "readline": (lambda port: port.readline(), serial.SerialException, "device reports readiness to read"),
    "write": (lambda port: port.write(b"x"), serial.SerialException, r"write failed: \[Errno 5\]"),
    "in_waiting": (lambda port: port.in_waiting, OSError, "Errno 5"),
    "out_waiting": (lambda port: port.out_waiting, OSError, "Errno 5"),
    "flush": (lambda port: port.flush(), termios.error, "5"),
    "reset_input_buffer": (lambda port: port.reset_input_buffer(), termios.error, "5"),
    "reset_output_buffer": (lambda port: port.reset_output_buffer(), termios.error, "5"),
    "send_break": (lambda port: port.send_break(), termios.error, "5"),
    "cts": (lambda port: port.cts, OSError, "Errno 5"),
    "rts": (lambda port: setattr(port, "rts", False), OSError, "Errno 5"),
    "break_condition": (lambda port: setattr(port, "break_condition", True), OSError, "Errno 5"),
    "baudrate": (lambda port: setattr(port, "baudrate", 300), serial.SerialException, "Could not configure port"),
}


@pytest.mark.parametrize("what", GONE)
def test_a_line_that_is_gone(terminal, what):
    """After a hang-up each call fails in its own way, the port counts as open, and closing it is harmless."""
    port = open_port(terminal)
    terminal.hang_up()
    call, kind, text = GONE[what]
    with pytest.raises(kind, match=text) as caught:
        call(port)
    assert isinstance(caught.value, kind) and isinstance(caught.value, serial.SerialException) == (kind is serial.SerialException)
    assert port.is_open
    port.close()
    assert not port.is_open


def test_a_reader_that_waits_is_told_of_the_hang_up(terminal):
    """A read without timeout ends when the line goes, and what it had collected is lost."""
    port = open_port(terminal, timeout=None)
    terminal.send(b"ab")
    errors = []

    def read():
        try:
            port.read(5)
        except serial.SerialException as error:
            errors.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    while port.in_waiting:
        time.sleep(0.001)
    terminal.hang_up()
    reader.join()
    port.close()
    assert len(errors) == 1 and "device reports readiness" in errors[0]
