"""Tombstones: a record that an exception kept away keeps its place, so that joins and order survive (RULES 10)."""

from __future__ import annotations

import numpy as np
import pytest

from dfcore import SKIP, STOP, Collector, Emitter, Graph, GraphError, collect, emit, router
from dfcore._parameters import Tap
from tests.contexts import contexts
from tests.drivers import Driver

in_this_process = pytest.mark.parametrize("driver", ["inline", "threads", "virtual"], indirect=True)


@router("i8", on_error="skip")
def odd_only(x):
    if x % 2 == 0:
        raise ValueError(x)
    return x


@router("i8")
def skips_even(x):
    return x if x % 2 else SKIP


@router("i8")
def add(a, b):
    return 100 * a + b


def joined(driver, node, count, **edge):
    with Graph() as graph:
        with driver.at(graph, "a"):
            source, through = emit(range(count), "i8"), node
        with driver.at(graph, "b"):
            both = add(name="both")
        out = collect()
    source.to(through).to(both["a"], **edge)
    source.to(both["b"])
    both.to(out)
    return out.records.tolist(), driver.run(graph), out


def test_a_join_discards_the_set_of_a_tombstone(driver):
    """RULES 10: where x failed, the record it would have met is discarded too; all others meet their own."""
    _, report, out = joined(driver, odd_only(name="node"), 9)
    assert [100 * x + x for x in range(9) if x % 2] == out.records.tolist()
    node, pair, last = (report.edges[name] for name in ("node -> both.a", "emit -> both.b", "both -> collect"))
    assert (4, 4, 0, 5) == (node.written, node.read, node.unread, node.skipped)
    assert (9, 4, 5, 0) == (pair.written, pair.read, pair.dropped, pair.skipped)
    assert (4, 4, 0, 5) == (last.written, last.read, last.unread, last.skipped)


def test_a_plain_skip_leaves_none(driver):
    """RULES 10: a SKIP leaves no tombstone, so the k-th that is there meets the k-th."""
    _, report, out = joined(driver, skips_even(name="node"), 9)
    assert [101 * 0 + 100 * 1, 301, 502, 703] == out.records.tolist()
    assert 0 == report.edges["node -> both.a"].skipped


@pytest.mark.parametrize("depth", [1, 2])
@in_this_process
def test_tombstones_take_places_and_give_them_back(driver, depth):
    """A narrow edge full of tombstones goes on, in order."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source, node = emit(range(20), "i8"), odd_only()
        with driver.at(graph, "b"):
            out = collect()
    source.to(node, depth=depth).to(out, depth=depth)
    driver.run(graph)
    assert list(range(1, 20, 2)) == out.records.tolist()


@router("i8")
def total(x):
    return int(sum(x))


@pytest.mark.parametrize(("options", "expected"), [({"batch": 2}, [1 + 3, 5 + 7]), ({"batch": 2, "decimate": 2}, [3 + 7]), ({"window": 2}, [1, 4, 8, 12])])
@pytest.mark.parametrize("depth", [1, 16])
@in_this_process
def test_batches_pass_over_tombstones(driver, options, expected, depth):
    """RULES 10: batch and decimate count records only, and what follows them sees no tombstone."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source, node = emit(range(9), "i8"), odd_only(name="node")
        with driver.at(graph, "b"):
            out, sums = collect(), total(name="sums")
    source.to(node).to(sums, depth=depth, **options).to(out)
    report = driver.run(graph)
    assert expected == out.records.tolist()
    assert (4, 5) == (report.edges["node -> sums"].written, report.edges["node -> sums"].skipped)
    assert 0 == report.edges["sums -> collect"].skipped


def test_digest_and_written_leave_tombstones_out():
    """RULES 10: the digest of an edge with tombstones is that of its records alone."""

    def digest(node, values):
        with Graph() as graph:
            out = collect()
            emit(values, "i8").to(node).to(out)
        return graph.run(clock="virtual").edges["node -> collect"].digest

    assert digest(skips_even(name="node"), range(9)) == digest(odd_only(name="node"), range(9))


@in_this_process
def test_edges_that_lose_records_get_none(driver):
    """RULES 10: an output read by `latest` only publishes no tombstone: the newest record stays the newest."""
    with Graph() as graph, driver.at(graph, "a"):
        source, node, out = emit(range(10), "i8"), odd_only(name="node"), collect()
    source.to(node).to(out, policy="latest")
    report = driver.run(graph)
    assert 9 == out.records[-1]
    assert 0 == report.edges["node -> collect"].skipped


LOSSY = [{"policy": "latest"}, {"on_full": "drop_oldest", "depth": 2}, {"on_full": "drop_new", "depth": 2}]


