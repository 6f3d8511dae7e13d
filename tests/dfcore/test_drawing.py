"""Pictures of graphs: what is in them, that nothing covers anything, and that no name breaks them."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from dfcore import Graph, collect, emit, emitter, router
from dfcore.sketch import sketch
from dfcore.svg import _Picture as Picture
from dfcore.wiring import ON_FULL

SVG = "{http://www.w3.org/2000/svg}"
FORMS = ["svg", "mermaid", "dot"]
HOSTILE = ['a"b', "a<b>&amp;", "]]>", "a\\", "a\\n", "`x`", "1. x", "- x", "end", "a|b;c", "#quot;", "a\x00b\x1b", "\ud800", "数据流", "x" * 200, "%%{init}%%", "\u202e"]


@router("f8")
def scale(x, *, gain=1.0): ...


@router("f8")
def observer(readout, control): ...


@router(outputs={"low": "f8", "high": "f8"})
def split(x): ...


@router("f8")
def add(*values): ...


@emitter("f8")
def noise(): ...


class Arm(Graph):
    """A loop, its controller in a thread."""

    def __init__(self):
        super().__init__()
        with self:
            self.observer = observer()
            with self.context("fast", kind="thread"):
                self.law = scale(name="law")
        self.observer.to(self.law, policy="latest").to(self.observer["control"], initial=[0.0])
        self.expose(readout=self.observer["readout"], force=self.law, gain=self.law["gain"])


def chain():
    with Graph("chain") as graph:
        noise().to(scale()).to(scale(), depth=3).to(collect())
    return graph


def cart_pole():
    with Graph("cartpole") as graph:
        with graph.context("io", cpu=0):
            sensor, motor, log = noise(name="sensor", rate_hz=100), collect(name="motor"), collect(name="log")
        with graph.context("control", cpu=1, priority=50):
            estimate, control = observer(), scale(name="controller")
    sensor.to(log)
    sensor.to(estimate["readout"], policy="latest")
    estimate.to(control).to(estimate["control"], initial=[0.0])
    control.to(motor, policy="latest", max_age_s=0.05)
    return graph


def cell():
    with Graph("cell") as graph:
        camera, fork, tuner, total = noise(name="camera", rate_hz=30), split(), noise(name="tuner"), add()
        with graph.context("left"):
            left = Arm()
        right = Arm()
        sink = collect()
    camera.to(fork)
    fork["low"].to(left)
    fork["high"].to(right["readout"], on_full="drop_oldest", depth=4)
    tuner.to(right["gain"])
    total(left, right).to(sink, batch=10)
    return graph


def thirty():
    with Graph("thirty") as graph:
        sources = [noise() for _ in range(6)]
        with graph.context("filters"):
            filters = [scale() for _ in range(6)]
        with Graph("mix") as mix:
            sums = [add() for _ in range(3)]
            with Graph("meters"):
                meters = [collect() for _ in range(3)]
        forks, low, end = [split() for _ in range(3)], [collect() for _ in range(3)], add(name="end")
    for index, source in enumerate(sources):
        source.to(filters[index]).to(sums[index // 2], decimate=1 + index % 2)
    for index, total in enumerate(mix.nodes[:3]):
        total.to(meters[index])
        total.to(forks[index])["low"].to(low[index])
        forks[index]["high"].to(end)
    sources[0].to(end).to(filters[5]["gain"])
    return graph


def fibonacci():
    @router(outputs={"a": "i8", "b": "i8"})
    def fib(x1, x2): ...

    with Graph("fibonacci") as graph:
        node = fib()
    node["a"].to(node["x1"], initial=[0])
    node["b"].to(node["x2"], initial=[1])
    return graph


def wrong():
    """Cycles without a first record, ends that do not exist, options that mean nothing."""
    with Graph("wrong") as graph:
        one, two, three = scale(), scale(), scale(name="x" * 90)
    one.to(two, depth="deep").to(one, policy=3)
    two.to(three["nothing"], batch=-1, initial=7).to(three["gain"])
    three.to(three)
    one.options(rate_hz="fast")
    return graph


GRAPHS = [chain, cart_pole, cell, thirty, fibonacci, wrong]


def parsed(graph):
    return ET.fromstring(graph.diagram("svg"))


def texts(graph):
    return [element.text for element in parsed(graph).iter(f"{SVG}text")]


# ------------------------------------------------------------------------------------------------------------ the forms


@pytest.mark.parametrize("make", GRAPHS)
@pytest.mark.parametrize("form", FORMS)
def test_a_graph_is_drawn_the_same_each_time(make, form):
    """Twice from one graph, and from another of the same program; also one that could not run."""
    graph = make()
    assert graph.diagram(form) == graph.diagram(form) == make().diagram(form)


@pytest.mark.parametrize("make", GRAPHS)
def test_every_form_has_every_node_and_edge(make):
    """Once each; parts and contexts are boxes."""
    graph = make()
    nodes, edges = len(graph._books), len(graph._edges)
    boxes = len({book.context for book in graph._books} - {None}) + len(graph._parts) - (make is cell)
    shapes = [element.get("class") for element in parsed(graph).iter(f"{SVG}rect")]
    assert nodes == sum(shape in ("emitter", "router", "collector") for shape in shapes)
    assert (edges, boxes) == (len(list(parsed(graph).iter(f"{SVG}path"))), sum("box" in str(shape) for shape in shapes))
    text = graph.diagram("dot")
    assert (nodes, edges) == (len(re.findall(r"^ *n\d+ \[label=", text, re.MULTILINE)), len(re.findall(r"^ *n\d+ -> n\d+", text, re.MULTILINE)))
    assert boxes == text.count("subgraph cluster_")
    text = graph.diagram("mermaid")
    assert (nodes, edges) == (len(re.findall(r"^ *n\d+[(\[]", text, re.MULTILINE)), len(re.findall(r"^ *n\d+ -\.?->", text, re.MULTILINE)))
    assert boxes == text.count("subgraph ") == text.count("end\n")


def test_a_form_has_a_name():
    """Another one is an error with a hint; a picture is the default."""
    with pytest.raises(ValueError, match=r"graph chain.diagram: needed one of its forms, was 'svgg'; did you mean `svg`\?"):
        chain().diagram("svgg")
    with pytest.raises(ValueError, match="was None; choose from `svg`, `mermaid`, `dot`"):
        chain().diagram(None)
    assert chain().diagram("svg") == chain().diagram()


def test_a_notebook_shows_the_picture():
    """Beside it Mermaid and the tables, as text."""
    graph = cart_pole()
    expected = {"image/svg+xml": graph.diagram("svg"), "text/vnd.mermaid": graph.diagram("mermaid"), "text/plain": str(graph)}
    assert expected == graph._repr_mimebundle_(include=None, exclude=None)


def test_the_small_chain_in_words():
    """DOT and Mermaid of a chain, in full."""
    dot = """\
