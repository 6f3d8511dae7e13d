"""Objects: how fast arrays go from one process to another by an object edge, and how many small objects."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dfcore import STOP, Collector, Emitter, Graph

from .figure import Figure
from .hop import cpus

ARRAY_BYTES, ARRAYS = 1 << 20, 2000
SMALL = 50_000


class Fill(Emitter):
    """The same object `count` times; of an array the first element says which one it is."""

    def __init__(self, make: Any, count: int) -> None:
        super().__init__(object)
        self.make, self.count = make, count

    def open(self) -> None:
        self.value = self.make()

    def compute(self) -> Any:
        if self.firing == self.count:
            return STOP
        if isinstance(self.value, np.ndarray):
            self.value[0] = self.firing
        return self.value


class Drain(Collector):
    """Looks at the first and the last element of each array; the time from the first object to the last."""

    def open(self) -> None:
        self.count, self.began_ns = 0, 0

    def compute(self, value: Any) -> None:
        if isinstance(value, np.ndarray) and (value[0] != self.count or value[-1] != 1):
            raise ValueError(f"object {self.count} was {value[0]}")
        if not self.count:
            self.began_ns = time.monotonic_ns()
        self.count += 1

    def close(self) -> tuple[int, float]:
        return self.count, (time.monotonic_ns() - self.began_ns) / 1e9


def array() -> Any:
    """1 MiB of numbers."""
    return np.ones(ARRAY_BYTES // 8)


def small() -> Any:
    """What a detector says, say."""
    return {"name": "cup", "box": (1.0, 2.0, 3.0, 4.0), "score": 0.5}


def objects_per_s(make: Any, count: int) -> float:
    """Objects a second of one run, between two pinned processes, none lost."""
    writer_cpu, reader_cpu = cpus()
    with Graph("objects") as graph:
        with graph.context("writer", cpu=writer_cpu):
            fill = Fill(make, count)
        with graph.context("reader", cpu=reader_cpu):
            drain = Drain()
    fill.to(drain)
    graph.run()
    seen, seconds = drain.result
    if seen != count:
        raise RuntimeError(f"objects: needed {count}, were {seen}")
    return (count - 1) / seconds


def measure(repeat: int) -> list[Figure]:
    """Bytes and objects a second through one lossless object edge."""
    large = tuple(objects_per_s(array, ARRAYS) * ARRAY_BYTES for _ in range(repeat))
    copies = tuple(copied_bytes_per_s() for _ in range(repeat))
    few = tuple(objects_per_s(small, SMALL) for _ in range(repeat))
    return [
        Figure("object edge, arrays of 1 MiB", "bytes/s", large, 1e9, most=False, note="process to process, one copy"),
        Figure("the same copy alone", "bytes/s", copies, note="within one process, into 64 MiB in turn"),
        Figure("object edge, small dicts", "objects/s", few, note="process to process, pickled"),
    ]


def copied_bytes_per_s() -> float:
    """What the machine copies, array after array into other memory."""
    source, target = array(), np.empty((16, ARRAY_BYTES // 8))
    began_ns = time.monotonic_ns()
    for k in range(ARRAYS):
        target[k % 16] = source
    return ARRAYS * ARRAY_BYTES * 1e9 / (time.monotonic_ns() - began_ns)
