"""When received bytes can be read: each profile against a model that looks at every nanosecond that matters."""

from __future__ import annotations

import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import SerialDevice, World, cdc_acm, ftdi, ideal, uart16550
from sim.lane import Lane
from sim.profiles import profile_of

PORT = "/dev/ttyUSB0"
MS = 1_000_000


class Sensor(SerialDevice):
    """18 bytes each 10 ms."""

    def on_open(self):
        self.timer = self.every(0.01, lambda: self.send(bytes(18)))


def wake_ups(profile, duration_s=0.2):
    """(time in ms, bytes) of each time that a reading program is woken."""
    with World() as world:
        world.serial(PORT, Sensor(), profile=profile)
        with serial.Serial(PORT, 115200, timeout=0.05) as port:
            seen = []
            while world.now_ns < duration_s * 1e9:
                first = port.read(1)
                seen.append((world.now_ns / MS, len(first + port.read_all())))
    return seen


def test_an_ftdi_adapter_hands_over_every_16_ms():
    """A 100 Hz sensor is seen in bursts of one frame and of two, on a grid of 16 ms."""
    seen = wake_ups("ftdi")
    assert [at for at, _ in seen[:6]] == [16, 32, 48, 64, 80, 96]
    assert {size for _, size in seen} <= {18, 36}
    assert {18, 36} <= {size for _, size in seen}


def test_its_latency_can_be_set():
    """By the profile, or by the program, as the Linux driver does it."""
    assert [at for at, _ in wake_ups(ftdi(latency_ms=2))[:3]] == [12, 22, 32]
    with World() as world:
        world.serial(PORT, Sensor(), profile="ftdi")
        with serial.Serial(PORT, 115200) as port:
            port.set_low_latency_mode(True)
            port.read(18)
            assert world.now_ns == 12 * MS


def test_a_full_packet_does_not_wait_for_the_timer():
    """62 bytes go at once."""
    with World() as world:
        device = SerialDevice()
        world.serial(PORT, device, profile="ftdi")
        with serial.Serial(PORT, 115200) as port:
            device.send(bytes(100))
            port.read(1)
            assert (world.now_ns, port.in_waiting) == (62 * 10**10 // 115200, 61)
            port.read(99)
            assert world.now_ns == 62 * 10**10 // 115200 + 16 * MS


def test_a_usb_port_hands_over_each_millisecond():
    """Everything that has come by then."""
    assert wake_ups("cdc_acm", 0.03)[:4] == [(11, 11), (12, 7), (21, 11), (22, 7)]


def test_a_uart_hands_over_14_bytes_or_what_came_before_a_pause():
    """14 of the 18 bytes, then 4 after an idle time of four bytes."""
    byte = 10 / 115.2
    seen = wake_ups("uart16550", 0.015)
    assert [size for _, size in seen[:2]] == [14, 4]
    assert seen[0][0] == pytest.approx(10 + 14 * byte, abs=1e-4)
    assert seen[1][0] == pytest.approx(10 + 22 * byte, abs=1e-4)


def test_profiles_are_named_and_printed():
    """A name stands for its defaults; an unknown one is answered with the list."""
    for name, call in (("ideal", ideal()), ("uart16550", uart16550()), ("ftdi", ftdi()), ("cdc_acm", cdc_acm())):
        assert repr(profile_of(name)) == repr(call)
    assert repr(ftdi(2)) == "ftdi(latency_ms=2)"
    with pytest.raises(ValueError, match="needed one of ideal, uart16550, ftdi, cdc_acm, was 'usb'"):
        profile_of("usb")
    with pytest.raises(ValueError, match="1 to 255 ms, was 0"):
        ftdi(0)


@settings(deadline=None)
@given(
    st.sampled_from(["ideal", "uart16550", "ftdi", "cdc_acm"]),
    st.lists(st.tuples(st.integers(0, 30 * MS), st.integers(1, 80)), max_size=8),
    st.lists(st.integers(0, 400 * MS), max_size=20),
)
def test_looking_changes_nothing(name, sends, looks):
    """Bytes come whole, in order and never before they are complete, and `when` tells the truth, however often one looks."""
    lazy, eager = (profile_of(name), Lane(10, 115200)), (profile_of(name), Lane(10, 115200))
    at, total, got = 0, 0, 0
    steps = []
    for wait, size in sends:
        at += wait
        steps.append((at, size))
    for now, size in sorted([*steps, *((look, 0) for look in looks)]):
        got += len(eager[0].take(eager[1], now))
        if size:
            eager[1].put(now, bytes(size))
            lazy[1].put(now, bytes(size))
            total += size
    while got < total:
        when = eager[0].when(eager[1], 1)
        assert lazy[0].when(lazy[1], got + 1) == when
        assert eager[0].take(eager[1], when - 1) == b""
        batch = len(eager[0].take(eager[1], when))
        assert batch > 0
        got += batch
    assert len(lazy[0].take(lazy[1], 10**12)) == total


def test_a_wrong_rate_is_garbage():
    """Beyond 4 % both ends hear as many bytes, but not those; within, all is well."""

    class Fixed(SerialDevice):
        baudrate = 9600
        got = b""

        def on_data(self, data):
            self.got += data
            self.send(b"0123456789")

    for baud, good in ((9600, True), (9900, True), (19200, False)):
        with World() as world:
            device = Fixed()
            world.serial(PORT, device)
            with serial.Serial(PORT, baud, timeout=1) as port:
                port.write(b"abcdefghij")
                heard = port.read(10)
        assert len(heard) == len(device.got) == 10
        assert ((heard, device.got) == (b"0123456789", b"abcdefghij")) is good
