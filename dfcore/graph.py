"""Declaring a graph: which nodes, which parts, which edges, which contexts. Everything that a `Graph` is, except running.

Laws: a declaration only grows, by `with`, `add` and `connect`, and never while it runs; members and edges are listed in the order
of their creation, whatever the order they came in. A graph inside a graph is a part: a member with a name, like a node; what runs
is the outermost graph, flat, all nodes of all parts. Knows nothing of plans, memory or time.
"""

from __future__ import annotations

import bisect
from types import CodeType
from typing import TYPE_CHECKING, Any, Self

from .declared import (
    Declared,
    Member,
    check_keywords,
    enrol,
    forget,
    free_nodes,
    next_serial,
    open_blocks,
    snake_case,
)
from .edge import Edge, End, connect, connect_all, is_end, take_in
from .errors import GraphError, Problem, caller, did_you_mean
from .exposed import ExposedEnd, expose, stand_for
from .listing import CONTEXT_OPTIONS, listing
from .node import METHODS, Node

if TYPE_CHECKING:
    from .edge import Target

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

    Attributes: `graph`, `own_name` (as given), `kind`, `cpu`, `priority`, `spin_us`; `file` and `line` of the call that made it.
    """

    def __init__(self, graph: Declaration, name: str, options: dict[str, Any], place: tuple[str, int]):
        self.graph, self.own_name, self.serial = graph, name, next_serial()
        self.file, self.line = place
        self.kind, self.cpu, self.priority, self.spin_us = ({**CONTEXT_OPTIONS, **options}[key] for key in CONTEXT_OPTIONS)

    @property
    def name(self) -> str:
        """Its full name: `io`, of a part called `arm` `arm/io`."""
        return f"{self.graph._prefix}{self.own_name}"

    def add(self, *nodes: Node | Declaration) -> None:
        """Place nodes in this context, of parts those that have none; free ones join the graph, with what they are connected to.

        Raises:
            GraphError: no node, or one that is in another context or graph already, or the graph is running.
        """
        for node in nodes:
            self.graph._add(node, self, caller())

    def _place(self) -> tuple[Declaration, Context | None]:
        return self.graph, self

    def __repr__(self) -> str:
        return f"<context {self.name} of {self.graph.name}>"


class _Members(Member):
    """What a graph consists of, and the graph as a member of another.

    Attributes: those of a member, `given` (its name, None: that of its class), `members` and `contexts` in order of creation,
    `exposed` (ends by the name they are exposed as), `running`.
    """

    def __init__(self, graph: Declaration, place: tuple[str, int]):
        super().__init__(graph, place)
        self.given: Any = None
        self.members: list[Member] = []
        self.contexts: dict[str, Context] = {}
        self.exposed: dict[str, ExposedEnd] = {}
        self.names: dict[int, str] | None = None  # serial -> name; None: to be made anew
        self.runs = False
        self.codes: frozenset[CodeType] | None = None  # of the methods of its nodes, once somebody asks while it runs

    @property
    def base_name(self) -> str:
        """The name given, else the class name in snake case."""
        kind = type(self.node)
        return str(self.given or (snake_case(kind.__name__) if not _ours(kind) else "graph"))

    @property
    def touching(self) -> list[Edge]:
        """The edges of all nodes in it, in order of creation."""
        unique = {edge.serial: edge for book in self.node._books for edge in book.edges}
        return [unique[serial] for serial in sorted(unique)]

    def refuse_change(self) -> None:
        """Raise GraphError if the outermost graph is running."""
        self.node._refuse_change()


class Declaration(Block):
    """A graph as declared. `print` lists contexts, nodes, edges and which source feeds which input.

    Made inside the `with` block of another graph or of one of its contexts, it is a part of that graph: a member with a name, whose
    nodes have full names, `arm/observer`. With `expose` it has ends of its own and is connected like a node.

    Args:
        name: of the graph, in reports and messages; None (default): the name of its class in snake case, `graph` for `Graph` itself.
            Parts of one graph whose names are equal are called `arm`, `arm_2`, ... in order of creation.
    Raises:
        GraphError: the name is no text.
    """

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        graph = super().__new__(cls)
        members = graph.__dict__["_Declaration__members"] = _Members(graph, caller())
        enrol(members)
        return graph

    def __init__(self, name: str | None = None):
        if name is not None and (not isinstance(name, str) or not name):
            forget(self._members)
            raise self._error("name", "a name of the graph", repr(name), 'write Graph("name")', caller())
        self._members.given = name
        if self._members.graph is not None:
            self._members.graph._changed()

    def __setattr__(self, name: str, value: Any) -> None:
        for owner in type(self).__mro__:
            if name in vars(owner) and _ours(owner):
                known = vars(owner)[name]
                if isinstance(known, property) and known.fset is not None:
                    break
                found = f"`{name}`, which every Graph has"
                raise self._error("reserved", "attributes with names of their own", found, "rename it", caller())
        object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """The name of the graph; of a part its full name, `arm` or `arm/wrist`."""
        return self._members.name

    @property
    def nodes(self) -> list[Any]:
        """Its nodes and parts, in order of creation."""
        return [member.node for member in self._members.members]

    @property
    def edges(self) -> list[Edge]:
        """The edges between its nodes and parts, in order of creation; those inside of a part are that part's."""
        return [edge for edge in self._edges if self._joins(edge)]

    def add(self, *nodes: Node | Declaration) -> None:
        """Take free nodes and graphs in, together with the free ones they are connected to.

        Raises:
            GraphError: no node or graph, one that is in another graph, this graph itself or one it lies in, or one is running.
        """
        for node in nodes:
            self._add(node, None, caller())

    def expose(self, **ends: Target) -> None:
        """Give this graph ends of its own, so that as a part it is connected like a node: `part["force"].to(motor)`.

        Args:
            ends: by the name to use outside. An end of a node inside, `self.observer["readout"]`, an input, output or parameter; an
                end that a part inside exposes; or a node or part, which stands for its only output, or if it has none for its first
                input not yet connected.
        Raises:
            GraphError: not an end, one of a node that is not inside, an unknown one, a name or an input exposed twice.
        """
        expose(self, ends, caller())

    def to(self, target: Target, **edge: Any) -> Any:
        """Connect the only output that this graph exposes to `target`. Options and errors as for `Node.to`."""
        return connect(self, target, edge)

    def __call__(self, *sources: Any, **named: Any) -> Any:
        """Connect `sources` to the inputs that this graph exposes, by position and by name, and return it."""
        return connect_all(self, sources, named)

    def __or__(self, target: Target) -> Any:
        return connect(self, target, {}) if is_end(target) else NotImplemented

    def connect(self, source: Target, target: Target, **edge: Any) -> Any:
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

    def __getitem__(self, name: str) -> Any:
        """The node or part called `name`, `arm/observer` inside of a part, or the end that it exposes as `name`.

        Raises:
            GraphError: there is none.
        """
        found = self._found(name)
        if found is None:
            known = [*self._members.exposed, *self._names.values()]
            known += [book.name.removeprefix(self._prefix) for book in self._books if book.graph is not self]
            needed = "the name of one of its nodes" if not self._members.exposed else "the name of one of its nodes or ends"
            raise self._error("name", needed, f"`{name}`", did_you_mean(str(name), known), caller())
        return found

    def _found(self, name: str) -> Any:
        members = self._members
        if name in members.exposed:
            return members.exposed[name]
        for member in members.members:
            if self._names[member.serial] == name:
                return member.node
        first, slash, rest = str(name).partition("/")
        part = self._found(first) if slash else None
        return part._found(rest) if isinstance(part, Declaration) else None

    def __iter__(self) -> Any:
        raise TypeError(f"graph {self.name}: needed .nodes or .edges to go through, was the graph itself.")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"graph {self.name}: needed to stay in the process that made it, was pickled or copied; "
                        "make it anew there with a function or class, or pickle its plan()")  # fmt: skip

    def __repr__(self) -> str:
        return f"<graph {self.name}: {len(self._books)} nodes, {len(self._edges)} edges>"

    def __str__(self) -> str:
        return listing(self)

    @property
    def _members(self) -> _Members:
        members: _Members = self.__dict__["_Declaration__members"]
        return members

    @property
    def _books(self) -> list[Declared]:
        """What is declared about each node of it and of its parts, in order of creation."""
        books, parts = [], [self]
        for part in parts:
            books += [member for member in part._members.members if isinstance(member, Declared)]
            parts += part._own_parts
        return books if len(parts) == 1 else sorted(books, key=lambda book: book.serial)

    @property
    def _nodes(self) -> list[Node]:
        """Each node of it and of its parts, in order of creation."""
        return [book.node for book in self._books]

    @property
    def _own_parts(self) -> list[Declaration]:
        return [member.node for member in self._members.members if not isinstance(member, Declared)]

    @property
    def _parts(self) -> list[Declaration]:
        """The graphs inside of it, at any depth, in order of creation."""
        parts = self._own_parts
        for part in parts:
            parts += part._own_parts
        return sorted(parts, key=lambda part: part._members.serial)

    @property
    def _edges(self) -> list[Edge]:
        """The edges of all nodes of it and of its parts, in order of creation."""
        return self._members.touching

    @property
    def _contexts(self) -> list[Context]:
        """Those of it and of its parts, in order of creation."""
        contexts = [context for part in (self, *self._parts) for context in part._members.contexts.values()]
        return sorted(contexts, key=lambda context: context.serial)

    @property
    def _whole(self) -> Declaration:
        """The outermost graph that it lies in, or itself."""
        whole: Declaration = self._members.outermost.node
        return whole

    @property
    def _prefix(self) -> str:
        """What the full names of its members begin with: `arm/`, nothing for an outermost graph."""
        return "" if self._members.graph is None else f"{self.name}/"

    @property
    def _running(self) -> bool:
        """Whether a run is under way: then nothing may be changed."""
        return self._whole._members.runs

    @_running.setter
    def _running(self, running: bool) -> None:
        self._members.runs, self._members.codes = running, None

    @property
    def _codes(self) -> frozenset[CodeType]:
        """The code of every method that a run calls."""
        members = self._whole._members
        if members.codes is None:
            methods = [getattr(node, name, None) for node in self._whole._nodes for name in METHODS]
            codes = [getattr(getattr(method, "__func__", method), "__code__", None) for method in methods]
            members.codes = frozenset(code for code in codes if code is not None)
        return members.codes

    @property
    def _names(self) -> dict[int, str]:
        """The name of each member by its serial: given ones of nodes as they are, the others made unique in order of creation."""
        members = self._members
        if members.names is None:
            names = {member.serial: member.base_name for member in members.members if member.fixed}
            taken = set(names.values())
            count: dict[str, int] = {}
            for member in members.members:
                if not member.fixed:
                    names[member.serial] = _unused(member.base_name, taken, count)
            members.names = names
        return members.names

    def _place(self) -> tuple[Declaration, Context | None]:
        return self, None

    def _around(self) -> list[Declaration]:
        """Itself and the graphs that it lies in, innermost first."""
        found = [self]
        while (outer := found[-1]._members.graph) is not None:
            found.append(outer)
        return found

    def _joins(self, edge: Edge) -> bool:
        """Whether it is the innermost graph that both ends of an edge lie in."""
        sides = [book.graph._around() if book.graph is not None else [] for book in (edge.source.book, edge.target.book)]
        return next((graph for graph in sides[0] if graph in sides[1]), None) is self

    def _stands_for(self, side: str, place: tuple[str, int]) -> End:
        """The end that this graph stands for on that side of an edge."""
        return stand_for(self, side, place)

    def _add(self, node: Any, context: Context | None, place: tuple[str, int]) -> None:
        if not isinstance(node, (Node, Declaration)):
            found = f"the class {node.__name__}" if isinstance(node, type) else repr(node)
            raise self._error("add", "a node to add", found, "make one first", place)
        member = node._declared if isinstance(node, Node) else node._members
        self._refuse_change()
        member.refuse_change()
        if node in self._around():
            found = "itself" if node is self else f"`{node.name}`, which it lies in"
            raise self._error("itself", "a graph other than itself", found, "make another one", place)
        if member.graph not in (None, self) and not (context and self in member.graph._around()):
            what = f"`{member.name}`, a {'node' if isinstance(node, Node) else 'part'} of graph `{member.outermost.name}`"
            raise self._error("two-graphs", "a free node", what, "a node belongs to one graph", place)
        if context is not None and member.own_context not in (None, context):
            found = f"`{member.name}` in context `{member.own_context.name}`"
            raise self._error("two-contexts", f"a node of no other context than `{context.name}`", found, "choose one", place)
        take_in(self, member)
        member.own_context = context or member.own_context

    def _take_in(self, member: Member, context: Context | None) -> None:
        """Make a free member one of its own."""
        member.graph, member.own_context = self, context
        free_nodes.discard(member.node)
        bisect.insort(self._members.members, member, key=lambda other: other.serial)
        self._changed()

    def _let_go(self, member: Member) -> None:
        """Forget a member whose constructor failed."""
        self._members.members.remove(member)
        member.graph = None
        self._changed()

    def _changed(self) -> None:
        self._members.names = None

    def _refuse_change(self) -> None:
        """Raise GraphError if the outermost graph is running."""
        if self._running:
            raise self._whole._error("running", "a graph at rest to change it", "running", "stop it first", caller())

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


def _ours(kind: type) -> bool:
    """Whether a class is one of this package."""
    return kind.__module__.partition(".")[0] == __package__
