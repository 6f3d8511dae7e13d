"""Coroutines of firings, and event loops on a clock that jumps."""

from __future__ import annotations

import asyncio
import gc
from contextlib import nullcontext

import pytest

from dfcore import Collector, Emitter, Graph, NodeFailed, Router, collect, emit, router
from dfcore.aio import ClockLoop
from sim import World


class Jumps:
    """A clock that moves to whatever is waited for."""

    def __init__(self):
        self.now_ns = 0

    def wait(self, timeout_ns):
        self.now_ns += timeout_ns or 0

    def run(self, coroutine):
        """Run a coroutine to its end in the time of this clock."""
        loop = ClockLoop(lambda: self.now_ns, self.wait, lambda: None)
        try:
            return loop.run_until_complete(coroutine)
        finally:
            loop.close()


def test_ten_thousand_sleeps_do_not_drift():
    """`await asyncio.sleep(0.1)` costs exactly 0.1 s of the clock, for ever."""
    clock = Jumps()

    async def sleep():
        for _ in range(10_000):
            await asyncio.sleep(0.1)

    clock.run(sleep())
    assert 1_000 * 10**9 == clock.now_ns


def test_timers_fire_in_order_of_time():
    """Two sleepers meet the clock each at its own time."""
    clock, seen = Jumps(), []

    async def sleeper(seconds):
        await asyncio.sleep(seconds)
        seen.append((seconds, clock.now_ns))

    async def both():
        await asyncio.gather(sleeper(0.3), sleeper(0.2))

    clock.run(both())
    assert [(0.2, 200_000_000), (0.3, 300_000_000)] == seen


def test_an_awaiting_firing_lasts_as_long_as_it_waits():
    """In virtual time a firing that sleeps half a second ends, publishes and is counted half a second later."""

    @router("f8")
    async def slow(x):
        await asyncio.sleep(0.5)
        return x

    with Graph() as graph:
        source, node, out = emit([1.0, 2.0], "f8"), slow(), collect()
    source.to(node).to(out)
    report = graph.run(clock="virtual")
    assert (2, 500_000_000, 500_000_000) == (
        report.nodes["slow"].duration_ns.count,
        report.nodes["slow"].duration_ns.min,
        report.nodes["slow"].duration_ns.max,
    )
    assert 1.0 == report.duration_s


@pytest.mark.parametrize("error", [SystemExit(3), ValueError("x"), asyncio.CancelledError(), GeneratorExit()])
@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_what_a_coroutine_raises_is_the_failure_of_its_node(clock, error):
    """One class for all of it, and `close` runs."""
    closed = []

    class Fails(Collector):
        async def compute(self, x):
            raise error

        def close(self):
            closed.append(True)

    with Graph() as graph:
        source, node = emit(range(3), "i8"), Fails()
    source.to(node)
    with pytest.raises(NodeFailed) as failure:
        graph.run(clock=clock)
    assert ("fails", "compute", [True]) == (failure.value.node, failure.value.method, closed)


def test_an_await_that_nobody_ends_is_said():
    """A run in virtual time that cannot go on names the node that awaits."""

    class Waits(Collector):
        async def compute(self, x):
            await asyncio.Event().wait()

    with Graph() as graph:
        source, node = emit(range(3), "i8"), Waits()
    source.to(node)
    with pytest.raises(ValueError, match="waits: needed to await what this run can bring"):
        graph.run(clock="virtual")


def test_a_run_inside_an_event_loop_says_how():
    """A thread has one event loop: `run` of coroutine nodes inside of it names `arun`."""

    class Later(Collector):
        async def compute(self, x):
            """Nothing."""

    with Graph() as graph:
        source, node = emit(range(3), "i8"), Later()
    source.to(node)

    async def main():
        with pytest.raises(RuntimeError, match="arun"):
            graph.run()
        return await graph.arun()

    assert 3 == asyncio.run(main()).nodes["later"].firings


class Tidy(Emitter):
    """An async generator that cleans up, which takes time; `log` says what happened."""

    def __init__(self, log):
        super().__init__("i8")
        self.log = log

    async def compute(self):
        try:
            for number in range(100):
                await asyncio.sleep(0.001)
                yield number
        finally:
            await asyncio.sleep(0.002)
            self.log.append("finally")

    async def close(self):
        await asyncio.sleep(0.001)
        self.log.append("close")


@pytest.mark.parametrize("places", [("c", "c"), ("c", "d")], ids=["one context", "two"])
@pytest.mark.parametrize("clock", ["real", "virtual", "world"])
def test_a_run_that_fails_closes_its_generators(clock, places, capfd):
    """The `finally` of an async generator runs to its end, then `close`; no task is left to be destroyed."""

    class Fails(Collector):
        def compute(self, x):
            if x == 3:
                raise ValueError

    log = []
    with Graph() as graph:
        made = {place: graph.context(place, kind="thread") for place in places}
        with made[places[0]]:
            source = Tidy(log)
        with made[places[1]]:
            node = Fails()
    source.to(node)
    with World() if clock == "world" else nullcontext(), pytest.raises(NodeFailed):
        graph.run(clock="virtual" if clock == "virtual" else None)
    gc.collect()
    assert ["finally", "close"] == log
    assert "" == capfd.readouterr().err


def test_a_coroutine_that_outlives_its_run_is_cancelled():
    """In a world a firing that still awaits a grace after the end is ended, cleans up and publishes nothing."""
    log = []

    class Long(Router):
        async def compute(self, x):
            try:
                await asyncio.sleep(100)
                return x
            finally:
                log.append("finally")

    with Graph() as graph:
        with graph.context("c"):
            source, node = emit([1], "i8"), Long("i8")
        with graph.context("d"):
            out = collect()
    source.to(node).to(out)
    with World() as world:
        graph.run(1)
        assert 2 * 10**9 == world.now_ns
    assert (["finally"], []) == (log, out.records.tolist())
