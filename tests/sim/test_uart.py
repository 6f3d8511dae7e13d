"""Two ends of a line that are set differently: each hears what the bits on the wire are to it."""

from __future__ import annotations

import itertools
import time

import pytest
import serial
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sim import SerialDevice, World, uart16550
from sim.settings import Settings
from sim.uart import Heard, heard

PORT = "/dev/ttyUSB0"
FRAMINGS = ["".join(map(str, framing)) for framing in itertools.product((5, 6, 7, 8), "NEOMS", (1, 2))]


def settings(text):
    return Settings(9600, int(text[0]), text[1], int(text[2]), False, False)


def ones(byte):
    return byte.bit_count() % 2


@hypothesis_settings(deadline=None)
@given(st.binary(max_size=20), st.sampled_from(FRAMINGS))
def test_ends_that_are_set_alike_hear_what_is_sent(data, framing):
    """No bit is lost and nothing is counted."""
    assert heard(data, settings(framing), settings(framing)) == Heard(data)


@hypothesis_settings(deadline=None)
@given(st.binary(max_size=20), st.integers(5, 8), st.sampled_from("NEOMS"))
def test_a_second_stop_bit_changes_nothing(data, bits, parity):
    """A receiver looks at one stop bit, however many there are and however many it is set to."""
    few, many = settings(f"{bits}{parity}1"), settings(f"{bits}{parity}2")
    data = bytes(byte & (1 << bits) - 1 for byte in data)
    assert heard(data, many, few) == heard(data, few, many) == Heard(data)


@hypothesis_settings(deadline=None)
@given(st.binary(max_size=20), st.sampled_from("EOMS"))
def test_a_parity_bit_is_an_eighth_data_bit_to_who_expects_none(data, parity):
    """7E1, 7O1, 7M1 and 7S1 heard as 8N1."""
    top = {"E": ones, "O": lambda byte: 1 - ones(byte), "M": lambda byte: 1, "S": lambda byte: 0}[parity]
    data = bytes(byte & 127 for byte in data)
    assert heard(data, settings(f"7{parity}1"), settings("8N1")) == Heard(bytes(byte | top(byte) << 7 for byte in data))


@hypothesis_settings(deadline=None)
@given(st.binary(max_size=20))
def test_an_eighth_data_bit_is_a_parity_bit_to_who_expects_one(data):
    """8N1 heard as 7E1: the byte is delivered without it, and counted if it is wrong."""
    wrong = sum(map(ones, data))
    assert heard(data, settings("8N1"), settings("7E1")) == Heard(bytes(byte & 127 for byte in data), wrong)


@hypothesis_settings(deadline=None)
@given(st.binary(max_size=20))
def test_the_other_parity_is_wrong_each_time(data):
    """8E1 heard as 8O1: every byte is right, and every one is counted."""
    assert heard(data, settings("8E1"), settings("8O1")) == Heard(data, len(data))


def test_a_receiver_that_expects_too_many_bits_takes_the_next_start_bit_for_its_stop_bit():
    """7N1 heard as 8N1, back to back: bit by bit, as written down by hand."""
    # 0x41 is 0 1000001 1, twice: 010000011010000011 and idle. The receiver reads 0 10000011 with a 0 where its stop bit should be,
    # takes that for a start bit and reads 10000011 again, then a good stop bit.
    assert heard(b"\x41\x41", settings("7N1"), settings("8N1")) == Heard(b"\xc1\xc1", framing_errors=1)
    assert heard(b"\x41", settings("7N1"), settings("8N1")) == Heard(b"\xc1")


@hypothesis_settings(deadline=None)
@given(st.binary(max_size=30), st.sampled_from(FRAMINGS), st.sampled_from(FRAMINGS))
def test_every_pair_of_settings_ends(data, sender, receiver):
    """No more characters are heard than there were bits for, none has too many bits, and the counts are of characters."""
    sender, receiver = settings(sender), settings(receiver)
    data = bytes(byte & (1 << sender.bytesize) - 1 for byte in data)
    result = heard(data, sender, receiver)
    least = 1 + receiver.bytesize + (receiver.parity != "N")  # a stop bit that is not there is part of the next character
    assert len(result.data) * least <= len(data) * sender.bits + receiver.bits
    assert all(byte < 1 << receiver.bytesize for byte in result.data)
    assert max(result.parity_errors, result.framing_errors) <= len(result.data)


class Modem(SerialDevice):
    """7E1, whatever the port is."""

    bytesize, parity = 7, "E"

    def __init__(self):
        self.got = b""

    def on_data(self, data):
        self.got += data
        self.send(b"abc")


@pytest.mark.parametrize(
    ("port_settings", "hears", "is_heard", "errors"),
    [
        ({"bytesize": 7, "parity": "E"}, b"abc", b"xyz", 0),
        ({}, b"\xe1\xe2\x63", b"xyz", 0),
        ({"bytesize": 7, "parity": "O"}, b"abc", b"xyz", 3),
        ({"bytesize": 7, "parity": "M"}, b"abc", b"xyz", 1),
        ({"bytesize": 7, "parity": "E", "stopbits": 2}, b"abc", b"xyz", 0),
    ],
)
def test_a_device_set_otherwise_than_the_port(port_settings, hears, is_heard, errors):
    """The program gets the byte that the bits make and no exception, as without INPCK; wrong parity is counted."""
    device = Modem()
    with World() as world:
        line = world.serial(PORT, device)
        with serial.Serial(PORT, timeout=1, **port_settings) as port:
            port.write(b"xyz")
            assert port.read(10) == hears
        assert device.got == is_heard
        assert (line.parity_errors, line.framing_errors) == (errors, 0)


