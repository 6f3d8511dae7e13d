"""Objects between real processes that fail or die: named, and nothing is left behind, which every test looks for.

What fails in which way is tried without processes in `tests/dfcore/test_objects.py`.
"""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from dfcore import Collector, ContextDied, Emitter, Graph, GraphError, NodeFailed, Router, collect


class Source(Emitter):
    """What a function makes of 0, 1, ..: it is called in the process of the node."""

    def __init__(self, make, **options):
        super().__init__(object, **options)
        self.make = make

    def compute(self):
        return self.make(self.firing)


class Hoard(Collector):
    """Keeps what it is given; tells how much when it is closed."""

    def open(self):
        self.kept = []

    def compute(self, value):
        self.kept.append(value)

    def close(self):
        return len(self.kept)


def two_processes(make, **options):
    """Things -> hoard."""
    with Graph() as graph:
        with graph.context("a"):
            things = Source(make, name="things", **options)
        with graph.context("b"):
            hoard = Hoard(name="hoard")
    things.to(hoard)
    return graph, hoard


def test_an_object_that_cannot_go_ends_the_run():
    """The writer fails in its process, by name, with the cause; the reader has got what came before, and is closed."""
    graph, hoard = two_processes(lambda k: k if k < 3 else (x for x in ()))
    with pytest.raises(NodeFailed, match="things: compute raised TypeError: cannot pickle 'generator' object while an object was") as caught:
        graph.run()
    assert ("things", TypeError, "failed") == (caught.value.node, type(caught.value.__cause__), graph.report.ended)
    assert hoard.result <= 3


def test_memory_that_is_kept_for_ever_is_a_deadlock():
    """The writer waits for memory that only the reader can give, and the reader for the next object: said, with the arena."""
    graph, _ = two_processes(lambda k: np.zeros((1000, 9000)[k == 2], "u1"), arena_bytes=10_000)
    with pytest.raises(GraphError) as caught:
        graph.run()
    (problem,) = caught.value.problems
    assert ("deadlock", "things -> hoard") == (problem.code, problem.where)
    assert "an arena of 9984, taken by objects that are kept (things waits for memory on things -> hoard, " in problem.found
    assert "keep copies in hoard, or give things a larger arena_bytes" == problem.do


class Dies(Router):
    """Passes arrays on, and kills its process in front of the tenth."""

    def __init__(self, **options):
        super().__init__(object, **options)

    def compute(self, value):
        if self.firing == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return value


@pytest.mark.parametrize("place", ["writer", "reader"])
def test_a_process_that_is_killed_in_mid_stream(place):
    """ContextDied, by name, while arrays are on their way in both directions; the others end."""
    with Graph() as graph:
        things = Source(lambda k: np.zeros(100_000) + k, name="things", arena_bytes=4_000_000)
        with graph.context("b"):
            dies = Dies(name="dies")
        out = collect()
        with graph.context("c"):
            hoard = Hoard(name="hoard")
    things.to(dies)
    dies.to(out if place == "reader" else hoard)
    things.to(hoard if place == "reader" else out)
    with pytest.raises(ContextDied) as caught:
        graph.run()
    assert ("b", signal.SIGKILL) == (caught.value.context, caught.value.signal)
