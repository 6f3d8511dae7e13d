"""Graph -> Plan: every number."""

from __future__ import annotations

import pickle

import numpy as np

from dfcore.compiler import compile
from dfcore.functions import emitter, router
from dfcore.graph import Declaration
from tests.nodes import log, show
from tests.problems import line_of, places

STATE = [("x", "f8"), ("v", "f8")]


@emitter("i8")
def sensor():
    return 1


@router("i8")
def observer(readout, control):
    return readout + control


@router("i8")
def controller(estimate, *, gain=-1.0, bias=np.zeros(3, "f4"), path="x", target):  # noqa: B008
    return -estimate


# ------------------------------------------------------------------------------------------------------------- the plan


def cart_pole(**feedback):
    """The loop of A11 with a logger, in two contexts."""
    with Declaration("cartpole") as graph:
        with graph.context("io", cpu=0):
            one, two = sensor(), log()
        graph.context("empty")
        with graph.context("control", priority=50, spin_us=20):
            three, four = observer(), controller(gain=2.0)
        target = sensor(name="target")
    one.to(two)
    one.to(three["readout"], policy="latest")
    three.to(four).to(three["control"], **feedback)
    target.to(four["target"])
    return graph


def test_a_plan_is_every_number():
    """Contexts, nodes, outputs and edges of a loop in two processes."""
    plan = compile(cart_pole(initial=[0]))
    assert [("inline", "inline", (4,)), ("io", "process", (0, 1)), ("control", "process", (2, 3))] == [
        (context.name, context.kind, context.nodes) for context in plan.contexts
    ]
    assert [(None, None, 0.0), ((0,), None, 0.0), (None, 50, 20.0)] == [
        (context.cpu, context.priority, context.spin_us) for context in plan.contexts
    ]
    assert [("sensor", 1, 0, "emitter"), ("log", 1, 1, "collector"), ("observer", 2, 1, "router"), ("controller", 2, 2, "router"),
            ("target", 0, 0, "emitter")] == [(node.name, node.context, node.rank, node.role) for node in plan.nodes]  # fmt: skip
    assert [(), (0,), (1, 3), (2,), ()] == [node.inputs for node in plan.nodes]
    assert [(0,), (), (1,), (2,), (3,)] == [node.outputs for node in plan.nodes]
    assert (0, 4, 2, 1, 3) == tuple(plan.firing_order[index] for index in (0, 1, 3, 2, 4))
    assert [False, False, False, True, False, False] == [edge.feedback for edge in plan.edges]
    assert ("every", "latest", "every", "every", "parameter", "parameter") == tuple(edge.policy for edge in plan.edges)
    assert [16, 1, 16, 16, 1, 1] == [edge.depth for edge in plan.edges]


def test_the_plan_knows_the_parameters():
    """Starting values, dtypes, and who writes each: the edge, the program, or nobody while it runs."""
    plan = compile(cart_pole(initial=[0]))
    gain, bias, path, target = plan.nodes[3].parameters
    assert ("gain", 2.0, np.dtype("f8"), None, False) == (gain.name, gain.value, gain.dtype, gain.edge, gain.required)
    assert (np.dtype(("f4", (3,))), [0, 0, 0]) == (bias.dtype, bias.value.tolist())
    assert ("x", None) == (path.value, path.dtype)
    assert (True, 4, np.dtype("i8"), None) == (target.required, target.edge, target.dtype, target.value)


def test_what_the_program_may_set_is_an_output():
    """One record of all settable parameters, written by the inline context, read as a parameter."""
    plan = compile(cart_pole(initial=[0]))
    output = plan.outputs[plan.nodes[3].settings]
    assert (-1, 0, "settings", (5,), False) == (output.node, output.context, output.name, output.edges, output.local)
    assert (("gain", "bias"), True) == (output.dtype.names, output.dtype.isalignedstruct)
    edge = plan.edges[5]
    assert ("(program) -> controller", 3, -1, "", "parameter") == (edge.name, edge.node, edge.input, edge.input_name, edge.policy)
    assert [None, None, None, 4, None] == [node.settings for node in plan.nodes]


def test_every_edge_knows_its_place():
    """Names, ends, contexts, and where it was written."""
    plan = compile(cart_pole(initial=[0]))
    assert ["sensor -> log", "sensor -> observer.readout", "observer -> controller", "controller -> observer.control",
            "target -> controller.target", "(program) -> controller"] == [edge.name for edge in plan.edges]  # fmt: skip
    assert [(0, 1, 0), (0, 2, 0), (1, 3, 0), (2, 2, 1), (3, 3, -1), (4, 3, -1)] == [
        (edge.output, edge.node, edge.input) for edge in plan.edges
    ]
    assert [1, 2, 2, 2, 2, 2] == [edge.context for edge in plan.edges]
    assert {__file__} == {edge.file for edge in plan.edges} == {node.file for node in plan.nodes}
    assert [False, True, True, False, False] == [output.local for output in plan.outputs]


def test_a_plan_can_be_pickled_and_printed():
    """It comes back equal; printing shows every part."""
    plan = compile(cart_pole(initial=[0]))
    twin = pickle.loads(pickle.dumps(plan))
    assert (plan.nodes[0], plan.edges, plan.layout) == (twin.nodes[0], twin.edges, twin.layout)
    text = str(plan)
    assert text.startswith("plan cartpole: 5 nodes, 6 edges, ")
    for part in ("control", "observer", "(program)", "sensor -> log", "feedback, 1 initial", "latest"):
        assert part in text


