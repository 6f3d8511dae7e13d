"""A speaker and a microphone in one room: what is played is heard, to the frame."""

from __future__ import annotations

import numpy as np
import pytest
import sounddevice as sd
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import World

LOOP_DELAYS = {0: 256, 64: 320, 128: 384, 256: 512, 480: 736, 512: 768, 1000: 1256, 1024: 1280}


def delay_of(size, *, period=256, delay_s=0.0, dtype="float32"):
    """Frames from output to input, and the latency that the stream reports, in frames."""
    heard, sent = [], []

    def callback(indata, outdata, frames, time, status):
        heard.append(indata[:, 0].copy())
        outdata[:] = 0
        if not sent:
            outdata[0] = np.iinfo(dtype).max if dtype.startswith("i") else 0.5
        sent.append(frames)

    with World() as world:
        speaker, microphone = (
            world.speaker("card", channels=1, period=period),
            world.microphone("card", source=None, period=period),
        )
        world.room(speaker, microphone, delay_s=delay_s)
        with sd.Stream(blocksize=size, dtype=dtype, channels=1, callback=callback) as stream:
            sd.sleep(200)
            latency = sum(stream.latency) * 48_000
    return int(np.flatnonzero(np.concatenate(heard))[0]), latency


@pytest.mark.parametrize(("size", "delay"), LOOP_DELAYS.items())
def test_the_loop_delay_is_the_measured_one_and_the_reported_one(size, delay):
    """As with the real PortAudio over a JACK server of 256 frames."""
    found, latency = delay_of(size)
    assert delay == found
    assert delay == pytest.approx(latency)


@given(st.sampled_from([0, 1, 31, 64, 100, 300]), st.sampled_from([16, 100, 256]), st.integers(0, 2_000))
@settings(max_examples=30, deadline=None)
def test_a_loop_takes_its_latencies_and_the_way_through_the_room(size, period, way):
    """Any block, period and distance: output latency, distance, input latency."""
    found, latency = delay_of(size, period=period, delay_s=way / 48_000)
    assert round(latency) + way == found


@pytest.mark.parametrize("dtype", ["float32", "int32", "int16", "int8"])
def test_every_sample_comes_back(dtype):
    """White noise through a cable: floats and int32 as they were, others one step nearer to zero, as PortAudio cuts them."""
    rng = np.random.default_rng(1)
    scale = 1 if dtype == "float32" else np.iinfo(dtype).max
    sent = (rng.uniform(-1, 1, (5_000, 2)) * scale).astype(dtype)
    if dtype == "int32":
        sent &= ~0xFF  # a device has float32: 24 bits
    with World() as world:
        speaker, microphone = world.speaker("card"), world.microphone("card", source=None, channels=2)
        world.room(speaker, microphone)
        heard = sd.playrec(np.concatenate([sent, np.zeros((256, 2), dtype)]), channels=2)
        sd.wait()
    np.testing.assert_array_equal(sent if dtype in ("float32", "int32") else sent - np.sign(sent), heard[256:])
