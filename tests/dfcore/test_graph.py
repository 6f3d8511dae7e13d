"""Declaring graphs: membership, names, contexts, edges."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dfcore.declared import open_blocks
from dfcore.edge import End
from dfcore.errors import GraphError
from dfcore.functions import router
from dfcore.graph import Declaration
from tests.nodes import log, noise, scale, show


@router(outputs={"a": "f8", "b": "f8"})
def split(x, y): ...


def names(graph):
    return [node.name for node in graph.nodes]


def edges(graph):
    return [edge.name for edge in graph.edges]


# ----------------------------------------------------------------------------------------------------------- membership


def test_a_node_belongs_to_the_innermost_open_block():
    """Graph or context; after the block nothing does."""
    with Declaration() as graph:
        with graph.context("io") as io:
            one = noise()
            with graph:
                two = noise()
        three = noise()
    four = noise()
    assert [one, two, three] == graph.nodes
    assert [io, None, None] == [node._declared.context for node in (one, two, three)]
    assert None is four._declared.graph


def test_the_block_is_closed_when_its_body_raises():
    """The stack is restored, whatever happened."""
    with pytest.raises(ZeroDivisionError), Declaration() as graph, graph.context("io"):
        1 / 0  # noqa: B018
    assert () == open_blocks.get()


def test_threads_and_tasks_have_blocks_of_their_own():
    """What is open here is not open there."""
    seen = []
    with Declaration() as graph:
        thread = threading.Thread(target=lambda: seen.append(noise()))
        thread.start()
        thread.join()
    assert ([], None) == (graph.nodes, seen[0]._declared.graph)

    async def build(graph, name):
        with graph, graph.context(name):
            noise()
            await asyncio.sleep(0)
            noise()

    async def both():
        one, two = Declaration(), Declaration()
        await asyncio.gather(build(one, "a"), build(two, "b"))
        return one, two

    for graph, name in zip(asyncio.run(both()), "ab", strict=True):
        assert [name, name] == [node._declared.context.name for node in graph.nodes]


def test_one_graph_may_be_open_in_two_threads():
    """Each leaves its own block."""
    graph, barrier = Declaration(), threading.Barrier(2)

    def work():
        with graph:
            barrier.wait()
            noise()
            barrier.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["noise", "noise_2"] == names(graph)


def test_connecting_takes_free_nodes_in():
    """With the free nodes they are connected to, in order of creation."""
    one, two, three, four = noise(), scale(), log(), log()
    with Declaration() as graph:
        five = scale()
    one.to(two).to(three)
    two.to(four)
    assert [five] == graph.nodes
    one.to(five)
    assert [one, two, three, four, five] == graph.nodes
    assert ["noise -> scale", "scale -> log", "scale -> log_2", "noise -> scale_2"] == edges(graph)


def test_add_takes_free_nodes_in():
    """`graph.add` and `context.add`; the context is for the named ones only."""
    graph, one, two, three = Declaration(), noise(), scale(), noise()
    one.to(two)
    graph.add(three)
    io = graph.context("io")
    io.add(two, three)
    assert [one, two, three] == graph.nodes
    assert [None, io, io] == [node._declared.context for node in graph.nodes]


def test_connect_takes_both_ends_in():
    """`graph.connect` needs no member."""
    graph, one, two = Declaration(), noise(), scale()
    assert two is graph.connect(one, two, depth=3)
    assert ([one, two], {"depth": 3}) == (graph.nodes, graph.edges[0].options)


def test_a_node_belongs_to_one_graph():
    """Connecting or adding across graphs is an error at once, which says where."""
    with Declaration("left"):
        one = noise()
    with Declaration("right") as right:
        two = scale()
    with pytest.raises(
        GraphError, match="noise -> scale: needed both nodes in one graph, was in `left`, `right`; make them in"
    ) as info:
        one.to(two)
    assert __file__ == info.value.problems[0].file
    with pytest.raises(
        GraphError, match="graph right: needed a free node, was `noise`, a node of graph `left`; a node belongs to one"
    ):
        right.add(one)
    with pytest.raises(GraphError, match="graph right: needed a node to add, was the class scale; make one first"):
        right.add(scale)
    assert ([], [two]) == (right.edges, right.nodes)


def test_a_node_is_in_one_context():
    """Placing it twice is an error; in the same one it is harmless."""
    with Declaration() as graph, graph.context("io") as io:
        node = noise()
    io.add(node)
    says = "graph graph: needed a node of no other context than `control`, was `noise` in context `io`; choose one"
    with pytest.raises(GraphError, match=says):
        graph.context("control").add(node)


def test_a_running_graph_cannot_be_changed():
    """Neither nodes, nor edges, nor contexts, nor options; what is there can still be looked up."""
    with Declaration() as graph:
        one, two = noise(), scale()
        io = graph.context("io")
    graph._running = True
    free = noise()
    changes = [
        lambda: one.to(two),
        lambda: free.to(two),
        lambda: graph.add(free),
        lambda: io.add(one),
        lambda: graph.context("new"),
        lambda: one.options(name="x"),
        lambda: graph.connect(one, two),
    ]
    for change in changes:
        with pytest.raises(GraphError, match="graph graph: needed a graph at rest to change it, was running; stop it first"):
            change()
    with graph, pytest.raises(GraphError, match="was running"):
        noise()
    assert ([one, two], [], io) == (graph.nodes, graph.edges, graph.context("io"))
    graph._running = False
    one.to(two)
    assert ["noise -> scale"] == edges(graph)


def test_names_of_a_graph_cannot_be_assigned_over():
    """A subclass may use all others."""

    class CartPole(Declaration):
        def __init__(self):
            super().__init__("cartpole")
            with self.context("io"):
                self.sensor, self.log = noise(), log()
            self.sensor.to(self.log)
            self.motor = 3

    graph = CartPole()
    assert (["noise", "log"], "cartpole") == (names(graph), graph.name)
    for name in ("nodes", "edges", "name", "context", "connect", "_members"):
        says = f"graph cartpole: needed attributes with names of their own, was `{name}`, which every Graph has; rename it"
        with pytest.raises(GraphError, match=says):
            setattr(graph, name, 3)


def test_a_subclass_may_forget_to_call_the_constructor():
    """It is then called like its class."""

    class Forgetful(Declaration):
        def __init__(self):
            with self:
                self.node = noise()

    assert (["noise"], "forgetful") == (names(Forgetful()), Forgetful().name)


def test_a_graph_has_a_name():
    """Text that is not empty."""
    with pytest.raises(GraphError, match="needed a name of the graph, was ''; write"):
        Declaration("")


# ---------------------------------------------------------------------------------------------------------------- names


def test_names_are_made_unique_in_order_of_creation():
    """Given names stay; the others count, passing over what is taken, whatever the order they joined in."""
    early = noise()
    with Declaration() as graph:
        noise(), noise(name="noise_3"), noise(), scale()
    assert ["noise", "noise_3", "noise_2", "scale"] == names(graph)
    graph.add(early)
    assert ["noise", "noise_2", "noise_3", "noise_4", "scale"] == names(graph)


def test_a_node_is_found_by_its_name():
    """Another name is an error with a hint."""
    with Declaration() as graph:
        node = noise(name="source")
    assert node is graph["source"]
    with pytest.raises(
        GraphError, match=r"graph graph: needed the name of one of its nodes, was `sorce`; did you mean `source`\?"
    ):
        graph["sorce"]
    with pytest.raises(TypeError, match=r"graph graph: needed .nodes or .edges to go through"):
        list(graph)


def test_edges_are_named_after_their_ends():
    """An end is written where its node has several; a parameter always; of `*values` from the second on."""
    with Declaration() as graph:
        one, two, three, four, five = noise(), split(), scale(), show(), show()
    one.to(two["x"])
    two["b"].to(two["y"], initial=[0.0])
    two["a"].to(three)
    one.to(three["gain"])
    three.to(four)
    assert ["noise -> split.x", "split.b -> split.y", "split.a -> scale", "noise -> scale.gain", "scale -> show"] == edges(graph)
    five(one, three)
    assert ["noise -> show_2.values[0]", "scale -> show_2.values[1]"] == edges(graph)[-2:]


# ----------------------------------------------------------------------------------------------------------- connecting


def test_the_four_spellings_are_one_thing():
    """`connect`, `to`, calling, `|`: the same edges, and each returns the node of the target."""

    def build(wire):
        with Declaration() as graph:
            wire(graph, noise(), scale(), log())
        return edges(graph)

    expected = ["noise -> scale", "scale -> log"]
    assert expected == build(lambda graph, a, b, c: a.to(b).to(c))
    assert expected == build(lambda graph, a, b, c: c(b(a)))
    assert expected == build(lambda graph, a, b, c: a | b | c)
    assert expected == build(lambda graph, a, b, c: graph.connect(graph.connect(a, b), c))


def test_a_call_connects_by_position_and_by_name():
    """Names may be parameters; sources may be ends."""
    with Declaration() as graph:
        one, two, three = noise(), split(), scale()
        assert two is two(one, y=three)
        three(two["a"], gain=one)
    expected = ["noise -> split.x", "scale -> split.y", "split.a -> scale", "noise -> scale.gain"]
    assert expected == edges(graph)


def test_a_node_stands_for_its_first_free_input():
    """And `*values` for its next free place."""
    with Declaration() as graph:
        one, two, three = noise(), split(), show()
        one.to(two)
        one.to(two)
        one.to(three["values"])
        one.to(three["values[2]"])
        one.to(three)
    targets = [edge.target.name for edge in graph.edges]
    assert ["x", "y", "values[0]", "values[2]", "values[1]"] == targets


def test_ends_connect_like_nodes():
    """`node["a"] | other`, and to an end."""
    with Declaration() as graph:
        one, two, three = noise(), split(), scale()
        assert two is (one | two["y"])
        assert three is (two["b"] | three)
        assert three is two["a"].to(three["gain"])
    assert ["noise -> split.y", "split.b -> scale", "split.a -> scale.gain"] == edges(graph)
    assert (two["a"], "split.a", 1) == (graph.edges[2].source, repr(two["a"]), len({two["a"], two["a"]}))
    assert two["a"] != two["b"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            lambda node: node | scale,
            r"target of an edge: needed a node or an end of one, was the class scale; call it first: scale\(...\)",
        ),
        (
            lambda node: End(node, None) | log,
            r"target of an edge: needed a node or an end of one, was the class log; call it first: log\(...\)",
        ),
        (
            lambda node: node.to(scale),
            r"target of an edge: needed a node or an end of one, was the class scale; call it first: scale\(...\)",
        ),
        (lambda node: scale()(3.0), "source of an edge: needed a node or an end of one, was 3.0; connect nodes to nodes"),
        (
            lambda node: node.to(log(), polcy="latest"),
            r"noise -> log: needed known keywords, was `polcy`; did you mean `policy`\?",
        ),
    ],
)
def test_what_is_no_edge_is_an_error_at_once(wrong, says):
    """With the place of the call."""
    with pytest.raises(GraphError, match=says) as info:
        wrong(noise())
    assert __file__ == info.value.problems[0].file


def test_what_is_no_node_is_left_to_python():
    """`node | 3` is a TypeError as between any two things."""
    with pytest.raises(TypeError):
        noise() | 3
    with pytest.raises(TypeError):
        split()["a"] | 3


def test_an_edge_knows_where_it_was_made():
    """File and line of the connecting call, however it is spelt."""
    with Declaration() as graph:
        one, two, three = noise(), split(), scale()
        one.to(two)
        two(y=one)
        two["a"] | three
    lines = [edge.line for edge in graph.edges]
    assert [0, 1, 2] == [line - lines[0] for line in lines]
    assert {__file__} == {edge.file for edge in graph.edges}


# ------------------------------------------------------------------------------------------------------------- contexts


def test_the_same_name_is_the_same_context():
    """Options are said once; the same ones again are harmless, others an error."""
    graph = Declaration()
    io = graph.context("io", cpu=0, spin_us=5)
    assert io is graph.context("io") is graph.context("io", cpu=0)
    assert ("process", 0, None, 5) == (io.kind, io.cpu, io.priority, io.spin_us)
    says = "graph graph: needed one set of options for context `io`, was cpu=1 and cpu=0; say them once, or choose another name"
    with pytest.raises(GraphError, match=says):
        graph.context("io", cpu=1)
    with pytest.raises(GraphError, match="was priority=3 and priority=None"):
        graph.context("io", priority=3)


def test_a_context_knows_its_keywords():
    """Others get a hint."""
    with pytest.raises(GraphError, match=r"context 'io': needed known keywords, was `cpus`; did you mean `cpu`\?"):
        Declaration().context("io", cpus=[1])


# ------------------------------------------------------------------------------------------------------------- printing


def test_printing_shows_everything():
    """Contexts, nodes, edges, which source feeds which input, and what is not connected."""
    with Declaration("two") as graph:
        with graph.context("io", cpu=0):
            one = noise()
        two = split()
        one.to(two, depth=3)
    expected = """\
graph two

context  kind     cpu  priority  spin_us  nodes
-------  -------  ---  --------  -------  -----
io       process    0                  0      1

node   role     context  inputs              outputs
-----  -------  -------  ------------------  ------------
noise  emitter  io                           output: f8
split  router   inline   x <- noise, y <- ?  a: f8, b: f8

edge              options
----------------  -------
noise -> split.x  depth=3"""
    assert expected == str(graph)
    assert "<graph two: 2 nodes, 1 edges>" == repr(graph)
    assert ("<edge noise -> split.x, depth=3>", "<context io of two>") == (repr(graph.edges[0]), repr(graph.context("io")))


def test_an_option_that_is_no_number_is_said_once():
    """`nan` does not equal itself; that is no second set of options. The compiler refuses it."""
    nan = float("nan")
    graph = Declaration("nan")
    context = graph.context("io", spin_us=nan)
    assert graph.context("io", spin_us=nan) is context
    with pytest.raises(GraphError, match="needed one set of options for context `io`, was spin_us=1 and spin_us=nan"):
        graph.context("io", spin_us=1)
