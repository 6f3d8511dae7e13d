"""Looping over a `collect`, while it fills and afterwards."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from dfcore import Collector, Emitter, Graph, NodeFailed, Record, collect, emit
from sim import World
from tests.drivers import Driver

POINT = [("x", "f8"), ("n", "i4")]


def fed(driver, keep=None, dtype="i8"):
    """`emit() -> collect(keep)`, in contexts of their own where the driver has some in this process."""
    with Graph() as graph:
        source = emit(dtype=dtype)
        with driver.at(graph, "log"):
            out = collect(keep)
    source.to(out)
    return graph, source, out


def begin(driver, graph):
    """Start `graph` under `driver`."""
    graph.start(**({"clock": "virtual"} if driver.kind == "virtual" else {}))


def in_thread(function, *args):
    """A thread that is running `function`."""
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


def ask(out):
    """Wait until a loop over `out` waits for a record."""
    while not out._sink.waiters._wakers:
        pass


HERE = pytest.mark.parametrize("driver", ["inline", "threads", "virtual"], indirect=True)


@HERE
def test_a_loop_gets_every_record_from_its_beginning_to_the_end(driver):
    """Several threads at once; the end of the stream is the end of the loop."""
    graph, source, out = fed(driver)
    begin(driver, graph)
    got = [[], []]
    threads = [in_thread(mine.extend, iter(out)) for mine in got]
    for i in range(50):
        source.put(i)
    source.end()
    graph.wait()
    for thread in threads:
        thread.join()
    assert [list(range(50))] * 2 == got
    assert 0 == out.missed


@HERE
def test_a_loop_begins_where_it_begins(driver):
    """What came before is not gone through; what comes wakes it."""
    graph, source, out = fed(driver)
    begin(driver, graph)
    source.put(1)
    first = iter(out)
    while not len(out):
        pass
    late, got = iter(out), []
    thread = in_thread(lambda: got.append(next(late)))
    ask(out)
    source.put(2)
    thread.join()
    assert [2] == got
    assert 1 == next(first)
    source.end()
    graph.wait()


def test_what_keep_let_go_is_passed_over_and_counted():
    """A slow loop sees the last ones, and how many it has missed; a loop in time misses none."""
    graph, source, out = fed(Driver("inline"), keep=2)
    graph.start()
    slow = iter(out)
    for i in range(10):
        source.put(i)
    source.end()
    graph.wait()
    assert [8, 9] == list(slow)
    assert 8 == out.missed
    assert [8, 9] == list(out)


def test_a_record_is_a_copy_of_its_own():
    """Structured records are records, writable, and stay when the collect goes on; the circle does not reach them."""
    graph, source, out = fed(Driver("inline"), keep=1, dtype=POINT)
    graph.start()
    loop = iter(out)
    source.put((1.0, 1))
    mine = next(loop)
    mine["x"] = 7.0
    source.put((2.0, 2))
    assert {"x": 2.0, "n": 2} == dict(next(loop))
    assert isinstance(mine, Record)
    assert (7.0, 1) == mine.item()
    graph.stop()
    graph.wait()


@pytest.mark.parametrize(("kind", "dtype", "values"), [
    ("processes", POINT, [(1.0, 2), (3.0, 4)]),
    ("inline", POINT, [(1.0, 2), (3.0, 4)]),
    ("inline", "i8", [1, 2]),
    ("inline", np.dtype(("f8", 2)), [[1.0, 2.0], [3.0, 4.0]]),
])  # fmt: skip
def test_after_a_run_a_loop_goes_over_what_was_kept(kind, dtype, values):
    """Whatever the context; as often as you like, also `async for`."""
    with Graph() as graph:
        source = emit(values, dtype)
        with Driver(kind).at(graph, "log"):
            out = collect()
    source.to(out)
    graph.run()
    plain = [r.item() if isinstance(r, Record) else np.asarray(r).tolist() for r in out]
    assert values == plain
    assert len(values) == len(list(out)) == len(asyncio.run(listed(out)))


async def listed(out):
    """What `async for` gives."""
    return [record async for record in out]


def test_coroutines_loop_beside_each_other():
    """In the event loop of the graph; a task that leaves its loop leaves the others theirs."""
    graph, source, out = fed(Driver("inline"))

    async def leave():
        async for record in out:
            return record

    async def main():
        async with graph.running():
            tasks = [asyncio.ensure_future(each) for each in (listed(out), listed(out), leave())]
            for i in range(20):
                await source.aput(i)
            source.end()
            return await asyncio.gather(*tasks)

    first, second, left = asyncio.run(main())
    assert first == second
    assert 19 == first[-1]
    assert left == first[0]
    assert first == list(range(first[0], 20))


def test_a_run_that_fails_ends_the_loops():
    """The loop ends like any other; whoever waits for the run gets the error."""

    class Breaks(Collector):
        def compute(self, value):
            raise ValueError("broken")

    with Graph() as graph:
        source, out, breaks = emit(dtype="i8"), collect(), Breaks()
    source.to(out)
    source.to(breaks)
    graph.start()
    got = []
    thread = in_thread(lambda: got.extend(out))
    ask(out)
    source.put(1)
    thread.join()
    with pytest.raises(NodeFailed, match="broken"):
        graph.wait()
    assert got in ([], [1])


def test_a_loop_ends_when_a_later_open_fails():
    """Nobody waits for a run that did not begin."""
    threads, got = [], []

    class Looks(Collector):
        def open(self):
            threads.append(in_thread(lambda: got.extend(out)))
            ask(out)
            raise OSError("no device")

        def compute(self, value):
            """Never called."""

    with Graph() as graph:
        source, out, looks = emit([1]), collect(), Looks()
    source.to(out)
    source.to(looks)
    with pytest.raises(NodeFailed, match="no device"):
        graph.run()
    threads[0].join()
    assert [] == got


def test_before_the_first_run_a_loop_is_an_error():
    """It would wait for ever, or silently do nothing."""
    with pytest.raises(RuntimeError, match=r"needed a run to loop over its records, was none yet; start the graph first"):
        list(collect())


def test_in_a_process_it_cannot_be_looked_at_while_it_runs():
    """The error says where it is and what to do."""

    class Ever(Emitter):
        def compute(self):
            return 1

    with Graph() as graph:
        ever = Ever("i8")
        with graph.context("far"):
            out = collect(keep=1)
    ever.to(out)
    with graph.running():
        for look in (lambda: list(out), lambda: out.records, lambda: out.latest, lambda: len(out)):
            with pytest.raises(RuntimeError, match=r"process context `far`; put it into no context, or one of kind=\"thread\""):
                look()
    assert len(out) == len(list(out))


@HERE
def test_what_is_seen_while_it_fills_was_there_at_one_instant(driver):
    """Arrays and times of one length, counting up, and no record torn; with keep, in order."""
    wide = np.dtype([("n", "i8"), ("copy", "i8", (64,))])

    class Counts(Emitter):
        def compute(self):
            self.output["n"] = self.firing
            self.output["copy"][:] = self.firing

    with Graph() as graph:
        counts = Counts(wide)
        with driver.at(graph, "log"):
            out, last = collect(), collect(keep=5)
    counts.to(out)
    counts.to(last)
    begin(driver, graph)
    seen = 0
    while seen < 2000:
        for records in (out.records, last.records):
            assert (records["copy"] == records["n"][:, None]).all()
            assert (np.diff(records["n"]) == 1).all()
        newest = last.latest
        assert newest is None or (newest["copy"] == newest["n"]).all()
        assert len(last.times_ns) <= 5
        seen = len(out)
    graph.abort()
    graph.wait()


def test_in_a_world_a_loop_parks():
    """It is a task like any other, woken at the time of the record."""
    with World() as world:
        graph, source, out = fed(Driver("inline"))
        graph.start()
        times = []

        def read():
            for record in out:
                times.append((world.now_ns, record))

        task = in_thread(read)
        for i in range(3):
            world.after(i + 1, source.put, i)
        world.after(4, source.end)
        graph.wait()
        task.join()
    assert [(1_000_000_000, 0), (2_000_000_000, 1), (3_000_000_000, 2)] == times
