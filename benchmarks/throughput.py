"""Throughput: how many records a second a Python consumer reads in another process, when none may be lost."""

from __future__ import annotations

import time
from typing import Any

from dfcore import STOP, Collector, Emitter, Graph

from .figure import Figure
from .hop import RECORD, cpus

COUNT = 1_000_000


class Fill(Emitter):
    """Writes records as fast as there is room, each with its number and a payload that follows from it."""

    def __init__(self) -> None:
        super().__init__(RECORD, zero=False)

    def open(self) -> None:
        self.number = 0

    def compute(self) -> Any:
        number = self.number
        if number == COUNT:
            return STOP
        record = self.output
        record.number = number
        record.a = number
        self.number = number + 1
        return None


class Count(Collector):
    """Reads number and payload of every record and counts the distinct numbers, between the first record and the last."""

    def open(self) -> None:
        self.last, self.distinct, self.began_ns = -1, 0, 0

    def compute(self, record: Any) -> None:
        number = record.number
        if number > self.last and record.a == number:
            self.distinct += 1
            self.last = number
        if not number:
            self.began_ns = time.monotonic_ns()

    def close(self) -> tuple[int, float]:
        return self.distinct, (time.monotonic_ns() - self.began_ns) / 1e9


def records_per_s(spin_us: float) -> float:
    """Distinct records a second of one run."""
    writer_cpu, reader_cpu = cpus()
    with Graph("throughput") as graph:
        with graph.context("writer", cpu=writer_cpu, spin_us=spin_us):
            fill = Fill()
        with graph.context("reader", cpu=reader_cpu, spin_us=spin_us):
            count = Count()
    fill.to(count, depth=1024)
    graph.run()
    distinct, seconds = count.result
    if distinct != COUNT:
        raise RuntimeError(f"throughput: needed {COUNT} distinct records with their payload, were {distinct}")
    return distinct / seconds


def measure(repeat: int) -> list[Figure]:
    """The throughput of one lossless edge between two processes."""
    values = tuple(records_per_s(50) for _ in range(repeat))
    return [
        Figure("lossless, Python to Python", "records/s", values, 1.5e6, most=False, note="32 B, payload read, distinct counted")
    ]
