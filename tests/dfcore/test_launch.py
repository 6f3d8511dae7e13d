"""Starting a process context: what cannot travel."""

import threading

import pytest

from dfcore import Collector, Emitter, Graph, GraphError, launch
from dfcore.compiler import compile
from dfcore.pickles import loads
from dfcore.worker import Job


class Source(Emitter):
    """A node with attributes."""

    def __init__(self, **attributes):
        super().__init__("f8")
        self.__dict__.update(attributes)

    def compute(self):
        """Nothing here is run."""


class Sink(Collector):
    """Reads it."""

    def __init__(self, source=None):
        self.source = source

    def compute(self, x):
        """Nothing here is run."""


def job_of(source, sink) -> Job:
    """A job with these two nodes in one process context."""
    graph = Graph("g")
    graph.context("io").add(source, sink)
    source.to(sink)
    plan = compile(graph)
    return Job(
        plan=plan, context=1, nodes={0: source, 1: sink}, memory_fds=(), eventfds=(), cores=None, spin_us=0, seed=0, digest=False
    )


def test_what_nodes_share_stays_shared():
    """One pickle for all nodes of a context: a reference to another node of it is that node there too."""
    source = Source(shared=[1])
    sink = Sink(source)
    job, nodes = map(loads, launch.pack(job_of(source, sink)))
    assert {} == job.nodes
    assert nodes[1].source is nodes[0]
    assert [1] == nodes[0].shared


def test_what_cannot_travel_is_named():
    """Every attribute that cannot, of every node, with the reason and what to do."""
    with pytest.raises(GraphError) as caught:
        launch.pack(job_of(Source(lock=threading.Lock(), fine=1), Sink(threading.Event())))
    assert ["source.lock", "sink.source"] == [problem.where for problem in caught.value.problems]
    problem = caught.value.problems[0]
    assert "unpicklable" == problem.code
    assert "TypeError: cannot pickle '_thread.lock' object" == problem.found
    assert __file__ == problem.file


class Stubborn(Source):
    """Refuses as a whole."""

    def __reduce_ex__(self, protocol):
        raise RuntimeError("not me")


def test_a_node_that_refuses_as_a_whole_is_named():
    """No attribute is to blame."""
    with pytest.raises(GraphError) as caught:
        launch.pack(job_of(Stubborn(), Sink()))
    assert [("stubborn", "RuntimeError: not me")] == [(problem.where, problem.found) for problem in caught.value.problems]
