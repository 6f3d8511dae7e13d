"""Replicas: n instances of a node give the sequence of one, whatever they skip, fan out, fail or are fed by (RULES 10, 18)."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import numpy as np
import pytest

from dfcore import SKIP, STOP, Collector, Graph, GraphError, NodeFailed, Router, collect, collector, emit, router
from tests.contexts import contexts

COUNT = 23  # divisible by no number of instances used here

in_this_process = pytest.mark.parametrize("driver", ["inline", "threads", "virtual"], indirect=True)
virtual = pytest.mark.parametrize("driver", ["virtual"], indirect=True)


@router("i8")
def triple(x):
    return 3 * x


class Keeps(Collector):
    """What came."""

    def open(self):
        self.kept = []

    def compute(self, x):
        self.kept.append(x)


@router(object)
def whole(x):
    return x


@router(object)
def twice(x):
    return {"x": 2 * x}


@router("i8")
def even(x):
    return x if x % 2 == 0 else SKIP


@router("i8")
def fan(x):
    for copy in range(x % 4):
        yield 10 * x + copy


@router("i8")
async def slow(x):
    await asyncio.sleep((7 * x % 5) / 1000)
    return x


@router("i8")
async def slow_fan(x):
    for copy in range(x % 3):
        await asyncio.sleep((7 * x % 5) / 1000)
        yield 10 * x + copy


@router(outputs={"low": "i8", "high": "i8"})
def split(x):
    return (x, SKIP) if x < 10 else (SKIP, x) if x < 15 else (x, x)


@router("i8", on_error="skip")
def breaks(x):
    if x % 5 == 2:
        raise ValueError(x)
    return x


@router("i8")
def ends(x):
    return STOP if x == 13 else x


@router("i8")
def total(x):
    return int(np.sum(x))


@router("i8")
def add(a, b):
    return 100 * a + b


def run(driver, make, n, *, values=range(COUNT), into=None, out_of=None, output=None, **options):
    """What a node with n replicas publishes, and the report."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(values, "i8", name="source")
        with driver.at(graph, "work"):
            node = make(name="node", replicas=n, **options)
        with driver.at(graph, "b"):
            out = collect(name="out")
    source.to(node, **(into or {}))
    (node if output is None else node[output]).to(out, **(out_of or {}))
    report = driver.run(graph)
    return out.records.tolist(), report


PROGRAMS = [
    ("plain", triple, {}),
    ("filter", even, {}),
    ("fan", fan, {}),
    ("slow", slow, {}),
    ("slow fan", slow_fan, {}),
    ("errors", breaks, {}),
    ("stop", ends, {}),
    ("two outputs", split, {"output": "high"}),
    ("batch", total, {"into": {"batch": 2}}),
    ("partial", total, {"into": {"batch": 3, "partial": True}}),
    ("decimate", triple, {"into": {"decimate": 2}}),
    ("both", total, {"into": {"batch": 2, "decimate": 3}}),
    ("initial", triple, {"into": {"initial": [90, 91, 92]}}),
    ("narrow", triple, {"into": {"depth": 1}, "out_of": {"depth": 1}}),
    ("narrow fan", fan, {"into": {"depth": 1}, "out_of": {"depth": 1}}),
    ("read in batches", even, {"out_of": {"decimate": 3}}),
]


@in_this_process
@pytest.mark.parametrize(("make", "options"), [program[1:] for program in PROGRAMS], ids=[program[0] for program in PROGRAMS])
def test_n_replicas_give_the_sequence_of_one(driver, make, options):
    """RULES 18: results come in order of the inputs: as from one instance, for any number of them."""
    expected, alone = run(driver, make, 1, **options)
    for n in (2, 3, 8):
        found, report = run(driver, make, n, **options)
        assert expected == found
        edge = next(edge for name, edge in report.edges.items() if name.startswith("node"))
        assert (len(found), 0) == (edge.read + edge.decimated * 0, edge.dropped)
        if "stop" not in make.__name__ and make is not ends:
            assert alone.edges["source -> node"].read == report.edges["source -> node"].read
            assert alone.edges["source -> node"].written == report.edges["source -> node"].written
            assert alone.nodes["node"].firings == report.nodes["node"].firings


