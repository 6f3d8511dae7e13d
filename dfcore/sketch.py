"""What a picture of a graph shows, before it has a form: nodes, the boxes they lie in, arrows with labels.

Laws: a graph that could not run can be drawn too; the same declaration gives the same sketch; what is the default is not written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .blocks import CONTEXT_OPTIONS, Context
from .declared import EDGE_OPTIONS, Declared, Member
from .edge import Edge, input_names
from .loops import feedback, ranks, successors
from .parts import Contents
from .wiring import wire

_LONGEST = 40  # characters of a label
_LONGEST_VALUE = 16
#: What is written of the options of a node, unless it is the default.
_NODE_NOTES = {"rate_hz": "{:g} Hz", "replicas": "{} replicas", "on_error": "on error {}", "deadline_s": "deadline {:g} s"}
_NODE_DEFAULTS = {"replicas": 1, "on_error": "stop"}


@dataclass(slots=True)
class Box:
    """A graph, a part or a context. Its nodes by their index."""

    kind: str  # "graph" | "part" | "context"
    label: str
    nodes: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    def all_nodes(self) -> list[int]:
        """Those of all boxes inside, too."""
        return [*self.nodes, *(node for box in self.boxes for node in box.all_nodes())]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A node as it is drawn."""

    name: str  # in full
    lines: tuple[str, ...]
    role: str
    layer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """An edge as it is drawn."""

    source: int
    target: int
    name: str
    lines: tuple[str, ...]
    parameter: bool
    back: bool  # against the direction of the others


@dataclass(frozen=True, slots=True)
class Sketch:
    """All of a picture."""

    root: Box
    shapes: list[Shape]
    arrows: list[Arrow]


def sketch(graph: Contents) -> Sketch:
    """The nodes and edges inside of a graph; edges that lead out of it are left out."""
    books = graph._books
    number = {book.serial: index for index, book in enumerate(books)}
    edges = [edge for edge in graph._edges if {edge.source.book.serial, edge.target.book.serial} <= number.keys()]
    arcs = [(number[edge.source.book.serial], number[edge.target.book.serial]) for edge in edges]
    back = _backward(len(books), arcs, _may_start(edges))
    layers = _layers(len(books), [arc for arc, against in zip(arcs, back, strict=True) if not against])
    shown: dict[int, Context | None] = {}
    root = _box(graph, Box("graph", short(graph.name)), number, shown, None)
    shapes = [Shape(name=book.name, lines=_node_lines(book, shown[number[book.serial]]), role=book.role, layer=layer)
              for book, layer in zip(books, layers, strict=True)]  # fmt: skip
    arrows = [_arrow(edge, arc, against) for edge, arc, against in zip(edges, arcs, back, strict=True)]
    return Sketch(root, shapes, arrows)


