"""What a callback is given and when: one suite, two libraries, the simulated PortAudio and the real one."""

from __future__ import annotations

import itertools
import json
import pathlib
import threading
from typing import Any, NamedTuple

import numpy as np
import pytest

LOOP = json.loads((pathlib.Path(__file__).parent / "portaudio_jack_loop.json").read_text())
DELAYS = {int(blocksize): frames for blocksize, frames in LOOP["loop_delay_frames"].items()}
GAPS = {int(blocksize): gaps for blocksize, gaps in LOOP["callbacks_per_host_period_pattern"].items()}
BURSTS = {0: 1, 64: 4, 128: 2, 256: 1, 480: 1, 1024: 1}  # callbacks in one host period that has any


class Call(NamedTuple):
    """One callback: its blocks, copied, and what came with them."""

    blocks: tuple[np.ndarray, ...]
    frames: int
    current_s: float
    adc_s: float
    dac_s: float
    status: Any
    addresses: tuple[int, ...]


def record(card, kind, count, play=None, **settings):
    """The first `count` callbacks of a stream that plays silence, or what `play(data, frame)` puts into its blocks."""
    calls, done, frame = [], threading.Event(), 0

    def callback(*arguments):
        nonlocal frame
        *blocks, frames, times, status = arguments
        if kind != "InputStream":
            blocks[-1][:] = 0
            if play is not None:
                play(blocks[-1], frame)
        copies = tuple(block.copy() for block in blocks)
        addresses = tuple(block.ctypes.data for block in blocks)
        times = times.currentTime, times.inputBufferAdcTime, times.outputBufferDacTime
        calls.append(Call(copies, frames, *times, status, addresses))
        frame += frames
        if len(calls) == count:
            done.set()
            raise card.sd.CallbackStop

    stream = card.open(kind, callback, **settings)
    stream.start()
    card.wait(done)
    stream.close()
    return calls


@pytest.mark.parametrize("blocksize", [64, 480])
@pytest.mark.parametrize("kind", ["InputStream", "OutputStream", "Stream"])
def test_blocks_are_of_the_size_asked_for(card, kind, blocksize):
    """Every block has `blocksize` frames, one row each, one column per channel."""
    calls = record(card, kind, 6, blocksize=blocksize, channels=card.channels)
    assert {call.frames for call in calls} == {blocksize}
    assert {block.shape for call in calls for block in call.blocks} == {(blocksize, card.channels)}
    assert len(calls[0].blocks) == (2 if kind == "Stream" else 1)


def test_the_host_chooses_the_size(card):
    """With blocksize 0 a block is as long as `frames` says, here a host period."""
    calls = record(card, "Stream", 6, blocksize=0)
    assert {call.frames for call in calls} == {card.period}
    assert {block.shape for call in calls for block in call.blocks} == {(card.period, 1)}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "float32"])
def test_blocks_are_of_the_dtype_asked_for(card, dtype):
    """In both directions; the two may differ, and the channels too."""
    calls = record(card, "Stream", 2, dtype=(dtype, "float32"), channels=(1, 2))
    assert [block.dtype for block in calls[0].blocks] == [dtype, "float32"]
    assert [block.shape[1] for block in calls[0].blocks] == [1, 2]
    calls = record(card, "Stream", 2, dtype=("float32", dtype), channels=(2, 1))
    assert [block.dtype for block in calls[0].blocks] == ["float32", dtype]
    assert [block.shape[1] for block in calls[0].blocks] == [2, 1]


def test_raw_blocks_are_bytes(card):
    """A raw stream hands over buffers of `frames * channels * samplesize` bytes, also of 24-bit samples."""
    sizes, done = [], threading.Event()

    def callback(data, played, frames, times, status):
        sizes.append((frames, len(data), len(played)))
        played[:] = bytes(len(played))
        done.set()

    card.open("RawStream", callback, dtype=("int24", "int16"), channels=(1, 2)).start()
    card.wait(done)
    assert sizes[0] == (256, 256 * 3, 256 * 2 * 2)


def test_blocks_can_be_written_and_are_used_again(card):
    """Both blocks are writeable views of memory that the next callback finds again, so what is kept must be copied."""
    writeable, kept, done = [], [], threading.Event()

    def callback(data, played, frames, times, status):
        played[:] = 0
        writeable.append((data.flags.writeable, played.flags.writeable, data.flags.owndata, played.flags.owndata))
        kept.append((data.ctypes.data, played.ctypes.data))
        if len(kept) == 8:
            done.set()

    card.open("Stream", callback, blocksize=64).start()
    card.wait(done)
    assert set(writeable) == {(True, True, False, False)}
    assert len(set(kept)) < 8