digraph "chain" {
  rankdir=LR
  n0 [label="noise", shape=oval]
  n1 [label="scale", shape=box, style=rounded]
  n2 [label="scale_2", shape=box, style=rounded]
  n3 [label="collect", shape=box]
  n0 -> n1
  n1 -> n2 [label="depth 3"]
  n2 -> n3
}
"""
    mermaid = """\
flowchart LR
  n0(["noise"])
  n1("scale")
  n2("scale_2")
  n3["collect"]
  n0 --> n1
  n1 -->|"depth 3"| n2
  n2 --> n3
"""
    assert (dot, mermaid) == (chain().diagram("dot"), chain().diagram("mermaid"))


# ------------------------------------------------------------------------------------------------------- what is written


def test_what_is_not_the_default_is_written():
    """Ends where a node has several, each option that differs, rates, contexts; and nothing else."""
    assert ["→ readout", "latest", "→ control", "initial [0.0]", "latest", "max age 0.05 s", "io, cpu 0",
            "control, cpu 1, priority 50"] == [text for text in texts(cart_pole()) if text not in
            ("sensor", "100 Hz", "motor", "log", "observer", "controller")]  # fmt: skip
    assert {"low → readout", "high → readout", "drop oldest", "depth 4", "→ gain", "→ values[0]", "batch 10", "fast, thread",
            "in left"} <= set(texts(cell()))  # fmt: skip
    with Graph() as graph:
        noise(rate_hz=1, deadline_s=0.5, on_error="skip"), noise(rate_hz=None, on_error="stop")
    assert ["noise", "1 Hz", "on error skip", "deadline 0.5 s", "noise_2"] == texts(graph)


def test_each_edge_option_can_be_written():
    """A value of each kind, short where it is long; a default that is given changes nothing."""
    with Graph() as graph:
        source, sink = noise(), add()
    for name in ON_FULL:
        source.to(sink, on_full=name, initial=list(range(100)))
    source.to(sink, policy="every", decimate=1, batch=1, initial=())
    assert {"wait", "drop new", "drop oldest", "error", "initial [0, 1, 2, 3, 4,…", "→ values[4]"} <= set(texts(graph))
    assert 4 + 4 + 5 + 2 == len(texts(graph))


def test_feedback_and_parameters_are_told_apart():
    """By classes of lines; a cycle that nobody may start is drawn back where it closes in order of creation."""
    assert [False, False, False, True, False] == [arrow.back for arrow in sketch(cart_pole()).arrows]
    assert ["n4 -> n3"] == re.findall(r"n\d+ -> n\d+(?= \[.*constraint=false)", cart_pole().diagram("dot"))
    classes = [element.get("class") for element in parsed(cell()).iter(f"{SVG}path")]
    assert (2, 1) == (sum("back" in each for each in classes), sum("parameter" in each for each in classes))
    assert [(1, 0), (2, 2), (2, 2)] == [(arrow.source, arrow.target) for arrow in sketch(wrong()).arrows if arrow.back]


def test_a_part_can_be_drawn_alone():
    """With the edges inside of it; names are those within."""
    arm = cell()["arm_2"]
    assert 2 == len(list(parsed(arm).iter(f"{SVG}path")))
    assert {"observer", "law", "fast, thread"} <= set(texts(arm))


def test_an_empty_graph_can_be_drawn():
    """It says that it is empty."""
    with Graph("empty") as graph, Graph("part"):
        graph.context("io")
    assert ["empty: no nodes"] == texts(graph)
    assert ('digraph "empty" {\n  rankdir=LR\n}\n', "flowchart LR\n") == (graph.diagram("dot"), graph.diagram("mermaid"))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_a_picture(name):
    """Of a graph, a context, a part or a node: the SVG is well-formed, the others keep it in its quotes; nothing is markup."""
    with Graph(name) as graph, graph.context(name), Graph(name):
        noise(name=name).to(collect(name=name), depth=name)
    for element in ET.fromstring(graph.diagram("svg").encode()).iter():
        assert element.tag.removeprefix(SVG) in ("svg", "title", "style", "rect", "g", "path", "polygon", "text")
    for line in graph.diagram("dot").encode().decode().splitlines():
        strings = re.findall(r'"(?:[^"\\]|\\.)*"', line)
        assert re.fullmatch(r"[\w\s={}\[\],>-]*", re.sub(r'"(?:[^"\\]|\\.)*"', "", line)), line
        assert all(not re.search(r"&(?!amp;)", string) for string in strings)
    for line in graph.diagram("mermaid").encode().decode().splitlines():
        assert re.fullmatch(r"[\w\s()\[\]|>.-]*", re.sub(r'"[^"`<]*(<br/>[^"`<]*)*"', "", line)), line


# ---------------------------------------------------------------------------------------------------------------- places


@pytest.mark.parametrize("make", GRAPHS)
def test_nothing_covers_anything(make):
    """No two nodes or labels overlap; a box holds what is in it and cuts nothing else; all lies in the view box."""
    picture = Picture(sketch(make()))
    rects = {index: rect(picture, item) for index, item in picture.nodes.items()}
    labels = [rect(picture, item) for index, item in picture.tracks.items() if picture.drawing.arrows[index].lines]
    for one, two in itertools.combinations([*rects.values(), *labels], 2):
        assert apart(one, two), (one, two)
    boxes = [(rect(picture, item), set(plan.all_nodes())) for item, plan in picture.boxes]
    for (left, top, right, bottom), inside in boxes:
        for index, (x, y, to_x, to_y) in rects.items():
            if index in inside:
                assert left <= x <= to_x <= right and top <= y <= to_y <= bottom
            else:
                assert apart((left, top, right, bottom), (x, y, to_x, to_y))
    for (one, first), (two, second) in itertools.combinations(boxes, 2):
        assert apart(one, two) or first <= second or second <= first
    width, height = (float(parsed(make()).get(side)) for side in ("width", "height"))
    for element in parsed(make()).iter():
        for x, y in points(element):
            assert 0 <= x <= width and 0 <= y <= height


@pytest.mark.parametrize("make", GRAPHS)
def test_texts_fit_where_they_stand(make):
    """In letters as wide as those of the common monospaced faces: none is wider than its node, its box, or the columns of its edge."""
    picture = Picture(sketch(make()))
    for index, item in picture.nodes.items():
        left, right, *_ = picture._edges_of(index)
        assert max(map(len, picture.drawing.shapes[index].lines)) * 7.25 < right - left
        assert item.height > 14 * len(picture.drawing.shapes[index].lines)
    for item, plan in picture.boxes:
        left, _, right, _ = rect(picture, item)
        assert len(plan.label) * 6.5 + 10 < right - left
    for index, item in picture.tracks.items():
        left, right = picture.columns[item.first]
        assert all(len(line) * 6.5 <= right - left for line in picture.drawing.arrows[index].lines)


def rect(picture, item):
    """Left, top, right and bottom of an item."""
    from dfcore.layered import SIDE, sides

    pad = (SIDE * sides(item, "first"), SIDE * sides(item, "last")) if item.inner else (0, 0)
    return picture.columns[item.first][0] - pad[0], item.y, picture.columns[item.last][1] + pad[1], item.y + item.height


def apart(one, two):
    return one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]


def points(element):
    """All points of an element, those that steer its curves included."""
    if element.get("d"):
        return [tuple(map(float, pair.split(","))) for pair in re.findall(r"[-\d.]+,[-\d.]+", element.get("d"))]
    if element.get("points"):
        return [tuple(map(float, pair.split(","))) for pair in element.get("points").split()]
    if element.get("x"):
        x, y = float(element.get("x")), float(element.get("y"))
        return [(x, y), (x + float(element.get("width", 0)), y + float(element.get("height", 0)))]
    return []


def test_emit_and_collect_are_drawn_like_other_nodes():
    """By their role."""
    with Graph() as graph:
        emit([1]).to(collect())
    assert ['n0(["emit"])', 'n1["collect"]'] == [line.strip() for line in graph.diagram("mermaid").splitlines()[1:3]]