def test_options_become_whole_numbers():
    """Periods, deadlines, ages and costs, in nanoseconds."""
    with Declaration() as graph:
        one = sensor(rate_hz=100, overrun="catch_up", deadline_s=0.005, on_deadline="error", cost_ns=2.6, zero=False)
        one.to(log(cost_ns=[1, 2.4]), depth=3, on_full="drop_new", decimate=2, batch=4, max_age_s=0.1)
        two = log(cost_ns=cost)
        one.to(two)
    plan = compile(graph)
    node, edge = plan.nodes[0], plan.edges[0]
    assert ((10**7, 1), "catch_up", 5_000_000, "error", 3, False) == (
        node.period_ns, node.overrun, node.deadline_ns, node.on_deadline, node.cost_ns, node.zero)  # fmt: skip
    assert ((1, 2), cost) == (plan.nodes[1].cost_ns, plan.nodes[2].cost_ns)
    assert (3, "drop_new", 2, 4, 100_000_000) == (edge.depth, edge.on_full, edge.decimate, edge.batch, edge.max_age_ns)


def cost(rng):
    return 1


def test_values_come_in_the_order_of_connecting():
    """`*values` by position, whatever the order of the nodes."""
    with Declaration() as graph:
        one, two, target = sensor(), sensor(), show()
        two.to(target)
        one.to(target)
    (node,) = [node for node in compile(graph).nodes if node.role == "collector"]
    assert ((0, 1), ("values[0]", "values[1]")) == (node.inputs, node.input_names)


def test_the_pool_holds_what_readers_may_hold():
    """N = deepest edge + rings of `drop_new` + the newest + three leases for each reader and the spare one."""

    def slots(*options):
        with Declaration() as graph:
            one = sensor()
            for each in options:
                one.to(log(), **each)
        return compile(graph).outputs[0].slots

    assert 1 + 1 + 3 == slots()
    assert 16 + 1 + 6 == slots({})
    assert 16 + 1 + 9 == slots({}, {"policy": "latest"})
    assert 1 + 1 + 6 == slots({"policy": "latest"})
    assert 7 + (5 + 7) + 1 + 12 == slots({"depth": 5, "on_full": "drop_new"}, {"depth": 7, "on_full": "drop_new"}, {"depth": 2})


def test_an_output_is_local_if_all_its_readers_are():
    """Threads and the caller are different contexts; an output without readers is local."""
    with Declaration() as graph:
        one, two, _three = sensor(), sensor(), sensor()
        with graph.context("a", kind="thread"):
            one.to(log())
        two.to(log())
    assert [False, True, True] == [output.local for output in compile(graph).outputs]


def test_the_same_declaration_gives_the_same_plan():
    """Twice compiled is equal."""
    graph = cart_pole(initial=[0])
    one, two = compile(graph), compile(graph)
    assert (one.contexts, one.outputs, one.edges, one.layout) == (two.contexts, two.outputs, two.edges, two.layout)


# ---------------------------------------------------------------------------------------------------------------- loops


def test_a_cycle_without_initial_records_is_printed():
    """A11 (a): as a path, with the place of its last edge and what to write."""
    (problem,) = places(cart_pole(), "cycle")
    assert "observer -> controller -> observer: needed an edge with initial records in the cycle, was none; give one of its edges " \
           "initial records, for example controller -> observer.control: initial=[...]. (" in str(problem)  # fmt: skip
    assert (__file__, "three.to(four)") == (problem.file, line_of(problem).partition(".to(three")[0])


def test_a_node_may_feed_itself():
    """Fibonacci: all its inputs are feedback, so `stop` has to end it."""

    @router(outputs={"a": "i8", "b": "i8"})
    def fib(x1, x2): ...

    def graph(**options):
        with Declaration() as graph:
            node = fib()
            node["a"].to(node["x1"], initial=[0])
            node["b"].to(node["x2"], **options)
        return graph

    (node,) = compile(graph(initial=[1])).nodes
    assert (0, True) == (node.rank, node.ends_with_stop)
    (problem,) = places(graph(), "cycle")
    assert "fib -> fib" == problem.where


def test_a_parameter_with_a_default_breaks_a_cycle():
    """Without a default it needs initial records."""

    @router("f8")
    def tuner(x): ...

    @router("f8")
    def plant(x, *, gain=1.0): ...

    @router("f8")
    def strict(x, *, gain): ...

    def graph(make, **options):
        with Declaration() as graph:
            source, one, two = start(), make(), tuner()
            source.to(one).to(two).to(one["gain"], **options)
        return graph

    plan = compile(graph(plant))
    assert ([0, 1, 2], [False, False, True]) == ([node.rank for node in plan.nodes], [edge.feedback for edge in plan.edges])
    assert [False, False, True] == [edge.feedback for edge in compile(graph(strict, initial=[1.0])).edges]
    (problem,) = places(graph(strict), "cycle")
    assert "strict -> tuner -> strict" == problem.where


@emitter("f8")
def start():
    return 1.0


def test_initial_records_outside_of_a_cycle_are_no_feedback():
    """They are legal anywhere, and count for the rank."""
    with Declaration() as graph:
        sensor().to(log(), initial=[1])
    plan = compile(graph)
    assert (False, 1, False) == (plan.edges[0].feedback, plan.nodes[1].rank, plan.nodes[1].ends_with_stop)


def test_every_cycle_is_reported():
    """One problem for each knot."""

    @router("f8")
    def relay(x): ...

    with Declaration() as graph:
        one, two, three = relay(), relay(), relay()
        one.to(two).to(one)
        three.to(three)
    first, second = places(graph, "cycle", "cycle")
    assert ("relay -> relay_2 -> relay", "relay_3 -> relay_3") == (first.where, second.where)
