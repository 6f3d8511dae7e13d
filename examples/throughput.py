"""How many records a graph of four nodes in three processes delivers, and that none is lost.

    python examples/throughput.py
    python examples/throughput.py --virtual --duration 0.01     one process and a virtual clock

Two noise emitters run as fast as their edges have room, a node in a second process multiplies, a probe in a third counts. Each
record carries its number, and the probe counts numbers it has not seen before: a record delivered twice does not count twice.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from dfcore import Collector, DfcoreError, Emitter, Graph, Report, Router

NUMBERED = [("number", "u8"), ("value", "f8")]
DEPTH = 1024  # waking a process takes as long as tens of firings: with a deep edge it happens once for many records


class Noise(Emitter):
    """Numbered random values, as fast as there is room."""

    def __init__(self) -> None:
        super().__init__(NUMBERED)

    def compute(self) -> Any:
        return self.firing, self.rng.standard_normal()


class Product(Router):
    """The product of two values with the same number."""

    def __init__(self) -> None:
        super().__init__(NUMBERED)

    def compute(self, a: Any, b: Any) -> Any:
        if a.number != b.number:
            raise ValueError(f"records {a.number} and {b.number} came together: a record was lost or came twice")
        return a.number, a.value * b.value


class Probe(Collector):
    """Counts what arrives; the counts come home as `probe.result`."""

    def open(self) -> None:
        self.seen = bytearray()  # one byte for each number
        self.arrived = 0

    def compute(self, product: Any) -> None:
        number = product.number
        if number >= len(self.seen):
            self.seen += bytes(number + 1)  # doubles, so that growing costs little per record
        self.seen[number] = 1
        self.arrived += 1

    def close(self) -> tuple[int, int]:
        return self.seen.count(1), self.arrived


class Throughput(Graph):
    """Two emitters, their product, a probe: three contexts."""

    def __init__(self) -> None:
        super().__init__("throughput")
        with self.context("noise"):
            self.noises = Noise(), Noise()
        with self.context("product"):
            self.product = Product()
        with self.context("probe"):
            self.probe = Probe()
        for noise in self.noises:
            noise.to(self.product, depth=DEPTH)
        self.product.to(self.probe, depth=DEPTH)


def lost(graph: Throughput, report: Report) -> int:
    """How many pairs of numbers both emitters sent and the probe did not see."""
    distinct, _ = graph.probe.result
    return min(report.nodes[noise.name].firings for noise in graph.noises) - int(distinct)


def main(words: list[str] | None = None) -> int:
    """Runs the example; 0 if nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", type=float, default=3.0, metavar="S", help="length of the run (default 3)")
    parser.add_argument("--virtual", action="store_true", help="in one process, on a virtual clock")
    options = parser.parse_args(words)
    if not 0 < options.duration < 3600:
        parser.exit(2, f"throughput: --duration: needed seconds between 0 and 3600, was {options.duration:g}.\n")
    graph = Throughput()
    try:
        report = graph.run(options.duration, clock="virtual" if options.virtual else None)
    except DfcoreError as error:
        print(f"throughput: {error}", file=sys.stderr)
        return 1
    distinct, arrived = graph.probe.result
    firings = sum(node.firings for node in report.nodes.values())
    print(report)
    print(f"firings per second: {firings / report.duration_s:,.0f}")
    print(f"distinct records delivered: {distinct:,} ({distinct / report.duration_s:,.0f} per second), twice: {arrived - distinct}")
    print(f"lost = {lost(graph, report)}")
    return 0 if lost(graph, report) == 0 and arrived == distinct else 1


if __name__ == "__main__":
    sys.exit(main())
