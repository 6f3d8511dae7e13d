"""What the supervision thread does when things go wrong that are not a node's fault."""

import errno
import threading

import pytest

from dfcore import Collector, ContextDied, Graph, InternalError, NodeFailed, launch, watcher
from dfcore import emit as emitter_of


class Sink(Collector):
    """Its result is what the test says."""

    def __init__(self, result=None):
        self.value = result

    def compute(self, x):
        """Nothing."""

    def close(self):
        """Whatever it is."""
        return self.value() if callable(self.value) else self.value


class Shy:
    """Can be pickled, and raises when it is unpickled."""

    def __reduce__(self):
        return int, ("not a number",)


class Program:
    """A graph with one process context per sink."""

    def __init__(self, *results):
        with Graph("g") as self.graph:
            source = emitter_of([1, 2], dtype="i8")
            self.sinks = [self.sink(number, result) for number, result in enumerate(results)]
        for sink in self.sinks:
            source.to(sink)

    def sink(self, number, result):
        """A sink in a context of its own."""
        with self.graph.context(f"c{number}"):
            return Sink(result)

    @property
    def results(self):
        """What came home."""
        return [sink.result for sink in self.sinks]


def test_results_come_home():
    """Each result of each context."""
    program = Program({"a": 1}, [2.5])
    program.graph.run()
    assert [{"a": 1}, [2.5]] == program.results


def test_a_result_that_cannot_travel_is_the_failure_of_its_node():
    """One result cannot spoil the others."""
    program = Program(threading.Lock, 7)
    with pytest.raises(NodeFailed, match="sink: needed a `result` that can be pickled") as caught:
        program.graph.run()
    assert ("sink", "close", TypeError) == (caught.value.node, caught.value.method, type(caught.value.__cause__))
    assert [None, 7] == program.results


def test_a_result_that_cannot_be_read_ends_the_run():
    """Its own exception is raised, and the other result is there."""
    program = Program(Shy, 7)
    with pytest.raises(ValueError, match="not a number"):
        program.graph.run()
    assert [None, 7] == program.results


def test_a_process_that_the_system_refuses_is_named(monkeypatch):
    """The first one starts and is told to end; the second is refused."""
    started = []

    def start(*arguments):
        if started:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        started.append(original(*arguments))
        return started[0]

    original = launch.start
    monkeypatch.setattr(launch, "start", start)
    with pytest.raises(ContextDied, match="context 'c1': needed a process of its own, the system refused: Resource temp") as caught:
        Program(1, 2).graph.run()
    assert ("c1", None, None) == (caught.value.context, caught.value.signal, caught.value.status)
    assert [0, 0] == [node.firings for node in caught.value.report.nodes.values()][1:]


def test_a_bug_of_the_watcher_is_no_hang(monkeypatch):
    """Whoever waits hears of it, and the processes are gone."""
    calls = []

    def turn(self):
        calls.append(self)
        if len(calls) == 2:
            raise ZeroDivisionError("a bug")
        original(self)

    original = watcher.Watcher._turn
    monkeypatch.setattr(watcher.Watcher, "_turn", turn)
    with pytest.raises(InternalError, match="supervisor: ZeroDivisionError: a bug; please report this"):
        Program(1, 2).graph.run()
