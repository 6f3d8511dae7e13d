"""Frames survive what a serial line does to them."""

from __future__ import annotations

import struct
from io import BytesIO
from itertools import pairwise

from cartpole_frames import MARK, Frames, crc8
from hypothesis import given
from hypothesis import strategies as st

float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
states = st.lists(st.tuples(float32, float32, float32, float32), max_size=6)
unmarked = st.binary(max_size=40).map(lambda data: data.replace(bytes([MARK]), b""))


def found(frames: Frames, pieces: list[bytes]) -> list[tuple[float, ...]]:
    """All frames found while `pieces` come in."""
    values = []
    for piece in pieces:
        frames.feed(piece)
        while (one := frames.take()) is not None:
            values.append(one)
    return values


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces, cut at `places` taken modulo its length."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)]


def scan(data: bytes, size: int = 18) -> list[tuple[float, ...]]:
    """The definition of a frame, by search from every place: the oracle of `Frames`."""
    values, at = [], 0
    while at + size <= len(data):
        frame = data[at : at + size]
        if frame[0] == MARK and crc8(frame[1:-1]) == frame[-1]:
            body = struct.unpack("<4f", frame[1:-1])
            if all(abs(value) <= 3.5e38 for value in body):
                values.append(body)
                at += size
                continue
        at += 1
    return values


def test_crc8_is_the_catalogued_one():
    """The check value of CRC-8/SMBUS."""
    assert crc8(b"123456789") == 0xF4


def test_a_frame_is_18_bytes():
    """Four float32, a mark and a checksum: 1.56 ms at 115200 baud."""
    frame = Frames("<4f").pack(1.0, 2.0, 3.0, 4.0)
    assert frame == b"\xaa" + struct.pack("<4f", 1, 2, 3, 4) + bytes([crc8(struct.pack("<4f", 1, 2, 3, 4))])
    assert len(frame) == Frames("<4f").size == 18


@given(states, st.lists(st.integers(0, 10_000)))
def test_split_frames_arrive_whole(sent, places):
    """Wherever the stream is cut, the same values come out, in order, and nothing is rejected."""
    frames = Frames("<4f")
    assert found(frames, cut(b"".join(frames.pack(*values) for values in sent), places)) == sent
    assert frames.rejected == 0


@given(st.lists(st.tuples(unmarked, st.tuples(float32, float32, float32, float32)), max_size=6), st.lists(st.integers(0, 10_000)))
def test_garbage_between_frames_costs_no_frame(sent, places):
    """Bytes that are no mark are thrown away and counted; every frame arrives."""
    frames = Frames("<4f")
    stream = b"".join(garbage + frames.pack(*values) for garbage, values in sent)
    assert found(frames, cut(stream, places)) == [values for _, values in sent]
    assert frames.rejected == sum(len(garbage) for garbage, _ in sent)


@given(st.binary(max_size=60) | st.just(bytes([MARK]) * 30), states, st.lists(st.integers(0, 10_000)))
def test_any_garbage_is_read_as_the_definition_says(garbage, sent, places):
    """With marks in the garbage too, a stream holds exactly the frames that a search from every byte finds."""
    frames = Frames("<4f")
    stream = garbage + b"".join(frames.pack(*values) for values in sent)
    assert found(frames, cut(stream, places)) == scan(stream)


@given(st.tuples(float32, float32, float32, float32), st.integers(8, 8 * 17 - 1))
def test_a_flipped_bit_is_no_frame(values, bit):
    """One wrong bit behind the mark is always seen."""
    frames = Frames("<4f")
    data = bytearray(frames.pack(*values))
    data[bit // 8] ^= 1 << bit % 8
    assert values not in found(frames, [bytes(data)])


def test_a_nan_is_no_value():
    """A frame with the right checksum and a value that is not a number is rejected, the one behind it is not."""
    frames = Frames("<f")
    assert found(frames, [frames.pack(float("nan")), frames.pack(float("-inf")), frames.pack(1.5)]) == [(1.5,)]
    assert frames.rejected == 12


def test_read_leaves_the_next_frame_on_the_port():
    """`read` takes bytes up to the end of one frame only: what is left wakes its node again."""
    frames = Frames("<f")
    port = BytesIO(frames.pack(1.0) + frames.pack(2.0)[:3])
    assert (frames.read(port), port.tell()) == ((1.0,), 6)
    assert (frames.read(port), port.tell()) == (None, 9)
