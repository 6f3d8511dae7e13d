"""`emit()` without iterable: the program feeds a running graph."""

from __future__ import annotations

import asyncio
import queue
import threading
import time

import numpy as np
import pytest

from dfcore import STOP, DfcoreError, DtypeError, Graph, GraphError, NodeFailed, collect, collector, emit, router
from dfcore.feed import Feed
from sim import World
from tests.drivers import Driver

INLINE, VIRTUAL = Driver("inline"), Driver("virtual")
POINT = [("x", "f8"), ("n", "i4")]


def fed(driver, dtype="i8", **edge):
    """`emit() -> collect()`; the collect in a context of its own."""
    with Graph() as graph:
        source = emit(dtype=dtype)
        with driver.at(graph, "log"):
            out = collect()
    source.to(out, **edge)
    return graph, source, out


def begin(driver, graph, duration_s=None):
    """Start `graph` under `driver`."""
    graph.start(duration_s, **({"clock": "virtual"} if driver.kind == "virtual" else {}))


def test_what_is_put_arrives_in_order(driver):
    """All of it, also what waited for room; and again in a second run, which begins afresh."""
    graph, source, out = fed(driver, depth=4)
    for first in (0, 100):
        begin(driver, graph)
        for i in range(50):
            source.put(first + i)
        source.end()
        report = graph.wait()
        assert list(range(first, first + 50)) == out.records.tolist()
        assert "finished" == report.ended
        assert 50 == report.edges["emit -> collect"].written == report.nodes["emit"].firings


def test_stop_has_everything_published(driver):
    """What was put before is not lost; afterwards putting is an error."""
    graph, source, out = fed(driver)
    begin(driver, graph)
    for i in range(10):
        source.put(i)
    graph.stop()
    assert "stopped" == graph.wait().ended
    assert list(range(10)) == out.records.tolist()
    with pytest.raises(RuntimeError, match="its run is over|the run is stopping|its stream has ended"):
        source.put(1)


@pytest.mark.parametrize(("dtype", "value", "as_read"), [
    (POINT, (1.5, 2), (1.5, 2)),
    (POINT, {"x": 1.5, "n": 2}, (1.5, 2)),
    (np.dtype(("f8", 3)), np.ones(3), [1.0, 1.0, 1.0]),
    ("f8", 3, 3.0),
    (object, None, None),
])  # fmt: skip
def test_values_are_those_of_an_output(dtype, value, as_read):
    """What may be returned may be put."""
    graph, source, out = fed(INLINE, dtype)
    with graph.running():
        source.put(value)
    read = out.records[0]
    assert as_read == (read.tolist() if hasattr(read, "tolist") else read)


def test_a_value_is_copied_when_it_is_put():
    """The program may go on with its array."""
    graph, source, out = fed(INLINE, np.dtype(("f8", 2)))
    value = np.zeros(2)
    with graph.running():
        graph.pause()
        source.put(value)
        value[:] = 7
    assert [[0.0, 0.0]] == out.records.tolist()


def test_a_value_that_does_not_fit_is_refused_where_it_is_put():
    """DtypeError, directly; the run goes on."""
    graph, source, out = fed(INLINE)
    with graph.running():
        with pytest.raises(DtypeError, match="emit"):
            source.put("text")
        with pytest.raises(DtypeError):
            source.put_nowait(1.5)
        source.put(1)
    assert [1] == out.records.tolist()


def test_it_is_full_and_says_so():
    """As many as its deepest edge holds, beside those on the edge; then queue.Full, or a time-out, or waiting."""
    graph, source, out = fed(INLINE, depth=3)
    graph.start()
    graph.pause()
    for i in range(3):
        source.put_nowait(i)
    with pytest.raises(queue.Full, match="full with 3"):
        source.put_nowait(3)
    with pytest.raises(TimeoutError, match=r"within 0.01 s, was full with 3"):
        source.put(3, timeout_s=0.01)
    thread = threading.Thread(target=source.put, args=(4,))
    thread.start()
    graph.resume()
    thread.join()
    graph.stop()
    graph.wait()
    assert [0, 1, 2, 4] == out.records.tolist()