def test_the_times_of_an_input(card):
    """A block was recorded before now; a stream that plays nothing has no time for it; time goes on."""
    calls = record(card, "InputStream", 6)
    assert all(call.adc_s <= call.current_s for call in calls)
    assert {call.dac_s for call in calls} == {0.0}
    assert all(first.current_s < second.current_s and first.adc_s < second.adc_s for first, second in itertools.pairwise(calls))


def test_the_times_of_an_output(card):
    """A block will be played after now; a stream that records nothing has no time for it; time goes on."""
    calls = record(card, "OutputStream", 6)
    assert all(call.dac_s >= call.current_s for call in calls)
    assert {call.adc_s for call in calls} == {0.0}
    assert all(first.current_s < second.current_s and first.dac_s < second.dac_s for first, second in itertools.pairwise(calls))


def test_the_times_of_both(card):
    """Recorded before now, played after now; on the clock of the stream."""
    times, done = [], threading.Event()

    def callback(data, played, frames, info, status):
        played[:] = 0
        times.append((info.inputBufferAdcTime, info.currentTime, stream.time, info.outputBufferDacTime))
        done.set()

    stream = card.open("Stream", callback)
    stream.start()
    card.wait(done)
    adc_s, current_s, stream_s, dac_s = times[0]
    assert adc_s <= current_s <= stream_s
    assert current_s < dac_s


@pytest.mark.parametrize("blocksize", BURSTS)
def test_callbacks_come_in_bursts(card, blocksize):
    """What one host period completes comes at one time; within it, each block is one block later on the way in and out."""

    def measure():
        calls = record(card, "Stream", 3 * BURSTS[blocksize] + 1, blocksize=blocksize)
        bursts = [list(burst) for _, burst in itertools.groupby(calls, key=lambda call: call.current_s)]
        pairs = [pair for burst in bursts for pair in itertools.pairwise(burst)]
        steps = {round((second.adc_s - first.adc_s) * card.rate, 3) for first, second in pairs}
        steps |= {round((second.dac_s - first.dac_s) * card.rate, 3) for first, second in pairs}
        return {len(burst) for burst in bursts[1:-1]}, steps

    card.expect(({BURSTS[blocksize]}, {blocksize} if BURSTS[blocksize] > 1 else set()), measure)


@pytest.mark.parametrize("blocksize", GAPS)
def test_the_pattern_of_the_bursts(card, blocksize):
    """Counted in host periods, the time between callbacks repeats."""
    pattern = GAPS[blocksize]

    def measure():
        calls = record(card, "Stream", len(pattern) + 1, blocksize=blocksize)
        times = [call.current_s * card.rate / card.period for call in calls]
        gaps = [round(second - first) for first, second in itertools.pairwise(times)]
        turns = [pattern[turn:] + pattern[:turn] for turn in range(len(pattern))]
        return gaps in turns

    card.expect(True, measure)


@pytest.mark.parametrize("blocksize", DELAYS)
def test_the_delay_of_a_loop(card, blocksize):
    """From the frame of a stream that plays a click to the frame that hears it, speaker led to microphone: as measured on the
    real library, and as much as the stream's latencies say."""

    def measure():
        heard, clear, done = [], threading.Event(), threading.Event()
        frame = clicked = None

        def callback(data, played, frames, times, status):
            nonlocal frame, clicked
            played[:] = 0
            if clear.is_set() and clicked is None:
                frame = clicked = 0
                played[0] = 0.5
            if clicked is not None:
                heard.extend(frame + np.flatnonzero(data[:, 0]))
                frame += frames
                if heard:
                    done.set()

        stream = card.open("Stream", callback, blocksize=blocksize)
        stream.start()
        card.join()
        clear.set()
        card.wait(done)
        stream.close()
        return heard[0], round(sum(stream.latency) * card.rate)

    card.expect((DELAYS[blocksize], DELAYS[blocksize]), measure)


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

    def play(played, frame):
        played[:] = 128 if dtypes[1] == "uint8" else 0
        played[: len(samples), 0] = samples

    calls, loud = [], threading.Event()

    def callback(data, played, frames, times, status):
        play(played, 0)
        calls.append(data[: len(samples), 0].copy())
        if np.any(calls[-1] != calls[0]):
            loud.set()

    stream = card.open("Stream", callback, dtype=dtypes, channels=1, **settings)
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
