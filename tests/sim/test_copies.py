"""Objects in a `World(check=True)`: between contexts that would be processes they are copies, as they are between processes (RULES 16)."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

from dfcore import STOP, Collector, Emitter, Graph, GraphError, NodeFailed, collect, emit, merge, router, share
from sim import World


class Lists(Emitter):
    """Lists of one number, with metadata; at their end the lists that it published, as they are by then."""

    def __init__(self, count=4, make=lambda k: [k], **options):
        super().__init__(object, name="lists", **options)
        self.count, self.make = count, make

    def open(self):
        self.made = []

    def compute(self):
        if self.firing == self.count:
            return STOP
        self.made.append(self.make(self.firing))
        self.meta["k"] = self.firing
        return self.made[-1]

    def close(self):
        return self.made


class Grows(Collector):
    """Does what RULES 16 forbids, and tells what it saw."""

    def open(self):
        self.seen, self.metas = [], []

    def compute(self, value):
        for each in value if value and isinstance(value[0], list) else [value]:
            self.seen.append(list(each))
            each.append("changed")
        self.metas.append(dict(self.meta))

    def close(self):
        return self.seen, self.metas


def run(graph, where):
    """The report of a run: in processes, or in a world."""
    if where == "processes":
        return graph.run()
    with World(check=where == "check"):
        return graph.run()


EDGES = [{}, {"depth": 1}, {"batch": 2}, {"window": 2}, {"policy": "latest"}, {"on_full": "drop_new"}, {"on_full": "drop_oldest"}]


@pytest.mark.parametrize("edge", EDGES, ids=str)
def test_what_a_reader_changes_reaches_nobody(edge):
    """Writer and readers in three processes-to-be: each has its own, whatever the edge; metadata travels too."""
    with Graph() as graph:
        with graph.context("a"):
            lists = Lists()
        with graph.context("b"):
            first = Grows(name="first")
        with graph.context("c"):
            second = Grows(name="second")
    lists.to(first, **edge)
    lists.to(second)
    run(graph, "check")
    assert [[0], [1], [2], [3]] == lists.result
    assert ([[0], [1], [2], [3]], [{"k": k} for k in range(4)]) == second.result
    assert "window" in edge or not any("changed" in each for each in first.result[0])  # a window shows its own objects again


@pytest.mark.parametrize("where", ["processes", "check", "plain"])
def test_only_contexts_that_would_be_processes_are_apart(where):
    """Beside the writer, and in a thread for a writer of the caller's process, the object itself; in a plain world everywhere."""
    with Graph() as graph:
        with graph.context("a"):
            lists, beside = Lists(), Grows(name="beside")
        with graph.context("b"):
            there = Grows(name="there")
    lists.to(beside)
    lists.to(there)
    run(graph, where)
    assert [[k, "changed"] for k in range(4)] == [each[:2] for each in lists.result]
    assert ([[k] for k in range(4)], where != "plain") == (beside.result[0], [[k] for k in range(4)] == there.result[0])


def test_threads_share_objects():
    """The caller and its threads are one process."""
    with Graph() as graph:
        lists = Lists()
        with graph.context("t", kind="thread"):
            there = Grows(name="there")
    lists.to(there)
    run(graph, "check")
    assert [[k, "changed"] for k in range(4)] == lists.result


class Kept(Collector):
    """Keeps every array; whether one could be written."""

    def open(self):
        self.kept = []

    def compute(self, array):
        self.kept.append(array)

    def close(self):
        return self.kept


@pytest.mark.parametrize("where", ["processes", "check"])
def test_arrays_arrive_read_only_and_stay_as_they_are(where):
    """As from another process; kept ones too, beyond the run and what the slots of the output can keep."""
    with Graph() as graph:
        with graph.context("a"):
            lists = Lists(40, lambda k: np.full(1000, k))
        with graph.context("b"):
            kept = Kept()
    lists.to(kept, depth=2)
    run(graph, where)
    assert where == "processes" or not any(array.flags.writeable for array in kept.result)
    assert [True] * 40 == [bool((array == k).all()) for k, array in enumerate(kept.result)]


class Stubborn:
    def __init__(self, when):
        self.when = when

    def __reduce__(self):
        if self.when == "pickled":
            raise ValueError("not with me")
        return refuse, ()


def refuse():
    raise ValueError("not with me")


WRONG = [
    (lambda k: threading.Lock() if k == 2 else k, {}),
    (lambda k: Stubborn("pickled") if k == 2 else k, {}),
    (lambda k: Stubborn("loaded") if k == 2 else k, {}),
    (lambda k: bytes(9000) if k == 2 else k, {"arena_bytes": 8192}),
]


@pytest.mark.parametrize(("make", "options"), WRONG, ids=["unpicklable", "while pickling", "while loading", "larger than the arena"])
def test_the_same_errors_as_between_processes(make, options):
    """The message that processes give, word for word but for the time."""

    def failure(where):
        with Graph() as graph:
            with graph.context("a"):
                made = router(object, **options)(make)(name="made")
                emit(range(4)).to(made)
            with graph.context("b"):
                out = collect()
        made.to(out)
        with pytest.raises(NodeFailed) as caught:
            run(graph, where)
        return re.sub(r"t = [0-9.]+ s", "t", str(caught.value)), type(caught.value.__cause__), str(caught.value.__cause__)

    assert failure("processes") == failure("check")


def test_initial_objects_are_copies_too():
    """What a reader does to them stays its own, and they are there again for the next run; those that cannot travel are told."""
    initial = [["first"]]
    with Graph() as graph:
        lists = Lists(1)
        with graph.context("b"):
            grows = Grows(name="grows")
    lists.to(grows, initial=initial)
    for _ in range(2):
        run(graph, "check")
        assert [["first"], [0]] == grows.result[0]
    assert [["first"]] == initial

    with Graph() as graph:
        lists = Lists(1)
        with graph.context("b"):
            out = collect(name="out")
    lists.to(out, initial=[threading.Lock()])
    with pytest.raises(GraphError) as caught:
        run(graph, "check")
    (problem,) = caught.value.problems
    assert ("unpicklable", "lists -> out: initial") == (problem.code, problem.where)


@pytest.mark.parametrize("kind", ["replicas", "merge", "share"])
def test_copies_pass_what_divides_and_joins(kind):
    """Through replicas, `merge` and `share` every list arrives once, unchanged by those who had it before."""

    @router(object)
    def work(x):
        x.append("seen")
        return x[:1]

    with Graph() as graph:
        with graph.context("a"):
            lists = Lists(12)
        with graph.context("b"):
            middle = work(replicas=3) if kind == "replicas" else merge() if kind == "merge" else share()
        with graph.context("c"):
            one = Grows(name="one")
    lists.to(middle)
    middle.to(one)
    run(graph, "check")
    assert [[k] for k in range(12)] == one.result[0]
    assert [[k] for k in range(12)] == lists.result
