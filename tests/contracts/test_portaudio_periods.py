"""When callbacks come, and how long sound takes: one suite, two libraries, the simulated PortAudio and the real one.

A host hands over 256 frames at a time. PortAudio's buffer processor cuts them into the blocks that a program asked for.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import threading

import numpy as np
import pytest

from tests.contracts.calls import record

LOOP = json.loads((pathlib.Path(__file__).parent / "portaudio_jack_loop.json").read_text())
DELAYS = {int(blocksize): frames for blocksize, frames in LOOP["loop_delay_frames"].items()}
DELAYS |= {1: 257, 100: 356, 511: 767}  # measured in the same way
GAPS = {int(blocksize): gaps for blocksize, gaps in LOOP["callbacks_per_host_period_pattern"].items()}
BURSTS = {0: 1, 64: 4, 128: 2, 256: 1, 480: 1, 1024: 1}  # callbacks in one host period that has any


def by_period(card, kind, count, blocksize):
    """The first `count` callbacks of a stream, each marked with the number of its host period: a second stream counts them."""
    periods = itertools.count()
    now = 0

    def beat(*_):
        nonlocal now
        now = next(periods)

    counter = card.open("InputStream", beat, blocksize=0)
    counter.start()
    calls = record(card, kind, count, lambda: now, blocksize=blocksize)
    counter.close()
    return calls


def bursts(calls):
    """The callbacks of each host period that has any, but for the last, which may be unfinished."""
    return [list(burst) for _, burst in itertools.groupby(calls, key=lambda call: call.mark)][:-1]


@pytest.mark.parametrize("blocksize", BURSTS)
def test_callbacks_come_in_bursts(card, blocksize):
    """What one host period completes comes at one time; within it, each block is one block later on the way in and out."""
    found = bursts(by_period(card, "Stream", 3 * BURSTS[blocksize] + 1, blocksize))
    assert {len(burst) for burst in found} == {BURSTS[blocksize]}
    for burst in found:
        assert len({call.current_s for call in burst}) == 1
        for first, second in itertools.pairwise(burst):
            assert round((second.adc_s - first.adc_s) * card.rate, 3) == blocksize
            assert round((second.dac_s - first.dac_s) * card.rate, 3) == blocksize


@pytest.mark.parametrize("blocksize", [48, 100])
@pytest.mark.parametrize("kind", ["InputStream", "OutputStream", "Stream"])
def test_blocks_that_do_not_divide_a_period(card, kind, blocksize):
    """A block that is recorded comes when its last frame is there; one that is only played, when its first frame is wanted."""
    ends = [card.period * number for number in range(7)]
    blocks = [-(-end // blocksize) if kind == "OutputStream" else end // blocksize for end in ends]
    expected = [second - first for first, second in itertools.pairwise(blocks)]
    calls = by_period(card, kind, sum(expected) + 1, blocksize)
    assert [len(burst) for burst in bursts(calls)] == expected


@pytest.mark.parametrize("blocksize", GAPS)
def test_the_pattern_of_the_bursts(card, blocksize):
    """Counted in host periods, the time between callbacks repeats."""
    pattern = GAPS[blocksize]
    calls = by_period(card, "Stream", len(pattern) + 1, blocksize)
    gaps = [second.mark - first.mark for first, second in itertools.pairwise(calls)]
    assert gaps in [pattern[turn:] + pattern[:turn] for turn in range(len(pattern))]


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
