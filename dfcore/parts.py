"""What a graph consists of: nodes and graphs, which are its parts, with their contexts and names, at any depth.

Laws: everything is listed in order of creation; the names of one graph are unique unless two nodes were given the same.
"""

from __future__ import annotations

import bisect
import threading
from types import CodeType
from typing import TYPE_CHECKING, Any, Self

from .blocks import Block, Context
from .declared import Declared, Member, enrol, free_nodes, snake_case
from .edge import Edge, take_in
from .errors import GraphError, Problem, caller
from .node import METHODS, Node

if TYPE_CHECKING:
    from .exposed import ExposedEnd


class Members(Member):
    """What a graph consists of, and the graph as a member of another.

    Attributes: those of a member, `given` (its name, None: that of its class), `members` and `contexts` in order of creation,
    `exposed` (ends by the name they are exposed as), `running`.
    """

    def __init__(self, graph: Contents, place: tuple[str, int]):
        super().__init__(graph, place)
        self.given: Any = None
        self.members: list[Member] = []
        self.contexts: dict[str, Context] = {}
        self.exposed: dict[str, ExposedEnd] = {}
        self.names: dict[int, str] | None = None  # serial -> name; None: to be made anew
        self.runs = False
        self.driver = 0  # while it runs: the thread in which its inline nodes fire
        self.codes: frozenset[CodeType] | None = None  # of the methods of its nodes, once somebody asks while it runs

    @property
    def base_name(self) -> str:
        """The name given, else the class name in snake case."""
        kind = type(self.node)
        return str(self.given or (snake_case(kind.__name__) if not ours(kind) else "graph"))

    @property
    def touching(self) -> list[Edge]:
        """The edges of all nodes in it, in order of creation."""
        unique = {edge.serial: edge for book in self.node._books for edge in book.edges}
        return [unique[serial] for serial in sorted(unique)]

    def refuse_change(self) -> None:
        """Raise GraphError if the outermost graph is running."""
        self.node._refuse_change()


class Contents(Block):
    """The inner side of a graph: everything in it, at any depth."""

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        graph = super().__new__(cls)
        members = graph.__dict__["_Contents__members"] = Members(graph, caller())
        enrol(members)
        return graph

    @property
    def name(self) -> str:
        """The name of the graph; of a part its full name, `arm` or `arm/wrist`."""
        return self._members.name

    @property
    def _members(self) -> Members:
        members: Members = self.__dict__["_Contents__members"]
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
    def _own_parts(self) -> list[Contents]:
        return [member.node for member in self._members.members if not isinstance(member, Declared)]

    @property
    def _parts(self) -> list[Contents]:
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
    def _whole(self) -> Contents:
        """The outermost graph that it lies in, or itself."""
        whole: Contents = self._members.outermost.node
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
        self._members.driver = threading.get_ident() if running else 0

    @property
    def _driven_here(self) -> bool:
        """Whether the caller's thread is the one in which inline nodes fire: if it waits for them, it waits for ever."""
        return self._whole._members.driver == threading.get_ident()

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

    def _place(self) -> tuple[Contents, Context | None]:
        return self, None

    def _around(self) -> list[Contents]:
        """Itself and the graphs that it lies in, innermost first."""
        found = [self]
        while (outer := found[-1]._members.graph) is not None:
            found.append(outer)
        return found

    def _joins(self, edge: Edge) -> bool:
        """Whether it is the innermost graph that both ends of an edge lie in."""
        sides = [book.graph._around() if book.graph is not None else [] for book in (edge.source.book, edge.target.book)]
        return next((graph for graph in sides[0] if graph in sides[1]), None) is self

    def _add(self, node: Any, context: Context | None, place: tuple[str, int]) -> None:
        if not isinstance(node, (Node, Contents)):
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


def ours(kind: type) -> bool:
    """Whether a class is one of this package."""
    return kind.__module__.partition(".")[0] == __package__
