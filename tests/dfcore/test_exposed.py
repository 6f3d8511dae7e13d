"""Graphs as parts: membership, full names, contexts, and ends of their own."""

from __future__ import annotations

import copy
import gc
import pickle

import pytest

from dfcore import Graph, GraphError, collect, default_graph, emit, router, top_graph
from dfcore.compiler import compile
from tests.nodes import log, noise, observer, scale, show


@router(outputs={"low": "f8", "high": "f8"})
def split(x): ...


class Arm(Graph):
    """A loop of an observer and a controller, with a reading as its input and a force as its output."""

    def __init__(self):
        super().__init__("arm")
        with self:
            self.observer = observer()
            self.controller = scale(name="controller")
        self.observer.to(self.controller).to(self.observer["control"], initial=[0.0])
        self.expose(readout=self.observer["readout"], force=self.controller, gain=self.controller["gain"])


def names(graph):
    return [node.name for node in graph.nodes]


def edges(graph):
    return [edge.name for edge in graph.edges]


def fails(says, function, *arguments, **keywords):
    """Calling it raises GraphError with that text and this file."""
    with pytest.raises(GraphError) as info:
        function(*arguments, **keywords)
    assert says in str(info.value)
    assert __file__ == info.value.problems[0].file


# ----------------------------------------------------------------------------------------------------------- membership


def test_a_graph_made_inside_a_block_is_a_part():
    """At any depth, of a graph or a context; members are in order of creation, and names are full."""
    with Graph("cell") as cell:
        one = noise()
        with Graph("arm") as arm:
            two = scale()
            with Graph("wrist") as wrist:
                three = log()
        with cell.context("io") as io:
            hand = Graph("hand")
        four = log()
    assert ([one, arm, hand, four], [two, wrist], [three]) == (cell.nodes, arm.nodes, wrist.nodes)
    assert ["noise", "arm", "hand", "log"] == names(cell)
    assert ["arm/scale", "arm/wrist"] == names(arm)
    assert ("cell", "arm/wrist/log", io) == (cell.name, three.name, hand._members.context)


def test_a_free_graph_is_added_or_connected():
    """With what is free and connected to it; a node that is connected to a part joins the graph around it."""
    first, second, source, sink = Arm(), Arm(), noise(), log()
    source.to(first).to(second)
    second.to(sink)
    assert {None} == {item._members.graph for item in (first, second)} | {source._declared.graph, sink._declared.graph}
    with Graph("cell") as cell:
        pass
    cell.add(first)
    assert [first, second, source, sink] == cell.nodes
    other = noise()
    other.to(first["gain"])
    assert cell is other._declared.graph
    third = Arm()
    other.to(third)
    assert cell is third._members.graph
    direct = noise()
    direct.to(third.observer)
    assert third is direct._declared.graph


def test_two_parts_of_one_class_have_names_of_their_own():
    """In order of creation; a node that was given the name keeps it."""
    with Graph() as cell:
        left, right = Arm(), Arm()
    assert ["arm", "arm_2"] == names(cell)
    assert "arm_2/controller" == right.controller.name
    with cell:
        noise(name="arm")
    assert ["arm_2", "arm_3", "arm"] == names(cell)
    assert "arm_2/controller" == left.controller.name


def test_a_class_gives_a_graph_its_name():
    """If nothing else does; `Graph` itself is `graph`."""

    class LeftHand(Graph):
        pass

    with Graph() as cell:
        Graph(), LeftHand(), LeftHand("thumb")
    assert ("graph", ["graph", "left_hand", "thumb"]) == (cell.name, names(cell))


def test_members_are_found_by_their_names():
    """Nodes and parts, by a path from where you stand; what is not there is an error with a hint."""
    with Graph("cell") as cell:
        arm = Arm()
    assert (arm, arm.observer, arm.observer) == (cell["arm"], cell["arm/observer"], arm["observer"])
    fails("graph cell: needed the name of one of its nodes, was `arm/obsever`; did you mean `arm/observer`?", cell.__getitem__, "arm/obsever")
    fails("graph arm: needed the name of one of its nodes or ends, was `forec`; did you mean `force`?", arm.__getitem__, "forec")
    fails("was `arm/observer/x`", cell.__getitem__, "arm/observer/x")
    fails("was `arm/`", cell.__getitem__, "arm/")


