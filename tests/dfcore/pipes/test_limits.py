"""The rate limit, on the clock of a world."""

from __future__ import annotations

import time

from dfcore.pipes import Marker, pipe
from sim import World


def test_items_leave_on_a_grid():
    """The k-th item leaves k periods after the first."""
    with World() as world:
        times = [world.now_ns for _ in pipe(range(5)).ratelimit(4)]
    assert [0, 250_000_000, 500_000_000, 750_000_000, 1_000_000_000] == times


def test_a_late_puller_catches_up_by_less_than_a_period():
    """Late by half a period the grid stays, late by two it begins anew: never two items closer than that."""
    with World() as world:
        limited = pipe(range(6)).ratelimit(1)
        times = []
        for pause_s in [0, 1.5, 0, 3, 0, 0]:
            time.sleep(pause_s)
            next(limited)
            times.append(world.now_ns / 1e9)
    assert [0, 1.5, 2, 5, 6, 7] == times


def test_markers_do_not_wait():
    """Only items are counted."""
    m = Marker()
    with World() as world:
        limited = pipe(range(3)).mark(m).mark(m).ratelimit(1)
        assert [[0], [], [1]] == [list(limited.until(m)) for _ in range(3)]
        assert 1_000_000_000 == world.now_ns
