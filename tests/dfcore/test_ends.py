"""The two ends of an edge: what is in hand, what was initial, and what a writer may write."""

from __future__ import annotations

import asyncio
import itertools
from typing import Annotated

import pytest

from dfcore import STOP, Bounds, Collector, DtypeError, Graph, NodeFailed, Router, collect, emit


def test_initial_objects_are_counted_and_have_a_header():
    """L5: an initial object is read like any record, and its header says that it was not published."""
    seen = []

    class Next(Router):
        def compute(self, x):
            seen.append((x, self.header("x").seq))
            return x + 1 if x < 3 else STOP

    with Graph() as graph:
        node = Next(object)
    node.to(node, initial=[0, 1, 2])
    edge = graph.run(clock="virtual").edges["next -> next"]
    assert [(0, 0), (1, 0), (2, 0), (1, 1), (2, 2), (3, 3)] == seen
    assert edge.written == edge.read + edge.unread
    assert (6, 2) == (edge.read, edge.unread)


def test_a_value_out_of_bounds_on_a_parameter_edge_is_the_writers_failure():
    """RULES 6: checked where it is published."""

    class Scale(Router):
        def compute(self, x, *, k: Annotated[float, Bounds(0, 5)] = 1.0):
            return k * x

    with Graph() as graph:
        source, tuner, scale, out = emit([1.0, 2.0], "f8"), emit([9.0], "f8", name="tuner"), Scale("f8"), collect()
    source.to(scale).to(out)
    tuner.to(scale["k"])
    with pytest.raises(NodeFailed) as caught:
        graph.run(clock="virtual")
    assert ("tuner", DtypeError) == (caught.value.node, type(caught.value.__cause__))


def test_the_last_of_each_k_reaches_a_batch():
    """`decimate` and `batch` together, initial records first: the last of each k, and what is left is unread."""
    with Graph() as graph:
        source, out = emit(range(1, 10), "i8"), collect()

        class Pass(Router):
            def compute(self, xs):
                return xs.tolist()

        node = Pass(object)
    source.to(node, decimate=2, batch=2, initial=[0])
    node.to(out)
    edge = graph.run(clock="virtual").edges["emit -> pass"]
    assert [[1, 3], [5, 7]] == out.records
    assert (10, 4, 5, 1) == (edge.written, edge.read, edge.decimated, edge.unread)


class Sums(Router):
    """The records of a batch as a list."""

    def compute(self, xs):
        return xs.tolist() if hasattr(xs, "tolist") else xs


def batches(count, batch, kind="i8", **options):
    """The batches of 0 .. count - 1, and the edge's counters."""
    with Graph() as graph:
        source, node, out = emit(range(count), kind), Sums(object), collect()
    source.to(node, batch=batch, **options).to(out)
    return out, graph, graph.run(clock="virtual").edges["emit -> sums"]


@pytest.mark.parametrize("kind", ["i8", object])
@pytest.mark.parametrize(("count", "initial", "decimate"), [(0, 0, 1), (7, 0, 1), (8, 0, 1), (1, 0, 1), (6, 1, 1), (2, 0, 1), (0, 2, 1), (14, 0, 2)])
def test_the_last_batch_may_be_shorter(kind, count, initial, decimate):
    """`partial`: what is left at end of stream is one shorter batch; without it, it is counted `unread`."""
    items = [*range(-initial, 0), *range(count)]
    passed = items[decimate - 1 :: decimate]
    options = {"initial": items[:initial], "decimate": decimate}
    out, _, edge = batches(count, 4, kind, partial=True, **options)
    assert [passed[k : k + 4] for k in range(0, len(passed), 4)] == out.records
    assert (len(passed), 0) == (edge.read, edge.unread)
    out, _, edge = batches(count, 4, kind, **options)
    assert [passed[k : k + 4] for k in range(0, len(passed) - 3, 4)] == out.records
    assert (len(passed) // 4 * 4, len(passed) % 4) == (edge.read, edge.unread)


def test_a_shorter_batch_comes_after_stop_too(driver):
    """End of stream is end of stream, whoever asked for it; and the batch may be kept."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(10), "i8")
        with driver.at(graph, "b"):
            node = Lists()
    source.to(node, batch=4, partial=True, depth=1)
    driver.run(graph)
    assert [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] == node.result
    paced = Graph()
    with paced:
        ticks, keeps, kept = emit(itertools.count(), "i8", rate_hz=10), Keeps(object), collect()
    ticks.to(keeps, batch=4, partial=True).to(kept)
    paced.run(1.0, clock="virtual")
    assert [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] == [batch.tolist() for batch in kept.records]


class Lists(Collector):
    """The batches, as lists."""

    def open(self):
        self.seen = []

    def compute(self, xs):
        self.seen.append(xs.tolist())

    def close(self):
        return self.seen


class Keeps(Router):
    """The batch itself."""

    def compute(self, xs):
        return xs


@pytest.mark.parametrize(("a", "b", "firings", "unread"), [(6, 7, 2, (0, 0)), (5, 12, 2, (0, 4)), (4, 6, 1, (0, 2)), (0, 3, 0, (0, 3))])
def test_a_join_fires_on_shorter_batches_if_each_input_has_one(a, b, firings, unread):
    """A shorter batch counts as a whole one; an input that ended with nothing left ends the node, the rest is `unread`."""

    class Join(Router):
        def compute(self, x, y):
            return x.tolist(), y.tolist()

    with Graph() as graph:
        join, out = Join(object), collect()
        for name, count in (("a", a), ("b", b)):
            emit(range(count), "i8", name=name).to(join, batch=4, partial=True)
    join.to(out)
    report = graph.run(clock="virtual")
    expected = [(list(range(a))[k : k + 4], list(range(b))[k : k + 4]) for k in range(0, 4 * firings, 4)]
    assert expected == out.records
    assert unread == tuple(report.edges[f"{name} -> join.{end}"].unread for name, end in (("a", "x"), ("b", "y")))


class AwaitsBatches(Collector):
    """Sees batches, and awaits in between."""

    def open(self):
        self.seen = []

    async def compute(self, xs):
        await asyncio.sleep(0.001)
        self.seen += xs.tolist()

    def close(self):
        return self.seen


def test_a_batch_that_fills_gives_room_before_it_is_full(driver):
    """RULES 1: a writer blocked while its reader was busy hears of the room that the next batch makes, short rings and all."""
    with Graph() as graph, driver.at(graph, "a"):
        source, node = emit(range(40), "i8"), AwaitsBatches()
    source.to(node, batch=4, depth=2)
    driver.run(graph)
    assert list(range(40)) == node.result
