"""The ends of a graph: which ends of nodes inside it shows under names of its own.

Laws: an exposed end is another name for an end inside, so an edge to it joins two nodes like any other; it is an output or an
input, and refused on the other side; what is exposed lies inside the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .declared import Declared, Member
from .edge import End, input_names, is_end, resolved
from .errors import GraphError, Problem, did_you_mean
from .node import Node

if TYPE_CHECKING:
    from .parts import Contents

_WORDS = {"source": "output", "target": "input"}


class ExposedEnd(End):
    """An end of a graph: `part["force"]`. `sides`: where in an edge it may stand, `"source"`, `"target"` or both."""

    __slots__ = ("graph", "label", "sides")

    def __init__(self, graph: Contents, label: str, inside: End, sides: tuple[str, ...]):
        super().__init__(inside.node, inside.name)
        self.graph, self.label, self.sides = graph, label, sides

    @property
    def member(self) -> Member:
        """The graph, which is connected like a node."""
        return self.graph._members

    @property
    def inside(self) -> str:
        """What it stands for: `arm/observer.readout`."""
        return super().__repr__()

    def on(self, side: str, place: tuple[str, int]) -> End:
        """This end as the `"source"` or `"target"` of an edge. Raises GraphError: it is the other."""
        if side not in self.sides:
            needed, found = f"an {_WORDS[side]}", f"an {_WORDS[self.sides[0]]}, {self.inside}"
            raise _error("end", repr(self), needed, found, "turn the edge round", place)
        return self

    def __repr__(self) -> str:
        return f"{self.graph.name}.{self.label}"


def expose(graph: Contents, ends: dict[str, Any], place: tuple[str, int]) -> None:
    """Give `graph` ends of its own: all of `ends`, or none.

    Raises:
        GraphError: everything that is wrong with them.
    """
    graph._refuse_change()
    new: dict[str, ExposedEnd] = {}
    problems: list[Problem] = []
    for label, value in ends.items():
        try:
            new[label] = _exposed(graph, label, value, {**graph._members.exposed, **new}, place)
        except GraphError as error:
            problems += error.problems
    if problems:
        raise GraphError(problems)
    graph._members.exposed.update(new)


def stand_for(graph: Contents, side: str, place: tuple[str, int]) -> ExposedEnd:
    """The end that a graph stands for: its only output, or its first input not yet connected.

    Raises:
        GraphError: there is none, or there are several outputs.
    """
    ends = [end for end in graph._members.exposed.values() if side in end.sides]
    word, names = _WORDS[side], ", ".join(f'["{end.label}"]' for end in ends)
    if side == "target":
        free = [end for end in ends if end.name not in end.book.signature.parameters and not _connected(end)]
        if ends and not free:
            raise _error("doubly-connected", f"graph {graph.name}", "a free input", f"none of {names}", "name one, or expose more", place)
        ends = free[:1]
    if not ends:
        others = ", ".join(f"`{label}`" for label in graph._members.exposed) or "nothing"
        do = f"write self.expose(name=...) in it, or connect a node inside, {graph.name}[...]"
        raise _error("exposed", f"graph {graph.name}", f"an {word} that it exposes", f"none; it exposes {others}", do, place)
    if len(ends) > 1:
        raise _error("several-outputs", f"graph {graph.name}", "one output", str(len(ends)), f"choose one of {names}", place)
    return ends[0]


def outside_name(book: Declared, name: str) -> str:
    """How an end is written where it is to be connected: by the outermost graph that exposes it."""
    found, graph = f'{book.name}["{name}"]', book.graph
    while graph is not None and graph._members.graph is not None:
        for end in graph._members.exposed.values():
            if end.node is book.node and end.name == name:
                found = f'{graph.name}["{end.label}"]'
        graph = graph._members.graph
    return found


def _exposed(graph: Contents, label: str, value: Any, known: dict[str, ExposedEnd], place: tuple[str, int]) -> ExposedEnd:
    where = f"graph {graph.name}, exposed `{label}`"
    if label in known:
        raise _error("exposed", where, "a name of its own", f"also that of {known[label].inside}", "rename it", place)
    if not label.isidentifier():
        raise _error("exposed", where, "a name that is an identifier", repr(label), "rename it", place)
    if not is_end(value):
        shown = f"the class {value.__name__}" if isinstance(value, type) else repr(value)
        raise _error("exposed", where, "a node or an end of one", shown, "expose an end of a node inside", place)
    end = value if isinstance(value, End) else _stood_for(value, known, place)
    if end.book.graph is None or graph not in end.book.graph._around():
        do = "make it inside `with self:`, or add it first"
        raise _error("exposed", where, "an end of a node inside", f"{end!r}, which is not", do, place)
    if end.member is graph._members:
        raise _error("exposed", where, "an end of a node inside", f"its own end `{end!r}`", "expose it once", place)
    sides = _sides(end, where, place)
    for other in known.values():
        if other == end and "target" in sides and end.name not in _variadic(end.book):
            do = "keep one of the two"
            raise _error("exposed", where, "an input not yet exposed", f"{end!r}, exposed as `{other.label}`", do, place)
    return ExposedEnd(graph, label, end, sides)


def _stood_for(value: Any, known: dict[str, ExposedEnd], place: tuple[str, int]) -> End:
    """The end of a whole node or part: its only output; if it has none, its first free input that is not exposed."""
    if not isinstance(value, Node):
        has_output = any("source" in end.sides for end in value._members.exposed.values())
        return stand_for(value, "source" if has_output else "target", place)
    book: Declared = value._declared
    if book.role != "collector":
        return End(value, None)
    shown = {end.name for end in known.values() if end.node is value}
    free = [spec.name for spec in book.signature.inputs if spec.name not in shown and book.fed_by(spec.name) is None]
    return End(value, next(iter([*free, *_variadic(book), *input_names(book)]), None))


def _sides(end: End, where: str, place: tuple[str, int]) -> tuple[str, ...]:
    """Where in an edge an end may stand."""
    if isinstance(end, ExposedEnd):
        return end.sides
    book, name = end.book, end.name
    if name is None:
        if len(book.outputs) > 1:
            names = ", ".join(f'["{each}"]' for each in book.outputs)
            raise _error("exposed", where, "one output", f"`{book.name}`, which has {len(book.outputs)}", f"choose one of {names}", place)
        return ("source",)
    inputs = [*input_names(book), *book.signature.parameters, *_variadic(book)]
    sides = tuple(side for side, names in (("source", book.published), ("target", inputs)) if name in names)
    if not sides:
        known = [*book.published, *inputs]
        raise _error("exposed", where, f"an end of `{book.name}`", f"`{name}`", did_you_mean(name, known), place)
    return sides


def _variadic(book: Declared) -> list[str]:
    return [book.signature.variadic.name] if book.signature.variadic is not None else []


def _connected(end: End) -> bool:
    """Whether an input has its edge; one of `*values` takes any number."""
    return end.book.fed_by(str(resolved(end))) is not None


def _error(code: str, where: str, needed: str, found: str, do: str, place: tuple[str, int]) -> GraphError:
    return GraphError(Problem(code=code, where=where, needed=needed, found=found, do=do, file=place[0], line=place[1]))
