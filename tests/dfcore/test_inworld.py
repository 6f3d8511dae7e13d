"""A run inside a world: safe states that block, and loops that are parked."""

from __future__ import annotations

import asyncio

import serial

from dfcore import STOP, Collector, Emitter, Graph, collect
from sim import SerialDevice, World


class Beat(Emitter):
    """Two records, then silence for a while."""

    async def compute(self):
        await asyncio.sleep(0.01 if self.firing < 2 else 0.5)
        return 1.0 if self.firing < 2 else STOP


class Motor(SerialDevice):
    """Notes what it is told, and when."""

    def __init__(self):
        super().__init__()
        self.told = []

    def on_data(self, data):
        self.told.append((self.now_ns // 1_000_000, data))


def test_safe_may_block_in_a_world():
    """A stale input's `safe` is called in its own context, where it may write to its port and wait."""

    class Drive(Collector):
        def open(self):
            self.port = serial.Serial("/dev/ttyUSB0", 9600)

        def compute(self, x):
            self.port.write(b"c")

        def safe(self):
            self.port.write(b"0")
            self.port.flush()

        def close(self):
            self.port.close()

    with Graph() as graph:
        with graph.context("source"):
            beat = Beat("f8")
        with graph.context("drive"):
            drive = Drive()
    beat.to(drive, max_age_s=0.1)
    with World() as world:
        motor = Motor()
        world.serial("/dev/ttyUSB0", motor)
        graph.run()
    assert [(11, b"c"), (21, b"c"), (111, b"0"), (521, b"0")] == motor.told


def test_stop_reaches_a_loop_that_is_parked():
    """An emitter that sleeps long is cancelled when the run is over, not when it would have woken."""

    class Slow(Emitter):
        async def compute(self):
            await asyncio.sleep(100)

    with Graph() as graph:
        with graph.context("slow"):
            slow = Slow("f8")
        with graph.context("out"):
            out = collect()
    slow.to(out)
    with World():
        report = graph.run(1)
    assert 1.0 == report.duration_s