def test_contexts_of_a_part_are_its_own():
    """Their names are full; what has no context follows its part, at any depth; an outer context can take a node inside."""
    with Graph("cell") as cell:
        with cell.context("io") as io, Graph("arm") as arm:
            one = noise()
            with arm.context("fast") as fast:
                two = noise()
            with Graph("wrist"):
                three = noise()
        four = noise()
    assert ["io", "arm/fast"] == [context.name for context in cell._contexts]
    assert [io, fast, io, None] == [node._declared.context for node in (one, two, three, four)]
    fails("needed a node of no other context than `io`, was `arm/noise_2` in context `arm/fast`; choose one", io.add, two)
    with arm:
        five = noise()
    cell.context("slow").add(five)
    assert "slow" == five._declared.context.name
    free = Arm()
    cell.context("slow").add(free)
    assert ("slow", cell) == (free.observer._declared.context.name, free._members.graph)
    for wrong in (Arm, 3, None):
        with pytest.raises(GraphError, match="needed a node to add"):
            io.add(wrong)


def test_the_compiler_sees_all_nodes_flat():
    """In order of creation, contexts too, with full names."""
    with Graph("cell") as cell:
        source = noise()
        with cell.context("control", kind="thread"):
            arm = Arm()
        sink = log()
    source.to(arm).to(sink)
    plan = compile(cell)
    assert ["noise", "arm/observer", "arm/controller", "log"] == [node.name for node in plan.nodes]
    assert [0, 1, 1, 0] == [node.context for node in plan.nodes]
    assert ["arm/observer -> arm/controller", "arm/controller -> arm/observer.control", "noise -> arm/observer.readout",
            "arm/controller -> log"] == [edge.name for edge in plan.edges if edge.output < 4 and edge.policy == "every"]  # fmt: skip


def test_edges_are_those_between_members():
    """Those inside of a part are that part's, whoever wrote them."""
    with Graph("cell") as cell:
        source, arm = noise(), Arm()
    source.to(arm)
    cell.connect(arm.observer, arm.controller["gain"])
    assert ["noise -> arm/observer.readout"] == edges(cell)
    inner = ["observer -> arm/controller", "controller -> arm/observer.control", "observer -> arm/controller.gain"]
    assert [f"arm/{name}" for name in inner] == edges(arm)
    assert 4 == len(cell._edges)


# ------------------------------------------------------------------------------------------------------------ the stack


def test_the_default_graph_is_the_innermost_open_one():
    """Of a context its graph; the top graph where nothing is open, or where it is opened itself."""
    assert default_graph() is top_graph()
    with Graph() as outer:
        with outer.context("io"):
            assert outer is default_graph()
        with top_graph() as top:
            assert top is default_graph()
            free, alone = noise(), Graph("alone")
        assert outer is default_graph()
    assert ([], None, None) == (outer.nodes, free._declared.graph, alone._members.graph)
    assert [outer, free, alone] == [item for item in top_graph().nodes if item in (outer, free, alone)]


def test_the_top_graph_holds_weakly_what_is_free():
    """What joins a graph leaves it, and what nobody holds is gone."""
    node, graph = noise(), Graph()
    assert node in top_graph().nodes
    graph.add(node)
    assert node not in top_graph().nodes
    number = len(top_graph().nodes)
    del node, graph
    gc.collect()
    assert number > len(top_graph().nodes)


def test_the_top_graph_does_not_run():
    """It names what is free, and has neither contexts nor ends."""
    node = noise(name="lonely")
    with pytest.raises(GraphError, match="graph top: needed nodes to run, was empty; take these free nodes in: .*`lonely`"):
        top_graph().run()
    fails("graph top: needed a graph that can have contexts, was the top graph, which holds what is free", top_graph().context, "io")
    fails("graph top: needed a graph that can have ends of its own", top_graph().expose, x=node)
    top_graph().add(node)
    sink = log()
    assert sink is top_graph().connect(node, sink)
    assert None is node._declared.graph
    with top_graph(), pytest.raises(GraphError):
        noise(wrong=1)


# ------------------------------------------------------------------------------------------------------- ends of a graph


def wirings():
    """The ways to wire a source, a part and a sink."""
    return {
        "to": lambda cell, a, part, b: a.to(part).to(b),
        "or": lambda cell, a, part, b: a | part | b,
        "call": lambda cell, a, part, b: b(part(a)),
        "names": lambda cell, a, part, b: b(part(readout=a)["force"]),
        "ends": lambda cell, a, part, b: a.to(part["readout"])["force"].to(b),
        "mixed": lambda cell, a, part, b: (a | part["readout"])["force"] | b,
        "connect": lambda cell, a, part, b: cell.connect(cell.connect(a, part), b),
        "inside": lambda cell, a, part, b: a.to(part.observer["readout"]) and part.controller.to(b),
    }


