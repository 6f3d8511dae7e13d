"""The memory that a callback gets, and the sample formats in it.

Laws: one block of memory per direction and stream, used again for every callback and filled with poison in between, so that a
program that keeps a view instead of a copy, or leaves part of its output unwritten, sees it. Devices have samples of float,
full scale 1. A float becomes an integer as in PortAudio: times the largest one, cut towards zero, clipped; what PortAudio adds
by default, dither, is left out, so that runs are alike. An integer becomes a float by the power of two. So n comes back from a
loop one step nearer to zero, but of int24 and int32, where 24 bits come back as they were.

Source of the conversions: PortAudio's `pa_converters.c`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from _sounddevice import ffi

from .errors import Code, Refused

LARGEST = 0x7FFFFFFF  # of 32 bits; 24 bits are the upper ones of these
Samples = npt.NDArray[Any]  # float [frames, channels], full scale +-1


class Format(NamedTuple):
    """A sample format of PortAudio: bytes per sample, integer bits (0: float), what is silence, and the byte of its poison."""

    name: str
    size: int
    bits: int
    zero: int
    poison: int


#: By the value of `PaSampleFormat`. The poison is NaN, or as far from silence as the format goes.
FORMATS = {
    0x01: Format("float32", 4, 0, 0, 0xFF),
    0x02: Format("int32", 4, 32, 0, 0x80),
    0x04: Format("int24", 3, 24, 0, 0x80),
    0x08: Format("int16", 2, 16, 0, 0x80),
    0x10: Format("int8", 1, 8, 0, 0x80),
    0x20: Format("uint8", 1, 8, 128, 0xFF),
}


def format_of(value: int) -> Format:
    """The format that a `PaSampleFormat` means. Raises `Refused`: it is none, or not interleaved."""
    if value not in FORMATS:
        raise Refused(Code.SAMPLE_FORMAT_NOT_SUPPORTED)
    return FORMATS[value]


def encode(samples: Samples, form: Format) -> npt.NDArray[np.uint8]:
    """`samples` as bytes of the format: uint8[frames, channels * size]."""
    frames = len(samples)
    if not form.bits:
        return np.ascontiguousarray(samples, np.float32).view(np.uint8).reshape(frames, -1)
    half = 1 << (form.bits - 1)
    if form.bits > 16:
        wide = np.trunc(
            np.multiply(samples, LARGEST + 1, dtype=np.float64)
        )  # a product of floats, in which the largest is 2 ** 31
        data = np.clip(wide, -LARGEST - 1, LARGEST).astype("<i4").view(np.uint8).reshape(frames, -1, 4)
        return np.ascontiguousarray(data[:, :, 4 - form.size :]).reshape(frames, -1)
    steps = np.trunc(np.asarray(samples, np.float32) * np.float32(half - 1)) + form.zero
    lowest = form.zero - half
    data = np.clip(steps, lowest, lowest + 2 * half - 1).astype(form.name)
    return np.ascontiguousarray(data).view(np.uint8).reshape(frames, -1)


def decode(data: npt.NDArray[np.uint8], form: Format, channels: int) -> npt.NDArray[np.float32]:
    """What `encode` made of samples: a copy of its own, float32[frames, channels]."""
    if not form.bits:
        return data.view(np.float32).reshape(-1, channels).copy()
    if form.bits == 24:
        wide = np.zeros((data.size // 3, 4), np.uint8)
        wide[:, 1:] = data.reshape(-1, 3)
        steps, half = wide.view("<i4"), 1 << 31
    else:
        steps, half = data.view(form.name), 1 << (form.bits - 1)
    return ((steps.astype(np.float64) - form.zero) / half).astype(np.float32).reshape(-1, channels)


class Block:
    """The memory of one direction of a stream.

    Args:
        form: of its samples.
        channels: interleaved.
        frames: how many there is room for.

    Attribute `pointer`: what a callback is given.
    """

    def __init__(self, form: Format, channels: int, frames: int) -> None:
        self.form, self.channels, self.frames = form, channels, frames
        self.pointer = ffi.new("unsigned char[]", frames * channels * form.size)
        self._bytes = np.frombuffer(ffi.buffer(self.pointer), np.uint8)
        self._rows = self._bytes.reshape(frames, -1)
        self.poison()

    @property
    def data(self) -> memoryview:
        """All of it."""
        return self._bytes.data

    def poison(self) -> None:
        """Make what is in it useless."""
        self._bytes.fill(self.form.poison)

    def put(self, at: int, samples: Samples) -> None:
        """Write `samples` from frame `at` on."""
        self._rows[at : at + len(samples)] = encode(samples, self.form)

    def take(self) -> npt.NDArray[np.float32]:
        """All of it, as samples."""
        return decode(self._bytes, self.form, self.channels)
