"""Declaring a graph: which nodes, which parts, which edges, which contexts. Everything that a `Graph` is, except running.

Laws: a declaration only grows, by `with`, `add` and `connect`, and never while it runs; members and edges are listed in the order
of their creation, whatever the order they came in. A graph inside a graph is a part: a member with a name, like a node; what runs
is the outermost graph, flat, all nodes of all parts. Knows nothing of plans, memory or time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .blocks import CONTEXT_OPTIONS, Context
from .declared import check_keywords, forget
from .edge import Edge, End, connect, connect_all, is_end
from .errors import caller, did_you_mean
from .exposed import expose, stand_for
from .listing import listing
from .node import Node
from .parts import Contents, ours
from .sentinels import UNSAID

if TYPE_CHECKING:
    from .edge import Target


class Declaration(Contents):
    """A graph as declared. `print` lists contexts, nodes, edges and which source feeds which input.

    Made inside the `with` block of another graph or of one of its contexts, it is a part of that graph: a member with a name, whose
    nodes have full names, `arm/observer`. With `expose` it has ends of its own and is connected like a node.

    Args:
        name: of the graph, in reports and messages; None (default): the name of its class in snake case, `graph` for `Graph` itself.
            Parts of one graph whose names are equal are called `arm`, `arm_2`, ... in order of creation.
    Raises:
        GraphError: the name is no text.
    """

    def __init__(self, name: str | None = None):
        if name is not None and (not isinstance(name, str) or not name):
            forget(self._members)
            raise self._error("name", "a name of the graph", repr(name), 'write Graph("name")', caller())
        self._members.given = name
        if self._members.graph is not None:
            self._members.graph._changed()

    def __setattr__(self, name: str, value: Any) -> None:
        for owner in type(self).__mro__:
            if name in vars(owner) and ours(owner):
                known = vars(owner)[name]
                if isinstance(known, property) and known.fset is not None:
                    break
                found = f"`{name}`, which every Graph has"
                raise self._error("reserved", "attributes with names of their own", found, "rename it", caller())
        object.__setattr__(self, name, value)

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
        return connect(self, target, {}) if is_end(target) or isinstance(target, type) else NotImplemented

    def connect(self, source: Target, target: Target, **edge: Any) -> Any:
        """Connect an output to an input and return the node of the target. Options as for `Node.to`."""
        return connect(source, target, edge, self)

    def context(
        self,
        name: str,
        *,
        kind: str = UNSAID,
        cpu: Any = UNSAID,
        priority: int | None = UNSAID,
        spin_us: float = UNSAID,
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
        check_keywords(unknown, CONTEXT_OPTIONS, lambda: f"context {name!r}", place)
        given = {"kind": kind, "cpu": cpu, "priority": priority, "spin_us": spin_us}
        given = {option: value for option, value in given.items() if value is not UNSAID}
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

    def _stands_for(self, side: str, place: tuple[str, int]) -> End:
        """The end that this graph stands for on that side of an edge."""
        return stand_for(self, side, place)
