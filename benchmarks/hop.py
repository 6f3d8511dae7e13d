"""A hop: from the stamp in one pinned process to the look at it in another, 1000 times a second, beside the same in C."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sysconfig
import tempfile
import time
from typing import Any

from dfcore import STOP, Collector, Emitter, Graph

from .figure import Figure, interleaved, percentile

RECORD = [("stamp_ns", "i8"), ("number", "i8"), ("a", "f8"), ("b", "f8")]  # 32 bytes
COUNT, SETTLE, RATE_HZ = 800, 100, 1000


class Stamp(Emitter):
    """Stamps a record just before it is published."""

    def __init__(self) -> None:
        super().__init__(RECORD, rate_hz=RATE_HZ)

    def compute(self) -> object:
        number = self.firing
        if number == COUNT:
            return STOP
        record = self.output
        record.number, record.a, record.b = number, number, -number
        record.stamp_ns = time.monotonic_ns()
        return None


class Look(Collector):
    """Looks at the time first, then at the payload."""

    def open(self) -> None:
        self.late_ns: list[int] = []
        self.distinct = 0

    def compute(self, record: Any) -> None:
        self.late_ns.append(time.monotonic_ns() - record.stamp_ns)
        if record.number != self.distinct or record.a + record.b != 0:
            raise ValueError(f"record {self.distinct} was {record}")
        self.distinct += 1

    def close(self) -> tuple[list[int], int]:
        return self.late_ns, self.distinct


def cpus() -> tuple[int, int]:
    """Two of the cores that this process may use; the same one twice where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def engine_us(spin_us: float) -> float:
    """The p50 of a hop through the engine, in microseconds."""
    writer_cpu, reader_cpu = cpus()
    with Graph("hop") as graph:
        with graph.context("writer", cpu=writer_cpu, spin_us=spin_us):
            stamp = Stamp()
        with graph.context("reader", cpu=reader_cpu, spin_us=spin_us):
            look = Look()
    stamp.to(look, depth=64, on_full="error")  # a record that would be lost ends the run
    graph.run()
    late_ns, distinct = look.result
    if distinct != COUNT:
        raise RuntimeError(f"hop: needed {COUNT} distinct records, were {distinct}")
    return percentile(late_ns[SETTLE:], 50) / 1000


def built(folder: str) -> str:
    """The path of the C program, built in `folder`."""
    program = str(pathlib.Path(folder, "ping"))
    source = str(pathlib.Path(__file__).with_name("ping.h"))
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    subprocess.run([*compiler, "-O2", "-x", "c", source, "-o", program], check=True)
    return program


def native_us(program: str, way: str) -> float:
    """The p50 of the same hop in C, in microseconds."""
    writer_cpu, reader_cpu = map(str, cpus())
    command = [program, way, str(COUNT), str(1_000_000_000 // RATE_HZ), writer_cpu, reader_cpu]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return percentile([int(line) for line in lines][SETTLE:], 50) / 1000


def measure(repeat: int) -> list[Figure]:
    """Hops that block and hops that spin, each beside C, in turn."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        program = built(folder)
        for way, spin_us in [("blocking", 0), ("spin", 3000)]:
            ours, floor = interleaved(repeat, lambda spin_us=spin_us: engine_us(spin_us), lambda way=way: native_us(program, way))
            paired = tuple(ours_us / floor_us for ours_us, floor_us in zip(ours, floor, strict=True))
            target = 2.0 if way == "spin" else None
            figures += [
                Figure(f"hop, {way}, p50", "us", ours, target, note=f"32 B, {RATE_HZ} Hz, two pinned processes"),
                Figure(f"hop, {way}, p50, in C", "us", floor, note="eventfd" if way == "blocking" else "watching a word"),
                Figure(f"hop, {way}, ratio to C", "x", paired, 1.3 if way == "blocking" else None, note="of each pair"),
            ]
    return figures
