"""Blocks that are lost: each is flagged, each frame is accounted for."""

from __future__ import annotations

import time

import numpy as np
import pytest
import sounddevice as sd
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import Drift, FaultSchedule, World, Xrun
from sim.strategies import audio_xruns

PERIOD = 64


def numbered(count):
    """Samples that say which they are, from 1, exactly."""
    return (np.arange(count) + 1) / 4096


def xruns(world):
    """What the trace says about them."""
    return [event.data for event in world.trace if event.kind == "xrun"]


def blocks_of(kind, faults, count=12, **settings):
    """The first blocks that a stream of this kind gets: (status, indata or None), and the world with its devices."""
    blocks = []

    def callback(*arguments):
        *data, _, _, status = arguments
        if kind != "InputStream":
            data[-1][:] = 0.5
        blocks.append((str(status), data[0][:, 0].copy()))

    with World() as world:
        mic = world.microphone(
            "mic", source=numbered(PERIOD * 50), period=PERIOD, faults=faults if kind != "OutputStream" else ()
        )
        speaker = world.speaker("speaker", channels=1, period=PERIOD, faults=faults if kind == "OutputStream" else ())
        with getattr(sd, kind)(channels=1, callback=callback, **settings):
            sd.sleep(PERIOD * count * 1000 // 48_000 + 1)
    return blocks, world, mic, speaker


def test_a_lost_block_of_input_is_flagged_at_the_next_one():
    """Overflow says: data before this buffer was lost."""
    blocks, world, mic, _ = blocks_of("InputStream", [Xrun(block=2), Xrun(block=3), Xrun(block=7)])
    numbers = [round(data[0] * 4096 - 1) // PERIOD for _, data in blocks]
    assert [0, 1, 4, 5, 6, 8, 9] == numbers[:7]
    assert ["", "", "input overflow", "", "", "input overflow", ""] == [status for status, _ in blocks][:7]
    assert 3 * PERIOD == mic.lost
    assert ["input overflow, 64 frames lost"] * 3 == xruns(world)
    assert [repr(Xrun(block=2)), repr(Xrun(block=3)), repr(Xrun(block=7))] == [
        event.data for event in world.trace if event.kind == "fault"
    ]


@settings(max_examples=40, deadline=None)
@given(audio_xruns(n_blocks=40), st.integers(1, 5 * PERIOD))
def test_every_loss_is_flagged_in_blocks_of_any_size(faults, blocksize):
    """Whether it is before a block or within one that is longer than a host period: that block is flagged."""
    blocks, _, _, _ = blocks_of("InputStream", faults, count=45, blocksize=blocksize)
    last = -1
    for status, data in blocks:
        numbers = np.rint(data * 4096).astype(int) - 1
        if np.any(np.diff(numbers, prepend=last) != 1):
            assert "input overflow" == status
        last = numbers[-1]


def test_a_lost_block_of_output_is_silence_and_flagged_at_the_next_one():
    """Underflow says: silence was inserted."""
    blocks, world, _, speaker = blocks_of("OutputStream", [Xrun(block=2)])
    assert ["", "", "output underflow", ""] == [status for status, _ in blocks][:4]
    assert [0.5, 0.5, 0.0, 0.5] == speaker.played[: 4 * PERIOD : PERIOD, 0].tolist()
    assert PERIOD == speaker.inserted
    assert ["output underflow, 64 frames inserted"] == xruns(world)


def test_a_lost_block_of_a_duplex_stream_is_lost_in_both_directions():
    """The two stay in step."""
    blocks, _, mic, speaker = blocks_of("Stream", [Xrun(block=2)])
    assert ["", "", "input overflow, output underflow", ""] == [status for status, _ in blocks][:4]
    assert [0, 1, 3, 4] == [round(data[0] * 4096 - 1) // PERIOD for _, data in blocks][:4]
    assert [0.5, 0.5, 0.0, 0.5] == speaker.played[: 4 * PERIOD : PERIOD, 0].tolist()
    assert (PERIOD, PERIOD) == (mic.lost, speaker.inserted)


def test_a_stream_that_never_drops_input_is_shown_it_late():
    """The callback is called for it, and told that nobody hears its output."""
    blocks, _, mic, speaker = blocks_of("Stream", [Xrun(block=2)], never_drop_input=True)
    assert [0, 1, 2, 3, 4] == [round(data[0] * 4096 - 1) // PERIOD for _, data in blocks][:5]
    assert ["", "", "output underflow, output overflow", "output underflow", ""] == [set_of(status) for status, _ in blocks][:5]
    assert (0, PERIOD, PERIOD) == (mic.lost, speaker.inserted, speaker.lost)


def set_of(status):
    """The flags in the order of their bits."""
    return ", ".join(
        flag for flag in ("input underflow", "input overflow", "output underflow", "output overflow") if flag in status
    )


@given(audio_xruns(n_blocks=20), st.sampled_from([0, 32, 48, 64, 100]))
@settings(max_examples=40, deadline=None)
def test_every_frame_is_delivered_or_counted(schedule, size):
    """Whatever is lost, and whatever the block: what arrives is the source without the lost blocks, in order."""
    heard = []
    with World() as world:
        mic = world.microphone("mic", source=numbered(PERIOD * 40), period=PERIOD, faults=schedule)
        with sd.InputStream(channels=1, blocksize=size, callback=lambda data, *_: heard.extend(data[:, 0].tolist())):
            sd.sleep(40)
    lost = sorted({fault.block for fault in schedule})
    source = np.delete(numbered(PERIOD * 40).reshape(-1, PERIOD), lost, axis=0).ravel()
    assert source[: len(heard)].tolist() == heard
    periods = int(world.now_ns * 48_000 / 1e9) // PERIOD
    assert PERIOD * sum(block < periods for block in lost) == mic.lost
    assert periods * PERIOD - mic.lost - len(heard) in range(max(size, PERIOD) + PERIOD)


def test_a_callback_that_is_late_loses_what_passes_meanwhile():
    """Whole periods, in both directions; its load says so."""
    blocks, loads = [], []

    def callback(indata, outdata, frames, times, status):
        blocks.append((str(status), round(indata[0, 0] * 4096 - 1) // PERIOD))
        outdata[:] = 0.5
        if len(blocks) == 3:
            time.sleep(2.5 * PERIOD / 48_000)

    with World() as world:
        mic = world.microphone("mic", source=numbered(PERIOD * 50), period=PERIOD)
        speaker = world.speaker("speaker", channels=1, period=PERIOD)
        with sd.Stream(channels=1, callback=callback) as stream:
            for _ in range(10):
                sd.sleep(1)
                loads.append(stream.cpu_load)
    assert [("", 0), ("", 1), ("", 2), ("input overflow, output underflow", 5), ("", 6)] == blocks[:5]
    assert (2 * PERIOD, 2 * PERIOD) == (mic.lost, speaker.inserted)
    assert 0.25 == pytest.approx(max(loads))
    assert 0.0 == loads[0]


def test_a_callback_may_take_a_whole_period():
    """It is in time until the next one ends."""
    statuses = []

    def callback(indata, frames, times, status):
        statuses.append(bool(status))
        time.sleep(PERIOD / 48_000 - 1e-6)

    with World() as world:
        mic = world.microphone("mic", source=None, period=PERIOD)
        with sd.InputStream(channels=1, callback=callback) as stream:
            sd.sleep(100)
            assert 1.0 == pytest.approx(stream.cpu_load, abs=0.01)
    assert not any(statuses)
    assert 0 == mic.lost


@pytest.mark.parametrize(("ppm", "status"), [(50_000, "output underflow"), (-50_000, "output overflow")])
def test_two_clocks_that_part_cost_a_period_now_and_then(ppm, status):
    """A speaker that is fast runs dry, one that is slow fills up: each time one period of output."""
    statuses = []

    def callback(indata, outdata, frames, times, flags):
        outdata[:] = 0.5
        statuses.append(str(flags))

    with World() as world:
        world.microphone("mic", source=None, period=PERIOD)
        speaker = world.speaker("speaker", channels=1, period=PERIOD, faults=[Drift(ppm)])
        with sd.Stream(channels=1, callback=callback) as stream:
            assert [PERIOD / 48_000] * 2 == pytest.approx(stream.latency)
            sd.sleep(1_000)
    assert {"", status} == set(statuses)
    parted = 48_000 * abs(ppm) / 1e6
    assert parted // PERIOD - 2 <= statuses.count(status) <= parted // PERIOD + 1
    assert statuses.count(status) * PERIOD == pytest.approx(speaker.inserted + speaker.lost, abs=PERIOD)


def test_a_recording_says_that_something_was_lost():
    """`wait` returns the flags of all its blocks."""
    with World() as world:
        world.microphone("mic", source=None, faults=[Xrun(block=1)])
        sd.rec(2_000, channels=1)
        assert "input overflow" == str(sd.wait())
        sd.rec(2_000, channels=1)
        assert sd.wait() is None


def test_blocks_are_counted_from_the_first_that_a_program_got():
    """However late it starts."""
    with World() as world:
        world.microphone("mic", source=None, faults=[Xrun(block=1)])
        sd.sleep(1_000)
        sd.rec(2_000, channels=1)
        assert "input overflow" == str(sd.wait())


@given(audio_xruns(n_blocks=50, max_faults=5))
def test_a_schedule_of_xruns_is_a_value(schedule):
    """It prints as Python and goes through JSON."""
    assert schedule == eval(repr(schedule), {"FaultSchedule": FaultSchedule, "Xrun": Xrun})
    assert schedule == FaultSchedule.from_json(schedule.to_json())
    assert all(0 <= fault.block < 50 for fault in schedule)
