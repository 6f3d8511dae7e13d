"""Acceptance: a regulator, a node that makes records of one length of records of any. A22."""

from dfcore import Graph, Router, collect, emit

UNEVEN = [[1, 2, 3, 4], [5], [6, 7]]


class Pairs(Router):
    """Each two of one input; what makes no pair is dropped."""

    def compute(self, items):
        for start in range(0, len(items) - 1, 2):
            yield items[start : start + 2]


class CarryOver(Router):
    """Each two of all inputs; what makes no pair at the end comes from `flush`."""

    def open(self):
        self.rest = []

    def compute(self, items):
        self.rest += items
        while len(self.rest) >= 2:
            pair, self.rest = self.rest[:2], self.rest[2:]
            yield pair

    def flush(self):
        if self.rest:
            yield self.rest


def regulated(driver, regulator):
    with Graph() as graph:
        source = emit(UNEVEN)
        with driver.at(graph, "a"):
            node = regulator(object)
        out = collect()
    source.to(node).to(out)
    driver.run(graph)
    return out.records


def test_a22_a_regulator_that_drops_what_is_left(driver):
    """A22: inputs of length 4, 1 and 2, two at a time."""
    assert [[1, 2], [3, 4], [6, 7]] == regulated(driver, Pairs)


def test_a22_a_regulator_that_carries_over(driver):
    """A22: what is left goes on to the next input, and at the end it is flushed."""
    assert [[1, 2], [3, 4], [5, 6], [7]] == regulated(driver, CarryOver)
