"""Acceptance: graphs inside graphs, a loop in a class, and pictures. A1 (picture), A2, A23."""

from __future__ import annotations

import gc
import os
import re
import signal

import numpy as np
import pytest

from dfcore import (
    STOP,
    ContextDied,
    Emitter,
    Graph,
    GraphError,
    NodeFailed,
    collect,
    default_graph,
    emit,
    merge,
    router,
    top_graph,
)
from dfcore._cell import rng_key


@router("i8")
def double(x):
    return 2 * x


def test_a1_three_spellings_have_one_picture():
    """A1: chaining, calling and `|` give the same diagram, in each form."""

    def built(wire):
        with Graph() as graph:
            wire(emit(range(10), "i8"), double(), collect())
        return [graph.diagram(form) for form in ("svg", "mermaid", "dot")]

    chained = built(lambda a, b, c: a.to(b).to(c))
    assert chained == built(lambda a, b, c: c(b(a))) == built(lambda a, b, c: a | b | c)


def test_a23_diagram_and_counters_of_a_chain(driver):
    """A23: four nodes and three edges in DOT and Mermaid; what was written was read, never more at once than fits."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source, first = emit(range(100), "i8"), double()
        with driver.at(graph, "b"):
            second, sink = double(), collect()
    source.to(first, depth=3).to(second, depth=5).to(sink)
    dot, mermaid = graph.diagram("dot"), graph.diagram("mermaid")
    assert (4, 3) == (len(re.findall(r"^ *n\d+ \[label=", dot, re.MULTILINE)), dot.count(" -> "))
    assert (4, 3) == (len(re.findall(r"^ *n\d+[(\[]", mermaid, re.MULTILINE)), mermaid.count(" -->"))
    report = driver.run(graph)
    depths = {edge.name: edge.depth for edge in graph.plan().edges}
    assert ["emit -> double", "double -> double_2", "double_2 -> collect"] == list(report.edges)
    for name, edge in report.edges.items():
        assert 100 == edge.written == edge.read
        assert 1 <= edge.high_water <= depths[name]
    assert [4 * number for number in range(100)] == sink.records.tolist()


def test_a2_graphs_nest(driver):
    """A2: the innermost open graph is the default; afterwards the top graph is again, and holds the outermost; and all runs."""
    gc.collect()
    before = top_graph().nodes
    with Graph() as g:
        assert g is default_graph()
        with driver.at(g, "a"):
            b1, b2 = emit(range(3), "i8"), collect()
            with Graph() as g2:
                assert g2 is default_graph()
                b3 = double()
            assert g is default_graph()
    assert ([b1, b2, g2], [b3]) == (g.nodes, g2.nodes)
    assert top_graph() is default_graph()
    assert [g] == [item for item in top_graph().nodes if item not in before]
    with pytest.raises(ZeroDivisionError), g, g2:
        1 / 0  # noqa: B018
    assert top_graph() is default_graph()
    b1.to(b3).to(b2)
    report = driver.run(g)
    assert ["emit -> graph/double", "graph/double -> collect"] == list(report.edges)
    assert [0, 2, 4] == b2.records.tolist()


@router("i8")
def observer(readout, control):
    return readout + control


@router("i8")
def negate(estimate, *, sign=-1):
    return sign * estimate


class Controller(Graph):
    """An observer and a control law in a loop, as one part."""

    def __init__(self):
        super().__init__()
        with self:
            self.observer, self.law = observer(), negate(name="law")
        self.observer.to(self.law).to(self.observer["control"], initial=[0])
        self.expose(readout=self.observer["readout"], sign=self.law["sign"], estimate=self.observer, control=self.law)


class CartPole(Graph):
    """The cart-pole in integers: two contexts, and the controller a part in one of them."""

    def __init__(self, driver):
        super().__init__("cartpole")
        with self, driver.at(self, "io"):
            self.sensor, self.log = emit(range(1, 6), "i8", name="sensor"), collect(name="log")
            self.forces = collect(name="forces")
        with self, driver.at(self, "control"):
            self.controller, self.estimates = Controller(), collect(name="estimates")
        self.sensor.to(self.log)
        self.sensor.to(self.controller)["control"].to(self.forces)
        self.controller["estimate"].to(self.estimates)


def test_a_controller_is_a_part_of_a_cart_pole(driver):
    """A11 (b) with its loop in a part: the same numbers, and full names in the report; a second run begins anew."""
    graph = CartPole(driver)
    report = driver.run(graph)
    assert [1, 1, 2, 2, 3] == graph.estimates.records.tolist()
    assert [-1, -1, -2, -2, -3] == graph.forces.records.tolist()
    assert [1, 2, 3, 4, 5] == graph.log.records.tolist()
    assert 5 == report.nodes["controller/observer"].firings
    assert 5 == report.edges["controller/law -> forces"].read
    graph.controller.law.params.sign = 0
    driver.run(graph)
    assert [1, 2, 3, 4, 5] == graph.estimates.records.tolist()


def test_a_parameter_of_a_part_is_fed_from_outside(driver):
    """By the name that it was exposed as; the node waits for no second value."""
    graph = CartPole(driver)
    with graph:
        tuner = emit([5], "i8")
    tuner.to(graph.controller["sign"], initial=[0])
    driver.run(graph)
    assert 5 == len(graph.estimates)


class Dice(Graph):
    """Three throws, in a context of its own."""

    def __init__(self, driver):
        super().__init__()
        with self, driver.at(self, "cup"):
            self.throw, self.seen = Throw(), collect(name="seen")
        self.throw.to(self.seen)


class Throw(Emitter):
    """Numbers from its `rng`, and its own name."""

    def __init__(self):
        super().__init__("f8")

    def compute(self):
        return self.rng.random() if self.firing < 3 else STOP

    def close(self):
        return self.name


def test_random_numbers_are_keyed_by_full_names(driver):
    """Two parts of one class throw different numbers, the same under each driver; alone, a part's key lacks only the prefix."""
    with Graph() as graph:
        first, second = Dice(driver), Dice(driver)
    driver.run(graph, seed=3)
    alone = Dice(driver)
    driver.run(alone, seed=3)
    names = ["dice/throw", "dice_2/throw", "throw"]
    for part, name in zip((first, second, alone), names, strict=True):
        streams = [np.random.Philox(key=rng_key(3, name), counter=[0, firing, 0, 0]) for firing in range(3)]
        assert [np.random.Generator(stream).random() for stream in streams] == part.seen.records.tolist()
        assert name == part.throw.result


