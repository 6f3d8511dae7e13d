"""A chain of 100 Python nodes in one context: what the engine adds to each call, and what virtual time makes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dfcore import STOP, Collector, Emitter, Graph, Router, record, router

from .figure import Figure, interleaved

LENGTH = 100
STATE = [("x", "f8"), ("v", "f8"), ("theta", "f8"), ("omega", "f8")]


@router(object)
def plus_object(x: Any) -> Any:
    return x + 1.0


@router("f8")
def plus_number(x: float) -> float:
    return x + 1.0


class Touch(Router):
    """Publishes its record as it is; `self.output` is looked up, as it must be."""

    def __init__(self) -> None:
        super().__init__(STATE)

    def compute(self, state: Any) -> None:
        self.output  # noqa: B018


class Source(Emitter):
    """The same value, `count` times."""

    def __init__(self, dtype: Any, count: int) -> None:
        super().__init__(dtype)
        self.count = count

    def open(self) -> None:
        self.left = self.count
        self.value = record(STATE) if self.dtype.names else 0.0

    def compute(self) -> Any:
        if not self.left:
            return STOP
        self.left -= 1
        return self.value


class Clock(Collector):
    """The time between the first record and the last, and how many there were."""

    def open(self) -> None:
        self.count, self.began_ns = 0, 0

    def compute(self, value: Any) -> None:
        if not self.count:
            self.began_ns = time.monotonic_ns()
        self.count += 1
        self.last = value

    def close(self) -> tuple[int, float]:
        return self.count - 1, time.monotonic_ns() - self.began_ns


def engine_ns(dtype: Any, node: Callable[[], Any], count: int, **options: Any) -> float:
    """Nanoseconds per firing of the whole chain, source and collector included."""
    with Graph("chain") as graph:
        source, clock = Source(dtype, count), Clock()
        last = source
        for _ in range(LENGTH):
            last = last.to(node())
        last.to(clock)
    graph.run(**options)
    laps, elapsed_ns = clock.result
    if laps != count - 1:
        raise RuntimeError(f"chain: needed {count} records, were {laps + 1}")
    return elapsed_ns / laps / (LENGTH + 2)


def loop_ns(call: Callable[[Any], Any], value: Any, count: int) -> float:
    """Nanoseconds per call of the same functions in a plain loop, each on what the one before returned."""
    calls = [call] * (LENGTH + 2)
    began_ns = time.monotonic_ns()
    for _ in range(count):
        result = value
        for function in calls:
            result = function(result)
    return (time.monotonic_ns() - began_ns) / count / len(calls)


class Plain:
    """The method of `Touch` in a class of its own: what the call costs when `output` is only an attribute."""

    def __init__(self) -> None:
        self.output = record(STATE)

    def compute(self, state: Any) -> None:
        self.output  # noqa: B018


def overhead(name: str, repeat: int, engine: Callable[[], float], loop: Callable[[], float]) -> list[Figure]:
    """The engine's time, the loop's, and the difference of each pair."""
    ours, plain = interleaved(repeat, engine, loop)
    added = tuple(a - b for a, b in zip(ours, plain, strict=True))
    return [
        Figure(f"chain, {name}, per firing", "ns", ours, note="real time, one context, 100 Python nodes"),
        Figure(f"chain, {name}, plain loop", "ns", plain, note="the same functions, called in turn"),
        Figure(f"chain, {name}, overhead", "ns", added, 60.0, note="difference of each pair"),
    ]


def measure(repeat: int) -> list[Figure]:
    """Overhead per firing for three kinds of record, and firings a second in virtual time."""
    count = 4000
    figures = overhead(
        "objects", repeat, lambda: engine_ns(object, plus_object, count), lambda: loop_ns(lambda x: x + 1.0, 0.0, count)
    )
    figures += overhead("f8", repeat, lambda: engine_ns("f8", plus_number, count), lambda: loop_ns(lambda x: x + 1.0, 0.0, count))
    figures += overhead("records", repeat, lambda: engine_ns(STATE, Touch, count), lambda: loop_ns(Plain().compute, record(STATE), count))
    for name, dtype, node in [("objects", object, plus_object), ("f8", "f8", plus_number), ("records", STATE, Touch)]:
        values = tuple(1e9 / engine_ns(dtype, node, count, clock="virtual") for _ in range(repeat))
        figures.append(Figure(f"virtual time, {name}", "firings/s", values, 1e7, most=False, note="the same chain, digests on"))
    return figures
