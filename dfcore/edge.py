"""Ends and edges: how one output is connected to one input.

Laws: the four spellings of connecting are one function, `connect`; it never loses an edge between nodes that was written, not even
a wrong one, so that the compiler can report everything at once. Where an end stands says whether it is an output or an input. An
edge always joins two nodes: a graph that is connected like a node stands for ends of nodes inside of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .declared import (
    EDGE_OPTIONS,
    ONLY_OUTPUT,
    Declared,
    Member,
    check_keywords,
    connected_free,
    next_serial,
)
from .errors import GraphError, Problem, caller

if TYPE_CHECKING:
    from .node import Node
    from .parts import Contents

    Target: TypeAlias = "Node | End | Contents"


class End:
    """A named output or input of a node: `node["name"]`. `name` is None where a node stands for one of its ends."""

    __slots__ = ("name", "node")

    def __init__(self, node: Node, name: str | None):
        self.node, self.name = node, name

    @property
    def book(self) -> Declared:
        """What is declared about its node."""
        return self.node._declared

    @property
    def member(self) -> Member:
        """What was connected, as far as graphs go: the node, or the graph that exposes the end."""
        return self.book

    def on(self, side: str, place: tuple[str, int]) -> End:
        """This end as the `"source"` or `"target"` of an edge. Raises GraphError: it cannot be that."""
        return self

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The stored dtype, if it is an output."""
        return self.book.published.get(self.name or ONLY_OUTPUT)

    def to(self, target: Target, **edge: Any) -> Any:
        """Connect this output to `target` and return the node of the target. Options as for `Node.to`."""
        return connect(self, target, edge)

    def __or__(self, target: Target) -> Any:
        return connect(self, target, {}) if is_end(target) or isinstance(target, type) else NotImplemented

    def __repr__(self) -> str:
        return self.book.name if self.name is None else f"{self.book.name}.{self.name}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, End) and other.node is self.node and other.name == self.name

    def __hash__(self) -> int:
        return hash((id(self.node), self.name))


class Edge:
    """One output connected to one input.

    Attributes: `source` and `target` (ends), `options` as given, `file` and `line` of the connecting call, `serial` (order of
    creation).
    """

    __slots__ = ("file", "line", "options", "serial", "source", "target")

    def __init__(self, source: End, target: End, options: dict[str, Any], place: tuple[str, int]):
        self.source, self.target, self.options = source, target, options
        self.file, self.line = place
        self.serial = next_serial()

    @property
    def name(self) -> str:
        """`"sensor -> controller"`; an end is written where its node has several, and a parameter always."""
        return f"{self.source_name} -> {self.target_name}"

    @property
    def source_name(self) -> str:
        """The left half of the name."""
        book = self.source.book
        several = len(book.outputs) > 1 or (self.source.name is not None and self.source.name not in book.outputs)
        return f"{book.name}.{self.source.name}" if several and self.source.name else book.name

    @property
    def target_name(self) -> str:
        """The right half of the name."""
        book, end = self.target.book, self.target.name
        if end is None or input_names(book) == [end]:
            return book.name
        return f"{book.name}.{end}"

    def problem(self, code: str, needed: str, found: str, do: str = "") -> Problem:
        """A problem of this edge, with the place of its connecting call."""
        return Problem(code=code, where=self.name, needed=needed, found=found, do=do, file=self.file, line=self.line)

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"<edge {self.name}{given}>"


def is_end(value: object) -> bool:
    """Whether `value` can stand on one side of an edge."""
    return isinstance(value, End) or hasattr(type(value), "_stands_for")


def input_names(book: Declared) -> list[str]:
    """The triggering inputs of a node, in the order of `compute`; of `*values` as many as are connected, at least one if alone."""
    signature = book.signature
    names = [spec.name for spec in signature.inputs]
    if signature.variadic is not None:
        names += [f"{signature.variadic.name}[{index}]" for index in range(_variadic_count(book, signature.variadic.name))]
    return names


