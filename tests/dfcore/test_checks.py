"""Every mistake that a node or a context can be by itself: provoked, with its text and its place."""

from __future__ import annotations

import linecache
import re
from fractions import Fraction

import numpy as np
import pytest

from dfcore import machine
from dfcore.checks import cpu_numbers, period_ns
from dfcore.compiler import compile
from dfcore.errors import GraphError
from dfcore.functions import router
from dfcore.graph import Declaration
from dfcore.node import Collector, Emitter, Router
from tests.nodes import log, noise, scale


def problems(graph):
    """What `compile` says about a graph, without numbers and places."""
    with pytest.raises(GraphError) as info:
        compile(graph)
    return [str(problem).partition(" (/")[0] for problem in info.value.problems]


def of_node(make):
    """What `compile` says about one node that is connected as far as it can be."""
    with Declaration() as graph:
        node = make()
        if node._role == "emitter":
            node.to(log())
        else:
            noise().to(node)
    return problems(graph)


# ---------------------------------------------------------------------------------------------------------------- graph


def test_an_empty_graph_names_the_free_nodes():
    """Somebody forgot the `with`."""
    one, two = noise(name="lonely"), scale(name="alone")
    (text,) = problems(Declaration("robot"))
    assert text.startswith("graph robot: needed nodes to run, was empty; take these free nodes in:")
    assert "`lonely`" in text and "`alone`" in text
    del one, two


def test_names_are_unique():
    """Two given the same name: the second is told where the first is."""
    with Declaration() as graph:
        one, two = noise(name="a"), noise(name="a")
    (problem,) = pytest.raises(GraphError, compile, graph).value.problems
    place = f"{__file__}:{one._declared.line}"
    assert (
        f'a: needed a name of its own in the graph, was also the name of the node made in {place}; rename it: name="a_2". '
        in str(problem)
    )
    assert (__file__, two._declared.line) == (problem.file, problem.line)


# ----------------------------------------------------------------------------------------------------------------- node


class Nothing(Emitter):
    pass


class WithoutDtype(Emitter):
    def __init__(self):
        pass

    def compute(self): ...


class WithInput(Emitter):
    def compute(self, x): ...


class WithoutInput(Router):
    def compute(self): ...


class Generating(Collector):
    def compute(self, x):
        yield


class Assigning(Collector):
    def __init__(self):
        self.compute = lambda x: None
        self.to = 3

    def compute(self, x): ...


class Attribute(Collector):
    open = 3

    def compute(self, x): ...


class OptionAsParameter(Router):
    def compute(self, x, *, rate_hz=1.0, update=2.0): ...


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Nothing("f8"), ["nothing: needed a method `compute`, was none; define it in Nothing."]),
        (WithoutDtype, [("without_dtype: needed a dtype for its output, was none; call super().__init__(dtype) in "
                        "WithoutDtype.__init__, or WithoutDtype(dtype).")]),
        (lambda: WithInput("f8"), ["with_input: needed an Emitter without inputs, was `x`; put them behind `*`, or make it a Router."]),
        (Generating, [("generating: needed a Collector whose `compute` is no generator, was a generator function; "
                      "remove its `yield`: a Collector publishes nothing.")]),
        (Assigning, ["assigning: needed `compute` as a method, was assigned on the object; write `def compute` in Assigning.",
                     "assigning: needed attributes with names of their own, was `to`, which every node has; rename it."]),
        (Attribute, ["attribute: needed `open` as a method, was 3; write `def open`."]),
        (lambda: OptionAsParameter("f8"),
         ["option_as_parameter: needed parameters with names of their own, was `rate_hz`, an option; rename it.",
          "option_as_parameter: needed parameters with names of their own, was `update`, used by params; rename it."]),
    ],
)  # fmt: skip
def test_what_a_class_can_get_wrong(make, expected):
    """Each with the place where the node was made."""
    assert expected == of_node(make)


