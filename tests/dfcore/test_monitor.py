"""`graph.monitor`: the report so far, once per period."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
import time

import pytest

from dfcore import DfcoreError, Emitter, Graph, GraphError, collect, emit, run
from sim import World
from tests.drivers import Driver


def ticking(driver, rate_hz=10):
    """An emitter on a grid into a collect of another context."""
    with Graph("ticking") as graph:
        source = emit(range(1000), "i8", rate_hz=rate_hz)
        with driver.at(graph, "log"):
            out = collect()
    source.to(out, on_full="wait")
    return graph


def test_in_virtual_time_samples_are_exact():
    """At whole periods, before what fires then: k records per 0.1 s, whatever the driver did between."""
    graph, samples = ticking(Driver("virtual")), []
    graph.monitor(lambda report: samples.append((report.duration_s, report.nodes["emit"].firings, report.ended)), 0.5)
    for _ in range(2):
        graph.run(2.2, clock="virtual")
        assert [(0.5, 5, "running"), (1.0, 10, "running"), (1.5, 15, "running"), (2.0, 20, "running")] == samples
        samples.clear()
    graph.monitor(period_s=None)
    graph.run(2, clock="virtual")
    assert [] == samples


def test_coroutines_in_virtual_time_are_sampled_too():
    """The event loop's clock stops for samples."""

    class Ticks(Emitter):
        async def compute(self):
            await asyncio.sleep(0.1)
            return self.firing

    with Graph() as graph:
        ticks, out = Ticks("i8"), collect()
    ticks.to(out)
    samples = []
    graph.monitor(lambda report: samples.append((report.duration_s, report.nodes["ticks"].firings)), 0.25)
    graph.run(1, clock="virtual")
    assert [(0.25, 2), (0.5, 5), (0.75, 7)] == samples[:3]  # an await that ends at 0.5 s has ended


def test_a_function_that_blocks_does_not_hold_up_the_end(monkeypatch):
    """The run waits for a while, then it warns by name; when the function returns at last, its thread ends."""
    began, may_end, threads = threading.Event(), threading.Event(), []

    def block(report):
        threads.append(threading.current_thread())
        began.set()
        may_end.wait()

    monkeypatch.setattr(run, "GRACE_S", 0.01)
    graph = ticking(Driver("inline"), 1000)
    graph.monitor(block, 0.001)
    graph.start()
    began.wait()
    graph.stop()
    with pytest.warns(RuntimeWarning, match="graph ticking.monitor: needed `.*block` to return within 0.01 s of the end of the run, was still"):
        assert "stopped" == graph.wait().ended
    may_end.set()
    threads[0].join()
    assert 1 == len(threads)


def test_a_signal_handler_may_look_while_its_thread_looks():
    """Whatever it interrupts, nothing waits for itself; once the memory of the run is let go there is nothing to see."""
    graph, seen = ticking(Driver("inline"), 1000), []
    graph.start()
    eyes = graph._run.seen
    contexts = eyes.contexts

    def interrupted():
        eyes.contexts = contexts
        seen.append(graph.stats().ended)
        return contexts()

    eyes.contexts = interrupted
    assert "running" == graph.stats().ended
    assert ["running"] == seen
    graph.stop()
    graph.wait()
    leave = lambda: seen.append((eyes.report_so_far(), eyes.why(0), eyes.under_way))
    eyes.begin(object())
    eyes.end(leave)
    assert (None, None, False) == seen[1]


def test_a_sample_does_not_keep_a_run_alive():
    """A run that is stuck is stuck, with a monitor too."""

    class Never(Emitter):
        async def compute(self):
            await asyncio.Event().wait()

    with Graph() as graph:
        never, out = Never("i8"), collect()
    never.to(out)
    graph.monitor(lambda report: None)
    with pytest.raises(GraphError, match="nothing can happen any more"):
        graph.run(clock="virtual")


@pytest.mark.parametrize("driver", ["inline", "processes"], indirect=True)
def test_in_real_time_it_runs_beside(driver):
    """Until it has seen enough, and stops the run."""
    graph, samples = ticking(driver, 200), []

    def sample(report):
        samples.append(report)
        if len(samples) == 3:
            graph.stop()

    graph.monitor(sample, 0.02)
    graph.run()
    assert len(samples) >= 3
    assert samples[0].duration_s < samples[1].duration_s < samples[2].duration_s
    assert samples[0].nodes["emit"].firings <= samples[2].nodes["emit"].firings


