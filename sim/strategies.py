"""Hypothesis strategies for faults. What they draw is data, so it shrinks: to fewer faults, and to earlier ones.

Example:
    @given(faults(n_bytes=180, max_faults=2))
    def test_my_driver(schedule):
        with World() as world:
            world.serial("/dev/ttyUSB0", Imu(), faults=schedule)
            ...
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from .faults import ENDS, Delay, Drop, Duplicate, Fault, FaultSchedule, Flip, Insert, Jitter, Noise, Stall, Unplug, Xrun

KINDS = ("drop", "flip", "duplicate", "insert", "delay")


def _one(kind: str, n_bytes: int, n_frames: int | None, towards: str) -> st.SearchStrategy[Fault]:
    where: st.SearchStrategy[dict[str, Any]] = st.integers(0, n_bytes - 1).map(lambda index: {"byte": index})
    if n_frames:
        where = st.one_of(st.integers(0, n_frames - 1).map(lambda index: {"frame": index}), where)
    end = st.sampled_from(ENDS) if towards == "both" else st.just(towards)
    where = st.builds(lambda at, towards: {**at, "towards": towards}, where, end)
    makers: dict[str, st.SearchStrategy[Fault]] = {
        "drop": where.map(lambda at: Drop(**at)),
        "flip": st.builds(lambda at, bit: Flip(**at, mask=1 << bit), where, st.integers(0, 7)),
        "duplicate": where.map(lambda at: Duplicate(**at)),
        "insert": st.builds(lambda at, data: Insert(**at, data=data), where, st.binary(min_size=1, max_size=4)),
        "delay": st.builds(lambda at, ms: Delay(**at, delay_s=ms / 1000), where, st.integers(1, 200)),
    }
    if kind not in makers:
        raise ValueError(f"faults: needed kinds of {', '.join(KINDS)}, was {kind!r}; choose among these")
    return makers[kind]


def faults(
    n_bytes: int,
    kinds: Iterable[str] = KINDS,
    max_faults: int = 4,
    *,
    n_frames: int | None = None,
    towards: str = "program",
) -> st.SearchStrategy[FaultSchedule]:
    """Schedules of at most `max_faults` faults of these kinds among the first `n_bytes` bytes (and `n_frames` frames) sent.

    `towards` is the end that hears them: "program", "device" or "both".
    """
    if towards not in (*ENDS, "both"):
        raise ValueError(f'faults: needed towards="program", "device" or "both", was {towards!r}; choose one')
    return st.lists(st.one_of([_one(kind, n_bytes, n_frames, towards) for kind in kinds]), max_size=max_faults).map(FaultSchedule)


def fault_schedule(duration_s: float, max_faults: int = 3) -> st.SearchStrategy[FaultSchedule]:
    """Schedules of noise and stalls within `duration_s`."""
    at_s = st.integers(0, max(0, int(duration_s * 1000) - 1)).map(lambda ms: ms / 1000)
    long_s = st.integers(1, 500).map(lambda ms: ms / 1000)
    rate = st.integers(1, 10).map(lambda tenths: tenths / 10)
    timed: st.SearchStrategy[Fault] = st.one_of(st.builds(Stall, at_s, long_s), st.builds(Noise, at_s, long_s, rate))
    return st.lists(timed, max_size=max_faults).map(FaultSchedule)


def disconnects(duration_s: float, max_faults: int = 2) -> st.SearchStrategy[FaultSchedule]:
    """Schedules that pull the plug within `duration_s`, and may plug it in again."""
    at_s = st.integers(0, max(0, int(duration_s * 1000) - 1)).map(lambda ms: ms / 1000)
    again_s = st.none() | st.integers(1, 500).map(lambda ms: ms / 1000)
    return st.lists(st.builds(Unplug, at_s, again_s), max_size=max_faults).map(FaultSchedule)


def audio_xruns(n_blocks: int, max_faults: int = 4) -> st.SearchStrategy[FaultSchedule]:
    """Schedules that lose at most `max_faults` of the first `n_blocks` blocks that a program gets of a sound card."""
    blocks = st.lists(st.integers(0, n_blocks - 1), max_size=max_faults, unique=True)
    return blocks.map(lambda numbers: FaultSchedule(map(Xrun, sorted(numbers))))


def jitter(max_us: int, max_frames: int = 8) -> st.SearchStrategy[Jitter]:
    """Delays per frame, as a list that repeats."""
    return st.lists(st.integers(0, max_us), min_size=1, max_size=max_frames).map(Jitter)


def chunking(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """Ways to cut `data` into pieces, none of them empty; `b"".join` gives it back."""
    cuts = st.sets(st.integers(1, len(data) - 1)) if len(data) > 1 else st.just(set())

    def cut(at: set[int]) -> list[bytes]:
        edges = [0, *sorted(at), len(data)]
        return [data[start:stop] for start, stop in pairwise(edges) if start < stop]

    return cuts.map(cut)


def schedule_choices(max_choices: int = 50, most: int = 3) -> st.SearchStrategy[list[int]]:
    """Lists for `World(choices=...)`: which task runs where several can. They shrink to few and small deviations from 0."""
    return st.lists(st.integers(0, most), max_size=max_choices)
