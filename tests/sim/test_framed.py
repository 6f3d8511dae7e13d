"""Devices that speak in lines or frames, and frames found in a stream of anything."""

from __future__ import annotations

import struct
import time
import zlib

import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import Drop, Flip, Frame, FrameDevice, Insert, LineDevice, World, read, read_frame, read_until
from sim.framed import MOST_LINE_BYTES
from sim.strategies import chunking

PORT = "/dev/ttyUSB0"


def checksum(body):
    return sum(body) & 0xFF


def crc32(body):
    return zlib.crc32(body).to_bytes(4, "little")


IMU = Frame("<hhB", sync=b"\xaa\x55", check=checksum)
FRAMES = [IMU, Frame("<hhB", sync=b"\xaa", check=crc32), Frame(">hhB", sync=b"\xaa\xaa\x55", check=crc32)]
FIELDS = st.tuples(st.integers(-(2**15), 2**15 - 1), st.integers(-(2**15), 2**15 - 1), st.integers(0, 255))


class Thermometer(LineDevice):
    """Answers questions."""

    terminator = b"\r\n"

    def on_line(self, line):
        self.send_line({"T?": "21.5", "ID?": "θ-1"}.get(line, f"? {line}"))


class Cart(FrameDevice):
    """Is told a force, answers with its place and speed."""

    hears = Frame("<f", sync=b"\xaa", check=checksum)
    sends = Frame("<2f", sync=b"\xaa", check=checksum)

    def __init__(self):
        self.forces = []

    def on_frame(self, force):
        self.forces.append(force)
        self.send_frame(force * 2, force * 3)


# lines ------------------------------------------------------------------------------------------------------------------------


def test_a_line_is_told_once_however_it_comes():
    """Pieces of a line and several lines at once; the terminator is not part of it."""
    with World() as world:
        world.serial(PORT, Thermometer())
        with serial.Serial(PORT, timeout=1) as port:
            for piece in (b"T", b"?\r", b"\nID?\r\nT?\r\n", b"\r\n"):
                port.write(piece)
            answers = [port.readline().decode() for _ in range(4)]
    assert answers == ["21.5\r\n", "θ-1\r\n", "21.5\r\n", "? \r\n"]


def test_a_line_of_bad_bytes_is_a_line():
    """A fault in the direction of the device never raises there: what is no text is U+FFFD."""
    with World() as world:
        world.serial(PORT, Thermometer(), faults=[Flip(byte=0, mask=0x80, towards="device")])
        with serial.Serial(PORT, timeout=1) as port:
            port.write(b"T?\r\n")
            assert port.readline().decode() == "? \ufffd?\r\n"


def test_a_line_without_an_end_is_given_up():
    """Some 64 KiB without a terminator are thrown away and counted."""
    device = Thermometer()
    with World() as world:
        world.serial(PORT, device)
        with serial.Serial(PORT, 4_000_000) as port:
            port.write(bytes(MOST_LINE_BYTES + 1))
            port.flush()
        assert device.skipped > MOST_LINE_BYTES - 4096


def test_a_line_is_text():
    """Bytes are refused by name."""
    with pytest.raises(TypeError, match=r"device Thermometer.send_line: needed text, was b'x'; for bytes use send\(\)"):
        Thermometer().send_line(b"x")


# frames -----------------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.sampled_from(FRAMES), st.lists(FIELDS, max_size=6), st.data())
def test_frames_are_cut_as_they_were_packed(frame, sent, data):
    """Any pieces, nothing skipped."""
    stream = b"".join(frame.pack(*fields) for fields in sent)
    buffer, got = bytearray(), []
    for piece in data.draw(chunking(stream)) if stream else []:
        buffer += piece
        while (found := frame.cut(buffer))[0] is not None:
            assert found[1] == 0
            got.append(found[0])
    assert got == sent
    assert buffer == b""


@settings(deadline=None)
@given(st.sampled_from(FRAMES[1:]), st.lists(st.one_of(FIELDS, st.binary(max_size=9)), max_size=8))
def test_frames_are_found_among_garbage(frame, parts):
    """Every frame behind any garbage is found, if nothing before it passes a CRC-32 by chance; what was skipped is the garbage."""
    stream = bytearray(b"".join(frame.pack(*part) if isinstance(part, tuple) else part for part in parts))
    size, got, skipped = len(stream), [], 0
    while True:
        fields, more = frame.cut(stream)
        skipped += more
        if fields is None:
            break
        got.append(fields)
    assert got == [part for part in parts if isinstance(part, tuple)]
    assert skipped + len(stream) + len(got) * frame.size == size
    assert len(stream) < frame.size


def test_a_frame_device_answers_and_counts_what_it_skips():
    """Garbage, a wrong check and half a frame cost nothing but themselves."""
    device = Cart()
    good, other = Cart.hears.pack(1.5), Cart.hears.pack(-2.0)
    with World() as world:
        world.serial(PORT, device)
        with serial.Serial(PORT, timeout=0.1) as port:
            port.write(b"\x00\xaa" + good[:-1] + b"\x00" + other + good[:3])
            port.write(good[3:])
            answers = port.read(100)
    assert device.forces == [-2.0, 1.5]
    assert device.skipped == 2 + len(good)
    assert answers == Cart.sends.pack(-4.0, -6.0) + Cart.sends.pack(3.0, 4.5)


