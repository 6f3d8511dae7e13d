"""minipipe's "Simple Moving Average": a random walk, smoothed by a node that remembers the last ten steps.

    python examples/ancestors/moving_average.py
    python examples/ancestors/moving_average.py --virtual       one process and a virtual clock

The original needs class functors with `local_init`, `run` and `local_term`, one process per segment, and plots in `local_term`,
as what a process knows dies with it. Here the methods are `open`, `compute` and `close`, and what `close` returns comes home as
`node.result`. The walk is drawn from `self.rng`: the same seed gives the same walk, wherever the node runs.
"""

from __future__ import annotations

import argparse
from collections import deque
from typing import Any

from dfcore import Collector, Emitter, Graph


class RandomWalk(Emitter):
    """A position that moves by a normal step in each firing."""

    def __init__(self, steps: int) -> None:
        super().__init__("f8")
        self.steps = steps

    def compute(self) -> Any:
        position = 0.0
        for _ in range(self.steps):
            position += self.rng.normal()
            yield position


class MovingAverage(Collector):
    """The mean of the last `size` values, with what it was computed from."""

    def __init__(self, size: int = 10) -> None:
        self.size = size

    def open(self) -> None:
        self.last: deque[float] = deque(maxlen=self.size)
        self.values: list[float] = []
        self.means: list[float] = []

    def compute(self, value: float) -> None:
        self.last.append(value)
        self.values.append(value)
        self.means.append(sum(self.last) / len(self.last))

    def close(self) -> tuple[list[float], list[float]]:
        return self.values, self.means


def smoothed(walk: Any, average: MovingAverage) -> Graph:
    """The two nodes in two processes."""
    with Graph("smoothed") as graph:
        graph.context("walk").add(walk)
        graph.context("average").add(average)
    walk.to(average)
    return graph


def main(words: list[str] | None = None) -> None:
    """Runs the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--virtual", action="store_true", help="in one process, on a virtual clock")
    options = parser.parse_args(words)
    average = MovingAverage()
    smoothed(RandomWalk(options.steps), average).run(clock="virtual" if options.virtual else None, seed=1)
    for value, mean in zip(*average.result, strict=True):
        print(f"{value:8.3f} {mean:8.3f}")


if __name__ == "__main__":
    main()
