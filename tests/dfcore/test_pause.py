"""`graph.pause()` and `graph.resume()`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time

import pytest

from dfcore import Collector, Emitter, Graph, Router, collect, emit, router
from sim import World
from tests.programs import ENVIRONMENT

HERE = pytest.mark.parametrize("driver", ["inline", "threads", "virtual"], indirect=True)


class Gate(Router):
    """Passes records on; each firing says that it began and waits until it may end."""

    def __init__(self):
        super().__init__("i8")

    def open(self):
        self.began, self.may_end = threading.Semaphore(0), threading.Semaphore(0)

    def compute(self, value):
        self.began.release()
        self.may_end.acquire()
        return value


def gated(driver, **edge):
    """`emit() -> gate -> collect()`: a firing of the gate is under way as long as the test wants."""
    with Graph() as graph:
        source = emit(dtype="i8")
        with driver.at(graph, "gate"):
            gate = Gate()
        with driver.at(graph, "log"):
            out = collect()
    source.to(gate).to(out, **edge)
    return graph, source, gate, out


def begin(driver, graph, duration_s=None):
    """Start `graph` under `driver`."""
    graph.start(duration_s, **({"clock": "virtual"} if driver.kind == "virtual" else {}))


@HERE
def test_what_fires_goes_on_to_its_end_and_nothing_else_begins(driver):
    """A firing under way publishes; nobody reads it until `resume`; then nothing is lost."""
    graph, source, gate, out = gated(driver)
    begin(driver, graph)
    source.put(0)
    source.put(1)
    gate.began.acquire()
    graph.pause()
    graph.pause()
    gate.may_end.release(2)
    while not graph.stats().edges["gate -> collect"].written:
        pass
    assert not gate.began.acquire(timeout=0.02)
    assert 0 == len(out)
    graph.resume()
    graph.resume()
    source.end()
    graph.wait()
    assert [0, 1] == out.records.tolist()


@HERE
@pytest.mark.parametrize("end", ["stop", "abort"])
def test_a_paused_run_can_be_ended(driver, end):
    """`stop` has what was put drained, `abort` discards it."""
    graph, source, gate, out = gated(driver)
    begin(driver, graph)
    gate.may_end.release(3)
    graph.pause()
    for i in range(3):
        source.put(i)
    getattr(graph, end)()
    report = graph.wait()
    assert {"stop": "stopped", "abort": "aborted"}[end] == report.ended
    assert ([0, 1, 2] if end == "stop" else []) == out.records.tolist()


def test_processes_pause():
    """Every context hears of it, and goes on where it was: all arrives, in order, no grid point is missed."""

    class Clock(Emitter):
        def compute(self):
            return self.firing

    with Graph() as graph:
        with graph.context("far"):
            clock = Clock("i8", rate_hz=200)
        with graph.context("log"):
            out = collect()
        near = collect()
    clock.to(out, on_full="wait")
    clock.to(near, on_full="wait")
    graph.start()
    loop = iter(near)
    next(loop)
    for _ in range(3):
        graph.pause()
        assert graph.stats().duration_s == graph.stats().duration_s
        graph.resume()
        next(loop)
    graph.stop()
    graph.wait()
    assert len(near) >= 4
    assert list(range(len(near))) == out.records.tolist() == near.records.tolist()


def test_a_pause_takes_no_time_of_the_run():
    """A pause longer than the whole run, on the machine's clock: the run has all of its duration, and its grid points."""
    with Graph() as graph:
        source, out = emit(range(100), "i8", rate_hz=100, overrun="catch_up"), collect()
    source.to(out)
    graph.start(0.1)
    graph.pause()
    time.sleep(0.3)  # time has to pass: that it does not count is the law
    assert graph.stats().duration_s < 0.3
    graph.resume()
    report = graph.wait()
    assert 10 == len(out)
    assert report.nodes["emit"].lateness_ns.max < 300e6
    assert "duration" == report.ended


def test_nothing_grows_old_in_a_pause():
    """`max_age_s` counts the run's time, like everything."""
    class Motor(Collector):
        def compute(self, value):
            """Takes it."""

    with Graph() as graph:
        source, motor = emit(dtype="i8"), Motor()
    source.to(motor, policy="latest", max_age_s=0.3, on_stale="error")
    graph.start()
    graph.pause()
    source.put(1)
    time.sleep(0.4)  # time has to pass, more than the record may grow old
    graph.resume()
    source.end()
    assert 1 == graph.wait().nodes["motor"].firings


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_paused_graph_costs_nothing(asynchronous):
    """Free-running nodes, a busy file and a node that waits for room: all asleep."""
    class Ever(Emitter):
        def compute(self):
            return 1

    class Readable(Emitter):
        def open(self):
            self.wait_for(reader)

        def compute(self):
            return 1

    class Slow(Collector):
        if asynchronous:

            async def compute(self, value):
                await asyncio.sleep(0)
        else:

            def compute(self, value):
                """Fires as often as it may."""

    reader, writer = os.pipe()
    os.write(writer, b"x")
    with Graph() as graph:
        first, second, slow, other = Ever("i8"), Readable("i8"), Slow(), Slow()
    first.to(slow)
    second.to(other)
    graph.start()
    graph.pause()
    while graph.stats().nodes["ever"].firings != (settled := graph.stats().nodes["ever"].firings):
        pass
    before_s = time.process_time()
    time.sleep(0.2)  # the time that is measured
    spent_s = time.process_time() - before_s
    assert settled == graph.stats().nodes["ever"].firings
    graph.resume()
    graph.stop()
    graph.wait()
    os.close(reader)
    os.close(writer)
    assert spent_s < 0.02


