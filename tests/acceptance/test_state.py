"""Acceptance: nodes with a state of their own, opened and closed once, where they compute. A14 and A18."""

import os
from collections import deque

import pytest

from dfcore import STOP, Collector, Emitter, Graph, NodeFailed, Router, collect, emit, router


class Probe(Collector):
    """Counts, and brings home the count, how often it was opened and closed, and in which processes."""

    def __init__(self, fails_at=None):
        self.fails_at = fails_at

    def open(self):
        self.count, self.opened, self.closed, self.pids = 0, getattr(self, "opened", 0) + 1, 0, {os.getpid()}

    def compute(self, item):
        self.pids.add(os.getpid())
        if item == self.fails_at:
            raise ValueError(f"item {item}")
        self.count += 1

    def close(self):
        self.closed += 1
        self.pids.add(os.getpid())
        return {"count": self.count, "opened": self.opened, "closed": self.closed, "pids": self.pids}


def probe_graph(driver, fails_at=None):
    with Graph() as graph:
        with driver.at(graph, "source"):
            source = emit(range(500), "i8")
        with driver.at(graph, "probe"):
            probe = Probe(fails_at)
    source.to(probe)
    return graph, probe


def check(driver, result, count):
    pids = result.pop("pids")
    assert {"count": count, "opened": 1, "closed": 1} == result
    assert 1 == len(pids)
    assert (driver.kind == "processes") == (os.getpid() not in pids)


def test_a14_a_probe_is_opened_and_closed_once(driver):
    """A14: 500 items counted elsewhere, one open, one close, in the process of compute, and the count comes home."""
    graph, probe = probe_graph(driver)
    driver.run(graph)
    check(driver, probe.result, 500)


def test_a14_a_probe_is_closed_after_an_error_too(driver):
    """A14 with an error at item 250: closed once all the same, and its count of 250 comes home."""
    graph, probe = probe_graph(driver, fails_at=250)
    with pytest.raises(NodeFailed) as error:
        driver.run(graph)
    assert "probe" == error.value.node
    assert isinstance(error.value.__cause__, ValueError)
    check(driver, probe.result, 250)


class Lifetime:
    """Counts the opens and closes of a node and the processes it ran in."""

    def begin(self):
        self.opened, self.closed, self.pids = getattr(self, "opened", 0) + 1, 0, {os.getpid()}

    def end(self, state):
        self.closed += 1
        return state, self.opened, self.closed, len(self.pids | {os.getpid()})


class Walk(Lifetime, Emitter):
    """37 steps, and then the end."""

    def __init__(self):
        super().__init__("i8")

    def open(self):
        self.begin()
        self.position = 0

    def compute(self):
        self.pids.add(os.getpid())
        if self.position == 37:
            return STOP
        self.position += 1
        return self.position

    def close(self):
        return self.end(self.position)


class MovingAverage(Lifetime, Router):
    """The mean of the last ten."""

    def __init__(self):
        super().__init__("f8")

    def open(self):
        self.begin()
        self.last = deque(maxlen=10)

    def compute(self, x):
        self.pids.add(os.getpid())
        self.last.append(x)
        return sum(self.last) / len(self.last)

    def close(self):
        return self.end(list(self.last))


@router("f8")
def mean_of(xs):
    return xs.mean()


def test_a18_a_moving_average_by_window(driver):
    """A18 by `window=10`: the node keeps nothing, the edge hands it the last ten."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(1, 21), "i8")
        with driver.at(graph, "b"):
            mean, out = mean_of(), collect()
    source.to(mean, window=10).to(out)
    driver.run(graph)
    growing, sliding = [(n + 1) / 2 for n in range(1, 11)], [n - 4.5 for n in range(11, 21)]
    assert growing + sliding == out.records.tolist()


def test_a18_a_walk_brings_its_state_home(driver):
    """A18: 37 steps, opened and closed once in one process, and the position is `node.result`."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            walk = Walk()
        with driver.at(graph, "b"):
            out = collect()
    walk.to(out)
    driver.run(graph)
    assert (37, 1, 1, 1) == walk.result
    assert list(range(1, 38)) == out.records.tolist()


def test_a18_a_moving_average_of_ten(driver):
    """A18: a mean over at most ten values, with its window made in `open`."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(1, 21), "i8")
        with driver.at(graph, "b"):
            mean, out = MovingAverage(), collect()
    source.to(mean).to(out)
    driver.run(graph)
    growing, sliding = [(n + 1) / 2 for n in range(1, 11)], [n - 4.5 for n in range(11, 21)]
    assert growing + sliding == out.records.tolist()
    assert (list(range(11, 21)), 1, 1, 1) == mean.result
