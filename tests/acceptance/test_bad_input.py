"""Bad input: each mistake is named with where, what was needed, what was found and what to do; nothing hangs, nothing is left."""

from __future__ import annotations

import itertools
import threading

import pytest

from dfcore import STOP, DfcoreError, Graph, GraphError, NodeFailed, collect, emit, router

BETWEEN_PROCESSES = pytest.mark.parametrize("driver", ["processes"], indirect=True)


class Stubborn:
    """Raises when it is pickled, or when it is loaded."""

    def __init__(self, when):
        self.when = when

    def __reduce__(self):
        if self.when == "pickled":
            raise ValueError("not with me")
        return _refuse, ()


def _refuse():
    raise ValueError("not with me")


def chain(driver, items, node):
    """`emit(items) -> node -> collect`, the last in a context of its own."""
    with Graph() as graph:
        with driver.at(graph, "work"):
            source = emit(items)
            source.to(node)
        with driver.at(graph, "log"):
            out = collect()
    node.to(out)
    return graph, out


def failure(driver, items, node):
    """What a run says, and what came before it failed."""
    graph, out = chain(driver, items, node)
    with pytest.raises(NodeFailed) as caught:
        driver.run(graph)
    assert "failed" == graph.report.ended
    return str(caught.value), out.records


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (threading.Lock, "made: compute raised TypeError: cannot pickle '_thread.lock' object while an object was pickled for another process"),
        (lambda: Stubborn("pickled"), "made: compute raised ValueError: not with me while an object was pickled for another process"),
        (lambda: Stubborn("loaded"), "collect: compute raised ValueError: not with me while an object from another process was loaded"),
    ],
    ids=["unpicklable", "while pickling", "while loading"],
)
@BETWEEN_PROCESSES
def test_an_object_that_cannot_travel(driver, make, says):
    """Node, exception, firing and record are named, and what to do; what went before has arrived."""
    made = router(object)(lambda x: make() if x == 2 else x)(name="made")
    said, came = failure(driver, range(4), made)
    assert said.startswith(says)
    assert "(firing 2, " in said
    assert " seq 3); publish what can be " in said
    assert came == [0, 1][: len(came)]


def test_an_iterator_that_raises(driver):
    """The failure is that of its emitter."""

    class Disk:
        def __iter__(self):
            yield from range(3)
            raise OSError("gone")

    said, came = failure(driver, Disk(), router(object)(lambda x: x)(name="node"))
    assert said.startswith("emit: compute raised OSError: gone (firing 3, ")
    assert came == [0, 1, 2][: len(came)]


def test_a_generator_that_never_yields(driver):
    """In a firing it has skipped; at the end of stream everything ends."""

    @router(object)
    def never(x):
        if x < 0:
            yield x

    graph, out = chain(driver, range(20), never())
    report = driver.run(graph)
    assert ("finished", 20, 0) == (report.ended, report.nodes["never"].firings, len(out))


class Count:
    """Counts for ever, in any process."""

    def __iter__(self):
        return itertools.count()


def test_a_few_of_endlessly_many(driver):
    """Who takes five ends the source."""
    take = router(object)(lambda x: STOP if x == 5 else x)(name="take")
    graph, out = chain(driver, Count(), take)
    assert "finished" == driver.run(graph).ended
    assert [0, 1, 2, 3, 4] == out.records


@pytest.mark.parametrize("wrong", [(1, 2, 3), (1,), 5, {"a": 1, "b": 2}], ids=str)
@pytest.mark.parametrize("driver", ["inline", "threads", "virtual"], indirect=True)
def test_a_tuple_of_another_length(driver, wrong):
    """A node of two outputs returns two values: nothing of a wrong firing is published."""
    with Graph() as graph, driver.at(graph, "work"):
        pair = router(outputs={"a": object, "b": object})(lambda x: wrong if x == 1 else (x, x))(name="pair")
        outs = collect(), collect()
        emit(range(3)).to(pair)
    for end, out in zip("ab", outs, strict=True):
        pair[end].to(out)
    with pytest.raises(NodeFailed, match=r"pair: needed a tuple of 2 values, for `a`, `b`, was .*; return one value \(or SKIP\) per output"):
        driver.run(graph)
    assert [[0], [0]] == [out.records for out in outs]


def test_an_edge_of_negative_depth():
    """Before anything starts."""
    with Graph() as graph:
        emit([1]).to(collect(), depth=-1)
    with pytest.raises(GraphError, match="emit -> collect: needed depth as an int of 1 to 2147483647, was -1; leave depth out for the default"):
        graph.run()


def test_a_part_connected_to_itself():
    """A cycle like any other: it needs an initial record, and with one it runs."""

    def made(**edge):
        with Graph() as graph, Graph("arm") as arm:
            node = router("i8")(lambda x: STOP if x == 3 else x + 1)(name="node")
        arm.expose(x=node["x"], y=node)
        arm.to(arm, **edge)
        return graph

    with pytest.raises(GraphError, match=r"arm/node -> arm/node: needed an edge with initial records in the cycle, was none"):
        made().run()
    assert 4 == made(initial=[0]).run(clock="virtual").nodes["arm/node"].firings


@pytest.mark.parametrize("error", [KeyError, SystemExit])
def test_a_monitor_that_raises(driver, error):
    """The run is given up, and the function named."""

    def broken(report):
        raise error("no")

    with Graph() as graph:
        with driver.at(graph, "work"):
            source = emit(range(1 << 30), "i8", rate_hz=50)
        out = collect(keep=1)
    source.to(out, on_full="wait")
    graph.monitor(broken, 0.01)
    with pytest.raises(DfcoreError, match=f"graph graph.monitor: needed `.*broken` to return, raised {error.__name__}: '?no'?; the run was"):
        driver.run(graph)
    assert "failed" == graph.report.ended