@pytest.mark.parametrize("way", wirings())
def test_a_part_is_wired_like_a_node(way):
    """All spellings make the same edges, between nodes."""
    with Graph() as cell:
        source, arm, sink = noise(), Arm(), log()
    assert sink is wirings()[way](cell, source, arm, sink)
    assert ["noise -> arm/observer.readout", "arm/controller -> log"] == edges(cell)


def test_parts_are_wired_to_parts():
    """By their ends, with options; parameters by name; `*values` as often as you like; an end stands where it can."""
    with Graph() as cell:
        source, left, right = noise(), Arm(), Arm()
        with Graph("view") as view:
            view.expose(values=show()["values"], last=log())
    left.to(right, depth=3)
    source.to(right["gain"])
    left.to(view["values"])
    right.to(view["values"])
    right.to(view["last"])
    assert ["arm/controller -> arm_2/observer.readout", "noise -> arm_2/controller.gain", "arm/controller -> view/show.values[0]",
            "arm_2/controller -> view/show.values[1]", "arm_2/controller -> view/log"] == edges(cell)  # fmt: skip
    assert {"depth": 3} == cell.edges[0].options
    assert ("arm.force", left["force"].dtype) == (repr(left["force"]), left.controller.dtype)


def test_a_deeper_end_is_exposed_further():
    """By its end or by the part that has only one; the edge joins the nodes."""
    with Graph("cell") as cell:
        source = noise()
        with Graph("body") as body:
            arm = Arm()
        body.expose(readout=arm["readout"], force=arm)
        sink = log()
    source.to(body).to(sink)
    assert ["noise -> body/arm/observer.readout", "body/arm/controller -> log"] == edges(cell)
    assert "body.force" == repr(body["force"])


def test_a_part_stands_for_its_first_free_input():
    """In the order of exposing, parameters left out; when none is left it says so."""
    with Graph() as cell:
        source = noise()
        with Graph("two") as two:
            first, second = log(), log()
        two.expose(a=first, b=second)
    two(source, source)
    assert ["noise -> two/log", "noise -> two/log_2"] == edges(cell)
    fails('graph two: needed a free input, was none of ["a"], ["b"]; name one, or expose more', source.to, two)
    with cell, Graph("only") as only:
        node = scale()
        only.expose(gain=node["gain"])
    fails("graph only: needed a free input, was none of", source.to, only)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda cell, arm: noise().to(arm["force"]), "arm.force: needed an input, was an output, arm/controller; turn the edge round"),
        (lambda cell, arm: arm["gain"].to(log()), "arm.gain: needed an output, was an input, arm/controller.gain; turn the edge round"),
        (lambda cell, arm: arm(noise(), forec=noise()), "graph arm: needed the name of one of its nodes or ends, was `forec`; did you mean `force`?"),
        (lambda cell, arm: cell["bare"].to(log()), "graph bare: needed an output that it exposes, was none; it exposes nothing; write"),
        (lambda cell, arm: noise().to(cell["bare"]), "graph bare: needed an input that it exposes, was none; it exposes nothing; write"),
        (lambda cell, arm: cell["forked"].to(log()), 'graph forked: needed one output, was 2; choose one of ["low"], ["high"]'),
        (lambda cell, arm: noise().to(arm, polcy=1), "noise -> arm/observer: needed known keywords, was `polcy`; did you mean `policy`?"),
        (lambda cell, arm: noise().to(Arm), "target of an edge: needed a node or an end of one, was the class Arm; call it first"),
    ],
)
def test_a_wrong_end_of_a_part_is_an_error_at_once(wrong, says):
    """Which names the part, what it has, and what to do."""
    with Graph("cell") as cell:
        arm, _ = Arm(), Graph("bare")
        with Graph("forked") as forked:
            both = split()
        forked.expose(low=both["low"], high=both["high"])
    fails(says, wrong, cell, arm)
    assert [] == cell.edges


def test_a_graph_is_no_node_of_an_expression():
    """`part | 3` is a TypeError as between any two things."""
    with pytest.raises(TypeError):
        Arm() | 3


