"""Acceptance: what was seen in the four ancestor systems when they were run, and must not be seen here.

The table in `tests/house/test_acceptance.py` says where each is tested; here are those that no acceptance row tests.
"""

import numpy as np
import pytest

from dfcore import STOP, Collector, Emitter, Graph, NodeFailed, Router, collect, emit
from tests.drivers import Driver


class Slow(Collector):
    """Works on each record longer than it takes to make one; brings home what it saw."""

    def open(self):
        self.seen = []

    def compute(self, x):
        sum(range(500))
        self.seen.append(x)

    def close(self):
        return self.seen


def test_nothing_is_dropped_by_default(driver):
    """Silent drops by default: an edge of which nothing is said loses nothing, however slow its reader."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(1000), "i8")
        with driver.at(graph, "b"):
            slow = Slow()
    source.to(slow)
    edge = driver.run(graph).edges["emit -> slow"]
    assert list(range(1000)) == slow.result
    assert (1000, 1000, 0, 0) == (edge.written, edge.read, edge.dropped, edge.overwritten)


class Noise(Emitter):
    """Numbers from its own generator."""

    def compute(self):
        return self.rng.random() if self.firing < 20 else STOP


def noise(driver, seed):
    with Graph() as graph:
        nodes = []
        for name in "ab":
            with driver.at(graph, name):
                nodes.append(Noise("f8"))
        outs = [collect(), collect()]
    for node, out in zip(nodes, outs, strict=True):
        node.to(out)
    driver.run(graph, seed=seed)
    return [tuple(out.records) for out in outs]


def test_random_numbers_differ_between_nodes(driver):
    """Identical random numbers in forked workers: each node has its own, and the same seed gives the same again, anywhere."""
    first, second = noise(driver, 1)
    assert 40 == len({*first, *second})
    assert [first, second] == noise(Driver("virtual"), 1)


class GlobalNoise(Emitter):
    """Numbers from NumPy's global state."""

    def compute(self):
        return np.random.random() if self.firing < 5 else STOP


@pytest.mark.parametrize("driver", ["processes"], indirect=True)
def test_contexts_are_no_copies_of_the_caller(driver):
    """Identical random numbers, the other half: processes are started anew, so NumPy's own state differs between them, too."""
    np.random.seed(0)
    with Graph() as graph:
        nodes, outs = [], [collect(), collect()]
        for name in "ab":
            with driver.at(graph, name):
                nodes.append(GlobalNoise("f8"))
    for node, out in zip(nodes, outs, strict=True):
        node.to(out)
    driver.run(graph)
    assert 10 == len({*outs[0].records, *outs[1].records})


class Opens(Router):
    """Fails on its second record, having noted how often it was opened and fired."""

    def __init__(self):
        super().__init__("i8")
        self.opened = 0

    def open(self):
        self.opened += 1
        self.fired = 0

    def compute(self, x):
        self.fired += 1
        if x == 1:
            raise SystemExit("not the interpreter")
        return x

    def close(self):
        return self.opened, self.fired


def test_an_exception_reaches_the_caller_and_nothing_is_started_again(driver):
    """An exception that never reaches the caller, or kills the interpreter, or restarts the node for ever: not even SystemExit does."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(100), "i8")
        with driver.at(graph, "b"):
            opens, out = Opens(), collect()
    source.to(opens).to(out)
    with pytest.raises(NodeFailed) as error:
        driver.run(graph)
    assert ("opens", "compute") == (error.value.node, error.value.method)
    assert isinstance(error.value.__cause__, SystemExit)
    assert (1, 2) == opens.result
