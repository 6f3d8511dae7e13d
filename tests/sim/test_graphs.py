"""Graphs of the engine in a world: nodes that block, await and wait for ports, wherever they are placed."""

from __future__ import annotations

import asyncio
import time

import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from dfcore import SKIP, DfcoreError, Emitter, Graph, Router, collect
from sim import SerialDevice, World, ftdi
from sim.strategies import schedule_choices

PORT = "/dev/ttyUSB0"


class Counter(SerialDevice):
    """Sends four bytes each 10 ms: its count, four times."""

    def on_open(self):
        self.count = 0
        self.timer = self.every(0.01, self.tick)

    def on_close(self):
        self.timer.cancel()

    def tick(self):
        self.send(bytes([self.count % 256] * 4))
        self.count += 1


class Blocking(Emitter):
    """Reads four bytes with a call that blocks."""

    timeout = None

    def __init__(self):
        super().__init__("i8")

    def open(self):
        self.port = serial.Serial(PORT, 115200, timeout=self.timeout)
        self.begin()

    def begin(self):
        pass

    def compute(self):
        return self.port.read(4)[0]

    def close(self):
        self.port.close()


class Waiting(Blocking):
    """Fires whenever bytes are there."""

    timeout = 0

    def begin(self):
        self.data = b""
        self.wait_for(self.port)

    def compute(self):
        self.data += self.port.read(4 - len(self.data))
        if len(self.data) < 4:
            return SKIP
        value, self.data = self.data[0], b""
        return value


class Sleepy(Router):
    """Blocks for 4 ms."""

    def compute(self, value):
        time.sleep(0.004)
        return value * 2.0


class Async(Router):
    """Awaits 3 ms."""

    async def compute(self, value):
        await asyncio.sleep(0.003)
        return value + 1.0


PLACEMENTS = {"inline": [None] * 4, "one": ["a"] * 4, "each": ["a", "b", "c", "d"], "split": ["a", "b", "a", None]}


def run(source, placement, profile="ideal", choices=()):
    """One second of source -> Sleepy -> Async -> log: what the log holds, the report, and the hash of the trace."""
    with World(choices=choices) as world:
        world.serial(PORT, Counter(), profile=profile)
        graph = Graph("line")
        nodes = [source(), Sleepy("f8"), Async("f8"), collect()]
        for node, context in zip(nodes, PLACEMENTS[placement], strict=True):
            (graph.add if context is None else graph.context(context).add)(node)
        first, second, third, log = nodes
        first.to(second).to(third).to(log)
        report = graph.run(1)
        return list(log.records), report, world.trace.hash


@pytest.mark.parametrize("source", [Blocking, Waiting])
def test_placement_changes_no_record(source):
    """The log holds the same numbers under every placement, and one is a prefix of the other where the end cuts it short."""
    longest = max((run(source, placement)[0] for placement in PLACEMENTS), key=len)
    assert longest == [2.0 * count + 1.0 for count in range(len(longest))]
    assert len(longest) >= 99
    for placement in PLACEMENTS:
        records = run(source, placement)[0]
        assert records == longest[: len(records)]
        assert len(records) >= 98


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_two_runs_are_the_same(placement):
    """Digest and trace agree from run to run."""
    first, second = run(Waiting, placement), run(Waiting, placement)
    assert (first[1].digest, first[2]) == (second[1].digest, second[2])


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([Blocking, Waiting]), st.sampled_from(sorted(PLACEMENTS)), schedule_choices(max_choices=1000))
def test_no_choice_of_tasks_changes_a_record(source, placement, choices):
    """Whichever task runs where several could, the records are those of the ordinary order."""
    assert run(source, placement, choices=choices)[0] == run(source, "one")[0]


def test_an_adapter_s_latency_makes_records_late_not_fewer():
    """Behind a 16 ms latency timer the same records come, two at a time."""
    records, report, _ = run(Waiting, "inline", ftdi())
    assert records == [2.0 * count + 1.0 for count in range(len(records))]
    assert len(records) >= 97
    assert report.edges["sleepy -> async"].high_water >= 1


@pytest.mark.parametrize("context", [None, "io"])
def test_a_silent_port_does_not_keep_a_run_from_ending(context):
    """A node that blocks for ever is ended a second after the run, publishes nothing, and its port is closed."""
    with World() as world:
        line = world.serial(PORT, SerialDevice())
        graph, source, log = Graph(), Blocking(), collect()
        (graph.add if context is None else graph.context(context).add)(source)
        graph.add(log)
        source.to(log)
        report = graph.run(1)
        assert (report.ended, len(log), world.now_ns) == ("duration", 0, 2 * 10**9)
        assert not line.tty.files


@pytest.mark.parametrize("context", [None, "io"])
def test_a_device_that_raises_ends_the_graph(context):
    """The error names the device, and nothing is left open."""

    class Broken(SerialDevice):
        def on_open(self):
            self.after(0.5, self.fail)

        def fail(self):
            raise KeyError("broken")

    with pytest.raises((DfcoreError, OSError), match="device /dev/ttyUSB0: Broken.fail"), World() as world:
        line = world.serial(PORT, Broken())
        graph, source, log = Graph(), Blocking(), collect()
        (graph.add if context is None else graph.context(context).add)(source)
        graph.add(log)
        source.to(log)
        graph.run(1)
    assert not line.tty.files