def _variadic_count(book: Declared, name: str) -> int:
    """How many edges `*name` has; one if the node has no other input."""
    least = 0 if book.signature.inputs else 1
    ends = [edge.target.name or "" for edge in book.edges if edge.target.node is book.node]
    return max(least, sum(end.startswith(f"{name}[") for end in ends))


def connect(source: Any, target: Any, options: dict[str, Any], graph: Contents | None = None) -> Any:
    """Connect an output to an input, take free members into the graph, and return the node (or graph) of the target.

    Raises:
        GraphError: not ends, members of two graphs, an unknown keyword, or a graph that is running.
    """
    place = caller()
    start, stop = _as_end(source, "source", place), _as_end(target, "target", place)
    check_keywords(options, EDGE_OPTIONS, lambda: f"{start.book.name} -> {stop.book.name}", place)
    home = _home(start, stop, graph, place)
    edge = Edge(End(start.node, start.name), End(stop.node, resolved(stop)), dict(options), place)
    for book in {start.book.serial: start.book, stop.book.serial: stop.book}.values():
        book.edges.append(edge)
    if home is not None:
        take_in(home, start.member, stop.member)
    return stop.member.node


def take_in(home: Contents, *members: Member) -> None:
    """Take free members into a graph, with the free ones they are connected to."""
    for member in members:
        if member.graph is None and member is not home._members.outermost:
            for free in list(connected_free(member, home)):
                home._take_in(free, None)


def connect_all(node: Any, sources: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """`node(a, b, name=c)`: connect by position, then by name."""
    ends = {name: node[name] for name in named}
    for source in sources:
        connect(source, node, {})
    for name, end in ends.items():
        connect(named[name], end, {})
    return node


def refuse_sources(name: str, given: Collection[Any]) -> None:
    """Raise TypeError: the class of a node was called as if it were one of its nodes, with what it shall be connected to."""
    shown = ", ".join(repr(value) for value in given)
    do = f"make the node first: {name}()(...)" if any(map(is_end, given)) else "write each with its name"
    raise TypeError(f"{name}: needed options by name, was called with {shown}; {do}")


def _as_end(value: Any, side: str, place: tuple[str, int]) -> End:
    if isinstance(value, End):
        return value.on(side, place)
    if is_end(value):
        found: End = value._stands_for(side, place)
        return found
    shown = f"the class {value.__name__}" if isinstance(value, type) else repr(value)
    do = f"call it first: {value.__name__}(...)" if isinstance(value, type) else "connect nodes to nodes"
    raise GraphError(Problem(code="end", where=f"{side} of an edge", needed="a node or an end of one", found=shown, do=do,
                             file=place[0], line=place[1]))  # fmt: skip


def _home(start: End, stop: End, graph: Contents | None, place: tuple[str, int]) -> Contents | None:
    """The graph that takes free ends in; None while both are free."""
    given = [] if graph is None else [graph._members]
    for member in (start.book, stop.book, *given):
        member.refuse_change()
    homes = [*given, *(end.member.graph._members for end in (start, stop) if end.member.graph is not None)]
    outermost = {member.outermost.serial: member.outermost for member in homes}
    if len(outermost) > 1:
        names = ", ".join(f"`{member.name}`" for member in outermost.values())
        where = f"{start.book.name} -> {stop.book.name}"
        raise GraphError(Problem(code="two-graphs", where=where, needed="both nodes in one graph", found=f"in {names}",
                                 do="make them in the same `with` block", file=place[0], line=place[1]))  # fmt: skip
    return homes[0].node if homes else None


def resolved(stop: End) -> str | None:
    """The name of an input: a node stands for its first free input, `values` for the next free of `*values`."""
    book, signature = stop.book, stop.book.signature
    taken = {edge.target.name for edge in book.edges if edge.target.node is book.node}
    variadic = signature.variadic
    if stop.name is None:
        for spec in signature.inputs:
            if spec.name not in taken:
                return spec.name
    if variadic is not None and stop.name in (None, variadic.name):
        index = 0
        while f"{variadic.name}[{index}]" in taken:
            index += 1
        return f"{variadic.name}[{index}]"
    return stop.name
