"""ndgpy's "test throughput of a program": two emitters, their product in a second process, a probe in a third.

    python examples/ancestors/probe.py
    python examples/ancestors/probe.py --virtual --duration 0.01

In the original a node that needs a beginning and an end inherits `Resourced`, and its `stop` can only print. Here every node has
`open` and `close`, what `close` returns is `probe.result` in the caller, and a probe may be put behind any output: one more
reader takes nothing from the others. `examples/throughput.py` also counts what arrived twice or not at all: nothing.
"""

from __future__ import annotations

import argparse

from dfcore import Collector, Emitter, Graph, router


class Noise(Emitter):
    """Random numbers, as fast as there is room."""

    def __init__(self) -> None:
        super().__init__("f8")

    def compute(self) -> float:
        return self.rng.uniform()


@router("f8")
def product(x: float, y: float) -> float:
    """The product of two numbers."""
    return x * y


class Throughput(Collector):
    """How many records came, and how many in a second."""

    def open(self) -> None:
        self.count, self.began_ns = 0, self.now_ns

    def compute(self, value: float) -> None:
        self.count += 1

    def close(self) -> tuple[int, float]:
        return self.count, self.count * 1e9 / (self.now_ns - self.began_ns)


class Measured(Graph):
    """Three processes in a row."""

    def __init__(self) -> None:
        super().__init__("measured")
        with self.context("noise"):
            noise1, noise2 = Noise(), Noise()
        with self.context("product"):
            self.product = product()
        with self.context("probe"):
            self.probe = Throughput()
        self.product(noise1, noise2).to(self.probe)


def main(words: list[str] | None = None) -> None:
    """Runs the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", type=float, default=2.0, metavar="S", help="length of the run (default 2)")
    parser.add_argument("--virtual", action="store_true", help="in one process, on a virtual clock")
    options = parser.parse_args(words)
    graph = Measured()
    graph.run(options.duration, clock="virtual" if options.virtual else None)
    count, per_second = graph.probe.result
    print(f"Throughput: {count} records, {per_second:,.0f} per second")


if __name__ == "__main__":
    main()
