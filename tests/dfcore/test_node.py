"""Nodes: what a class may say, and what every node has."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import cloudpickle
import numpy as np
import pytest

from dfcore.declared import free_nodes, snake_case
from dfcore.errors import GraphError
from dfcore.graph import Declaration
from dfcore.node import Collector, Emitter, Router

STATE = [("x", "f8"), ("v", "f4")]


class Sensor(Emitter):
    def __init__(self, port="a", **options):
        self.port = port
        super().__init__(STATE, **options)

    def compute(self): ...


class Controller(Router):
    def compute(self, state, *, gain=1.0):
        return gain * state


class Printer(Collector):
    def __init__(self):
        self.lines = []

    async def compute(self, *values): ...


class LEDDriver2(Collector):
    def compute(self, value): ...


def test_the_dtype_is_the_stored_one():
    """Aligned, names and types kept; a node without outputs has none."""
    dtype = Sensor().dtype
    assert (("x", "v"), True, 16) == (dtype.names, dtype.isalignedstruct, dtype.itemsize)
    assert None is Printer().dtype


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CartPole", "cart_pole"),
        ("LEDDriver2", "led_driver2"),
        ("_Private", "private"),
        ("noise", "noise"),
        ("A", "a"),
        ("_", "node"),
    ],
)
def test_names_are_in_snake_case(name, expected):
    """Words begin at capitals; runs of capitals are one word."""
    assert expected == snake_case(name)


def test_a_node_is_named_after_its_class():
    """Unless it is given a name, in the constructor or later."""
    assert ("sensor", "led_driver2") == (Sensor().name, LEDDriver2().name)
    assert ("left", "right") == (Sensor(name="left").name, Sensor().options(name="right").name)


def test_a_collector_may_leave_out_the_constructor():
    """And an emitter may call it at any place in its own."""
    assert ("printer", {}) == (Printer().name, Printer()._declared.options)
    assert "a" == Sensor().port


def test_a_node_knows_where_it_was_made():
    """File and line of the call, not of its constructor."""
    node = Sensor()
    assert __file__ == node._declared.file
    assert Sensor().__class__ and node._declared.line + 2 == Sensor()._declared.line


def test_nodes_are_numbered_in_order_of_creation():
    """Whatever becomes of them."""
    first, second = Sensor(), Controller(STATE)
    assert first._declared.serial < second._declared.serial


def test_what_a_run_calls():
    """`_compute` is the bound method, `_style` how it gives its result."""
    controller, printer = Controller("f8"), Printer()
    assert 6.0 == controller._compute()(3.0, gain=2.0)
    assert ("plain", "coroutine") == (controller._style, printer._style)


def test_compute_is_an_ordinary_method_outside_a_run():
    """Calling it needs no graph; what a run offers works on private memory."""
    node = Sensor()
    assert None is node.compute()
    node.output["x"] = 3.0
    assert (3.0, 0, 0) == (node.output["x"], node.now_ns, node.firing)
    assert isinstance(node.rng, np.random.Generator)


def test_parameters_and_options_are_keywords():
    """Both in the constructor; options also later; what nobody knows is an error with a hint."""
    node = Controller(STATE, gain=2.0, deadline_s=0.1)
    assert (2.0, {"deadline_s": 0.1}) == (node.params.gain, node._declared.options)
    assert node is node.options(zero=False, cost_ns=5)
    with pytest.raises(GraphError, match=r"Controller: needed known keywords, was `deadlin_s`; did you mean `deadline_s`\?"):
        Controller(STATE, deadlin_s=0.1)
    with pytest.raises(GraphError, match=r"controller.options: needed known keywords, was `gain`; "):
        node.options(gain=3.0)


def test_a_failed_constructor_leaves_no_node_behind():
    """A graph forgets a node whose options were wrong, and so does the list of free nodes."""
    with Declaration() as graph, pytest.raises(GraphError):
        Controller(STATE, wrong=1)
    assert [] == graph.nodes
    before = set(free_nodes)
    with pytest.raises(GraphError):
        Controller(STATE, wrong=1)
    assert set() == set(free_nodes) - before


@pytest.mark.parametrize("name", ["output", "now_ns", "firing", "name", "rng", "header", "origin_ns", "meta", "wait_for", "to", "options",
                                  "params", "result", "dtype", "_compute"])  # fmt: skip
@pytest.mark.parametrize("base", [Emitter, Router, Collector])
def test_names_of_every_node_cannot_be_used_by_a_subclass(name, base):
    """As method or attribute, also in a mixin."""
    says = f"class Bad: needed names of its own, was `{name}`, which every node has; rename it"
    with pytest.raises(GraphError, match=says):
        type("Bad", (base,), {name: 3})
    mixin = type("Mixin", (), {name: lambda self: None})
    with pytest.raises(GraphError, match=says):
        type("Bad", (mixin, base), {})


@pytest.mark.parametrize("name", ["name", "params", "result", "dtype"])
def test_names_of_every_node_cannot_be_assigned(name):
    """The error says so at once where it can."""
    with pytest.raises(GraphError, match=f"class Sensor: needed names of its own, was `{name}`, which every node has; rename it"):
        setattr(Sensor(), name, "x")


@pytest.mark.parametrize("name", ["output", "now_ns", "firing", "rng"])
def test_what_a_run_provides_cannot_be_assigned(name):
    """The native attributes refuse it too."""
    with pytest.raises((AttributeError, GraphError), match=name):
        setattr(Sensor(), name, "x")


def test_other_names_are_free():
    """Names that only this package uses elsewhere are no concern of a node class."""

    class Mine(Emitter):
        outputs, index, context, graph, inputs, close_later, role = range(7)

        def __init__(self):
            super().__init__("f8")
            self._name, self._params, self._role_of, self.node = "a", 1, 2, 3

        def compute(self): ...

    assert ("mine", np.dtype("f8"), "a") == (Mine().name, Mine().dtype, Mine()._name)


def test_what_is_no_end_is_left_to_python():
    """`node | 3` is a TypeError as between any two things."""
    with pytest.raises(TypeError):
        Sensor() | 3
    assert None is Sensor().result


def test_an_end_is_named_by_text():
    """`node[0]` and going through a node are errors, not endless."""
    with pytest.raises(TypeError, match=r'sensor\[...\]: needed the name of an end, was 0; write sensor\["name"\]'):
        Sensor()[0]
    with pytest.raises(TypeError):
        list(Sensor())


def test_a_free_node_is_held_by_nobody():
    """Outside a graph a node lives as long as the program holds it."""
    node = Sensor()
    ref = weakref.ref(node)
    assert node in free_nodes
    del node
    gc.collect()
    assert None is ref()


@pytest.mark.parametrize("how", [pickle, cloudpickle], ids=lambda module: module.__name__)
def test_a_copy_keeps_what_was_declared(how):
    """Attributes, name, dtype and parameters travel; graph, context, edges and result stay."""
    with Declaration() as graph:
        Sensor()
        with graph.context("io"):
            node = Sensor("b", name=None)
        node.to(Printer())
    node._declared.result = object()
    twin = how.loads(how.dumps(node))
    assert ("b", "sensor_2", node.dtype) == (twin.port, twin.name, twin.dtype)
    book = twin._declared
    assert (None, None, [], None) == (book.graph, book.context, book.edges, book.result)
    assert 3 == len(graph.nodes) and twin not in free_nodes


def test_nodes_that_travel_together_stay_together():
    """What two nodes share is one object on the other side."""
    sensor, printer = Sensor(), Printer()
    printer.sensor = sensor
    one, two = pickle.loads(pickle.dumps([sensor, printer]))
    assert one is two.sensor


def test_a_copy_inside_a_block_joins_nothing():
    """`copy.copy` gives a free-standing node."""
    with Declaration() as graph:
        copy.copy(Sensor())
    assert 1 == len(graph.nodes)


def test_a_subclass_may_choose_its_own_state():
    """`__getstate__` and `__setstate__` of user classes work as usual."""
    node = WithLock()
    twin = pickle.loads(pickle.dumps(node))
    assert ("made anew", "with_lock") == (twin.lock, twin.name)


class WithLock(Collector):
    def __init__(self):
        self.lock = lambda: None  # cannot be pickled

    def compute(self, value): ...

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "lock"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.lock = "made anew"


def test_a_node_says_what_it_is():
    """`repr` names role and node."""
    assert "<emitter sensor>" == repr(Sensor())