class Seen(Collector):
    """What it was given, as the result."""

    def open(self):
        self.seen = []

    def compute(self, x):
        self.seen.append(x)

    def close(self):
        return self.seen


class Pairs(Collector):
    """Pairs of numbers that met, as the result."""

    def open(self):
        self.seen = []

    def compute(self, a, b):
        self.seen.append((a if isinstance(a, int) else a["word"], b))

    def close(self):
        return self.seen


@router(object, on_error="skip")
def odd_words(x):
    if x % 2 == 0:
        raise ValueError(x)
    return {"word": x}


@pytest.mark.parametrize("lossy", LOSSY, ids=str)
@pytest.mark.parametrize("node", [odd_only, odd_words], ids=["records", "objects"])
def test_a_lossy_edge_beside_a_lossless_one_sees_records_only(driver, node, lossy):
    """RULES 10: the join discards the sets of tombstones, the lossy reader never sees one, nor loses a record to one."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source, node = emit(range(21), "i8"), node(name="node")
        with driver.at(graph, "b"):
            pairs, seen = Pairs(name="pairs"), Seen(name="seen")
    source.to(node)
    node.to(pairs["a"])
    source.to(pairs["b"])
    node.to(seen, **lossy)
    report = driver.run(graph)
    numbers = [x if isinstance(x, int) else x["word"] for x in seen.result]
    assert [(x, x) for x in range(1, 21, 2)] == pairs.result
    assert sorted(set(numbers) & set(range(1, 21, 2))) == numbers
    assert (1 if lossy.get("on_full") == "drop_new" else 19) in numbers
    edge = report.edges["node -> seen"]
    assert (10, len(numbers), 0, 0) == (edge.written, edge.read, edge.skipped, edge.unread)
    assert 10 == edge.read + edge.dropped + edge.overwritten
    assert (10, 11) == (report.edges["node -> pairs.a"].written, report.edges["node -> pairs.a"].skipped)


@pytest.mark.parametrize(("lossy", "expected"), list(zip(LOSSY, [[5], [3, 5], [1, 3]], strict=True)), ids=str)
def test_tombstones_overwrite_and_drop_nothing(lossy, expected):
    """RULES 10: who comes after 1, -, 3, -, 5, - finds the records that it would find had there been nothing in between."""
    with Graph() as graph:
        with graph.context("a"):
            source, node, out = emit(range(1, 7), "i8"), odd_only(name="node"), collect()
        with graph.context("b"):
            seen = Seen(name="seen")
    source.to(node).to(out)
    node.to(seen, **lossy)
    with contexts(graph) as run:
        run.step("a")
        run.run()
        assert [1, 3, 5] == out.records.tolist()
        assert expected == seen.seen
        edge = run.edge("node -> seen")
        assert (3, len(expected), 3 - len(expected)) == (edge.written, edge.read, edge.dropped + edge.overwritten)


def test_a_parameter_beside_a_lossless_edge_keeps_its_value():
    """RULES 10, 20: a parameter never sees a tombstone, neither at its node nor through the program's tap."""

    @router("i8")
    def scaled(x, *, gain: np.int64):
        return gain * x

    with Graph() as graph:
        with graph.context("a"):
            source, node, out = emit([5, 2], "i8"), odd_only(name="node"), collect(name="all")
        with graph.context("b"):
            numbers, scale, products = emit([10, 11], "i8", name="numbers"), scaled(name="scale"), collect(name="products")
    source.to(node).to(out)
    node.to(scale["gain"])
    numbers.to(scale["x"]).to(products)
    with contexts(graph) as run:
        run.step("a")
        gain = next(edge.index for edge in run.plan.edges if edge.name == "node -> scale.gain")
        assert 5 == Tap(run.plan, run.memory, gain).read(None)
        run.run()
        assert [50, 55] == products.records.tolist()
        edge = run.edge("node -> scale.gain")
        assert (1, 1, 0) == (edge.written, edge.read, edge.skipped)


def test_objects_in_one_arena_beside_tombstones():
    """RULES 16: the last record of an edge that lost its neighbours to tombstones keeps no memory once it was read."""

    class Big(Emitter):
        def __init__(self):
            super().__init__(object, name="big")

        def compute(self):
            return STOP if self.firing == 12 else self.firing

    @router(object, on_error="skip", arena_bytes=4096)
    def filled(x):
        if x % 3 == 1:
            raise ValueError(x)
        return np.full(3000, x, "u1")

    class Whole(Collector):
        def open(self):
            self.seen = []

        def compute(self, array):
            assert (array == array[0]).all()
            self.seen.append(int(array[0]))

    with Graph() as graph:
        with graph.context("a"):
            source, node = Big(), filled(name="node")
        with graph.context("b"):
            every, newest = Whole(name="every"), Whole(name="newest")
        with graph.context("c"):
            other = Whole(name="other")
    source.to(node).to(every)
    node.to(newest, policy="latest")
    node.to(other, on_full="drop_oldest", depth=2)
    with contexts(graph) as run:
        run.run()
    assert [x for x in range(12) if x % 3 != 1] == every.seen
    assert 11 == newest.seen[-1] == other.seen[-1]