def short(text: str, longest: int = _LONGEST) -> str:
    """A text on one line, cut where it is too long."""
    line = " ".join(str(text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


# -- boxes ------------------------------------------------------------------------------------------------------------------


def _box(graph: Contents, box: Box, number: dict[int, int], shown: dict[int, Context | None], around: Context | None) -> Box:
    """Fill the box of a graph; note for each node the context in whose box it is."""
    contexts = {id(context): Box("context", _context_text(context)) for context in graph._members.contexts.values()}
    for member in graph._members.members:
        context = _drawn_in(member)
        place = contexts.get(id(context), box)
        inside = context if place is not box else around
        if isinstance(member, Declared):
            place.nodes.append(number[member.serial])
            shown[number[member.serial]] = inside
        else:
            part = _box(member.node, Box("part", short(graph._names[member.serial])), number, shown, inside)
            place.boxes += [part] if part.all_nodes() else []
    box.boxes += [context for context in contexts.values() if context.all_nodes()]
    return box


def _drawn_in(member: Member) -> Context | None:
    """The context in whose box a member is drawn: of a part only if all of it runs there."""
    books = member.node._books if not isinstance(member, Declared) else ()
    return member.own_context if all(book.context is member.own_context for book in books) else None


def _context_text(context: Context) -> str:
    notes = [str(context.kind)] if context.kind != CONTEXT_OPTIONS["kind"] else []
    notes += [f"{option} {value}" for option in ("cpu", "priority") if (value := getattr(context, option)) is not None]
    return short(", ".join([str(context.own_name), *notes]))


# -- nodes ------------------------------------------------------------------------------------------------------------------


def _node_lines(book: Declared, shown: Context | None) -> tuple[str, ...]:
    given = book.options
    notes = [_formatted(form, given[name]) for name, form in _NODE_NOTES.items()
             if name in given and given[name] is not None and given[name] is not _NODE_DEFAULTS.get(name)]  # fmt: skip
    if book.context is not shown and book.context is not None:
        notes.append(f"in {book.context.name}")
    name = book.name if book.graph is None else book.graph._names[book.serial]
    return tuple(short(line) for line in (name, *notes))


def _formatted(form: str, value: Any) -> str:
    try:
        return form.format(value)
    except (TypeError, ValueError):
        return repr(value)  # a wrong option, which the compiler reports


def _layers(count: int, arcs: Sequence[tuple[int, int]]) -> list[int]:
    """The column of each node: its rank; an emitter stands next to its first reader."""
    layers = ranks(count, arcs)
    after = successors(count, arcs)
    fed = {target for _, target in arcs}
    return [min((layers[other] for other in after[node]), default=1) - 1 if node not in fed else layers[node] for node in range(count)]


# -- arrows -----------------------------------------------------------------------------------------------------------------


def _arrow(edge: Edge, arc: tuple[int, int], against: bool) -> Arrow:
    parameter = edge.target.name in edge.target.book.signature.parameters
    lines = [*_ends_line(edge, parameter), *(_option_text(*item) for item in edge.options.items() if _differs(*item))]
    return Arrow(source=arc[0], target=arc[1], name=edge.name, lines=tuple(map(short, lines)), parameter=parameter, back=against)


def _ends_line(edge: Edge, parameter: bool) -> list[str]:
    """The ends by name, where a node has several."""
    source = edge.source.name if len(edge.source.book.published) > 1 else None
    target = edge.target.name if parameter or len(input_names(edge.target.book)) > 1 else None
    return [f"{source or ''} → {target or ''}".strip()] if source or target else []


def _differs(name: str, value: Any) -> bool:
    default = EDGE_OPTIONS.get(name)
    return value is not default and not (type(value) in (int, str, bool, tuple) and value == default)


def _option_text(name: str, value: Any) -> str:
    if name in ("policy", "on_full") and isinstance(value, str):
        return value.replace("_", " ")
    words = name.removesuffix("_s").replace("_", " ")
    if value is True:
        return words
    if name.endswith("_s") and isinstance(value, (int, float)):
        return f"{words} {value:g} s"
    return f"{words} {short(repr(value) if not isinstance(value, str) else value.replace('_', ' '), _LONGEST_VALUE)}"


def _may_start(edges: Sequence[Edge]) -> list[bool]:
    """Which edges can deliver before their writer has fired; of those that the compiler refuses, none."""
    starts = {item.edge.serial: item.may_start for item in wire(edges, [])}
    return [starts.get(edge.serial, False) for edge in edges]


def _backward(count: int, arcs: Sequence[tuple[int, int]], may_start: Sequence[bool]) -> list[bool]:
    """The arcs to draw back: feedback; where a cycle has none, those that close it when followed in order of creation."""
    back = feedback(count, arcs, may_start)
    after: list[list[int]] = [[] for _ in range(count)]
    for index, (source, _) in enumerate(arcs):
        if not back[index]:
            after[source].append(index)
    state = [0] * count  # 1: on the path that is followed, 2: done
    for root in range(count):
        path = [root] if not state[root] else []
        state[root] = state[root] or 1
        while path:
            node = path[-1]
            if not after[node]:
                state[path.pop()] = 2
                continue
            index = after[node].pop(0)
            other = arcs[index][1]
            if state[other] == 1:
                back[index] = True
            elif not state[other]:
                state[other] = 1
                path.append(other)
    return back
