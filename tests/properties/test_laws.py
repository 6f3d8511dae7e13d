"""The laws of the engine, each with a property test named after it. L6 is the main promise: placement changes nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dfcore import (
    STOP,
    Collector,
    ContextDied,
    DfcoreError,
    Emitter,
    Graph,
    GraphError,
    NodeFailed,
    Router,
    collect,
    emit,
    router,
)
from tests.drivers import KINDS, Driver
from tests.leaks import left_since, present
from tests.properties.built import Built
from tests.properties.random_specs import placements, specs

CHEAP = settings(max_examples=60, deadline=None)
QUICK = settings(max_examples=25, deadline=None)
STARTS = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # each starts processes
LONG = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CONTEXT = {"inline": "inline", "threads": "thread", "processes": "process", "virtual": "process"}

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning"
)  # the compiler advises on depths and paces; here they are random


# ----------------------------------------------------------------------------------------------------------------- L1


@router("f8")
def wants_float(x: np.float64):
    return x


@router("i8")
def adds(x: np.int64, y: np.int64):
    return x + y


@CHEAP
@given(st.lists(st.sampled_from(["none", "good", "twice", "float"]), min_size=1, max_size=5))
def test_l1_every_input_has_one_edge_of_its_dtype(wiring):
    """L1: a graph is accepted iff every input has exactly one edge of its dtype, and every mistake is reported at once."""
    with Graph() as graph:
        source, real, target = emit([1], "i8", name="ints"), emit([1.0], "f8", name="floats"), []
        for number, wires in enumerate(wiring):
            node = adds(name=f"node{number}")
            source.to(node["x"])
            target.append(node)
            if wires in ("good", "twice"):
                source.to(node["y"])
            if wires == "float":
                real.to(node["y"])
    bad = [f"node{number}" for number, wires in enumerate(wiring) if wires in ("none", "float")]
    for number, wires in enumerate(wiring):
        if wires == "twice":
            bad.append(f"node{number}")
            try:
                real.to(target[number]["y"])
            except GraphError:
                bad.remove(f"node{number}")  # refused at once, where it was written
    if not bad:
        plan = graph.plan()
        for node in plan.nodes:
            assert [node.index] * len(node.inputs) == [plan.edges[edge].node for edge in node.inputs]
            assert list(range(len(node.inputs))) == [plan.edges[edge].input for edge in node.inputs]
            assert all(plan.outputs[plan.edges[edge].output].dtype == np.dtype("i8") for edge in node.inputs)
        return
    with pytest.raises(GraphError) as error:
        graph.plan()
    for name in bad:
        assert any(name in problem.where for problem in error.value.problems), (name, error.value)


# ----------------------------------------------------------------------------------------------------------------- L2


@CHEAP
@given(specs(), placements)
def test_l2_regions_do_not_overlap_are_aligned_and_fill_their_segment(spec, placement):
    """L2: the regions of every segment are 64-byte aligned, do not overlap, and sum to its size."""
    graph = Built(spec, placement, "process").graph
    plan = graph.plan()
    for segment in plan.layout.segments:
        end = 0
        for region in sorted(segment.regions, key=lambda region: region.offset):
            assert 0 == region.offset % 64, region
            assert end == region.offset, (segment.name, region)
            end = region.offset + region.size
        assert segment.size == end
    writers = [segment.context for segment in plan.layout.segments]
    assert sorted(set(writers)) == sorted(writers)


# ----------------------------------------------------------------------------------------------------------------- L3


@QUICK
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 4)), min_size=1, max_size=3), st.sampled_from(["inline", "virtual"]))
def test_l3_a_node_fires_once_per_complete_set(inputs, kind):
    """L3: with batches k over n records each, a node fires min(n // k) times, on exactly the next k of each input."""

    class Takes(Collector):
        def open(self):
            self.seen = []

        def compute(self, *values):
            self.seen.append([np.atleast_1d(value).tolist() for value in values])

    with Graph() as graph:
        takes = Takes()
        for number, (length, batch) in enumerate(inputs):
            emit(range(length), "i8", name=f"e{number}").to(takes["values"], batch=batch)
    report = Driver(kind).run(graph)
    firings = min(length // batch for length, batch in inputs)
    assert [[list(range(k * batch, (k + 1) * batch)) for _, batch in inputs] for k in range(firings)] == takes.seen
    assert firings == report.nodes["takes"].firings


@CHEAP
@given(st.integers(1, 9), st.integers(1, 9), placements)
def test_l3_latest_inputs_fire_when_all_have_come_since(period_a, period_b, placement):
    """L3: on two `latest` inputs a node fires when both have a record it has not seen, and sees the newest of each."""

    class Sees(Collector):
        def open(self):
            self.seen = []

        def compute(self, *values):
            self.seen.append(values)

        def close(self):
            return self.seen

    graph = Graph()
    a, b = [emit(range(30), "i8", rate_hz=1000 / period, name=name) for period, name in [(period_a, "a"), (period_b, "b")]]
    sees = Sees()
    for node, number in zip((a, b, sees), [*placement, 0], strict=False):
        graph.add(node)
        if number:
            graph.context(f"c{number}").add(node)
    a.to(sees, policy="latest")
    b.to(sees, policy="latest")
    graph.run(clock="virtual")
    expected, newest, unread = [], {}, set()
    events = sorted([(k * period_a, "a", k) for k in range(30)] + [(k * period_b, "b", k) for k in range(30)])
    for position, (at_ms, name, value) in enumerate(events):
        newest[name] = value
        unread.add(name)
        last_of_instant = position + 1 == len(events) or events[position + 1][0] > at_ms
        if last_of_instant and len(unread) == 2:
            expected.append((newest["a"], newest["b"]))
            unread.clear()
    assert expected == sees.result


# ----------------------------------------------------------------------------------------------------------------- L4


class Numbers(Emitter):
    """0 .. count-1, as fast as there is room."""

    def __init__(self, count, **options):
        super().__init__("i8", **options)
        self.count = count

    def compute(self):
        return self.firing if self.firing < self.count else STOP


class Gaps(Collector):
    """What it saw, at a pace of its own."""

    def __init__(self, busy, **options):
        super().__init__(cost_ns=700 * busy, **options)
        self.busy = busy

    def open(self):
        self.seen = []

    def compute(self, x):
        sum(range(self.busy * 20))
        self.seen.append(x)

    def close(self):
        return self.seen


def lossy(kind, count, depth, busy, on_full, policy):
    """A run of one edge: what its reader saw, and the edge's counters."""
    driver, options = Driver(kind), {"policy": policy}
    if policy == "every":
        options |= {"depth": depth, "on_full": on_full}
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = Numbers(count, name="source")
        with driver.at(graph, "b"):
            gaps = Gaps(busy, name="gaps")
    source.to(gaps, **options)
    edge = driver.run(graph).edges["source -> gaps"]
    return gaps.result, edge


def edge_law(kind, count, depth, busy, way):
    """L4 for one edge and one driver."""
    on_full, policy = ("wait", "latest") if way == "latest" else (way, "every")
    seen, edge = lossy(kind, count, depth, busy, on_full, policy)
    lost = edge.dropped + edge.overwritten
    if way == "wait":
        assert list(range(count)) == seen
        assert 0 == lost
    else:
        assert sorted(set(seen)) == seen
        assert count == len(seen) + lost
    if way in ("latest", "drop_oldest") and count:
        assert count - 1 == seen[-1]  # the newest always arrives
    assert (count, len(seen)) == (edge.written, edge.read)


ways = st.sampled_from(["wait", "drop_new", "drop_oldest", "latest"])
edges = {"count": st.integers(0, 200), "depth": st.integers(1, 5), "busy": st.integers(0, 20), "way": ways}


@pytest.mark.parametrize("kind", ["inline", "threads", "virtual"])
@QUICK
@given(**edges)
def test_l4_lossless_edges_lose_nothing_and_lossy_ones_count(kind, count, depth, busy, way):
    """L4: same order, no gap, no duplicate where the writer waits; every gap counted, exactly, where records may go."""
    edge_law(kind, count, depth, busy, way)


@STARTS
@given(**edges | {"count": st.integers(1000, 20000)})
@example(count=20000, depth=1, busy=1, way="drop_oldest")
@example(count=20000, depth=1, busy=1, way="latest")
def test_l4_holds_between_processes(count, depth, busy, way):
    """L4 between two processes."""
    edge_law("processes", count, depth, busy, way)


@pytest.mark.campaign
@LONG
@given(**edges | {"count": st.integers(1000, 50000)})
def test_l4_campaign(count, depth, busy, way):
    """L4 between two processes, over many examples."""
    edge_law("processes", count, depth, busy, way)


# ----------------------------------------------------------------------------------------------------------------- L5


def balance(edge: Any) -> int:
    """What an edge has taken, lost and still holds."""
    return edge.read + edge.dropped + edge.overwritten + edge.decimated + edge.unread


@pytest.mark.parametrize("kind", KINDS)
@settings(QUICK, max_examples=3)
@given(spec=specs(), placement=placements)
def test_l5_written_is_read_lost_or_waiting(kind, spec, placement):
    """L5: at rest, every edge of every run balances exactly."""
    graph = Built(spec, placement, CONTEXT[kind]).graph
    report = Driver(kind).run(graph)
    assert {name: edge.written for name, edge in report.edges.items()} == {
        name: balance(edge) for name, edge in report.edges.items()
    }


def test_l5_while_running_nothing_is_read_before_it_is_written():
    """L5 in motion: read <= written at every look, neither ever goes back, and at rest they balance."""
    with Graph() as graph:
        with graph.context("a"):
            source = Numbers(20000, name="source")
        with graph.context("b"):
            gaps = Gaps(1, name="gaps")
    source.to(gaps)
    read, written = 0, 0
    with graph.running():
        while read < 20000:
            edge = graph.stats().edges["source -> gaps"]
            assert read <= edge.read <= edge.written
            assert written <= edge.written
            read, written = edge.read, edge.written
    edge = graph.report.edges["source -> gaps"]
    assert 20000 == edge.written == balance(edge)


# ----------------------------------------------------------------------------------------------------------------- L6


@pytest.mark.parametrize("kind", ["inline", "threads", "processes"])
def test_l6_an_emitter_cut_short_gives_a_prefix(kind):
    """L6 where `duration_s` cuts an emitter short: what arrived is a beginning of the endless sequence."""
    driver = Driver(kind)
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = Numbers(10**9, name="source")
        with driver.at(graph, "b"):
            out = Gaps(0)
    source.to(out)
    report = driver.run(graph, 0.05)
    assert list(range(len(out.result))) == out.result
    assert "duration" == report.ended


# ----------------------------------------------------------------------------------------------------------------- L7


class Dice(Emitter):
    """Numbers of its own random generator, at 1 kHz."""

    def __init__(self, **options):
        super().__init__("f8", rate_hz=1000, **options)

    def compute(self):
        return self.rng.uniform()


@router("f8")
def shake(self, x):
    return x * self.rng.normal()


def dice(placement, seed):
    graph = Graph("dice")
    nodes = [Dice(name="dice"), shake(name="shake"), collect(name="out")]
    for node, number in zip(nodes, [*placement, 0], strict=False):
        graph.add(node)
        if number:
            graph.context(f"c{number}").add(node)
    nodes[0].to(nodes[1]).to(nodes[2])
    report = graph.run(0.05, clock="virtual", seed=seed)
    return report, nodes[2].records


@CHEAP
@given(st.integers(0, 2**32), placements, placements)
def test_l7_same_seed_same_bytes(seed, placement, other):
    """L7: in virtual time the same seed gives the same bytes and digests, twice and under another placement; another seed does
    not."""
    first, second, moved, reseeded = dice(placement, seed), dice(placement, seed), dice(other, seed), dice(placement, seed + 1)
    assert 50 == len(first[1])
    assert first[0].digest is not None
    for again in (second, moved):
        assert first[1].tobytes() == again[1].tobytes()
        assert first[0].digest == again[0].digest
        assert {n: e.digest for n, e in first[0].edges.items()} == {n: e.digest for n, e in again[0].edges.items()}
    assert first[0].digest != reseeded[0].digest


@settings(CHEAP, max_examples=30)
@given(specs(), placements)
def test_l7_random_graphs_repeat(spec, placement):
    """L7: two virtual runs of one random graph have one digest."""
    graph = Built(spec, placement, "process").graph
    assert graph.run(clock="virtual").digest == graph.run(clock="virtual").digest


# ----------------------------------------------------------------------------------------------------------------- L8


class Trouble(Router):
    """Passes integers on, until trouble is due."""

    def __init__(self, what, at, **options):
        super().__init__("i8", **options)
        self.what, self.at = what, at

    def open(self):
        if self.what == "open":
            raise OSError("open")

    def compute(self, x):
        if x == self.at and self.what == "compute":
            raise ValueError("compute")
        if x == self.at and self.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    def close(self):
        if self.what == "close":
            raise OSError("close")


def troubled(kind, what, at):
    """A run of a graph in which `what` goes wrong, and what it raised."""
    driver, clock = Driver(kind), "virtual" if kind == "virtual" else None
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = Numbers(50 if what in ("nothing", "open", "close") else 10**9, name="source")
        with driver.at(graph, "b"):
            trouble, out = Trouble(what, at), collect(keep=10)
    source.to(trouble).to(out)
    try:
        if what == "abort":
            graph.start(clock=clock)
            graph.abort()
            graph.wait()
        elif what == "stop":
            with graph.running(clock=clock):
                pass
        else:
            driver.run(graph)
    except DfcoreError as error:
        return type(error)
    return None


EXPECTED = {"open": NodeFailed, "compute": NodeFailed, "close": NodeFailed, "kill": ContextDied}
endings = st.sampled_from(["nothing", "open", "compute", "close", "stop", "abort"])


@pytest.mark.parametrize("kind", ["inline", "threads", "virtual"])
@settings(QUICK, max_examples=15)
@given(what=endings, at=st.integers(0, 40))
def test_l8_nothing_is_left_however_a_run_ends(kind, what, at):
    """L8: when the run is over, no thread, process, shared memory or socket is there that was not there before."""
    before = present()
    assert EXPECTED.get(what) is troubled(kind, what, at)
    assert set() == left_since(before)


@STARTS
@given(what=endings | st.just("kill"), at=st.integers(0, 40))
@example(what="kill", at=0)
@example(what="open", at=0)
def test_l8_nothing_is_left_of_processes(what, at):
    """L8 with processes, killed ones included."""
    before = present()
    assert EXPECTED.get(what) is troubled("processes", what, at)
    assert set() == left_since(before)


# ----------------------------------------------------------------------------------------------------------------- L9

STATE = [("x", "f8"), ("v", "f8", (3,))]


class Steady(Emitter):
    """Records of two fields, and the blocks that Python has allocated at two firings far apart."""

    def __init__(self, counts):
        super().__init__(STATE)
        self.counts = counts

    def compute(self):
        if self.firing in (2000, 6000):
            self.counts.append(sys.getallocatedblocks())
        if self.firing == 6001:
            return STOP
        self.output.x = 1.0


class Touch(Router):
    """Reads its input and writes its output, without making anything that lasts."""

    def __init__(self):
        super().__init__(STATE)

    def compute(self, state, *, gain=2.0):
        out = self.output
        out.x = gain * state.x


class Look(Collector):
    """Reads its input."""

    def compute(self, state):
        state.x  # noqa: B018


def steady(length, clock):
    """The blocks at two firings far apart, and the Python functions of the engine called between them."""
    counts, called = [], set()

    def profile(frame, event, _):
        if event == "call" and counts and len(counts) == 1:
            called.add((frame.f_code.co_filename, frame.f_code.co_name))

    with Graph() as graph:
        source, end = Steady(counts), Look()
        node = source
        for _ in range(length):
            node = node.to(Touch())
        node.to(end)
    graph.plan()
    if clock == "profile":
        sys.setprofile(profile)
        try:
            graph.run()
        finally:
            sys.setprofile(None)
    else:
        graph.run(clock=clock)
    return counts, called


@settings(QUICK, max_examples=5)
@given(st.integers(1, 6), st.sampled_from(["real", "virtual"]))
def test_l9_the_data_path_allocates_nothing_that_stays(length, clock):
    """L9: four thousand firings of each node later, Python holds as many blocks as before."""
    counts, _ = steady(length, clock)
    assert abs(counts[1] - counts[0]) <= 8  # the list that keeps the counts, and what pytest does meanwhile


def test_l9_the_data_path_runs_no_python_of_the_engine():
    """L9: between two firings, nothing but the nodes' own functions is called from Python."""
    _, called = steady(3, "profile")
    names = {name for _, name in called}
    assert {"compute"} == names
    assert {__file__} == {file for file, _ in called}


# ---------------------------------------------------------------------------------------------------------------- L10


class Keeps(Collector):
    """Keeps a view of each record whose number is in `which`, and says at the end whether they are as they were."""

    def __init__(self, which, way):
        self.which, self.way = frozenset(which), way

    def open(self):
        self.kept = []

    def compute(self, state):
        if state.x in self.which:
            self.kept.append((state.x, state.v if self.way == "array" else state))

    def flush(self):
        self.intact = all((x == (view if self.way == "array" else view.v)).all() for x, view in self.kept)

    def close(self):
        count, self.kept = len(self.kept), []
        return count, getattr(self, "intact", None)


class Fills(Emitter):
    """Records full of their own number."""

    def __init__(self, count):
        super().__init__(STATE)
        self.count = count

    def compute(self):
        if self.firing == self.count:
            return STOP
        record = self.output
        record.x = self.firing
        record.v[:] = self.firing


def kept(kind, which, way, policy):
    driver = Driver(kind)
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = Fills(100)
        with driver.at(graph, "b"):
            keeps = Keeps(which, way)
    source.to(keeps, policy=policy)
    try:
        driver.run(graph)
    except NodeFailed as error:
        return keeps.result, str(error)
    return keeps.result, None


views = {
    "which": st.sets(st.integers(0, 98), max_size=5),
    "way": st.sampled_from(["array", "record"]),
    "policy": st.sampled_from(["every", "latest"]),
}


def view_law(kind, which, way, policy):
    """L10 for one driver."""
    (count, intact), message = kept(kind, which, way, policy)
    if message is None:
        assert intact is True
        assert count <= 2
    else:
        assert "keeps" in message
        assert "state" in message
        assert ".copy()" in message
        assert len(which) > 2


@pytest.mark.parametrize("kind", ["inline", "threads", "virtual"])
@QUICK
@given(**views)
def test_l10_a_kept_view_is_not_overwritten(kind, which, way, policy):
    """L10: up to two kept views stay as they were while a hundred records pass; more are an error that names node, input and
    `.copy()`."""
    view_law(kind, which, way, policy)


@STARTS
@given(**views)
def test_l10_holds_between_processes(which, way, policy):
    """L10 between two processes."""
    view_law("processes", which, way, policy)


class KeepsOutput(Emitter):
    """Writes into the record of an earlier firing."""

    def __init__(self, way):
        super().__init__(STATE)
        self.way = way

    def compute(self):
        self.mine = self.output if self.way == "record" else self.output.v


@pytest.mark.parametrize("way", ["array", "record"])
def test_l10_a_kept_output_is_refused(way):
    """L10 for outputs: a record that was published can no longer be written to, because keeping it is an error."""
    with Graph() as graph:
        source = KeepsOutput(way)
    source.to(collect())
    with pytest.raises(NodeFailed, match=r"self\.output"):
        graph.run(clock="virtual")


# ---------------------------------------------------------------------------------------------------------------- L11


class Sleeper(Emitter):
    """Awaits a time that does not come."""

    def __init__(self, **options):
        super().__init__("i8", **options)

    async def compute(self):
        await asyncio.sleep(3600)
        return 0


def wakeups(graph):
    return {name: context.wakeups for name, context in graph.stats().contexts.items()}


@pytest.mark.parametrize("kind", ["inline", "threads", "processes"])
def test_l11_an_idle_graph_is_never_woken(kind):
    """L11: a graph that has nothing to do does not wake up to find that out."""
    driver = Driver(kind)
    with Graph() as graph:
        with driver.at(graph, "a"):
            slow, sleeper = Numbers(10**9, rate_hz=0.01, name="slow"), Sleeper()
        with driver.at(graph, "b"):
            outs = [collect(name="one"), collect(name="two")]
    slow.to(outs[0])
    sleeper.to(outs[1])
    with graph.running():
        time.sleep(0.2)  # the first firing, at 0, and the way to sleep, which nobody tells
        before = wakeups(graph)
        time.sleep(0.5)  # the time in which nothing may happen
        assert before == wakeups(graph)
