"""What becomes of samples: formats and channels. One suite, two libraries, the simulated PortAudio and the real one."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.contracts.calls import record

# What PortAudio 19.6 makes of float samples in each integer format, without dither: measured.
SAMPLES = [0, 1, -1, 0.5, -0.5, 1.5, -1.5, 1 / 128, -1 / 256, 0.123456789, -0.3, 0.7, -0.7, 0.99999, 1 / 32768, 1.5 / 32768]
CONVERTED = {
    "int8": [0, 127, -127, 63, -63, 127, -128, 0, 0, 15, -38, 88, -88, 126, 0, 0],
    "uint8": [128, 255, 1, 191, 65, 255, 0, 128, 128, 143, 90, 216, 40, 254, 128, 128],
    "int16": [0, 32767, -32767, 16383, -16383, 32767, -32768, 255, -127, 4045, -9830, 22936, -22936, 32766, 0, 1],
    "int32": [0, 2147483647, -2147483648, 1073741824, -1073741824, 2147483647, -2147483648, 16777216, -8388608, 265121440,
              -644245120, 1503238528, -1503238528, 2147462144, 65536, 98304],
    "float32": SAMPLES,
}
WIDENED = {
    "int8": ([0, 1, -1, 127, -128], [0, 1 / 128, -1 / 128, 127 / 128, -1]),
    "uint8": ([128, 129, 127, 255, 0], [0, 1 / 128, -1 / 128, 127 / 128, -1]),
    "int16": ([0, 1, -1, 32767, -32768], [0, 1 / 32768, -1 / 32768, 32767 / 32768, -1]),
    "int32": ([0, 1, -1, 2**30, -(2**31)], [0, 2**-31, -(2**-31), 0.5, -1]),
    "float32": (SAMPLES, SAMPLES),
}


def through_the_loop(card, dtypes, samples, **settings):
    """What is recorded as `dtypes[0]` of the samples that each block begins with, played as `dtypes[1]`."""
    calls, loud = [], threading.Event()

    def callback(data, played, frames, times, status):
        played[:] = 128 if dtypes[1] == "uint8" else 0
        played[: len(samples), 0] = samples
        calls.append(data[: len(samples), 0].copy())
        if np.any(calls[-1] != calls[0]):
            loud.set()

    stream = card.open("Stream", callback, dtype=dtypes, channels=1, **settings)
    stream.start()
    card.join()
    card.wait(loud)
    stream.stop()
    return calls[-1]


def raw_through_the_loop(card, dtypes, data, count):
    """The first `count` bytes that a raw stream records of the bytes that each of its blocks begins with."""
    calls, loud = [], threading.Event()

    def callback(recorded, played, frames, times, status):
        played[:] = data + bytes(len(played) - len(data))
        calls.append(bytes(recorded)[:count])
        if calls[-1] != calls[0]:
            loud.set()

    stream = card.open("RawStream", callback, dtype=dtypes, dither_off=True)
    stream.start()
    card.join()
    card.wait(loud)
    stream.stop()
    return calls[-1]


@pytest.mark.parametrize("dtype", CONVERTED)
def test_floats_become_integers(card, dtype):
    """A float sample is clipped, scaled and cut as PortAudio does it."""
    samples = np.array(SAMPLES, "float32")
    recorded = through_the_loop(card, (dtype, "float32"), samples, dither_off=True)
    assert recorded.tolist() == np.array(CONVERTED[dtype], dtype).tolist()


def test_floats_become_integers_of_24_bits(card):
    """The upper 24 of 32 bits, in the machine's order."""
    recorded = raw_through_the_loop(card, ("int24", "float32"), np.array(SAMPLES, "float32").tobytes(), 3 * len(SAMPLES))
    numbers = [int.from_bytes(recorded[at : at + 3], "little", signed=True) for at in range(0, len(recorded), 3)]
    assert numbers == [number >> 8 for number in CONVERTED["int32"]]


def test_integers_of_24_bits_become_floats(card):
    """Divided by their full scale."""
    numbers = [0, 1, -1, 2**23 - 1, -(2**23), 2**22]
    recorded = raw_through_the_loop(
        card, ("float32", "int24"), b"".join(number.to_bytes(3, "little", signed=True) for number in numbers), 4 * len(numbers)
    )
    assert np.frombuffer(recorded, "float32").tolist() == [number / 2**23 for number in numbers]


@pytest.mark.parametrize("dtype", WIDENED)
def test_integers_become_floats(card, dtype):
    """An integer sample is divided by its full scale; the silence of uint8 is 128."""
    samples, floats = WIDENED[dtype]
    recorded = through_the_loop(card, ("float32", dtype), np.array(samples, dtype))
    assert recorded.tolist() == np.array(floats, "float32").tolist()


def test_silence_is_silence_in_every_format(card):
    """A microphone that hears nothing: 0, and 128 of uint8, with dither too."""
    for dtype in ("int8", "uint8", "int16", "int32", "float32"):
        call = record(card, "InputStream", 2, dtype=dtype)[-1]
        assert set(np.unique(call.blocks[0])) == {128 if dtype == "uint8" else 0}


def test_each_channel_goes_its_own_way(card):
    """The columns of a block are the channels, both ways, from one stream to another."""
    heard, both = [], threading.Event()

    def play(data, *_):
        data[:] = 0.25, -0.125

    def hear(data, *_):
        heard.append(data[-1].tolist())
        if heard[-1] == [0.25, -0.125]:
            both.set()

    ear, mouth = card.open("InputStream", hear, channels=2), card.open("OutputStream", play, channels=2)
    ear.start()
    mouth.start()
    card.join()
    card.wait(both)
    ear.close()
    mouth.close()
    assert set(map(tuple, heard)) <= {(0.0, 0.0), (0.25, -0.125), (0.25, 0.0)}  # channels are joined one after the other


def test_samples_have_sizes(card):
    """Bytes of each format, whatever the layout; anything else is none."""
    sizes = {0x1: 4, 0x2: 4, 0x4: 3, 0x8: 2, 0x10: 1, 0x20: 1, 0x8000_0001: 4, 0: -9994, 0x40: -9994, 0x1_0000: -9994}
    assert {value: card.sd._lib.Pa_GetSampleSize(value) for value in sizes} == sizes
