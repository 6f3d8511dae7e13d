"""Warnings of a plan: ratios that need depth, grids that may be held back, threads that promise too much."""

from __future__ import annotations

import pytest

from dfcore.advice import needed_depths
from dfcore.compiler import compile
from dfcore.functions import collector, emitter, router
from dfcore.graph import Declaration


@emitter("f8")
def noise():
    return 1.0


@router("f8")
def total(x):
    return sum(x)


@router("f8")
def add(x, y):
    return x + y


@collector
def log(value): ...


def depths(graph):
    plan = compile(graph)
    found = needed_depths(plan.nodes, plan.outputs, plan.edges)
    return {plan.edges[edge].name: (depth, plan.edges[slow].name) for edge, (depth, slow) in found.items()}


def a30(depth, batch=100, **options):
    """A -> B in batches, B -> C and A -> C."""
    with Declaration() as graph:
        a, b, c = noise(name="A"), total(name="B"), add(name="C")
        a.to(b, batch=batch)
        b.to(c)
        a.to(c, depth=depth, **options)
    return graph


def test_a_path_without_a_ratio_needs_what_the_other_collects():
    """A30: the edge around a batch of 100 needs depth 100, and the warning says so with its place."""
    assert {"A -> C.y": (100, "B -> C.x")} == depths(a30(3))
    (warning,) = compile(a30(3)).warnings
    assert (
        "A -> C.y: needed depth 100 to hold what comes while B -> C.x waits for its batch, was 3; write depth=100. (" in warning
    )
    assert warning.partition("(")[2].startswith(__file__)


def test_enough_depth_needs_no_warning():
    """Exactly the depth named is enough; so is an edge that never blocks its writer."""
    assert {} == depths(a30(100))
    assert {"A -> C.y": (100, "B -> C.x")} == depths(a30(99))
    assert {} == depths(a30(3, on_full="drop_oldest"))
    assert () == compile(a30(100)).warnings


def test_decimating_is_a_ratio_too():
    """And ratios along a path multiply."""
    with Declaration() as graph:
        a, b, c, d = noise(name="A"), total(name="B"), total(name="C"), add(name="D")
        a.to(b, batch=10)
        b.to(c, decimate=5)
        c.to(d)
        a.to(d, depth=16)
    assert {"A -> D.y": (50, "C -> D.x")} == depths(graph)


def test_every_edge_of_the_other_path_holds_records():
    """A longer way round has more room: only what is missing is asked for, on its last edge."""
    with Declaration() as graph:
        a, b, c, d = noise(name="A"), total(name="B"), total(name="C"), add(name="D")
        a.to(b, batch=100)
        b.to(d)
        a.to(c, depth=10)
        c.to(d, depth=20)
    assert {"C -> D.y": (90, "B -> D.x")} == depths(graph)


def test_the_worst_of_several_ways_counts():
    """Where a path forks and joins again upstream, the one that needs most and the one that holds least."""
    with Declaration() as graph:
        a, b, c, d, e = noise(name="A"), total(name="B"), total(name="C"), add(name="D"), add(name="E")
        a.to(b, batch=10, depth=40)
        a.to(c, batch=50, depth=40)
        b.to(d, depth=40)
        c.to(d)
        d.to(e)
        a.to(e, depth=4)
    assert {"A -> E.y": (50, "D -> E.x")} == depths(graph)


def test_initial_records_come_first():
    """What is there before the run need not be waited for."""
    with Declaration() as graph:
        a, b, c = noise(name="A"), total(name="B"), add(name="C")
        a.to(b, batch=100)
        b.to(c, initial=[0.0])
        a.to(c, depth=3)
    assert {} == depths(graph)


def test_equal_ratios_on_both_ways_need_nothing():
    """Both paths collect the same."""
    with Declaration() as graph:
        a, b, c = noise(name="A"), total(name="B"), add(name="C")
        a.to(b, batch=100)
        b.to(c)
        a.to(c, decimate=100)
    assert {} == depths(graph)


def test_a_grid_held_back_by_another_context_is_a_warning():
    """RULES 35: not within a context, not into one with a grid of its own, not where records may be lost."""

    def warnings(rate=None, **options):
        with Declaration() as graph:
            with graph.context("io"):
                one, here = noise(rate_hz=10, name="sensor"), log(name="here")
            with graph.context("disk"):
                there = log(name="there")
                noise(rate_hz=rate, name="other")
            one.to(here)
            one.to(there, **options)
        return compile(graph).real_time_warnings

    (warning,) = warnings()
    assert warning.startswith(
        "sensor -> there: needed a reader that keeps up with the rate_hz of sensor, was context disk, which has no pace: if it falls "
        '16 records behind, sensor is held back and late; write on_full="wait" to say so, or policy="latest" or '
        'on_full="drop_oldest" if records may be lost. ('
    )
    assert () == warnings(rate=1) == warnings(policy="latest") == warnings(on_full="drop_new") == warnings(on_full="wait")


@pytest.mark.parametrize(
    ("options", "rate", "wish"),
    [({"priority": 3}, None, "priority"), ({"spin_us": 5}, None, "spin_us"), ({}, 51, "rate_hz of noise above 50")],
)
def test_a_thread_cannot_keep_every_promise(options, rate, wish):
    """RULES 33: a thread shares the interpreter lock."""

    def warnings(kind, rate):
        with Declaration() as graph, graph.context("io", kind=kind, **options):
            noise(rate_hz=rate)
        return compile(graph).real_time_warnings

    assert (f'context io: needed kind="process" for {wish}, was "thread"; make it a process.',) == warnings("thread", rate)
    assert () == warnings("process", rate)


def test_fifty_hertz_is_not_too_fast_for_a_thread():
    """The limit itself is allowed."""
    with Declaration() as graph, graph.context("io", kind="thread"):
        noise(rate_hz=50)
    assert () == compile(graph).warnings
