"""The two ends of an edge: what is in hand, what was initial, and what a writer may write."""

from __future__ import annotations

from typing import Annotated

import pytest

from dfcore import STOP, Bounds, DtypeError, Graph, NodeFailed, Router, collect, emit


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
