"""Declaring a graph: which nodes, which edges, which contexts. Everything that a `Graph` is, except running.

Laws: a declaration only grows, by `with`, `add` and `connect`, and never while it runs; nodes and edges are listed in the order
of their creation, whatever the order they came in. Knows nothing of plans, memory or time.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Self

from .declared import Declared, check_keywords, connected_free, free_nodes, open_blocks
from .dtypes import describe
from .edge import Edge, End, connect, input_names
from .errors import GraphError, Problem, caller, did_you_mean
from .node import METHODS, Node
from .tables import table

CONTEXT_OPTIONS = {"kind": "process", "cpu": None, "priority": None, "spin_us": 0}
_UNSAID: Any = object()


class Block:
    """Something to open with `with`: the nodes made inside belong to it. Any thread or task may open it, and again inside."""

    def __enter__(self) -> Self:
        open_blocks.set((*open_blocks.get(), self._place()))
        return self

    def __exit__(self, *error: object) -> None:
        open_blocks.set(open_blocks.get()[:-1])

    def _place(self) -> tuple[Declaration, Context | None]:
        raise NotImplementedError


class Context(Block):
    """Where nodes run: a pinned process or a thread. Made by `graph.context(name, ...)`.

    Attributes: `name`, `graph`, `kind`, `cpu`, `priority`, `spin_us`; `file` and `line` of the call that made it.
    """

    def __init__(self, graph: Declaration, name: str, options: dict[str, Any], place: tuple[str, int]):
        self.graph, self.name = graph, name
        self.file, self.line = place
        self.kind, self.cpu, self.priority, self.spin_us = ({**CONTEXT_OPTIONS, **options}[key] for key in CONTEXT_OPTIONS)

    def add(self, *nodes: Node) -> None:
        """Place nodes in this context; free ones join the graph, with the free nodes they are connected to.

        Raises:
            GraphError: no node, or one that is in another context or graph already, or the graph is running.
        """
        for node in nodes:
            self.graph._add(node, self, caller())

    def _place(self) -> tuple[Declaration, Context | None]:
        return self.graph, self

    def __repr__(self) -> str:
        return f"<context {self.name} of {self.graph.name}>"


@dataclass(slots=True)
class _Members:
    """What a graph consists of."""

    name: Any = "graph"
    file: str = ""
    line: int = 0
    nodes: list[Declared] = field(default_factory=list)  # in order of creation
    contexts: dict[str, Context] = field(default_factory=dict)
    names: dict[int, str] | None = None  # serial -> name; None: to be made anew
    running: bool = False
    codes: frozenset[CodeType] | None = None  # of the methods of its nodes, once somebody asks while it runs


class Declaration(Block):
    """A graph as declared. `print` lists contexts, nodes, edges and which source feeds which input.

    Args:
        name: of the graph, in reports and messages.
    Raises:
        GraphError: it is made inside the `with` block of another graph.
    """

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        graph = super().__new__(cls)
        graph.__dict__["_Declaration__members"] = _Members()
        return graph

    def __init__(self, name: str = "graph"):
        place = caller()
        members = self._members
        members.name, members.file, members.line = name, *place
        if blocks := open_blocks.get():
            found = f"made inside the `with` block of graph `{blocks[-1][0].name}`"
            do = "nested graphs are not in this version; make the nodes in one graph"
            raise self._error("nested", "a graph outside of other graphs", found, do, place)
        if not isinstance(name, str) or not name:
            raise self._error("name", "a name of the graph", repr(name), 'write Graph("name")', place)

    def __setattr__(self, name: str, value: Any) -> None:
        for owner in type(self).__mro__:
            if name in vars(owner) and owner.__module__.partition(".")[0] == __package__:
                known = vars(owner)[name]
                if isinstance(known, property) and known.fset is not None:
                    break
                found = f"`{name}`, which every Graph has"
                raise self._error("reserved", "attributes with names of their own", found, "rename it", caller())
        object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """The name of the graph."""
        return str(self._members.name)

    @property
    def nodes(self) -> list[Node]:
        """Its nodes, in order of creation."""
        return [book.node for book in self._members.nodes]

    @property
    def edges(self) -> list[Edge]:
        """Its edges, in order of creation."""
        unique = {edge.serial: edge for book in self._members.nodes for edge in book.edges}
        return [unique[serial] for serial in sorted(unique)]

    def add(self, *nodes: Node) -> None:
        """Take free nodes in, together with the free nodes they are connected to.

        Raises:
            GraphError: no node, a node of another graph, or the graph is running.
        """
        for node in nodes:
            self._add(node, None, caller())

    def connect(self, source: Node | End, target: Node | End, **edge: Any) -> Any:
        """Connect an output to an input and return the node of the target. Options as for `Node.to`."""
        return connect(source, target, edge, self)

    def context(
        self,
        name: str,
        *,
        kind: str = _UNSAID,
        cpu: Any = _UNSAID,
        priority: int | None = _UNSAID,
        spin_us: float = _UNSAID,
        **unknown: Any,
    ) -> Context:
        """The context `name`, made at the first call; to be opened with `with`, as often as you like.

        Args:
            kind: `"process"` (default), where copies of its nodes run, or `"thread"`.
            cpu: an int or a sequence of them; None (default): any.
            priority: 1 to 99 of SCHED_FIFO; None (default): an ordinary process. What the machine refuses is in the report.
            spin_us: how long to spin before sleeping; 0 by default.
        Raises:
            GraphError: other options than at the first call, an unknown keyword, or the graph is running.
        """
        place = caller()
        check_keywords(unknown, CONTEXT_OPTIONS, (), lambda: f"context {name!r}", place)
        given = {"kind": kind, "cpu": cpu, "priority": priority, "spin_us": spin_us}
        given = {option: value for option, value in given.items() if value is not _UNSAID}
        known = self._members.contexts.get(name)
        if known is None:
            self._refuse_change()
            known = self._members.contexts[name] = Context(self, name, given, place)
        for option, value in given.items():
            if getattr(known, option) is not value and getattr(known, option) != value:  # nan is not itself
                found = f"{option}={value!r} and {option}={getattr(known, option)!r}"
                do = "say them once, or choose another name"
                raise self._error("context", f"one set of options for context `{name}`", found, do, place)
        return known

    def __getitem__(self, name: str) -> Node:
        """The node called `name`. Raises GraphError: there is none."""
        for book in self._members.nodes:
            if book.name == name:
                return book.node
        names = self._names.values()
        raise self._error("name", "the name of one of its nodes", f"`{name}`", did_you_mean(str(name), names), caller())

    def __iter__(self) -> Any:
        raise TypeError(f"graph {self.name}: needed .nodes or .edges to go through, was the graph itself.")

    def __repr__(self) -> str:
        return f"<graph {self.name}: {len(self._members.nodes)} nodes, {len(self.edges)} edges>"

    def __str__(self) -> str:
        contexts = [
            (context.name, *(getattr(context, option) for option in CONTEXT_OPTIONS), len(self._inside(context)))
            for context in self._contexts
        ]
        parts = [f"graph {self.name}"]
        if contexts:
            parts.append(table(["context", *CONTEXT_OPTIONS, "nodes"], contexts))
        parts.append(table(["node", "role", "context", "inputs", "outputs"], [_node_row(book) for book in self._members.nodes]))
        if edges := self.edges:
            parts.append(table(["edge", "options"], [(edge.name, _options_text(edge.options)) for edge in edges]))
        return "\n\n".join(parts)

    @property
    def _members(self) -> _Members:
        members: _Members = self.__dict__["_Declaration__members"]
        return members

    @property
    def _books(self) -> list[Declared]:
        """What is declared about each node, in order of creation."""
        return self._members.nodes

    @property
    def _contexts(self) -> list[Context]:
        """In order of creation."""
        return list(self._members.contexts.values())

    @property
    def _running(self) -> bool:
        """Whether a run is under way: then nothing may be changed."""
        return self._members.running

    @_running.setter
    def _running(self, running: bool) -> None:
        self._members.running, self._members.codes = running, None

    @property
    def _codes(self) -> frozenset[CodeType]:
        """The code of every method of its nodes that a run calls."""
        if self._members.codes is None:
            methods = [getattr(book.node, name, None) for book in self._members.nodes for name in METHODS]
            codes = [getattr(getattr(method, "__func__", method), "__code__", None) for method in methods]
            self._members.codes = frozenset(code for code in codes if code is not None)
        return self._members.codes

    @property
    def _names(self) -> dict[int, str]:
        """The name of each node by its serial: given ones as they are, the others made unique in order of creation."""
        members = self._members
        if members.names is None:
            given = {book.serial: book.base_name for book in members.nodes if book.options.get("name") is not None}
            taken = set(given.values())
            names = dict(given)
            count: dict[str, int] = {}
            for book in members.nodes:
                if book.serial not in given:
                    names[book.serial] = _unused(book.base_name, taken, count)
            members.names = names
        return members.names

    def _place(self) -> tuple[Declaration, Context | None]:
        return self, None

    def _inside(self, context: Context) -> list[Declared]:
        return [book for book in self._members.nodes if book.context is context]

    def _add(self, node: Any, context: Context | None, place: tuple[str, int]) -> None:
        if not isinstance(node, Node):
            found = f"the class {node.__name__}" if isinstance(node, type) else repr(node)
            raise self._error("add", "a node to add", found, "make one first", place)
        self._refuse_change()
        book = node._declared
        if book.graph not in (None, self):
            found = f"`{book.name}`, a node of graph `{book.graph.name}`"
            raise self._error("two-graphs", "a free node", found, "a node belongs to one graph", place)
        if context is not None and book.context not in (None, context):
            found = f"`{book.name}` in context `{book.context.name}`"
            raise self._error("two-contexts", f"a node of no other context than `{context.name}`", found, "choose one", place)
        for free in list(connected_free(book)) if book.graph is None else ():
            self._take_in(free, None)
        book.context = context or book.context

    def _take_in(self, book: Declared, context: Context | None) -> None:
        """Make a free node a member."""
        book.graph, book.context = self, context
        free_nodes.discard(book.node)
        bisect.insort(self._members.nodes, book, key=lambda member: member.serial)
        self._changed()

    def _let_go(self, book: Declared) -> None:
        """Forget a node whose constructor failed."""
        self._members.nodes.remove(book)
        book.graph = None
        self._changed()

    def _changed(self) -> None:
        self._members.names = None

    def _refuse_change(self) -> None:
        """Raise GraphError if the graph is running."""
        if self._members.running:
            raise self._error("running", "a graph at rest to change it", "running", "stop it first", caller())

    def _error(self, code: str, needed: str, found: str, do: str, place: tuple[str, int]) -> GraphError:
        where = f"graph {self.name}"
        return GraphError(Problem(code=code, where=where, needed=needed, found=found, do=do, file=place[0], line=place[1]))


def _unused(base: str, taken: set[str], count: dict[str, int]) -> str:
    """`noise`, `noise_2`, `noise_3`, ...: the first that is free."""
    while True:
        number = count[base] = count.get(base, 0) + 1
        name = base if number == 1 else f"{base}_{number}"
        if name not in taken:
            taken.add(name)
            return name


def _node_row(book: Declared) -> tuple[str, ...]:
    fed = [(name, book.fed_by(name)) for name in [*input_names(book), *book.signature.parameters]]
    inputs = ", ".join(
        f"{name} <- {edge.source_name if edge else '?'}" for name, edge in fed if edge or name in input_names(book)
    )
    outputs = ", ".join(f"{name}: {_dtype_text(dtype)}" for name, dtype in book.outputs.items())
    return book.name, book.role, book.context.name if book.context else "inline", inputs, outputs


def _dtype_text(dtype: Any) -> str:
    return describe(dtype) if dtype is not None else "?"


def _options_text(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())