EXPOSED = [
    (lambda arm: {"x": 3.0}, "graph arm, exposed `x`: needed a node or an end of one, was 3.0; expose an end of a node inside"),
    (lambda arm: {"x": scale}, "needed a node or an end of one, was the class scale"),
    (lambda arm: {"x": noise()}, "graph arm, exposed `x`: needed an end of a node inside, was noise, which is not; make it inside `with self:`"),
    (lambda arm: {"x": arm}, "graph arm, exposed `x`: needed an end of a node inside, was its own end `arm.force`"),
    (lambda arm: {"x": arm["force"]}, "needed an end of a node inside, was its own end `arm.force`"),
    (lambda arm: {"x": arm.observer["reedout"]}, "graph arm, exposed `x`: needed an end of `observer`, was `reedout`; did you mean `readout`?"),
    (lambda arm: {"x": arm.observer["readout"]}, "graph arm, exposed `x`: needed an input not yet exposed, was observer.readout, exposed as `readout`"),
    (lambda arm: {"force": arm.observer}, "graph arm, exposed `force`: needed a name of its own, was also that of controller; rename it"),
    (lambda arm: {"a/b": arm.observer}, "graph arm, exposed `a/b`: needed a name that is an identifier, was 'a/b'; rename it"),
    (lambda arm: {"x": arm.fork}, 'graph arm, exposed `x`: needed one output, was `split`, which has 2; choose one of ["low"], ["high"]'),
]


@pytest.mark.parametrize(("ends", "says"), EXPOSED)
def test_what_cannot_be_exposed_is_an_error_at_once(ends, says):
    """And nothing of that call is exposed."""
    arm = Arm()
    with arm:
        arm.fork = split()
    before = list(arm._members.exposed)
    fails(says, arm.expose, fine=arm.observer, **ends(arm))
    assert before == list(arm._members.exposed)


def test_everything_wrong_with_an_expose_is_said_together():
    """As of any declaration."""
    arm = Arm()
    with pytest.raises(GraphError) as info:
        arm.expose(x=3, y=arm.observer["z"])
    assert 2 == len(info.value.problems)


def test_an_input_of_a_part_that_is_not_connected_is_named_from_outside():
    """By the outermost graph that exposes it."""
    with Graph("cell") as cell, Graph("body") as body:
        arm = Arm()
    body.expose(angle=arm["readout"])
    fails('body/arm/observer: needed an edge into its input `readout`, was not connected; connect a node to body["angle"]', compile, cell)


# -------------------------------------------------------------------------------------------------------- what is wrong


def test_a_part_does_not_run_by_itself():
    """Nor is it compiled; it names the graph to run."""
    with Graph("cell"), Graph("arm") as arm:
        emit([1.0], "f8").to(collect())
    for run in (arm.run, arm.start, arm.plan):
        fails("graph arm: needed an outermost graph to run, was a part of graph `cell`; run `cell`, or make it inside `with top_graph():`", run)


def test_a_graph_is_not_added_to_itself():
    """Nor to what lies in it."""
    with Graph("cell") as cell, Graph("arm") as arm, Graph("wrist") as wrist:
        pass
    fails("graph cell: needed a graph other than itself, was itself; make another one", cell.add, cell)
    fails("graph arm/wrist: needed a graph other than itself, was `cell`, which it lies in; make another one", wrist.add, cell)
    fails("graph arm/wrist: needed a graph other than itself, was `arm`, which it lies in", wrist.add, arm)
    cell.add(arm)
    assert ([arm], [wrist]) == (cell.nodes, arm.nodes)


def test_a_part_belongs_to_one_graph():
    """Adding it elsewhere, or connecting it across, is an error that names both."""
    with Graph("left") as left:
        arm = Arm()
    with Graph("right") as right:
        sink = log()
    fails("graph right: needed a free node, was `arm`, a part of graph `left`; a node belongs to one graph", right.add, arm)
    fails("arm/controller -> log: needed both nodes in one graph, was in `left`, `right`; make them", arm.to, sink)
    fails("needed both nodes in one graph, was in `right`, `left`", right.connect, arm, log())
    assert ([arm], [sink], []) == (left.nodes, right.nodes, right.edges)


def test_a_part_connected_to_itself_is_a_loop_like_any_other():
    """With an initial record it compiles; without one the cycle is named in full."""
    with Graph("cell") as cell, Graph("arm") as arm:
        node = scale()
        arm.expose(x=node["x"], y=node)
    arm.to(arm)
    fails("arm/scale -> arm/scale: needed an edge with initial records in the cycle, was none", compile, cell)
    with Graph("cell") as cell, Graph("arm") as arm:
        node = scale()
        arm.expose(x=node["x"], y=node)
    arm.to(arm, initial=[1.0])
    assert [True] == [edge.feedback for edge in compile(cell).edges if edge.policy == "every"]
    alone = Arm()
    alone.to(alone["readout"], initial=[1.0])
    assert 3 == len(alone.edges) == len([edge for edge in compile(alone).edges if edge.policy == "every"])