@pytest.mark.parametrize("driver", ["processes"], indirect=True)
def test_replicas_in_processes(driver):
    """RULES 18 across processes: filtered, fanned out, in order, by instances that live in processes of their own."""
    with Graph() as graph:
        source = emit(range(COUNT), "i8")
        with driver.at(graph, "work"):
            first, second = even(replicas=3, name="first"), fan(replicas=2, name="second")
        out = collect()
    source.to(first).to(second).to(out)
    report = driver.run(graph)
    assert [10 * x + copy for x in range(0, COUNT, 2) for copy in range(x % 4)] == out.records.tolist()
    assert {"inline", "work[0]", "work[1]", "work[2]"} == set(report.contexts)
    assert 4 == len({context.pid for context in report.contexts.values()})
    assert [8, 8, 7] == [report.nodes[f"first[{instance}]"].firings for instance in range(3)]


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("edge", [{"decimate": 2}, {"decimate": 3, "batch": 2}, {"decimate": 2, "batch": 3, "partial": True}], ids=str)
def test_records_that_come_in_bursts_are_decimated_for_replicas_as_for_one(edge, n):
    """RULES 18: what an instance passes over moves the count of `decimate` on, however much has come when it looks."""
    with Graph() as graph:
        with graph.context("a"):
            source = emit(range(24))
        with graph.context("work"):
            node = whole(replicas=n)
        with graph.context("b"):
            out = Keeps()
    source.to(node, depth=64, **edge).to(out)
    with contexts(graph) as run:
        for burst in (1, 3, 5, 7):
            for _ in range(burst):
                run.fire_once("a")
            for instance in range(n):
                run.step(f"work[{instance}]")
        run.run()
    kept = [record for record in range(24) if (record + 1) % edge["decimate"] == 0]
    batch = edge.get("batch", 1)
    assert (kept if batch == 1 else [kept[at : at + batch] for at in range(0, len(kept), batch)]) == out.kept


@pytest.mark.parametrize("driver", ["processes"], indirect=True)
def test_objects_of_replicas_reach_a_reader_declared_in_their_context(driver):
    """RULES 16 and 18: a context of replicas is several processes, so what stays in the first is in another one than most instances."""
    with Graph() as graph, driver.at(graph, "work"):
        source, node, out = emit(range(COUNT)), twice(replicas=3), collect()
    source.to(node).to(out)
    driver.run(graph)
    assert [{"x": 2 * x} for x in range(COUNT)] == out.records
    assert 3 == len({output.context for output in graph.plan().outputs if output.arena})


