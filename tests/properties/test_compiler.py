"""What holds for the plan of every graph. Oracles are brute force, on purpose."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dfcore.advice import needed_depths
from dfcore.compiler import compile
from dfcore.declared import EDGE_OPTIONS, NODE_OPTIONS
from dfcore.errors import GraphError, Problem
from dfcore.functions import emitter, router
from dfcore.graph import Declaration
from dfcore.loops import components, cycles, feedback, ranks
from dfcore.plan import EVERY, KEEP, LATEST, PARAMETER
from tests.properties.strategies import Shape, relay, shapes, source

MANY = settings(max_examples=100, deadline=None)


def reaches(count, arcs):
    """Which node reaches which along at least one arc, `(count, count)`: Warshall."""
    way = np.zeros((count, count), bool)
    for a, b in arcs:
        way[a, b] = True
    for middle in range(count):
        way |= np.outer(way[:, middle], way[middle])
    return way


graphs_of_numbers = st.integers(1, 7).flatmap(
    lambda count: st.tuples(
        st.just(count), st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1), st.booleans()), max_size=16)
    )
)


@MANY
@given(graphs_of_numbers)
def test_components_and_feedback_are_what_reachability_says(graph):
    """Two nodes share a component iff each reaches the other; feedback is a starting arc whose end reaches its start."""
    count, marked = graph
    arcs = [(a, b) for a, b, _ in marked]
    way, found = reaches(count, arcs), components(count, arcs)
    for a, b in itertools.product(range(count), repeat=2):
        assert (found[a] == found[b]) == (a == b or (way[a, b] and way[b, a]))
    expected = [starts and bool(a == b or way[b, a]) for a, b, starts in marked]
    assert expected == feedback(count, arcs, [starts for _, _, starts in marked])


@MANY
@given(graphs_of_numbers)
def test_cycles_are_always_found(graph):
    """There is a cycle iff some node reaches itself; what is shown is one, without a repetition."""
    count, marked = graph
    arcs = [(a, b) for a, b, _ in marked]
    way, found = reaches(count, arcs), cycles(count, arcs)
    assert any(way[node, node] for node in range(count)) == bool(found)
    for path in found:
        assert len(path) == len(set(path))
        assert set(zip(path, [*path[1:], path[0]], strict=True)) <= set(arcs)
    if not found:
        rank = ranks(count, arcs)
        assert [max([rank[a] + 1 for a, b in arcs if b == node], default=0) for node in range(count)] == rank


@MANY
@given(shapes())
def test_a_graph_compiles_iff_every_cycle_can_start(shape: Shape):
    """L1 and RULES 3: a random graph whose inputs are all fed is refused only for cycles in which nobody can fire first."""
    arcs = [(arc.source, arc.target) for arc in shape.arcs]
    way = reaches(len(shape.places), arcs)
    stuck = [(arc.source, arc.target) for arc in shape.arcs if not (arc.starts and way[arc.target, arc.source])]
    stuck_way = reaches(len(shape.places), stuck)
    graph = shape.build()
    try:
        plan = compile(graph)
    except GraphError as error:
        assert {"cycle"} == {problem.code for problem in error.problems}
        assert any(stuck_way[node, node] for node in range(len(shape.places)))
    else:
        assert not any(stuck_way[node, node] for node in range(len(shape.places)))
        assert len(plan.edges) == len(graph.edges) + sum(node.settings is not None for node in plan.nodes)


@MANY
@given(shapes())
def test_ranks_are_topological(shape: Shape):
    """Along every edge but feedback the rank rises, by one along the longest path; the firing order agrees."""
    try:
        plan = compile(shape.build())
    except GraphError:
        return
    rank = [node.rank for node in plan.nodes]
    below: list[list[int]] = [[] for _ in rank]
    for edge in plan.edges:
        writer = plan.outputs[edge.output].node
        if writer >= 0 and not edge.feedback:
            below[edge.node].append(rank[writer])
    assert [max(lower, default=-1) + 1 for lower in below] == rank
    assert sorted(range(len(rank)), key=lambda index: (rank[index], index)) == list(plan.firing_order)


@MANY
@given(shapes(forward=True))
def test_every_number_of_a_plan_agrees(shape: Shape):
    """Indices point back and forth, names are unique, each input has one edge, each pool has room for what its readers hold."""
    plan = compile(shape.build())
    assert list(range(len(plan.nodes))) == [node.index for node in plan.nodes]
    assert len(plan.edges) == len({edge.name for edge in plan.edges})
    for edge in plan.edges:
        output, node = plan.outputs[edge.output], plan.nodes[edge.node]
        assert edge.index in output.edges and edge.context == node.context
        if edge.input >= 0:
            assert edge.index == node.inputs[edge.input] and node.input_names[edge.input] == edge.input_name
        elif output.node >= 0:
            assert edge.index in [parameter.edge for parameter in node.parameters]
        else:
            assert output.index == node.settings
    for output in plan.outputs:
        readers = [plan.edges[index] for index in output.edges]
        every = [edge for edge in readers if edge.policy == EVERY]
        own = sum(edge.depth for edge in readers if edge.own)
        assert output.slots >= max([edge.depth for edge in every], default=1) + own + 1 + (1 + KEEP) * (len(readers) + 1)
        assert output.local == all(edge.context == output.context for edge in readers)
        assert {LATEST, PARAMETER, EVERY} >= {edge.policy for edge in readers}
    assert sorted(index for context in plan.contexts for index in context.nodes) == list(range(len(plan.nodes)))


@MANY
@given(shapes(forward=True))
def test_settings_carry_what_no_edge_feeds(shape: Shape):
    """RULES 20: each parameter has one writer."""
    plan = compile(shape.build())
    for node in plan.nodes:
        settable = set() if node.settings is None else set(plan.outputs[node.settings].dtype.names)
        fed = {parameter.name for parameter in node.parameters if parameter.edge is not None}
        assert {parameter.name for parameter in node.parameters} == settable | fed
        assert set() == settable & fed


class Way:
    """A chain of edges from the emitter to the join, with what waits on each."""

    def __init__(self, edges):
        self.edges = [dict(edge, ring=0, passed=0, buffer=0) for edge in edges]

    def settle(self, edge):
        """A reader takes what it can without firing: those of its batch, or the records it passes over before the one it needs."""
        batching = edge["batch"] > 1
        while edge["ring"] and (edge["buffer"] < edge["batch"] if batching else edge["passed"] < edge["decimate"] - 1):
            edge["ring"] -= 1
            if edge["passed"] < edge["decimate"] - 1:
                edge["passed"] += 1
            else:
                edge["passed"], edge["buffer"] = 0, edge["buffer"] + 1

    def ready(self, index):
        """Whether the reader of an edge has all that it needs of it."""
        edge = self.edges[index]
        return edge["buffer"] == edge["batch"] if edge["batch"] > 1 else edge["ring"] > 0

    def room(self, index):
        """Whether the writer of an edge may fire; behind the join there always is."""
        return index == len(self.edges) or self.edges[index]["ring"] < self.edges[index]["depth"]

    def write(self, index):
        """The writer of an edge fires."""
        self.edges[index]["ring"] += 1
        self.settle(self.edges[index])

    def relay(self):
        """Every node between the ends fires, from the last to the first, until none can."""
        moved = True
        while moved:
            moved = False
            for index in reversed(range(len(self.edges) - 1)):
                if self.ready(index) and self.room(index + 1):
                    edge = self.edges[index]
                    if edge["batch"] > 1:
                        edge["buffer"] = 0
                    else:
                        edge["ring"], edge["passed"] = edge["ring"] - 1, 0
                    self.settle(edge)
                    self.write(index + 1)
                    moved = True


def fires(ways):
    """Whether the join at the end of the ways fires once: the emitter plays until nothing moves."""
    ways = [Way(edges) for edges in ways]
    while not all(way.ready(len(way.edges) - 1) for way in ways):
        if not all(way.room(0) for way in ways):
            return False
        for way in ways:
            way.write(0)
            way.relay()
    return True


wires = st.fixed_dictionaries({"depth": st.integers(1, 6), "batch": st.integers(1, 5), "decimate": st.integers(1, 3)})


@MANY
@given(st.tuples(st.lists(wires, min_size=1, max_size=3), st.lists(wires, min_size=1, max_size=3)))
def test_the_depths_for_declared_ratios_are_exact(ways):
    """RULES 22: two ways from an emitter to a join are advised on iff the join never fires; the advice is the least that helps."""

    def advice(ways):
        with Declaration() as graph:
            start, join = source(), relay()
            for edges in ways:
                node = start
                for edge in edges[:-1]:
                    node = node.to(relay(), **edge)
                node.to(join, **edges[-1])
        plan = compile(graph)
        found = needed_depths(plan.nodes, plan.outputs, plan.edges)
        return {plan.nodes[1].inputs.index(edge): depth for edge, (depth, _) in found.items()}

    assert fires(ways) == (not advice(ways))
    for way, depth in advice(ways).items():
        better = [list(edges) for edges in ways]
        better[way][-1] = {**ways[way][-1], "depth": depth}
        assert fires(better) and not advice(better)
        better[way][-1] = {**ways[way][-1], "depth": depth - 1}
        assert not fires(better)


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.lists(st.integers(), max_size=2)
    | st.just(())
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(NODE_OPTIONS)), anything, max_size=3),
    st.dictionaries(st.sampled_from(sorted(EDGE_OPTIONS)), anything, max_size=3),
    st.dictionaries(st.sampled_from(["kind", "cpu", "priority", "spin_us"]), anything, max_size=2),
)
def test_whatever_an_option_is_the_answer_is_a_plan_or_problems(node, edge, context):
    """A wrong value is a problem with text and place, never another exception."""

    @emitter("f8", **node)
    def first(): ...

    @router("f8")
    def second(x): ...

    with Declaration() as graph, graph.context("io", **context):
        first().to(second(), **edge)
    try:
        compile(graph)
    except GraphError as error:
        for problem in error.problems:
            assert isinstance(problem, Problem)
            assert problem.where and problem.needed and problem.found and __file__ == problem.file and problem.line


@MANY
@given(st.recursive(st.sampled_from(["f8", "O", "V0", "S0", "u1", "M8[s]", "nonsense", 3, None]), lambda inner: st.lists(
    st.tuples(st.sampled_from(["a", "b", ""]), inner), max_size=3) | st.tuples(inner, st.integers(0, 2)), max_leaves=5))  # fmt: skip
def test_whatever_a_dtype_is_the_answer_is_a_plan_or_problems(dtype):
    """Nested, empty, doubled, with objects inside or no dtype at all."""

    @emitter(dtype)
    def first(): ...

    with Declaration() as graph:
        first()
    try:
        plan = compile(graph)
    except GraphError as error:
        assert {"dtype"} >= {problem.code for problem in error.problems}
    else:
        assert plan.outputs[0].dtype.itemsize > 0