def mismatches(world):
    return [event.data for event in world.trace if event.kind == "mismatch"]


def test_bytes_spoilt_by_other_settings_are_told_once_per_change():
    """The trace says how each end is set, whichever way the first spoilt byte went, and says no more until that changes."""

    class Twin(SerialDevice):
        baudrate, parity = 19200, "N"

        def on_data(self, data):
            self.send(b"abc")

    with World() as world:
        world.serial(PORT, Twin())
        with serial.Serial(PORT, 9600, timeout=1) as port:
            port.write(b"x")
            port.read(3)
            port.write(b"x")
            assert ["device 19200 8N1, port 9600 8N1"] == mismatches(world)
            port.baudrate, port.parity = 19200, "E"
            port.write(b"x")
            port.read(3)
            port.parity = "N"
            port.write(b"x")
            assert b"abc" == port.read(3)
            port.baudrate = 9600
            port.write(b"x")
            port.read(3)
    texts = ["device 19200 8N1, port 9600 8N1", "device 19200 8N1, port 19200 8E1", "device 19200 8N1, port 9600 8N1"]
    assert texts == mismatches(world)


@pytest.mark.parametrize("own", [{"baudrate": 9700}, {"stopbits": 2}, {}])
def test_other_settings_that_spoil_nothing_are_not_told(own):
    """A rate within 4 % and a second stop bit are heard alike."""
    device = SerialDevice()
    vars(device).update(own)
    with World() as world:
        world.serial(PORT, device)
        with serial.Serial(PORT, 9600, timeout=1) as port:
            device.send(b"abc")
            port.write(b"x")
            assert b"abc" == port.read(3)
    assert [] == mismatches(world)


def test_parity_errors_are_told_as_a_mismatch():
    """8E1 heard as 8O1: the bytes are right, but a receiver that looks at parity would refuse each."""
    device = SerialDevice()
    device.parity = "E"
    with World() as world:
        world.serial(PORT, device)
        with serial.Serial(PORT, 9600, parity="O", timeout=1) as port:
            device.send(b"abc")
            assert b"abc" == port.read(3)
    assert ["device 9600 8E1, port 9600 8O1"] == mismatches(world)


def test_each_end_takes_as_long_as_its_own_bits():
    """A device with two stop bits sends 11 bits per byte to a port with one."""

    class Slow(SerialDevice):
        stopbits = 2

    with World() as world:
        device = Slow()
        world.serial(PORT, device)
        with serial.Serial(PORT, 1000) as port:
            device.send(b"0123456789")
            assert port.read(10) == b"0123456789"
            assert world.now_ns == 110_000_000


@pytest.mark.parametrize(("name", "value"), [("baudrate", 0), ("baudrate", "9600"), ("bytesize", 9), ("parity", "X"), ("stopbits", 3)])
def test_settings_that_no_port_has_are_refused(name, value):
    """The message names device, setting and value."""
    device = Modem()
    setattr(device, name, value)
    with World() as world, pytest.raises(ValueError, match=f"device Modem: needed a {name} that a serial port can have, was {value!r}"):
        world.serial(PORT, device)


def test_a_break_of_the_device_is_one_zero_byte():
    """It comes when a character would be complete, and what is sent behind it waits for its end."""
    with World() as world:
        device = SerialDevice()
        world.serial(PORT, device)
        with serial.Serial(PORT, 1000, timeout=1) as port:
            device.send(b"a")
            device.send_break(0.2)
            device.send(b"b")
            got = [(port.read(1), world.now_ns) for _ in range(3)]
        with pytest.raises(ValueError, match="send_break: needed a delay of at least 0 s, was -1"):
            device.send_break(-1)
    assert got == [(b"a", 10_000_000), (b"\0", 20_000_000), (b"b", 220_000_000)]


@pytest.mark.parametrize(("latency_us", "lost"), [(0, 0), (260, 0), (261, 1), (1000, 9)])
def test_a_fifo_that_is_read_too_late_runs_over(latency_us, lost):
    """At 115200 a byte takes 86.8 us: of what comes within 261 us of the trigger two bytes have room, and the third has not."""
    with World() as world:
        device = SerialDevice()
        line = world.serial(PORT, device, profile=uart16550(latency_us))
        with serial.Serial(PORT, 115200, timeout=1) as port:
            device.send(bytes(range(100, 125)))
            time.sleep((14 * 86.8056 + latency_us + 1) / 1e6)
            assert port.in_waiting == min(16, 14 + latency_us * 10_000 // 868_056)
            assert line.overruns == lost


def test_a_fifo_that_runs_over_keeps_the_oldest():
    """16 of 25 bytes are read, then what came after."""
    with World() as world:
        device = SerialDevice()
        line = world.serial(PORT, device, profile=uart16550(latency_us=1000))
        with serial.Serial(PORT, 115200, timeout=0.1) as port:
            device.send(bytes(range(50)))
            assert port.read(100) == bytes(range(16)) + bytes(range(25, 41))
            assert line.overruns == 18
    assert repr(uart16550(5)) == "uart16550(latency_us=5)"


@pytest.mark.parametrize("latency_us", [-1, "1", True, float("nan"), float("inf"), None])
def test_a_latency_is_a_number_of_microseconds(latency_us):
    """The message shows it."""
    with pytest.raises(ValueError, match="uart16550: needed a latency of at least 0 us, was"):
        uart16550(latency_us)
