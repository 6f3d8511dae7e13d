"""What a graph costs the machine: timer events in virtual time, an idle second, and getting four contexts up."""

from __future__ import annotations

import asyncio
import os
import pathlib
import time

from dfcore import STOP, Collector, Emitter, Graph, Router, collect

from .figure import Figure

TIMERS, TIMER_HZ, TIMER_S = 10, 1000, 20
CONTEXTS = 4


class Timer(Emitter):
    """A number at each point of its grid."""

    def __init__(self) -> None:
        super().__init__("f8", rate_hz=TIMER_HZ)

    def compute(self) -> float:
        return 0.0


def timer_events_per_s() -> float:
    """Firings a second of wall time of emitters on a grid, in virtual time, each with a reader that keeps one record."""
    with Graph("timers") as graph:
        for _ in range(TIMERS):
            Timer().to(collect(keep=1))
    began_ns = time.monotonic_ns()
    report = graph.run(TIMER_S, clock="virtual")
    seconds = (time.monotonic_ns() - began_ns) / 1e9
    events = sum(node.firings for name, node in report.nodes.items() if name.startswith("timer"))
    if events != TIMERS * TIMER_HZ * TIMER_S:
        raise RuntimeError(f"timers: needed {TIMERS * TIMER_HZ * TIMER_S} firings, were {events}")
    return events / seconds


class Sleeper(Emitter):
    """Awaits a time that does not come."""

    def __init__(self) -> None:
        super().__init__("i8")

    async def compute(self) -> int:
        await asyncio.sleep(3600)
        return 0


class Pass(Router):
    """Hands on what it takes."""

    def __init__(self) -> None:
        super().__init__("i8")

    def compute(self, x: int) -> int:
        return x


def cpu_ns(pid: int) -> int:
    """Nanoseconds that all threads of `pid` have spent on a CPU."""
    tasks = pathlib.Path("/proc", str(pid), "task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def idle_ms_per_s() -> float:
    """Milliseconds of CPU time that six nodes in two processes use in a second without records, the caller included."""
    with Graph("idle") as graph:
        with graph.context("one"):
            node = Sleeper().to(Pass()).to(Pass())
        with graph.context("two"):
            node.to(Pass()).to(Pass()).to(collect())
    with graph.running():
        pids = {os.getpid()} | {context.pid for context in graph.stats().contexts.values()}
        time.sleep(0.3)
        before_ns = sum(map(cpu_ns, pids))
        time.sleep(1.0)
        return (sum(map(cpu_ns, pids)) - before_ns) / 1e6


class First(Collector):
    """The time of its first firing."""

    def compute(self, value: float) -> object:
        self.fired_ns = time.monotonic_ns()
        return STOP

    def close(self) -> int:
        return self.fired_ns


class One(Emitter):
    """One number."""

    def __init__(self) -> None:
        super().__init__("f8")

    def compute(self) -> object:
        return 0.0 if self.firing == 0 else STOP


def start_ms() -> float:
    """Milliseconds from the call of `run` to the first firing of the last of four process contexts."""
    firsts = []
    with Graph("start") as graph:
        for number in range(CONTEXTS):
            with graph.context(f"context{number}"):
                firsts.append(One().to(First()))
    began_ns = time.monotonic_ns()
    graph.run()
    return (max(first.result for first in firsts) - began_ns) / 1e6


def measure(repeat: int) -> list[Figure]:
    """Timers, idleness, start."""
    timers = tuple(timer_events_per_s() for _ in range(repeat))
    idle = tuple(idle_ms_per_s() for _ in range(repeat))
    start = tuple(start_ms() for _ in range(repeat))
    return [
        Figure(
            "virtual time, timer events",
            "events/s",
            timers,
            5e5,
            most=False,
            note=f"{TIMERS} emitters at {TIMER_HZ} Hz, digests on",
        ),
        Figure("idle graph, CPU", "ms/s", idle, 10.0, note="6 nodes, 2 processes and the caller"),
        Figure("four contexts up and firing", "ms", start, 500.0, note="from run() to the last first firing"),
    ]