def test_a_node_with_outputs_needs_inputs_to_be_a_router():
    """A Router without inputs would never fire."""
    with Declaration() as graph:
        WithoutInput("f8")
    expected = ["without_input: needed a Router with inputs, was `compute` without any; add an input, or make it an Emitter."]
    assert expected == problems(graph)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"dtype": [("x", "f8"), ("bad", object)]}, "Scale, field bad: needed .*, was object; "),
        ({"dtype": [("a", [("b", [("c", object)])])]}, "Scale, field a.b.c: needed .*, was object; "),
        ({"dtype": []}, "Scale: needed at least one byte, was of zero size"),
        ({"dtype": ("f8", (0,))}, "Scale: needed at least one byte, was of zero size"),
        ({"dtype": "nonsense"}, "Scale: needed what np.dtype accepts, was 'nonsense'"),
        ({"dtype": [("x", "f8"), ("x", "f8")]}, "Scale, field x: needed each name once in a record, was "),
        ({"dtype": "f8", "outputs": {"a": "f8"}}, "Scale: needed either a dtype or outputs, was both; keep one of them."),
        ({"outputs": ["a"]}, 'Scale: needed outputs as a dict from name to dtype, was .*; write outputs={"name": dtype, ...}.'),
        ({"outputs": {"a b": "f8"}}, "Scale: needed output names that are identifiers, was 'a b'; rename it."),
        ({"outputs": {"a": "f8", "b": object, "c": [("o", "O")]}}, "Scale.c, field o: needed .*, was object; "),
    ],
)
def test_what_a_dtype_can_get_wrong(arguments, expected):
    """Named by node, output and path of the field, with the place where the node was made."""
    with Declaration() as graph:
        noise().to(Scale(**arguments))
    (problem,) = pytest.raises(GraphError, compile, graph).value.problems
    assert re.match(expected, str(problem))
    assert "noise().to(Scale(**arguments))" == linecache.getline(problem.file, problem.line).strip()


class Scale(Router):
    def compute(self, x): ...


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rate_hz": 0}, "noise: needed rate_hz above 0 and at most 1e9, was 0; leave it out to fire as fast as there is room."),
        ({"rate_hz": float("inf")}, "noise: needed rate_hz above 0 and at most 1e9, was inf; leave it out to fire as fast"),
        ({"rate_hz": "10"}, "noise: needed rate_hz above 0 and at most 1e9, was '10'; leave"),
        ({"rate_hz": True}, "noise: needed rate_hz above 0 and at most 1e9, was True; leave"),
        ({"overrun": "wait", "rate_hz": 1}, 'noise: needed overrun "skip" or "catch_up", was \'wait\'; choose one.'),
        ({"overrun": "catch_up"}, "noise: needed rate_hz beside overrun, was none; add rate_hz=, or leave overrun out."),
        ({"deadline_s": -1}, "noise: needed deadline_s above 0 and at most 1e9, was -1; leave it out for no deadline."),
        (
            {"deadline_s": 1, "on_deadline": "stop"},
            'noise: needed on_deadline "count" or "safe" or "error", was \'stop\'; choose one.',
        ),
        (
            {"on_deadline": "error"},
            "noise: needed deadline_s beside on_deadline, was none; add deadline_s=, or leave on_deadline out.",
        ),
        ({"deadline_s": 1, "on_deadline": "safe"}, 'noise: needed a method `safe` for on_deadline="safe", was none; define it.'),
        ({"zero": None}, "noise: needed zero True or False, was None."),
        (
            {"cost_ns": -1},
            "noise: needed cost_ns as a number of 0 to 1e18, a sequence of them, or a function of the rng, was -1; 0",
        ),
        ({"cost_ns": []}, "noise: needed cost_ns as a number of 0 to 1e18"),
        ({"cost_ns": [1, "a"]}, "noise: needed cost_ns as a number of 0 to 1e18"),
        ({"name": 3}, "noise: needed a name without '/' '->' '.' '[' ']' '\\n', was 3; rename it."),
        ({"name": "a/b"}, "a/b: needed a name without '/' '->' '.' '[' ']' '\\n', was 'a/b'; rename it."),
    ],
)
def test_what_an_option_can_get_wrong(options, expected):
    """Values are judged when the graph is compiled, all of them."""
    (text,) = of_node(lambda: noise(**options))
    assert text.startswith(expected)


def test_a_rate_is_for_emitters():
    """A router fires when its inputs are there."""
    expected = ["scale: needed rate_hz on an Emitter only, was a Router; leave it out."]
    assert expected == of_node(lambda: scale(rate_hz=10))


def test_data_is_not_searched_for_nodes():
    """A long list is data; a short one may hold friends."""
    with Declaration() as graph:
        source = noise()
        with graph.context("a"):
            one = scale(name="one")
        source.to(one)
    one.data = [source] * 1001
    compile(graph)
    one.data = [source] * 2
    assert 1 == len(problems(graph))


def test_what_is_wrong_with_a_class_is_said_once():
    """However many nodes it has."""
    with Declaration() as graph:
        for _ in range(3):
            noise().to(router("f8")(with_keywords)())
    assert ["with_keywords.compute: needed named parameters, was `**more`; name each parameter behind `*`."] == problems(graph)