@router("i8")
def broken(x):
    raise ValueError("no")


def test_an_error_inside_a_part_names_it_in_full(driver):
    """Node and input, wherever it ran."""
    with Graph() as graph:
        source = emit([1], "i8")
        with Graph("arm") as arm, driver.at(arm, "io"):
            node = broken()
        arm.expose(x=node["x"], y=node)
        sink = collect()
    source.to(arm).to(sink)
    with pytest.raises(NodeFailed) as info:
        driver.run(graph)
    assert ("arm/broken", "compute") == (info.value.node, info.value.method)
    assert "arm/broken" in str(info.value)
    assert info.value.report is graph.report


@pytest.mark.parametrize("driver", ["processes"], indirect=True)
def test_a_context_of_a_part_that_dies_is_named_in_full(driver):
    """`arm/io`, and the node in it that was firing."""

    @router("i8")
    def dies(x):
        os.kill(os.getpid(), signal.SIGKILL)

    with Graph() as graph:
        source = emit([1], "i8")
        with Graph("arm") as arm, driver.at(arm, "io"):
            node, sink = dies(), collect()
    source.to(node).to(sink)
    with pytest.raises(ContextDied) as info:
        driver.run(graph)
    assert ("arm/io", signal.SIGKILL, "arm/dies") == (info.value.context, info.value.signal, info.value.node)
    assert "arm/io" in graph.report.contexts


def test_a_graph_stays_out_of_the_processes():
    """A node that refers to a part cannot go to a process; it says so before anything starts."""
    with Graph() as graph:
        source = emit([1], "i8")
        with Graph("arm") as arm, arm.context("io"):
            sink = collect()
    sink.arm = arm
    source.to(sink)
    with pytest.raises(GraphError, match="arm/collect: needed `arm` to be something that can go to the process `arm/io`"):
        graph.run()


class Halves(Graph):
    """Two sources merged, and the errors of a node, as a part."""

    def __init__(self):
        super().__init__()
        with self:
            self.both, self.half = merge(), halve(on_error="emit")
        self.both.to(self.half)
        self.expose(values=self.both["values"], half=self.half["output"], failed=self.half["error"])


@router("i8")
def halve(x):
    if x % 2:
        raise ValueError("odd")
    return x // 2


@pytest.mark.parametrize("driver", ["inline", "virtual"], indirect=True)
def test_a_part_may_merge_and_give_out_errors(driver):
    """`*values` takes any number of connections from outside; the output that `on_error` adds is exposed like another."""
    with Graph() as graph:
        one, two, halves, good, bad = emit(range(4), "i8"), emit([6], "i8"), Halves(), collect(), collect()
    halves(one, two)["half"].to(good)
    halves["failed"].to(bad)
    driver.run(graph)
    assert [0, 1, 3] == sorted(good.records.tolist())
    assert ["halves/halve", "halves/halve"] == [error.node for error in bad.records]
    assert "error →" in graph.diagram("mermaid")