@pytest.mark.parametrize("end", ["stop", "abort", "end"])
def test_whoever_waits_for_room_hears_of_the_end(end):
    """Nobody waits for a run that is over."""
    graph, source, _ = fed(INLINE, depth=1)
    graph.start()
    graph.pause()
    source.put(0)
    errors = []

    def put():
        try:
            source.put(1)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=put)
    thread.start()
    while not source._feed._waiters._wakers:
        pass
    source.end() if end == "end" else getattr(graph, end)()
    thread.join()
    assert "needed a stream that goes on" in str(errors[0])
    graph.resume() if end == "end" else None
    graph.wait()


@pytest.mark.parametrize("driver", ["inline", "virtual"], indirect=True)
def test_many_threads_put(driver):
    """Everything arrives once; each thread's in its order."""
    graph, source, out = fed(driver)
    begin(driver, graph)
    threads = [threading.Thread(target=lambda k=k: [source.put(1000 * k + i) for i in range(100)]) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.end()
    graph.wait()
    records = out.records.tolist()
    assert 400 == len(set(records)) == len(records)
    for k in range(4):
        assert [1000 * k + i for i in range(100)] == [r for r in records if r // 1000 == k]


def test_coroutines_put_without_holding_their_loop_up():
    """`aput` waits for room while the graph, in the same event loop, makes it."""
    graph, source, out = fed(INLINE, depth=2)

    async def main():
        async with graph.running():
            for i in range(20):
                await source.aput(i)
            source.end()
            await asyncio.to_thread(graph.wait)

    asyncio.run(main())
    assert list(range(20)) == out.records.tolist()


def test_nobody_waits_in_the_event_loop_of_the_run():
    """What only that loop could bring is refused, with the word that is meant: aput, async for, to_thread."""
    graph, source, out = fed(INLINE, depth=2)

    async def main():
        async with graph.running():
            source.put(0)
            source.put(1)
            with pytest.raises(RuntimeError, match=r"emit.put: needed another thread .* was full with 2 there; .* `await aput"):
                source.put(2)
            with pytest.raises(RuntimeError, match="collect: needed another thread .* write `async for`"):
                iter(out)
            with pytest.raises(RuntimeError, match=r"graph graph.wait: needed another thread .* `await asyncio.to_thread\(graph.wait\)`"):
                graph.wait()
            source.end()
        graph.wait()
        return list(out)

    assert [0, 1] == asyncio.run(main())


def test_a_monitor_in_virtual_time_waits_for_nothing_of_the_run():
    """It is called in the thread of the run."""
    with Graph() as graph:
        source, out = emit(range(10), "i8", rate_hz=10), collect()
    source.to(out)
    for wait in (graph.wait, lambda: iter(out)):
        graph.monitor(lambda report, wait=wait: wait(), 0.5)
        with pytest.raises(DfcoreError, match="needed another thread than the one that the run needs"):
            graph.run(clock="virtual")


def test_who_cannot_put_is_told_why():
    """Before a run; an emit that plays an iterable; a node of the graph."""
    _, source, _ = fed(INLINE)
    for method in (source.put, source.put_nowait, lambda value: asyncio.run(source.aput(value)), lambda value: source.end()):
        with pytest.raises(RuntimeError, match=r"needed a run under way, was none; call `graph.start\(\)`"):
            method(1)
    with pytest.raises(RuntimeError, match="plays an iterable"):
        emit([1]).put(1)

    @collector
    def echo(value):
        commands.put(value + 1)

    with Graph() as graph:
        commands, echoes = emit(dtype="i8"), echo()
    commands.to(echoes)
    graph.start()
    commands.put(1)
    with pytest.raises(NodeFailed, match="called by a node of the run; connect the node instead"):
        graph.wait()


def test_where_and_how_it_runs_is_checked_before_anything_starts():
    """A process context cannot be fed, and a rate is the program's: both in one error."""
    with Graph() as graph:
        with graph.context("there"):
            source = emit(dtype="i8", rate_hz=10)
        out = collect()
    source.to(out)
    with pytest.raises(GraphError) as caught:
        graph.run()
    assert ["fed", "fed"] == [problem.code for problem in caught.value.problems]
    assert "process context `there`" in str(caught.value)


def test_it_ends_when_nobody_reads_it_any_more():
    """Closing travels upstream, to the program."""

    @collector
    def first(value):
        return STOP

    with Graph() as graph:
        source, reader = emit(dtype="i8"), first()
    source.to(reader)
    graph.start()
    source.put(1)
    graph.wait()
    with pytest.raises(RuntimeError, match="nobody reads it any more"):
        source.put(2)


def test_an_abort_discards():
    """What lies there is not published, and not counted."""
    graph, source, out = fed(INLINE)
    graph.start()
    graph.pause()
    source.put(1)
    graph.abort()
    report = graph.wait()
    assert "aborted" == report.ended
    assert 0 == report.edges["emit -> collect"].written == len(out)


def test_virtual_time_stands_still_for_the_program():
    """Nothing else can happen: what is put is published at the instant the run has reached."""
    graph, source, out = fed(VIRTUAL)
    graph.start(clock="virtual")
    for i in range(2000):
        source.put(i)
    source.end()
    graph.wait()
    assert 2000 == len(out)
    assert 0 == out.times_ns[-1]


@pytest.mark.parametrize("end", ["stop", "abort"])
@pytest.mark.parametrize("looping", [False, True])
def test_an_instant_in_which_the_program_puts_has_an_end(end, looping):
    """In virtual time: an order is heeded while there is always one more value, with and without an event loop."""
    more = threading.Semaphore(0)

    @collector
    def hungry(value):
        more.acquire()  # until there is another value behind this one

    @router("i8")
    async def later(value):
        return value

    def put():
        try:
            for i in range(1 << 30):
                source.put(i)
                if i:
                    more.release()
        except RuntimeError:
            more.release(1000)  # those that were put are all taken

    with Graph() as graph:
        source, reader = emit(dtype="i8"), hungry()
        if looping:
            source.to(later())
    source.to(reader, depth=2)
    graph.start(clock="virtual")
    thread = threading.Thread(target=put)
    thread.start()
    getattr(graph, end)()
    report = graph.wait(60)
    thread.join()
    assert {"stop": "stopped", "abort": "aborted"}[end] == report.ended


def test_a_signal_handler_may_put_while_its_thread_puts():
    """Whatever it interrupts: nothing waits for itself, and both values are there."""
    feed, handled = Feed("emit", np.dtype("i8"), 4), []

    def interrupt():
        if not handled:
            handled.append(True)
            feed.put_nowait(2)

    feed.told(interrupt)
    feed.put_nowait(1)
    assert [1, 2] == list(feed)


def test_in_a_world_a_task_puts_at_its_time():
    """Twice the same, at the same times; a put that waits parks."""

    def once():
        with World() as world:
            @router("i8")
            def slow(value):
                time.sleep(0.5)
                return value

            with Graph() as graph:
                source = emit(dtype="i8")
                with graph.context("work"):
                    middle, out = slow(), collect()
            source.to(middle, depth=1).to(out)
            graph.start()
            for i in range(5):
                source.put(i)
            put_ns = world.now_ns
            source.end()
            graph.wait()
            return out.records.tolist(), out.times_ns.tolist(), put_ns

    first = once()
    assert [0, 1, 2, 3, 4] == first[0]
    assert first == once()
    assert first[2] > 0


def test_a_thread_of_another_time_may_not_put():
    """A world is determined by its own tasks."""
    graph, source, _ = fed(VIRTUAL)
    errors = []

    def outside():
        here.wait()
        try:
            source.put(1)
        except RuntimeError as error:
            errors.append(str(error))

    here = threading.Event()
    thread = threading.Thread(target=outside)
    thread.start()
    with World():
        graph.start()
        here.set()
        thread.join()
        source.end()
        graph.wait()
    assert "needed a thread of the time in which the graph runs" in errors[0]


@pytest.mark.parametrize(("value", "says"), [
    ({"x": 1.0}, "emit: needed the fields x, n, was without n"),
    ({"x": "a", "n": 1}, "emit.x: needed f8, was str 'a'; text is never read as a number, convert it"),
    (None, "emit: needed a record <x:f8, n:i4>, was None"),
])  # fmt: skip
def test_a_record_that_does_not_fit_is_an_error_of_the_emitter(value, says):
    """Which is named, with the field; nothing is no record of zeros."""
    graph, source, out = fed(INLINE, POINT)
    with graph.running(), pytest.raises(DtypeError, match=says):
        source.put(value)
    assert 0 == len(out)