def test_the_plan_says_which_edges_have_an_index_of_their_own():
    """RULES 9, 10: `drop_new` always; other edges that lose records only where tombstones are among the records."""
    with Graph() as graph:
        for name, node in (("none", skips_even(name="none")), ("some", odd_only(name="some"))):
            emit(range(3), "i8", name=f"from {name}").to(node).to(collect(name=f"{name} all"))
            for number, lossy in enumerate(LOSSY):
                node.to(collect(name=f"{name} {number}"), **lossy)
    edges = {edge.name: edge.own for edge in graph.plan().edges}
    assert {"none -> none 2", "some -> some 0", "some -> some 1", "some -> some 2"} == {name for name, own in edges.items() if own}


def looped(driver, on_error, **feedback):
    """A loop in which one node fails once, and what came out of it."""

    @router("i8")
    def sums(x, back):
        return x + back

    @router("i8", on_error=on_error)
    def turns(x):
        if x == 3:
            raise ValueError
        return x

    with Graph() as graph, driver.at(graph, "a"):
        source, node, back, out = emit(range(6), "i8"), sums(name="node"), turns(name="back"), collect()
    source.to(node["x"])
    node.to(back)
    back["output"].to(node["back"], initial=[0], **feedback)
    node.to(out)
    return graph, out


@pytest.mark.parametrize("on_error", ["skip", "emit"])
def test_a_loop_that_one_exception_would_end_is_not_built(on_error):
    """A tombstone that comes back would discard a set in each round: the error names the loop, its node and what to do."""
    graph, _ = looped(Driver("inline"), on_error)
    with pytest.raises(GraphError) as error:
        graph.plan()
    problem, = error.value.problems
    assert ("loop", "node -> back -> node") == (problem.code, problem.where)
    assert f'on_error="{on_error}"' in problem.needed
    assert "take `back` as a parameter of `node`" in problem.do


def test_a_tombstone_may_come_into_a_loop_from_outside():
    """A node before the loop whose exceptions discard what comes round is named."""

    with Graph() as graph:
        source, failing, node, out = emit(range(6), "i8"), odd_only(name="failing"), add(name="node"), collect()
    source.to(failing).to(node["a"])
    node.to(node["b"], initial=[0])
    node.to(out)
    with pytest.raises(GraphError) as error:
        graph.plan()
    problem, = error.value.problems
    assert ("loop", "node -> node") == (problem.code, problem.where)
    assert "an exception of `failing`" in problem.needed


@in_this_process
def test_a_loop_through_a_parameter_goes_on_after_an_exception(driver):
    """A parameter sees no tombstone and triggers nothing: one lost record costs one record."""

    @router("i8")
    def sums(x, *, back: np.int64 = 0):
        return x + 0 * back

    with Graph() as graph, driver.at(graph, "a"):
        source, node, back, out = emit(range(6), "i8"), sums(name="node"), odd_only(name="back"), collect()
    source.to(node)
    node.to(back).to(node["back"])
    back.to(out)
    driver.run(graph)
    assert [1, 3, 5] == out.records.tolist()


@pytest.mark.parametrize("feedback", LOSSY, ids=str)
def test_a_loop_over_an_edge_that_loses_records_says_that_it_has_ended(feedback):
    """No tombstone comes back over it, and no record either: a deadlock with a name, not silence."""
    graph, _ = looped(Driver("inline"), "skip", **feedback)
    with pytest.raises(GraphError, match="nobody can write one"):
        graph.run(clock="virtual")


def test_stale_inputs_stay_out_of_the_way_of_tombstones():
    """A tombstone is no record: an input that is watched for age counts it for nothing."""

    class Guard(Collector):
        def open(self):
            self.log = []

        def compute(self, x):
            self.log.append(x)

        def safe(self):
            self.log.append("safe")

    with Graph() as graph:
        guard = Guard()
        node = odd_only(name="node")
        emit(range(6), "i8", rate_hz=10).to(node).to(guard, max_age_s=0.15)
    graph.run(clock="virtual")
    assert [1, "safe", 3, "safe", 5, "safe"] == guard.log
