"""`graph.why`: constructed stalls, and the root that has to be named."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from dfcore import Collector, Emitter, Graph, GraphError, Router, collect, emit, router
from dfcore.counters import RUNNING
from dfcore.why import Moment, explain
from tests.dfcore.test_diagnosis import Bench

HERE = pytest.mark.parametrize("driver", ["inline", "threads"], indirect=True)


class Slow(Collector):
    """Blocks in `compute` until the test lets it go."""

    def open(self):
        self.began, self.may_end = threading.Event(), threading.Event()

    def compute(self, value):
        self.began.set()
        self.may_end.wait()


class Tee(Router):
    """Passes on."""

    def __init__(self, name):
        super().__init__("i8", name=name)

    def compute(self, x):
        return x


class Both(Collector):
    """Needs both."""

    def compute(self, a, b):
        """Takes them."""


def settled(graph, node, cause):
    """The answer once the root is `cause`: contexts need a moment to get there."""
    while (why := graph.why(node)).root.cause != cause:
        pass
    return why


def end(graph):
    """Discard the run."""
    graph.abort()
    graph.wait()


def test_a_chain_is_followed_to_the_node_that_computes():
    """Record, room, compute: three nodes in three contexts, and the last one is the root."""
    with Graph() as graph:
        with graph.context("io", kind="thread"):
            reader = emit(range(100), "i8", name="imu_reader")
        with graph.context("disk", kind="thread"):
            logger = Slow(name="logger")
        with graph.context("control", kind="thread"):
            imu, controller = Tee("imu"), Both(name="controller")
    other = emit(dtype="i8", name="other")
    reader.to(logger, depth=1)
    reader.to(imu, depth=4).to(controller)
    other.to(controller)
    graph.start()
    logger.began.wait()
    other.put(1)
    other.put(1)
    other.put(1)
    why = settled(graph, controller, "compute")
    assert ["controller", "imu", "imu_reader", "logger"] == [link.node for link in why.chain][-4:]
    assert ["record", "record", "room", "compute"] == [link.cause for link in why.chain]
    assert "controller (context control) waits for `imu -> controller.a` (last " in str(why)
    assert "imu_reader (context io) waits for room on `imu_reader -> logger` (full, 1 of 1); logger (context disk) has been in compute" in str(why)
    assert why.to_dict()["chain"][-1]["node"] == why.root.node == "logger"
    logger.may_end.set()
    logger.may_end.set()
    end(graph)


@HERE
def test_nothing_came_yet(driver):
    """The program has put nothing."""
    with Graph() as graph:
        source = emit(dtype="i8", name="commands")
        with driver.at(graph, "log"):
            out = collect(name="log")
    source.to(out)
    graph.start()
    why = settled(graph, "log", "program")
    assert "waits for `commands -> log` (none yet); commands waits for the program to put something." in str(why)
    end(graph)


def test_a_grid_point_is_not_due():
    """It says when, and how often."""
    with Graph() as graph:
        source, out = emit([1, 2], "i8", rate_hz=0.01, name="slow"), collect()
    source.to(out)
    graph.start()
    while not len(out):
        pass
    why = settled(graph, out, "grid")
    assert "slow waits for its next grid point (due in 100 s, every 100 s)" in why.root.text or "due in 99" in why.root.text
    end(graph)


def test_a_file_is_not_readable():
    """The emitter waits for it."""

    class Reads(Emitter):
        def open(self):
            self.wait_for(end_of_pipe)

        def compute(self):
            return os.read(end_of_pipe, 1)[0]

    end_of_pipe, writer = os.pipe()
    with Graph() as graph:
        reads, out = Reads("u1"), collect()
    reads.to(out)
    graph.start()
    assert "reads waits for its file, which is not readable" == settled(graph, out, "file").root.text
    end(graph)
    os.close(end_of_pipe)
    os.close(writer)


def test_an_await_that_nobody_ends():
    """It says that it awaits, not that it computes."""

    class Awaits(Router):
        async def compute(self, x):
            await asyncio.Event().wait()

    with Graph() as graph:
        source, awaits, out = emit([1], "i8"), Awaits("i8"), collect()
    source.to(awaits).to(out)
    graph.start()
    assert "awaits has been awaiting in compute for " in settled(graph, out, "await").root.text
    end(graph)


def test_a_firing_that_will_be_tried_again():
    """It neither computes nor is ready: it waits for the next attempt, and its context is free."""

    @router("i8", on_error="retry", retry_delay_s=1000)
    def fails(x):
        raise ValueError(x)

    with Graph() as graph:
        source, node, out = emit([1], "i8"), fails(), collect()
    source.to(node).to(out)
    graph.start()
    why = settled(graph, out, "retry")
    assert [("collect", "record"), ("fails", "retry")] == [(link.node, link.cause) for link in why.chain]
    assert "fails waits for its next attempt at firing 0, 1000 s after the last" == why.root.text
    end(graph)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_replica_that_holds_up_the_others(ordered):
    """With an order, who reads waits for the instance whose turn it is; siblings for theirs. Without, for any instance."""

    class Stuck(Router):
        began, may_end = threading.Event(), threading.Event()

        def compute(self, x):
            if x == 0:
                self.began.set()
                self.may_end.wait()
            return x

    with Graph() as graph:
        source, out = emit(dtype="i8"), collect()
        with graph.context("work", kind="thread"):
            node = Stuck("i8", replicas=2, ordered=ordered)
    source.to(node).to(out)
    graph.start()
    for x in range(6):
        source.put(x)
    Stuck.began.wait()
    why = settled(graph, out, "compute")
    assert ["record", "compute"] == [link.cause for link in why.chain]
    assert why.root.node.startswith("stuck[0]" if ordered else "stuck[")
    assert "collect waits for `stuck[0] -> collect`" + ", or of another replica" * (not ordered) in str(why)
    Stuck.may_end.set()
    source.end()
    graph.wait()
    assert list(range(6)) == sorted(out.records.tolist())


def test_a_parameter_that_was_never_given():
    """The node waits for its first value, and for whom."""

    @router("f8")
    def scale(x, *, gain):
        return gain * x

    with Graph() as graph:
        source, tuner, scaled, out = emit([1.0], "f8"), emit(dtype="f8", name="tuner"), scale(), collect()
    source.to(scaled).to(out)
    tuner.to(scaled["gain"])
    graph.start()
    why = settled(graph, out, "program")
    assert "scale waits for the first value of `tuner -> scale.gain` (none yet); tuner waits for the program to put something." in str(why)
    end(graph)


def test_a_batch_that_is_not_full():
    """How many of how many."""

    @router("f8")
    def mean(xs):
        return xs.mean()

    with Graph() as graph:
        source, average, out = emit(dtype="f8", name="source"), mean(), collect()
    source.to(average, batch=4).to(out)
    graph.start()
    source.put(1.0)
    source.put(1.0)
    source.put(1.0)
    while "(3 of 4, last " not in str(settled(graph, out, "program")):
        pass
    end(graph)


def test_a_node_held_up_by_another_of_its_context():
    """It has all it needs; its context is busy elsewhere."""
    with Graph() as graph:
        with graph.context("work", kind="thread"):
            slow, ready = Slow(name="slow"), collect(name="ready")
        first, second = emit(dtype="i8", name="first"), emit(dtype="i8", name="second")
    first.to(slow)
    second.to(ready)
    graph.start()
    first.put(1)
    slow.began.wait()
    second.put(1)
    why = settled(graph, ready, "compute")
    while len(why.chain) != 2 or why.chain[0].cause != "context":
        why = graph.why(ready)
    assert "ready (context work) is ready, but its context `work` is busy with another node" == why.chain[0].text
    assert "slow" == why.root.node
    slow.may_end.set()
    end(graph)


def test_a_paused_graph():
    """It says how to go on."""
    with Graph() as graph:
        source, out = emit(dtype="i8"), collect()
    source.to(out)
    graph.start()
    graph.pause()
    assert "collect waits for graph.resume(): the graph is paused" == graph.why(out).root.text
    end(graph)


def test_a_process_that_a_signal_has_stopped():
    """Only shared memory and /proc are read: the process cannot answer."""

    class Where(Collector):
        def open(self):
            os.write(writer, str(os.getpid()).encode())

        def compute(self, value):
            """Takes it."""

    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    with Graph() as graph:
        source = emit(dtype="i8", name="source")
        with graph.context("far"):
            where = collect(name="where")
    source.to(where)
    graph.start()
    pid = graph.stats().contexts["far"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        why = settled(graph, where, "stopped")
        assert f"where (context far) cannot: its process {pid} is stopped by a signal" == why.root.text
    finally:
        os.kill(pid, signal.SIGCONT)
        end(graph)
    os.close(reader)
    os.close(writer)


def test_the_end_of_a_stream_is_named():
    """A node that has ended has."""
    with Graph() as graph:
        short, ever = emit([1], "i8", name="short"), emit(dtype="i8", name="ever")
        out, other = collect(name="out"), collect()
    short.to(out)
    ever.to(other)
    graph.start()
    assert "out has ended, after 1 firing" == settled(graph, out, "ended").root.text
    end(graph)


def test_a_deadlock_is_a_closed_chain():
    """Followed once around, from wherever one asks."""
    bench = Bench()
    for node in bench.nodes.values():
        node["state"] = RUNNING
    moment = Moment(now_ns=0, ticks=0, ns_per_tick=1.0, opened=True, stopping=False, paused=False, stopped={})
    index = next(node.index for node in bench.plan.nodes if node.name == "c")
    why = explain(bench.plan, bench.memory, index, moment)
    assert [("c", "record"), ("b0", "record"), ("a", "room"), ("c", "deadlock")] == [(link.node, link.cause) for link in why.chain]
    assert "b0 waits for `a -> b0` (3 of 100, last 0 s ago); a waits for room on `a -> c.y` (full, 3 of 3)" in str(why)
    assert "c is waited for already: c, b0, a wait for each other" == why.root.text


def test_a_graph_that_does_not_run():
    """Before a run, and after one; a node that is not of the graph; a name that is none."""
    with Graph("still") as graph:
        source, out = emit([1, 2], "i8"), collect()
    source.to(out)
    assert "collect rests: graph still has not run yet, call run()." == str(graph.why(out))
    graph.run(clock="virtual")
    assert "graph still is not running, its last run has finished after 0.000 s and 2 firings of collect." in str(graph.why("collect"))
    for wrong in (collect(), "collct", 3):
        with pytest.raises(GraphError):
            graph.why(wrong)


def test_in_virtual_time_too():
    """From another thread, while the run waits for the program."""
    with Graph() as graph:
        source, out = emit(dtype="i8", name="source"), collect(name="out")
    source.to(out)
    graph.start(clock="virtual")
    assert "source waits for the program to put something" == settled(graph, out, "program").root.text
    source.end()
    graph.wait()
