"""Acceptance: when things happen, in virtual time, where every value is exact. A8, A10 and A12."""

import asyncio
from typing import Annotated

import pytest

from dfcore import Bounds, Collector, DtypeError, Emitter, Graph, collect, emit, emitter, router

virtual = pytest.mark.parametrize("driver", ["virtual"], indirect=True)


class Slow(Collector):
    """Awaits 24 ms for each record, and brings home what it saw."""

    def open(self):
        self.seen = []

    async def compute(self, x):
        self.seen.append(x)
        await asyncio.sleep(0.024)

    def close(self):
        return self.seen


@pytest.mark.parametrize("contexts", [("one", "two"), ("one", "one"), (None, None)], ids=["two", "one", "inline"])
def test_a8_latest_is_the_newest_unread_record(contexts):
    """A8: item k at 10k ms, a reader of 24 ms: it sees 0, 2, 4, 7, 9 and five are overwritten, wherever the nodes are."""
    source, slow = emit(range(10), "i8", rate_hz=100, name="source"), Slow(name="slow")
    graph = Graph()
    for node, context in zip((source, slow), contexts, strict=True):
        graph.add(node)
        if context:
            graph.context(context).add(node)
    source.to(slow, policy="latest")
    report = graph.run(clock="virtual")
    assert [0, 2, 4, 7, 9] == slow.result
    assert 5 == report.edges["source -> slow"].overwritten


class Counter(Emitter):
    """1, 2, 3 ..., each after a pause."""

    def __init__(self, pause_s, **options):
        super().__init__("i8", **options)
        self.pause_s = pause_s

    def open(self):
        self.count = 0

    async def compute(self):
        await asyncio.sleep(self.pause_s)
        self.count += 1
        return self.count


class Printer(Collector):
    """Brings home the tuples that it was given."""

    def open(self):
        self.lines = []

    async def compute(self, *values):
        self.lines.append(values)

    def close(self):
        return self.lines


PLACEMENTS = {
    "two": ("one", "one", "two", "two"),
    "crossed": ("one", "two", "two", "one"),
    "four": ("a", "b", "c", "d"),
    "one": ("one", "one", "one", "one"),
    "inline": (None, None, None, None),
}


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS.keys())
def test_a10_two_time_scales(placement):
    """A10: a reader of the newest of both scales fires when both have come since its last firing, under every placement."""
    fast, printer1 = Counter(0.1, name="fast"), Printer(name="printer1")
    slow, printer2 = Counter(1.05, name="slow"), Printer(name="printer2")
    graph = Graph("scales")
    for node, context in zip((fast, printer1, slow, printer2), placement, strict=True):
        graph.add(node)
        if context:
            graph.context(context).add(node)
    fast.to(printer1)
    fast.to(printer2, policy="latest")
    slow.to(printer2, policy="latest")
    graph.run(4.25, clock="virtual")
    assert [(k,) for k in range(1, 43)] == printer1.result
    assert [(10, 1), (21, 2), (31, 3), (42, 4)] == printer2.result


@emitter("f8")
async def at_whole_seconds():
    for k in range(1, 6):
        await asyncio.sleep(1)
        yield float(k)


@emitter("f8")
async def ten_at_3_5_s():
    await asyncio.sleep(3.5)
    yield 10.0


@router("f8")
def scale(x, *, g: Annotated[float, Bounds(0.0, 20.0)] = 1.0):
    return g * x


@virtual
def test_a12_a_parameter_changes_between_firings(driver):
    """A12: the gain arrives by its edge at 3.5 s, changes what follows, and triggers nothing."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source, tuner = at_whole_seconds(), ten_at_3_5_s()
        with driver.at(graph, "b"):
            node, out = scale(), collect()
    source.to(node).to(out)
    tuner.to(node["g"])
    report = driver.run(graph)
    assert [1.0, 2.0, 3.0, 40.0, 50.0] == out.records.tolist()
    assert 5 == report.nodes["scale"].firings


def test_a12_a_value_out_of_bounds_is_refused_where_it_is_set():
    """A12: the setter refuses what lies outside the bounds, and the value in force stays."""
    with Graph():
        node = scale()
        at_whole_seconds().to(node)
    with pytest.raises(DtypeError, match="20"):
        node.params.g = 30.0
    assert 1.0 == node.params.g


class Late(Emitter):
    """Holds up its own last grid points: each firing takes longer than the period."""

    def __init__(self, overrun):
        super().__init__("i8", rate_hz=1000, overrun=overrun, cost_ns=2_500_000)

    def compute(self):
        return self.firing


@pytest.mark.parametrize("overrun", ["skip", "catch_up"])
def test_no_grid_point_before_the_end_is_lost_uncounted(overrun):
    """A run of d seconds at r Hz has d * r grid points: each is fired, or counted as passed over."""
    with Graph() as graph:
        with graph.context("late"):
            late = Late(overrun)
        out = collect()
    late.to(out, policy="latest")
    node = graph.run(0.1, clock="virtual").nodes["late"]
    passed = node.overruns if overrun == "skip" else 0
    assert 100 == node.firings + passed


@pytest.mark.parametrize("age_s", [0.01, 0.2])
def test_a_record_from_before_time_0_has_an_age_too(age_s):
    """`origin_ns` may lie before the run: what was measured too long ago is stale from the first record on."""

    class Old(Emitter):
        def compute(self):
            self.origin_ns = self.now_ns - 100_000_000
            return self.firing

    class Motor(Collector):
        def open(self):
            self.fired = 0

        def compute(self, x):
            self.fired += 1

        def safe(self):
            """Nothing to make safe."""

        def close(self):
            return self.fired

    with Graph() as graph:
        old, motor = Old("i8", rate_hz=100), Motor()
    old.to(motor, policy="latest", max_age_s=age_s)
    graph.run(0.05, clock="virtual")
    assert (0 if age_s < 0.1 else 5) == motor.result


def test_an_initial_record_is_collected_at_the_time_of_its_firing():
    """An initial record is about no time: `collect` notes when it was taken."""
    with Graph() as graph:
        source, out = emit([2], "i8", rate_hz=10), collect()
    source.to(out, initial=[1])
    graph.run(clock="virtual")
    assert ([1, 2], [0, 0]) == (out.records.tolist(), out.times_ns.tolist())