@pytest.mark.parametrize("fault", [Drop(byte=1, towards="device"), Insert(byte=3, towards="device"), Flip(byte=5, towards="device")])
def test_a_fault_costs_one_frame(fault):
    """The frame that is hit is lost, the one behind it is heard."""
    device = Cart()
    with World() as world:
        world.serial(PORT, device, faults=[fault])
        with serial.Serial(PORT) as port:
            for force in (0.0, 1.0, 2.0):
                port.write(Cart.hears.pack(force))
            port.flush()
    assert device.forces[-2:] == [1.0, 2.0]


def test_generators_read_lines_and_frames():
    """`read_until` gives the line with its end, `read_frame` the fields; what nobody asked for yet is kept."""
    got = []

    def device(line):
        got.append((yield read_until()))
        got.append((yield read_frame(IMU)))
        got.append((yield read_until(b"end")))
        got.append((yield read(2)))

    with World() as world:
        world.serial(PORT, device)
        with serial.Serial(PORT) as port:
            port.write(b"hello\nnoise" + IMU.pack(1, -2, 3) + b"the ")
            port.write(b"end..")
            port.flush()
    assert got == [b"hello\n", (1, -2, 3), b"the end", b".."]


def test_a_frame_is_printed_as_it_was_made():
    """With the name of its check."""
    assert repr(IMU) == "Frame('<hhB', sync=b'\\xaaU', check=checksum)"
    assert IMU.size == len(IMU.pack(1, 2, 3)) == 8
    assert Frame("B").pack(7) == b"\x07"


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: Frame("<q4z"), ValueError, "Frame: needed a layout as in struct, was '<q4z'"),
        (lambda: Frame(None), ValueError, "needed a layout as in struct, was None"),
        (lambda: Frame(""), ValueError, "needed a layout of at least one byte"),
        (lambda: Frame("B", sync="x"), TypeError, "needed sync as bytes, was 'x'"),
        (lambda: Frame("B", check=3), TypeError, "needed a check that is a function of bytes, was 3"),
        (lambda: Frame("B", check=lambda body: "x"), TypeError, "needed a check of bytes, or of an int to 255, was 'x'"),
        (lambda: Frame("B", check=lambda body: 256), TypeError, "was 256"),
        (lambda: IMU.pack(1, 2), ValueError, r"needed fields that fit, was \(1, 2\)"),
        (lambda: IMU.pack(1, 2, "x"), ValueError, "needed fields that fit"),
        (lambda: Cart().send_frame(1.0, 2.0), RuntimeError, "needed a line, it was on none"),
        (lambda: FrameDevice().send_frame(1), RuntimeError, r"set sends = Frame\("),
        (lambda: read(0), ValueError, "read: needed a number of bytes from 1, was 0"),
        (lambda: read("4"), ValueError, "was '4'"),
        (lambda: read(True), ValueError, "was True"),
        (lambda: read_until(b""), ValueError, "needed a terminator of at least one byte"),
        (lambda: read_until("\n"), ValueError, "needed a terminator"),
        (lambda: read_frame("<f"), TypeError, "needed a Frame, was '<f'"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, kind, text):
    """At once, with what was needed."""
    with pytest.raises(kind, match=text):
        make()


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_a_plain_layout_is_cut_by_size(stream):
    """Without header and check every so many bytes are a frame."""
    frame, buffer, got = Frame("<HB"), bytearray(stream), []
    while (found := frame.cut(buffer))[0] is not None:
        got.append(found[0])
    assert got == list(struct.iter_unpack("<HB", stream[: len(stream) // 3 * 3]))


@pytest.mark.parametrize(
    ("terminator", "writes", "heard", "told"),
    [
        (b"\n", [b"V?\r\n", b"W?\r\n"], ["V?\r", "W?\r"], [r"the device's lines end in b'\n', it heard b'V?\r'"]),
        (b"\n", [b"V?\r"], [], [r"the device's lines end in b'\n', it heard b'V?\r'"]),
        (b"\r", [b"V?\r\n", b"W?\r\n"], ["V?", "\nW?"], [r"the device's lines end in b'\r', it heard b'\n'"]),
        (b"\r\n", [b"V?\n"], [], [r"the device's lines end in b'\r\n', it heard b'V?\n'"]),
        (b"\r\n", [b"V?\r", b"\n"], ["V?"], []),
        (b"\n", [b"V?\n"], ["V?"], []),
        (b";", [b"V?\r\n;"], ["V?\r\n"], []),
    ],
)
def test_lines_that_end_otherwise_are_told_in_the_trace(terminator, writes, heard, told):
    """`on_line` gets what was written, and nothing is hidden; the trace says, once, that the two ends mean other line ends."""

    class Listening(LineDevice):
        def __init__(self):
            self.terminator, self.lines = terminator, []

        def on_line(self, line):
            self.lines.append(line)

    device = Listening()
    with World() as world:
        world.serial("meter", device)
        with serial.Serial("meter", 9600) as port:
            for data in writes:
                port.write(data)
                time.sleep(0.1)
    assert (heard, told) == (device.lines, [event.data for event in world.trace if event.kind == "terminator"])
