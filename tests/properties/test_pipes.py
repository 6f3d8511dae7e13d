"""Lazy pipelines against plain Python: whatever the stages and the workers, the items are the same."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dfcore.pipes as pl
from dfcore.pipes import Marker, Pipe, pipe
from sim import World

Stage = tuple[Callable[[Pipe[Any]], Pipe[Any]], Callable[[list[Any]], list[Any]]]  # a stage, and what it does to a list


def uneven(x: Any) -> None:
    """Take a time that depends on the item."""
    if late_s := random.Random(repr(x)).choice([0, 0, 0, 1]):
        time.sleep(late_s)


def mapped(x: Any) -> Any:
    uneven(x)
    return x * 3 + 1


def even(x: Any) -> bool:
    uneven(x)
    return bool(x % 2 == 0)


def several(x: Any) -> list[Any]:
    return [x + i for i in range(x % 3)]


STEPS: dict[str, Stage] = {
    "map": (lambda p: p.map(mapped), lambda xs: [x * 3 + 1 for x in xs]),
    "filter": (lambda p: p.filter(even), lambda xs: [x for x in xs if x % 2 == 0]),
    "each": (lambda p: p.each(uneven), lambda xs: xs),
    "flatten": (lambda p: p.map(several).flatten(), lambda xs: [y for x in xs for y in several(x)]),
    "mark": (lambda p: p.mark(Marker(), 2), lambda xs: xs),
    "mutex": (lambda p: p.thread.mutex(), lambda xs: xs),
    "thread.map": (lambda p: p.thread.map(mapped, 3, 2), lambda xs: [x * 3 + 1 for x in xs]),
    "thread.each": (lambda p: p.thread.each(uneven, 5), lambda xs: xs),
}
BATCH: Stage = (lambda p: p.batch(3).flatten(), lambda xs: xs)
QUEUE: Stage = (lambda p: p.thread.queue(3, 4), lambda xs: xs)


def run(items: list[int], stages: list[Stage]) -> tuple[list[Any], list[Any]]:
    """What plain Python makes of the items, and what a pipe does."""
    p, expected = pipe(items), items
    for stage, reference in stages:
        p, expected = stage(p), reference(expected)
    with World():
        return expected, list(p)


def steps(*more: Stage) -> st.SearchStrategy[list[Stage]]:
    return st.lists(st.sampled_from([*STEPS.values(), *more]), max_size=6)


ITEMS = st.lists(st.integers(0, 50), max_size=15)


@pytest.mark.parametrize("examples", [20, pytest.param(2000, marks=pytest.mark.campaign)])
def test_a_chain_is_what_plain_python_makes_of_it(examples):
    """Any chain of stages, with and without threads: the same items in the same order."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ITEMS, steps(BATCH))
    def check(items, stages):
        expected, found = run(items, stages)
        assert expected == found

    check()


@pytest.mark.parametrize("examples", [20, pytest.param(2000, marks=pytest.mark.campaign)])
def test_order_is_restored_behind_any_stages(examples):
    """Between order.save and order.load anything may change the order, drop items or make several of one."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ITEMS, steps(QUEUE), steps(QUEUE), st.integers(1, 10), st.booleans())
    def check(items, first, second, maxsize, nested):
        p, expected = pipe(items), items
        p = outer = pl.order.save(p, maxsize)
        for stage, reference in first:
            p, expected = stage(p), reference(expected)
        if nested:
            p = inner = pl.order.save(p, maxsize)
        for stage, reference in second:
            p, expected = stage(p), reference(expected)
        if nested:
            p = pl.order.load(p, inner)
        with World():
            assert expected == list(pl.order.load(p, outer))

    check()


@pytest.mark.parametrize("examples", [20, pytest.param(2000, marks=pytest.mark.campaign)])
def test_a_marker_is_never_overtaken(examples):
    """Through any stages, queues included, what comes before a marker is what was put in before it."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(ITEMS, max_size=5), steps(QUEUE))
    def check(lists, stages):
        m = Marker()
        p, expected = pipe(lists).mark(m).flatten(), lists
        for stage, reference in stages:
            p, expected = stage(p), [reference(items) for items in expected]
        with World():
            found = [p.until(m) for _ in range(len(lists) + 1)]
            assert [sorted(items) for items in [*expected, []]] == [sorted(segment) for segment in found]
        assert [*["marker"] * len(lists), "stream"] == [segment.ended for segment in found]

    check()
