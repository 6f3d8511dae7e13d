"""Streams that are read and written: nothing is lost while the program waits, and what is lost otherwise is counted."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
import sounddevice as sd
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import SimDeadlock, World, Xrun

RATE, PERIOD = 48_000, 256
RING = 1_024  # frames: three periods at least, or the latency asked for, as a power of two


def numbered(count):
    """Samples that say which they are, exactly."""
    return (np.arange(count) % 8192) / 8192


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_what_is_read_without_a_pause_is_the_source(counts):
    """In pieces of any size, also larger than the ring."""
    with World() as world:
        mic = world.microphone("mic", source=numbered(30_000))
        with sd.InputStream(channels=1) as stream:
            parts = [stream.read(count) for count in counts]
    assert numbered(30_000)[: sum(counts)].tolist() == np.concatenate([data[:, 0] for data, _ in parts]).tolist()
    assert not any(overflowed for _, overflowed in parts)
    assert 0 == mic.lost


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_what_is_written_without_a_pause_is_played(counts):
    """Without a gap, and `stop` waits until the last of it has been played."""
    samples = numbered(sum(counts)).astype("float32")
    edges = np.cumsum([0, *counts])
    with World() as world:
        speaker = world.speaker("speaker", channels=1)
        with sd.OutputStream() as stream:
            underflows = [stream.write(samples[first:last]) for first, last in pairwise(edges)]
        ended_ns = world.now_ns
    played = speaker.played[:, 0]
    assert samples.tolist() == played[: len(samples)].tolist()
    assert not played[len(samples) :].any()
    assert len(played) - len(samples) < PERIOD
    assert not any(underflows)
    assert 0 == speaker.inserted
    assert speaker.times_ns[len(samples) - 1] <= ended_ns <= speaker.times_ns[-1] + 2 * PERIOD * 10**9 // RATE


pauses = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 2_500)), min_size=1, max_size=8)


@given(pauses)
@settings(max_examples=40, deadline=None)
def test_a_gap_in_what_is_read_is_told_and_counted(steps):
    """Samples come in order, each is delivered or counted, and there are no more gaps than calls that told of one."""
    numbers, told = [], []
    with World() as world:
        mic = world.microphone("mic", source=np.arange(4 * RATE) / 2**18)
        with sd.InputStream(channels=1) as stream:
            for pause_ms, count in [*steps, (0, 0)]:
                sd.sleep(pause_ms)
                data, overflowed = stream.read(count or stream.read_available)
                told.append(overflowed)
                numbers += [round(value * 2**18) for value in data[:, 0].tolist()]
            lost, passed = mic.lost, (world.now_ns + 1) * RATE // 10**9 // PERIOD * PERIOD
    gaps = [later - earlier - 1 for earlier, later in pairwise([-1, *numbers]) if later - earlier != 1]
    assert passed == len(numbers) + lost
    assert all(gap > 0 for gap in gaps)
    assert sum(gaps) <= lost
    assert len(gaps) <= sum(told)
    assert bool(lost) == any(told)


@given(pauses)
@settings(max_examples=40, deadline=None)
def test_a_gap_in_what_is_played_is_told_and_counted(steps):
    """What is written is played in order; the next write tells of silence in between, and of no other."""
    told, samples = [], []
    with World() as world:
        speaker = world.speaker("speaker", channels=1)
        with sd.OutputStream() as stream:
            for number, (pause_ms, count) in enumerate(steps):
                sd.sleep(pause_ms)
                told.append(stream.write(np.full(count, (number + 1) / 16, "float32")))
                samples += [(number + 1) / 16] * count
    played = speaker.played[:, 0]
    sounding = np.flatnonzero(played)
    assert samples == played[sounding].tolist()
    assert speaker.inserted == sounding[-1] + 1 - len(samples)
    edges = np.cumsum([0, *(count for _, count in steps)])
    for number, underflowed in enumerate(told):
        gap = number and sounding[edges[number]] - sounding[edges[number] - 1] > 1
        assert bool(gap) == underflowed


def test_input_that_nobody_reads_is_lost_when_the_ring_is_full():
    """The next read says so, once, and every frame is accounted for."""
    with World() as world:
        mic = world.microphone("mic", source=numbered(RATE))
        with sd.InputStream(channels=1) as stream:
            started = world.now_ns
            sd.sleep(100)
            assert RING == stream.read_available
            first, overflowed = stream.read(RING)
            second, again = stream.read(PERIOD)
    assert (True, False) == (overflowed, again)
    assert numbered(RATE)[:RING].tolist() == first[:, 0].tolist()
    assert numbered(RATE)[RING + mic.lost :][:PERIOD].tolist() == second[:, 0].tolist()
    passed = (100_000_000 + started) * RATE // 10**9 // PERIOD * PERIOD
    assert passed - RING == mic.lost


def test_output_that_runs_dry_is_silence():
    """The next write says so, once, and every frame is accounted for."""
    with World() as world:
        speaker = world.speaker("speaker", channels=1)
        with sd.OutputStream() as stream:
            results = [stream.write(np.full(300, 0.5, "float32"))]
            sd.sleep(50)
            results += [stream.write(np.full(300, 0.25, "float32")), stream.write(np.full(300, 0.25, "float32"))]
    played = speaker.played[:, 0]
    assert [False, True, False] == results
    gap = np.flatnonzero(played == 0.25)[0] - 300
    assert gap == speaker.inserted
    assert [0.5] * 300 + [0.0] * gap + [0.25] * 600 == played[: 900 + gap].tolist()
    assert (np.diff(speaker.times_ns) > 0).all()


def test_a_stream_that_is_not_written_plays_nothing():
    """Silence is inserted from the first write on, not before."""
    with World() as world:
        speaker = world.speaker("speaker", channels=1)
        with sd.OutputStream() as stream:
            sd.sleep(50)
            assert RING == stream.write_available
            assert not stream.write(np.ones(10, "float32"))
            assert RING - 10 == stream.write_available
    assert 1.0 == speaker.played[0, 0]
    assert 0 == speaker.inserted


def test_xruns_are_told_by_the_next_call():
    """Of either direction, with their frames."""
    with World() as world:
        mic = world.microphone("card", source=numbered(RATE), faults=[Xrun(block=1)])
        speaker = world.speaker("card", channels=1, faults=[Xrun(block=8)])
        with sd.Stream(channels=1) as stream:
            data = []
            told = []
            for _ in range(12):
                part, overflowed = stream.read(PERIOD)
                told.append((overflowed, stream.write(np.full((PERIOD, 1), 0.5, "float32"))))
                data.append(part[0, 0])
    blocks = [round(value * 8192) // PERIOD for value in data]
    assert [0, 2, 3, 4, 5, 6, 7] == blocks[:7]
    assert 9 in blocks
    assert 8 not in blocks
    assert 2 == sum(overflowed for overflowed, _ in told)
    assert 1 == sum(underflowed for _, underflowed in told[3:])
    assert 2 * PERIOD == mic.lost
    assert speaker.inserted >= PERIOD


def test_a_reader_and_a_writer_may_be_two_threads():
    """Each waits for its own direction."""
    with World() as world:
        world.microphone("card", source=numbered(RATE))
        speaker = world.speaker("card", channels=1)
        read = []
        with sd.Stream(channels=1) as stream:
            reader = threading.Thread(target=lambda: read.extend(stream.read(PERIOD)[0][0, 0] for _ in range(20)))
            reader.start()
            for _ in range(20):
                stream.write(np.full((PERIOD, 1), 0.5, "float32"))
            reader.join()
    assert [index * PERIOD / 8192 for index in range(20)] == read
    assert [0.5] * PERIOD * 20 == speaker.played[: PERIOD * 20, 0].tolist()


def test_abort_throws_away_what_was_written():
    """At once; `stop` plays it."""
    with World() as world:
        speaker = world.speaker("speaker", channels=1)
        stream = sd.OutputStream()
        stream.start()
        stream.write(np.ones(RING, "float32"))
        before_ns = world.now_ns
        stream.abort()
        assert before_ns == world.now_ns
        stream.close()
    assert len(speaker.played) < RING


def test_a_wait_that_cannot_end_is_a_deadlock_though_a_stream_is_open():
    """A ring that cannot change costs no events: the world sees that nothing will happen any more."""
    with World() as world:
        world.microphone("mic", source=None)
        world.speaker("speaker")
        with sd.Stream(channels=1), pytest.raises(SimDeadlock):
            threading.Event().wait()


def test_every_format_is_read_and_written():
    """Also the packed 24 bits of a raw stream."""
    with World() as world:
        world.microphone("mic", source=np.array([0.5, -1.0, 0.0]))
        speaker = world.speaker("speaker", channels=1)
        for dtype, size in (("float32", 4), ("int32", 4), ("int24", 3), ("int16", 2), ("int8", 1), ("uint8", 1)):
            with sd.RawStream(channels=1, dtype=dtype) as stream:
                stream.write(bytes([128 if dtype == "uint8" else 0] * size * 4))
                data, _ = stream.read(5)
                assert 5 * size == len(data)
    assert not speaker.played.any()
    with World() as world:
        world.microphone("mic", source=np.array([0.5, -1.0, 0.0]))
        with sd.RawInputStream(channels=1, dtype="int24") as stream:
            data, _ = stream.read(3)
    samples = [int.from_bytes(bytes(data)[at : at + 3], "little", signed=True) for at in (0, 3, 6)]
    assert [0x400000, -0x800000, 0] == samples


@pytest.mark.parametrize("look", [lambda stream: None, lambda stream: stream.abort(), lambda stream: stream.close()])
def test_what_an_idle_stream_loses_is_counted_whoever_looks(look):
    """The counts of a device hold now, also while nobody reads or writes, and when a stream is ended at once."""
    with World() as world:
        mic, speaker = world.microphone("mic", source=None), world.speaker("speaker", channels=1)
        with sd.InputStream(channels=1) as reading, sd.OutputStream(channels=1) as writing:
            writing.write(np.ones((512, 1), np.float32))
            sd.sleep(1000)
            look(reading)
            look(writing)
            assert (48_000 - 1024, 48_000 - 512) == (pytest.approx(mic.lost, abs=1024), pytest.approx(speaker.inserted, abs=1024))
            assert speaker.inserted + 512 == len(speaker.played) == len(speaker.times_ns)