def test_an_edge_that_leads_outside_is_named():
    """A free node that feeds a free graph is in no graph that could run."""
    arm, source = Arm(), noise()
    source.to(arm)
    fails("noise -> observer.readout: needed both ends inside of graph `arm`, was `noise` outside of it; add both to one", compile, arm)
    with Graph() as cell:
        cell.add(source)
    assert 3 == len([edge for edge in compile(cell).edges if edge.policy == "every"])


def test_names_are_checked_at_every_depth():
    """Two nodes of one name in a part, a part whose name has a `/`, an end called like a node, a context called like a path."""
    with Graph("cell") as cell:
        with Graph("a/b"):
            pass
        with Graph("arm") as arm:
            source = noise(name="x")
            noise(name="x")
            arm.context("io/x")
        arm.expose(x=source)
    with pytest.raises(GraphError) as info:
        compile(cell)
    for says in [
        "arm/x: needed a name of its own in the graph, was also the name of the node made in",
        "graph a/b: needed a name without '/' '->' '.' '[' ']' '\\n', was 'a/b'; rename it",
        "graph arm: needed names of their own for the ends that it exposes, and for its nodes, was `x` for both; rename one",
        "context arm/io/x: needed a name without '/', which stands behind the name of a part, was 'io/x'; rename it",
    ]:
        assert says in str(info.value)
    assert 4 == len(info.value.problems)


def test_a_part_is_at_rest_only_with_the_whole():
    """While the outermost graph runs nothing inside is changed."""
    with Graph("cell") as cell:
        source, arm, free = noise(), Arm(), None
        sink = log()
    with top_graph():
        free = noise()
    cell._running = True
    for change in (
        lambda: arm.add(free),
        lambda: arm.context("new"),
        lambda: arm.expose(x=arm.observer),
        lambda: source.to(arm),
        lambda: arm.to(sink),
        lambda: free.to(arm.observer),
        lambda: arm.controller.options(name="other"),
        lambda: Graph("other").add(arm),
    ):
        fails("graph cell: needed a graph at rest to change it, was running; stop it first", change)
    with arm, pytest.raises(GraphError, match="was running"):
        noise()
    with cell, pytest.raises(GraphError, match="was running"):
        Graph()
    assert arm._running
    cell._running = False
    running = Graph("running")
    running._running = True
    fails("graph running: needed a graph at rest", cell.add, running)
    running._running = False


def test_a_failed_constructor_leaves_no_part_behind():
    """Neither in the graph around it nor in the top graph."""
    with Graph("cell") as cell, pytest.raises(GraphError, match="needed a name of the graph, was 3"):
        Graph(3)
    assert [] == cell.nodes


def test_a_graph_is_not_pickled():
    """Nor copied: it says what to do instead."""
    arm = Arm()
    for wrong in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"graph arm: needed to stay in the process that made it, was pickled or copied; make it anew"):
            wrong(arm)


def test_printing_shows_the_nesting():
    """A row for each part, with what its ends stand for, above the rows of its own."""
    with Graph("cell") as cell:
        source = noise()
        with cell.context("control", cpu=0):
            arm = Arm()
        sink = log()
    source.to(arm).to(sink, depth=3)
    expected = """\
graph cell

context  kind     cpu  priority  spin_us  nodes
-------  -------  ---  --------  -------  -----
control  process    0                  0      2

node            role       context  inputs                                                    outputs
--------------  ---------  -------  --------------------------------------------------------  ---------------------
noise           emitter    inline                                                             output: f8
arm             part       control  readout: arm/observer.readout, gain: arm/controller.gain  force: arm/controller
arm/observer    router     control  readout <- noise, control <- arm/controller               output: f8
arm/controller  router     control  x <- arm/observer                                         output: f8
log             collector  inline   value <- arm/controller

edge                                    options
--------------------------------------  -------------
arm/observer -> arm/controller
arm/controller -> arm/observer.control  initial=[0.0]
noise -> arm/observer.readout
arm/controller -> log                   depth=3"""
    assert expected == str(cell)
    assert ("<graph cell: 4 nodes, 4 edges>", "<graph arm: 2 nodes, 4 edges>") == (repr(cell), repr(arm))
