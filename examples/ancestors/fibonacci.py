"""minipipe's "Fibonacci Sequence with Loops": a node without a state; the state lies on the edges that lead back to it.

    python examples/ancestors/fibonacci.py
    python examples/ancestors/fibonacci.py --limit 1000000

The original puts the first two numbers into its streams by `stream.q.put`, which holds for one run, and ends by an event that is
handed to the node and to `set_term_flag`. Here they are `initial` records of the edges, there again in each run, and the node
ends by `STOP`. `compute` is an ordinary function: `fib.compute(0, 1)` is `(1, 1)`.
"""

from __future__ import annotations

import argparse
from typing import Any

from dfcore import STOP, Graph, collect, router


@router(outputs={"a": "i8", "b": "i8", "number": "i8"})
def fib(x1: int, x2: int, *, limit: int = 1000) -> Any:
    """One number, and the next two."""
    return STOP if x1 >= limit else (x2, x1 + x2, x1)


class Fibonacci(Graph):
    """The numbers below `limit`."""

    def __init__(self, limit: int = 1000) -> None:
        super().__init__("fibonacci")
        with self:
            node, self.numbers = fib(limit=limit), collect()
        node["a"].to(node["x1"], initial=[0])
        node["b"].to(node["x2"], initial=[1])
        node["number"].to(self.numbers)


def main(words: list[str] | None = None) -> None:
    """Runs the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=1000)
    graph = Fibonacci(parser.parse_args(words).limit)
    graph.run()
    print(*graph.numbers.records)


if __name__ == "__main__":
    main()