@pytest.mark.parametrize("driver", ["threads", "virtual"], indirect=True)
def test_a_function_that_raises_ends_the_run(driver):
    """It is named, its error is the cause, and nothing is left."""

    def breaks(report):
        raise KeyError("no such gauge")

    graph = ticking(driver, 100)
    graph.monitor(breaks, 0.02)
    before = threading.active_count()
    with pytest.raises(DfcoreError, match=r"graph ticking.monitor: needed `.*breaks` to return, raised KeyError") as caught:
        driver.run(graph, 5)
    assert isinstance(caught.value.__cause__, KeyError)
    assert "failed" == graph.report.ended == caught.value.report.ended
    assert before == threading.active_count()


def test_without_a_function_it_is_the_log(caplog):
    """One line per sample, with rates."""
    graph = ticking(Driver("virtual"))
    graph.monitor()
    with caplog.at_level(logging.INFO, "dfcore"):
        graph.run(2.5, clock="virtual")
    assert [
        "ticking 1.000 s: 20 firings (20/s), 10 records (10/s)",
        "ticking 2.000 s: 40 firings (20/s), 20 records (10/s)",
    ] == [record.getMessage() for record in caplog.records]


def test_in_a_world_it_is_a_task():
    """At the period, or at the first instant after it; it may block, and the graph goes on meanwhile; a stuck run stays stuck."""
    with World() as world:
        graph, samples = ticking(Driver("inline")), []

        def sample(report):
            samples.append((world.now_ns / 1e9, report.nodes["emit"].firings))
            time.sleep(0.25)

        graph.monitor(sample, 1)
        graph.run(3.5)
        assert 35 == graph.report.nodes["emit"].firings
        assert [(1.0, 10), (2.0, 20), (3.0, 30)] == samples

        def breaks(report):
            raise ValueError("broken")

        graph.monitor(breaks, 1)
        with pytest.raises(DfcoreError, match="broken"):
            graph.run(5)


def test_a_pause_is_no_sample():
    """Samples lie on the run clock, which stands still: none is taken twice at one time of it."""
    graph, seen, sampled = ticking(Driver("inline"), 100), [], threading.Semaphore(0)

    def sample(report):
        seen.append(report.duration_s)
        sampled.release()

    graph.monitor(sample, 0.01)
    graph.start()
    sampled.acquire()
    graph.pause()
    time.sleep(0.05)  # time has to pass: five periods, in which a sample would show the time of the pause again
    graph.resume()
    while sampled.acquire(blocking=False):
        pass
    sampled.acquire()
    graph.abort()
    graph.wait()
    assert len(set(seen)) == len(seen)


def test_its_function_cannot_wait_for_the_run():
    """The run would wait for it."""
    graph = ticking(Driver("inline"), 100)
    graph.monitor(lambda report: graph.wait(), 0.02)
    with pytest.raises(DfcoreError, match=r"called by its monitor, which the run would wait for; call stop\(\) there"):
        graph.run(5)


def test_what_cannot_be_a_monitor_is_refused():
    """At once, with what was needed."""
    graph = ticking(Driver("inline"))
    for period_s in (0, -1, float("nan"), "1"):
        with pytest.raises(ValueError, match=r"graph ticking.monitor: needed period_s of 1e-6 to 1e9"):
            graph.monitor(period_s=period_s)
    with pytest.raises(TypeError, match="needed a function of a Report, was 3"):
        graph.monitor(3)
    with graph.running(), pytest.raises(GraphError, match="running"):
        graph.monitor()


class Terminal(io.StringIO):
    """A text file that says it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("duration_s", "shown"), [(2.0, "2.0 of 2 s"), (None, "1000 records")])
def test_a_run_shows_how_far_it_is(monkeypatch, duration_s, shown):
    """Run time of its duration, else records; nothing where there is no terminal."""
    monkeypatch.setenv("COLUMNS", "120")
    graph = ticking(Driver("inline"))
    monkeypatch.setattr(sys, "stderr", Terminal())
    graph.run(duration_s, clock="virtual", progress=True)
    assert shown in sys.stderr.getvalue()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    graph.run(duration_s, clock="virtual", progress=True)
    assert "" == sys.stderr.getvalue()


def test_a_terminal_without_rich_is_told_before_anything_starts(monkeypatch):
    """The extra is named; `progress` is a switch."""
    graph = ticking(Driver("inline"))
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    for begin in (graph.run, graph.start):
        with pytest.raises(ImportError, match=r"dfcore\[cli\]"):
            begin(1, clock="virtual", progress=True)
    with pytest.raises(ValueError, match="progress: needed True or False, was 'yes'"):
        graph.run(1, progress="yes")