def test_without_a_run_there_is_nothing_to_pause():
    """The error says how to have one."""
    with Graph("still") as graph:
        source, out = emit([1]), collect()
    source.to(out)
    for method in (graph.pause, graph.resume):
        with pytest.raises(RuntimeError, match=r"graph still.(pause|resume): needed a run under way, was none; call start\(\)"):
            method()
    graph.run()
    with pytest.raises(RuntimeError, match="needed a run under way"):
        graph.pause()


@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_pause_from_inside(clock):
    """A node may pause its own run; another thread resumes it. Nobody fires after it in the same sweep."""

    @router("i8")
    def halt(value):
        if value == 3:
            graph.pause()
            paused.set()
        return value

    paused = threading.Event()
    with Graph() as graph:
        source, middle, out = emit(range(6), "i8"), halt(), collect()
    source.to(middle, depth=1).to(out, depth=1)
    graph.start(clock=clock)
    paused.wait()
    assert [0, 1, 2] == out.records.tolist()
    graph.resume()
    graph.wait()
    assert list(range(6)) == out.records.tolist()


def test_coroutines_of_a_paused_graph_finish():
    """In an event loop: what awaits goes on to its end, and no other firing begins."""

    class Slow(Router):
        async def compute(self, value):
            began.set()
            await may_end.wait()
            return value

    async def main():
        async with graph.running():
            source.put_nowait(0)
            source.put_nowait(1)
            await began.wait()
            began.clear()
            graph.pause()
            may_end.set()
            while not graph.stats().edges["slow -> collect"].written:
                await asyncio.sleep(0)
            for _ in range(50):
                await asyncio.sleep(0)
            assert not began.is_set()
            assert 0 == len(out)
            graph.resume()
            source.end()
            await asyncio.to_thread(graph.wait)

    with Graph() as graph:
        source, slow, out = emit(dtype="i8"), Slow("i8"), collect()
    source.to(slow).to(out)
    began, may_end = asyncio.Event(), asyncio.Event()
    asyncio.run(main())
    assert [0, 1] == out.records.tolist()


def test_in_virtual_time_it_is_time_that_stands_still():
    """Whatever is paused when: the records and their times are the same."""

    class Ticks(Emitter):
        async def compute(self):
            await asyncio.sleep(0.01)
            return self.firing

    def once(paused):
        with Graph() as graph:
            ticks, out = Ticks("i8"), collect()
        ticks.to(out)
        graph.start(1, clock="virtual")
        if paused:
            try:
                for _ in range(10):
                    graph.pause()
                    graph.resume()
            except RuntimeError:
                pass  # it was quicker
        graph.wait()
        return out.records.tolist(), out.times_ns.tolist()

    assert once(False) == once(True)


def test_in_a_world_the_graph_s_time_stands_still():
    """The world goes on; the grid of the run goes on afterwards where it was. Only a task of the world may say so."""
    with World() as world:
        with Graph() as graph:
            source, out = emit(range(10), "i8", rate_hz=1), collect()
        source.to(out)
        world.after(2.5, graph.pause)
        world.after(7.5, graph.resume)
        report = graph.run(5)
        assert [0, 1, 2, 3, 4] == out.records.tolist()
        assert [0, 1, 2, 3, 4] == (out.times_ns / 1e9).tolist()
        assert 5.0 == report.duration_s
        assert 10_000_000_000 == world.now_ns


PROGRAM = """
import os, signal, threading
from dfcore import STOP, Emitter, Graph, collect
class Ever(Emitter):
    def compute(self):
        return 1
class Begun(Emitter):
    def compute(self):
        begun.set()
        return STOP
with Graph() as graph:
    with graph.context("far"):
        ever = Ever("i8", rate_hz=100)
    out, first, nothing = collect(), Begun("i8"), collect()
ever.to(out, on_full="wait")
first.to(nothing)
def interrupt():
    loop = iter(out)
    next(loop)
    graph.pause()
    print("paused", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
begun = threading.Event()
threading.Thread(target=lambda: (begun.wait(), interrupt())).start()
try:
    graph.run()
except KeyboardInterrupt:
    print("ended", graph.report.ended, graph.report.edges["ever -> collect"].unread)
"""


def test_ctrl_c_ends_a_paused_run():
    """It drains and exits."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=False, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert "paused\nended interrupted 0\n" == done.stdout
    assert "" == done.stderr


def test_pause_under_load():
    """Pauses at any moment, across processes: nothing is lost and nothing hangs."""
    with Graph() as graph:
        with graph.context("far"):
            source = emit(range(3000), "i8")
        out = collect()
    source.to(out, depth=2)
    graph.start()
    try:
        while True:
            graph.pause()
            graph.resume()
    except RuntimeError:
        graph.wait()
    assert list(range(3000)) == out.records.tolist()