def with_keywords(x, **more): ...


@pytest.mark.parametrize("hold", [lambda node: node, lambda node: [node], lambda node: {"a": node}, lambda node: node["x"]])
def test_a_reference_into_another_context_is_a_mistake(hold):
    """Nodes travel by context; one level of containers is looked into."""
    with Declaration() as graph:
        source = noise()
        with graph.context("a"):
            one, friend = scale(name="one"), scale(name="friend")
        with graph.context("b"):
            two = scale(name="two")
        for node in (one, friend, two):
            source.to(node)
    one.friend = hold(friend)
    compile(graph)
    one.other = hold(two)
    expected = [("one: needed `other` to refer to nodes of its own context `a`, was `two` of context `b`; "
                "connect them with an edge, or put them in one context.")]  # fmt: skip
    assert expected == problems(graph)
    del one.other
    one.other = hold(source)
    assert ["was `noise` of context `inline`"] == [text.partition(", ")[2].partition(";")[0] for text in problems(graph)]


def test_a_graph_does_not_travel_with_a_node():
    """A node of a process that holds its graph would take every other node along; elsewhere it may."""

    def build(kind):
        with Declaration("whole") as graph, graph.context("io", kind=kind):
            node = noise()
        node.home = graph
        return graph

    compile(build("thread"))
    expected = "noise: needed `home` to be something that can go to the process `io`, was <graph whole: 1 nodes, 0 edges>; "
    assert [expected + "keep graphs out of nodes."] == problems(build("process"))


# -------------------------------------------------------------------------------------------------------------- context


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        (
            "inline",
            {},
            "context inline: needed a name of its own, was 'inline'; rename it; nodes of no context are called `inline`.",
        ),
        (
            "io",
            {"kind": "fiber"},
            'context io: needed kind "process" or "thread", was \'fiber\'; choose one; nodes of no context run in',
        ),
        ("io", {"cpu": "0"}, "context io: needed cpu as an int or a sequence of them, was '0'; write cpu=0 or cpu=[0, 1]."),
        ("io", {"cpu": []}, "context io: needed cpu as an int or a sequence of them, was []; write"),
        ("io", {"cpu": 4096}, "context io: needed a cpu of this machine, was 4096; choose from 0"),
        ("io", {"cpu": [0, -1]}, "context io: needed a cpu of this machine, was -1; choose from 0"),
        (
            "io",
            {"priority": 100},
            "context io: needed priority 1 to 99, was 100; choose one, or leave it out for an ordinary process.",
        ),
        ("io", {"priority": "high"}, "context io: needed priority 1 to 99, was 'high'"),
        ("io", {"spin_us": -1}, "context io: needed spin_us of 0 to 1e9, was -1; 0 does not spin."),
    ],
)
def test_what_a_context_can_get_wrong(name, options, expected):
    """With the place of the call that made it, used or not."""
    with Declaration() as graph:
        noise()
        graph.context(name, **options)
    (text,) = problems(graph)
    assert text.startswith(expected)


def test_cpus_may_be_written_in_several_ways():
    """An int, any sequence of them, NumPy's too; None asks for nothing."""
    assert ((), (1,), (0, 1), (0, 1), (2,)) == tuple(map(cpu_numbers, (None, 1, [0, 1], range(2), np.array([2]))))
    assert (None, None, None) == tuple(map(cpu_numbers, ("01", [0.5], True)))


def test_a_cpu_outside_the_affinity_mask_is_no_mistake():
    """The machine has it; that this process may not use it is found when it runs."""
    with Declaration() as graph, graph.context("io", cpu=sorted(machine.cpus())):
        noise()
    assert tuple(sorted(machine.cpus())) == compile(graph).contexts[1].cpu


@pytest.mark.parametrize(
    ("rate", "period"),
    [
        (100, (10**7, 1)),
        (0.1, (10**10, 1)),
        (30, (10**9 // 10 * 10 // 10, 3)),
        (29.97, (10**11, 2997)),
        (1 / 3, (3 * 10**9, 1)),
        (Fraction(1001, 1000), (10**12, 1001)),
        (48_000.0, (62500, 3)),
    ],
)
def test_the_period_is_what_was_meant(rate, period):
    """The shortest fraction that is the given number, not its binary digits."""
    expected = Fraction(*period)
    assert (expected.numerator, expected.denominator) == period_ns(rate)
