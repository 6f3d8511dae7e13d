"""Acceptance of lazy pipes whose workers are processes: A26, A29. (A27 is in `tests/dfcore/pipes/test_ringbuffer.py`.)"""

from __future__ import annotations

import random
import time

import pytest

import dfcore.pipes as pl


def one_more(x):
    """A function of a module."""
    return 1 + x


def twice(x):
    """Another one."""
    return 2 * x


@pytest.mark.parametrize(
    ("first", "second"), [(one_more, twice), (lambda x: 1 + x, lambda x: 2 * x)], ids=["def", "lambda"]
)
def test_a26_threads_then_processes(first, second):
    """A26: 2, 4, .. 200."""
    p = pl.thread.map(range(100), first, workers=4, maxsize=8)
    assert list(range(2, 201, 2)) == list(pl.process.map(p, second, workers=4, maxsize=8))


def delayed(x):
    """The item, and when work on it began and ended."""
    began_ns = time.monotonic_ns()
    time.sleep(random.uniform(0, 0.01))
    return x, began_ns, time.monotonic_ns()


def test_a29_eight_workers_keep_the_order():
    """A29: 50 items after random delays come in order, and never more than 8 are worked on."""
    items, *spans = zip(*pl.process.map(range(50), delayed, 8), strict=True)
    assert tuple(range(50)) == items
    changes = sorted([(at_ns, 1) for at_ns in spans[0]] + [(at_ns, -1) for at_ns in spans[1]])
    at_work = [sum(change for _, change in changes[: count + 1]) for count in range(len(changes))]
    assert 1 <= max(at_work) <= 8


def test_a29_filter_and_flatten_between_save_and_load():
    """A29: unordered workers, odd items dropped, each other one made two: in order again, without a deadlock."""
    p = saved = pl.order.save(range(50), 8)
    p = pl.process.map(p, delayed, 8, ordered=False)
    p = pl.filter(p, lambda found: found[0] % 2 == 0)
    p = pl.flatten(pl.map(p, lambda found: [found[0], -found[0]]))
    assert [number for x in range(0, 50, 2) for number in (x, -x)] == list(pl.order.load(p, saved))