@in_this_process
@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 2), (2, 5), (4, 1), (1, 4)])
def test_replicas_feed_replicas(driver, n, m):
    """RULES 18: the same order with as many instances on both sides, more or fewer."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source, out = emit(range(COUNT), "i8"), collect()
        with driver.at(graph, "b"):
            first, second = even(replicas=n), fan(replicas=m)
    source.to(first).to(second).to(out)
    report = driver.run(graph)
    assert [10 * x + copy for x in range(0, COUNT, 2) for copy in range(x % 4)] == out.records.tolist()
    edge = report.edges["even -> fan"]
    assert (12, 12, 0) == (edge.written, edge.read, edge.unread)


@in_this_process
def test_two_inputs_and_a_join_behind(driver):
    """RULES 10, 18: a set is taken whole by one instance; a failed one leaves a tombstone that the join behind obeys."""

    @router("i8", on_error="skip")
    def adds(a, b):
        if a == 4:
            raise ValueError
        return a + b

    def result(n):
        with Graph() as graph:
            with driver.at(graph, "a"):
                left, right, join, out = emit(range(9), "i8"), emit(range(100, 120), "i8"), add(), collect()
            with driver.at(graph, "b"):
                node = adds(replicas=n)
        node(left, right)
        join(node, left)
        join.to(out)
        driver.run(graph)
        return out.records.tolist()

    assert [100 * (100 + 2 * x) + x for x in range(9) if x != 4] == result(1) == result(3) == result(4)


@virtual
def test_a_loop_through_replicas(driver):
    """A cycle with initial records through a replicated node gives what one instance gives."""

    def result(n):
        with Graph() as graph:
            node, out = add(replicas=n), collect()
        emit(range(7), "i8").to(node["a"])
        node.to(node["b"], initial=[1, 2, 3])
        node.to(out)
        driver.run(graph)
        return out.records.tolist()

    assert result(1) == result(2) == result(3) == result(5)


@in_this_process
@pytest.mark.parametrize("make", [even, fan, slow])
def test_without_order_all_results_come(driver, make):
    """ordered=False: any free instance takes the next record; the results are those of one instance as multisets."""
    expected, _ = run(driver, make, 1)
    found, report = run(driver, make, 4, ordered=False)
    assert sorted(expected) == sorted(found)
    edge = report.edges["source -> node"]
    assert (COUNT, COUNT, 0) == (edge.written, edge.read, edge.unread)


@pytest.mark.parametrize("driver", ["processes"], indirect=True)
def test_without_order_in_processes(driver):
    """ordered=False across processes: every record is taken by exactly one instance, in batches too."""
    found, report = run(driver, total, 3, values=range(300), into={"batch": 2}, ordered=False)
    assert sorted(range(1, 600, 4)) == sorted(found)
    assert 300 == report.edges["source -> node"].read


@virtual
def test_a_free_instance_takes_the_next_record(driver):
    """ordered=False: while one instance is slow the other does the rest; ordered, they take turns."""

    @router("i8")
    async def first_is_slow(x):
        await asyncio.sleep(1.0 if x == 0 else 0.1)
        return x

    assert [1, 2, 3, 4, 5, 6, 7, 8, 9, 0] == run(driver, first_is_slow, 2, values=range(10), ordered=False)[0][:10]
    assert list(range(10)) == run(driver, first_is_slow, 2, values=range(10))[0]


class Counted(Router):
    """Notes how many firings of all instances are under way, from taking to release in order."""

    taken: ClassVar[list[int]] = []

    async def compute(self, x):
        Counted.taken.append(x)
        await asyncio.sleep((7 * x % 5) / 1000)
        return x


@in_this_process
@pytest.mark.parametrize("n", [2, 8])
def test_at_most_n_are_in_flight(driver, n):
    """RULES 18: instance i begins set s only when all sets up to s - n are finished."""
    Counted.taken.clear()
    found, _ = run(driver, lambda **options: Counted("i8", **options), n, values=range(50))
    assert list(range(50)) == found
    position = {x: place for place, x in enumerate(Counted.taken)}
    assert all(sum(position[late] < position[x] for late in range(x + n, 50)) == 0 for x in range(50))


@in_this_process
def test_stop_in_a_collector_ends_all_instances(driver):
    """STOP in one instance ends the node: its siblings take no later set, and closing travels upstream."""

    @collector
    def until(x):
        return STOP if x == 5 else None

    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(iter(range(10**9)), "i8")
        with driver.at(graph, "b"):
            node = until(replicas=3)
    source.to(node)
    assert "finished" == driver.run(graph).ended


class Mine(Collector):
    """Brings home what it saw."""

    def open(self):
        self.seen = []

    def compute(self, x, *, gain=1.0):
        self.seen.append((x, gain, self.firing, round(self.rng.uniform(), 6)))

    def close(self):
        return self.seen


def test_results_parameters_firings_and_random_numbers(driver):
    """`result` is a list in order of instances; a setting reaches all; `firing` and `rng` are those of the input order."""

    def seen(n):
        with Graph() as graph:
            with driver.at(graph, "a"):
                source = emit(range(7), "i8")
            with driver.at(graph, "b"):
                mine = Mine(replicas=n, gain=2.0)
        source.to(mine)
        driver.run(graph)
        return mine.result

    alone, (first, second, third) = seen(1), seen(3)
    assert [(0, 0), (3, 3), (6, 6)] == [(x, firing) for x, _, firing, _ in first]
    assert [1, 4] == [x for x, *_ in second]
    assert alone == sorted([*first, *second, *third])
    assert {2.0} == {gain for _, gain, *_ in alone}


@in_this_process
def test_a_parameter_edge_reaches_all_instances(driver):
    """A tuner sets the parameter of every replica, each waits for the first value."""

    @router("i8")
    def scaled(x, *, gain: np.int64):
        return x * gain

    with Graph() as graph:
        with driver.at(graph, "a"):
            source, tuner, out = emit(range(6), "i8"), emit([10], "i8", name="tuner"), collect()
        with driver.at(graph, "b"):
            node = scaled(replicas=4)
    source.to(node["x"])
    tuner.to(node["gain"])
    node.to(out)
    driver.run(graph)
    assert [0, 10, 20, 30, 40, 50] == out.records.tolist()


@in_this_process
def test_an_error_in_one_instance_ends_the_run(driver):
    """The failure names the instance."""

    @router("i8")
    def fails(x):
        if x == 4:
            raise ValueError("four")
        return x

    with pytest.raises(NodeFailed, match=r"node\[1\]: compute raised ValueError: four") as error:
        run(driver, fails, 3)
    assert "node[1]" == error.value.node
    assert 1 == error.value.report.nodes["node"].errors


@in_this_process
def test_errors_of_replicas_come_in_order(driver):
    """on_error="emit" with replicas: the failures are published in order of the inputs too."""

    @collector(on_error="emit")
    def checks(x):
        if x % 3 == 0:
            raise ValueError(x)

    with Graph() as graph, driver.at(graph, "a"):
        source, node, errors = emit(range(COUNT), "i8"), checks(replicas=4), collect()
    source.to(node)
    node["error"].to(errors)
    driver.run(graph)
    assert list(range(0, COUNT, 3)) == [error.__cause__.args[0] for error in errors.records]


def test_the_digest_behind_replicas_is_that_of_one():
    """The edge out of replicas carries one sequence, so one digest."""

    def digest(n):
        with Graph() as graph:
            node = fan(replicas=n, name="node")
            emit(range(COUNT), "i8").to(node).to(collect())
        return graph.run(clock="virtual").edges["node -> collect"].digest

    assert digest(1) == digest(2) == digest(5)


def test_cpus_are_shared_out():
    """`cpu=[...]` of a context of replicas: instance i gets the i-th, and from the beginning again."""
    with Graph() as graph:
        source, out = emit(range(3), "i8"), collect()
        with graph.context("work", cpu=[0, 1]):
            node, other = triple(replicas=3), triple(name="other")
    source.to(node).to(other).to(out)
    plan = graph.plan()
    assert [("inline", None), ("work[0]", (0,)), ("work[1]", (1,)), ("work[2]", (0,))] == [(c.name, c.cpu) for c in plan.contexts]
    assert ["work[0]"] == [plan.contexts[node.context].name for node in plan.nodes if node.name == "other"]
    assert "triple[2]" in str(plan)
    assert "triple -> other" in str(graph)


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (lambda node, source, out: source.to(node, policy="latest").to(out), "policy='latest'"),
        (lambda node, source, out: source.to(node, on_full="drop_new").to(out), "on_full='drop_new'"),
        (lambda node, source, out: source.to(node, max_age_s=1.0).to(out), "max_age_s=1.0"),
        (lambda node, source, out: source.to(node, window=3).to(out), "window=3"),
        (lambda node, source, out: source.to(node).to(out, policy="latest"), "in turn"),
        (lambda node, source, out: source.to(node).to(out, on_full="drop_oldest"), "in turn"),
    ],
)
def test_what_cannot_be_ordered_is_refused(wire, text):
    """Edges that lose records or hand over the newest cannot keep the order of replicas: build errors that say so."""
    with Graph() as graph:
        node, source, out = triple(replicas=2), emit([1], "i8"), collect()
    wire(node, source, out)
    with pytest.raises(GraphError, match="replicas") as error:
        graph.plan()
    assert text in str(error.value)


def test_what_cannot_be_replicated_is_refused():
    """Emitters, nodes that flush, `collect`, references, and numbers that make no sense: each named."""

    class Flushes(Router):
        def compute(self, x):
            return x

        def flush(self):
            return 1

    class Refers(Router):
        def __init__(self, other, **options):
            super().__init__("i8", **options)
            self.other = other

        def compute(self, x):
            return x

    with Graph() as graph:
        source = emit([1], "i8", replicas=2)
        source.to(Flushes("i8", replicas=2)).to(collect(replicas=3))
        helper = triple(name="helper")
        source.to(helper)
        source.to(Refers(helper, replicas=2))
        for name, given in [("zero", 0), ("text", "2"), ("many", 10**6)]:
            source.to(triple(name=name, replicas=given))
        source.to(triple(name="disordered", ordered=False))
        source.to(triple(name="maybe", replicas=2, ordered="yes"))
        matched = add(name="matched", replicas=2, sync_s=0.1)
        matched(source, source)
        tuned = Mine(name="tuned")
        source.to(tuned["x"])
        source.to(triple(name="writer", replicas=2)).to(tuned["gain"])
    with pytest.raises(GraphError) as error:
        graph.plan()
    for text in ["the Emitter `emit`", "`matched`, which does not", "something to flush", "one `collect`", "not to refer", "zero: needed replicas",
                 "text: needed replicas", "many: needed replicas", "replicas beside ordered", "ordered True or False",
                 "a parameter, which takes the newest"]:  # fmt: skip
        assert text in str(error.value), text


@pytest.mark.parametrize("driver", ["virtual", "threads"], indirect=True)
@pytest.mark.parametrize("ordered", [True, False])
def test_a_deadlock_through_replicas_is_found(driver, ordered):
    """RULES 22: full edges around replicas are an error that names them, not a hang; without an order too."""
    with Graph() as graph:
        source, join, sums = emit(range(100), "i8"), add(), total()
        with driver.at(graph, "work"):
            node = triple(replicas=3, ordered=ordered)
    source.to(sums, batch=50).to(join["a"])
    source.to(node, depth=2).to(join["b"], depth=2)
    join.to(collect())
    with pytest.warns(RuntimeWarning, match="depth"), pytest.raises(GraphError, match=r"emit -> triple\[.\]: needed .* full, and nobody can go on"):
        driver.run(graph)


@pytest.mark.parametrize("driver", ["virtual", "threads"], indirect=True)
def test_a_record_that_no_replica_can_give_is_a_deadlock(driver):
    """RULES 22: who reads replicas without an order waits for all of them, and is stuck if none can give it a record."""

    @router("i8")
    def first_two(x):
        return x if x < 2 else SKIP

    with Graph() as graph:
        source, join = emit(range(100), "i8"), add()
        with driver.at(graph, "work"):
            node = first_two(replicas=2, ordered=False)
    source.to(join["a"], depth=3)
    source.to(node, depth=2).to(join["b"])
    join.to(collect())
    with pytest.raises(GraphError, match="emit -> add.a: needed a depth of more than 3"):
        driver.run(graph)


@virtual
@pytest.mark.parametrize("failing", [False, True], ids=["plain", "with tombstones"])
def test_a_parameter_goes_to_every_instance_and_is_counted_for_each(driver, failing):
    """L5: of an edge into a parameter of replicas written = read + overwritten + unread, as of that many edges."""

    @router("i8", on_error="skip")
    def gains(x):
        if failing and x % 2:
            raise ValueError(x)
        return x

    @router("i8")
    def scaled(x, *, gain: np.int64):
        return x + 0 * gain

    with Graph() as graph:
        with driver.at(graph, "a"):
            source, gain, every = emit(range(20), "i8"), gains(name="gain"), collect(name="every")
        with driver.at(graph, "b"):
            work = scaled(name="work", replicas=3)
        out = collect(name="out")
    source.to(gain).to(every)
    gain.to(work["gain"], initial=[7])
    source.to(work["x"]).to(out)
    edge = driver.run(graph).edges["gain -> work.gain"]
    assert list(range(20)) == out.records.tolist()
    assert 3 * (1 + len(every.records)) == edge.written
    assert (edge.written, 0, 0) == (edge.read + edge.overwritten + edge.unread, edge.dropped, edge.skipped)
    assert edge.unread in range(4)
