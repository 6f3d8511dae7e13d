"""ndgpy's "processes running at two timescales": a fast and a slow emitter, and a node that waits for both.

    python examples/ancestors/two_scales.py
    python examples/ancestors/two_scales.py --virtual --duration 5

The original builds in `async def setup`, where `add` and `connect` are awaited and act on processes that run already, and a node
always sees the newest value of each parent. Here the graph is declared first and started as a whole, and the newest value is a
choice, made on the edge: `policy="latest"`. By default nothing is lost, and the slow emitter would hold the fast one back.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import numpy as np

from dfcore import Collector, Emitter, Graph


class Noise(Emitter):
    """A random number every `pause_s`."""

    def __init__(self, pause_s: float) -> None:
        super().__init__(np.float64)
        self.pause_s = pause_s

    async def compute(self) -> float:
        await asyncio.sleep(self.pause_s)
        return self.rng.uniform()


class Printer(Collector):
    """Prints what it is given, with the time; brings home the times."""

    def open(self) -> None:
        self.times_s: list[float] = []

    async def compute(self, *values: Any) -> None:
        self.times_s.append(round(self.now_ns / 1e9, 9))
        print(f"{self.name} at {self.times_s[-1]:.3f} s:", *(f"{value:.3f}" for value in values))

    def close(self) -> list[float]:
        return self.times_s


class TwoScales(Graph):
    """Each emitter in a process with a printer; the second printer depends on both emitters."""

    def __init__(self) -> None:
        super().__init__("two_scales")
        with self.context("one"):
            fast, self.printer1 = Noise(0.1), Printer(name="printer1")
        with self.context("two"):
            slow, self.printer2 = Noise(1.0), Printer(name="printer2")
        fast.to(self.printer1)
        fast.to(self.printer2, policy="latest")
        slow.to(self.printer2, policy="latest")


def main(words: list[str] | None = None) -> None:
    """Runs the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", type=float, default=5.0, metavar="S", help="length of the run (default 5)")
    parser.add_argument("--virtual", action="store_true", help="in one process, on a virtual clock")
    options = parser.parse_args(words)
    TwoScales().run(options.duration, clock="virtual" if options.virtual else None)


if __name__ == "__main__":
    main()
