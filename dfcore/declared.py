"""What is declared about a node, and which graph is open: the memory behind `node.py`, `edge.py` and `graph.py`.

Laws: a member, a node or a graph that is a part, belongs to at most one graph; it is taken in by the innermost open `with` block,
by `add`, or by connecting it to a member, together with the free members it is connected to. A running graph is not changed.
Mistakes are kept as problems until the compiler reports all of them. Knows nothing of user classes: it keeps what they said.
"""

from __future__ import annotations

import itertools
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from . import dtypes
from .errors import DtypeError, GraphError, Problem, did_you_mean
from .params import Params
from .plan import ALL
from .signature import Signature, read_signature

if TYPE_CHECKING:
    from .blocks import Context
    from .edge import Edge
    from .node import Node
    from .parts import Contents

#: Options of a node, with their defaults.
NODE_OPTIONS: dict[str, Any] = {
    "name": None,
    "rate_hz": None,
    "overrun": "skip",
    "deadline_s": None,
    "on_deadline": "count",
    "zero": True,
    "arena_bytes": 64 << 20,
    "cost_ns": 0,
    "replicas": 1,
    "ordered": True,
    "on_error": "stop",
    "errors": (Exception,),
    "retries": 3,
    "retry_delay_s": 0,
    "sync_s": None,
}
#: Options of an edge, with their defaults; None where the default depends on the ends.
EDGE_OPTIONS: dict[str, Any] = {
    "policy": "every",
    "depth": None,
    "on_full": None,
    "initial": (),
    "decimate": 1,
    "batch": 1,
    "partial": False,
    "window": None,
    "max_age_s": None,
    "on_stale": None,
}
ONLY_OUTPUT = "output"
#: The output that `on_error="emit"` adds.
ERROR_OUTPUT = "error"

#: Graph and context of each open `with` block of this thread or task, innermost last.
open_blocks: ContextVar[tuple[tuple[Contents, Context | None], ...]] = ContextVar("open_blocks", default=())
#: Nodes and graphs that belong to no graph, weakly.
free_nodes: WeakSet[Node | Contents] = WeakSet()
#: Order of creation of everything that is declared.
next_serial = itertools.count().__next__


class Member(ABC):
    """What a graph consists of: a node, or a graph that is a part of it.

    Attributes: `serial` (order of creation), `file` and `line` (where it was made), `graph` (None: free), `own_context` (the one
    it was put into itself).
    """

    def __init__(self, node: Node | Contents, place: tuple[str, int]):
        self.node: Any = node
        self.serial = next_serial()
        self.file, self.line = place
        self.graph: Contents | None = None
        self.own_context: Context | None = None

    @property
    @abstractmethod
    def base_name(self) -> str:
        """The name that it would have if it were the only one of its kind."""

    @property
    def fixed(self) -> bool:
        """Whether it keeps its name whatever the others are called."""
        return False

    @property
    @abstractmethod
    def touching(self) -> list[Edge]:
        """The edges of all nodes in it."""

    @property
    def name(self) -> str:
        """Its full name, `arm/observer`: unique in the outermost graph unless two were given the same."""
        return self.base_name if self.graph is None else self.graph._prefix + self.graph._names[self.serial]

    @property
    def context(self) -> Context | None:
        """Its own context, else that of the graph it is a part of; None: inline."""
        if self.own_context is not None or self.graph is None:
            return self.own_context
        return self.graph._members.context

    @property
    def outermost(self) -> Member:
        """The free member it lies in: itself if it is free."""
        member = self
        while member.graph is not None:
            member = member.graph._members
        return member

    @property
    def running(self) -> bool:
        """Whether the graph it lies in is running."""
        return False

    def refuse_change(self) -> None:
        """Raise GraphError if its graph is running."""
        if self.graph is not None:
            self.graph._refuse_change()


class Declared(Member):
    """What is declared about one node.

    Attributes: those of a member, `role`, `options` as given, `outputs` (name -> stored dtype, None if it was refused), `edges`,
    `problems`, `result` (what its `close` returned in the last run).
    """

    def __init__(self, node: Node, place: tuple[str, int]):
        super().__init__(node, place)
        self.options: dict[str, Any] = {}
        self._outputs: dict[str, np.dtype[Any] | None] = {}
        self.edges: list[Edge] = []
        self.problems: list[Problem] = []
        self.result: Any = None
        self._signature: Signature | None = None
        self._params: Params | None = None
        self._name: str | None = None  # fixed, in a copy that runs elsewhere

    def __getstate__(self) -> dict[str, Any]:
        """What a copy in another process needs; it belongs to no graph there."""
        keep = {**self.__dict__, "_outputs": self.outputs, "graph": None, "own_context": None, "edges": [], "result": None}
        return {**keep, "_signature": None, "_name": self.name}

    @property
    def role(self) -> str:
        """`"emitter"`, `"router"` or `"collector"`."""
        return str(self.node._role)

    @property
    def fixed(self) -> bool:
        """Whether its name was given."""
        return self.options.get("name") is not None

    @property
    def base_name(self) -> str:
        """The name given, else the class name in snake case."""
        given = self.options.get("name")
        return given if isinstance(given, str) and given.strip() else snake_case(type(self.node).__name__)

    @property
    def name(self) -> str:
        """Its full name, also in a copy that runs elsewhere."""
        return super().name if self._name is None else self._name

    @property
    def touching(self) -> list[Edge]:
        """Its edges."""
        return self.edges

    @property
    def published(self) -> dict[str, np.dtype[Any] | None]:
        """All that it publishes: its outputs, and with `on_error="emit"` its errors."""
        return {**self.outputs, ERROR_OUTPUT: np.dtype(object)} if self.options.get("on_error") == "emit" else self.outputs

    @property
    def passes_on(self) -> bool:
        """Whether its output is what it takes, unchanged: `merge` and `share`."""
        return bool(self.node._fires != ALL)

    @property
    def outputs(self) -> dict[str, np.dtype[Any] | None]:
        """Name -> stored dtype of each output, in order; None if it was refused, or is that of inputs not yet connected."""
        return {ONLY_OUTPUT: self.passed_dtype()} if self.passes_on else self._outputs

    def passed_dtype(self, seen: frozenset[int] = frozenset()) -> np.dtype[Any] | None:
        """The dtype of what it passes on: that of its first input whose dtype is known. `seen`: nodes that ask for it."""
        for edge in self.edges:
            source = edge.source.book
            if edge.target.node is not self.node or source.serial in seen or source is self:
                continue
            if source.passes_on:
                found = source.passed_dtype(seen | {self.serial})
            else:
                found = source.published.get(edge.source.name or next(iter(source._outputs), ""))
            if found is not None:
                return found
        return self._outputs.get(ONLY_OUTPUT)

    @property
    def signature(self) -> Signature:
        """What its `compute` takes; without a `compute`, nothing and a problem."""
        if self._signature is None:
            compute = getattr(self.node, "compute", None)
            where = f"{type(self.node).__name__}.compute"
            if callable(compute):
                self._signature = read_signature(compute, where)
            else:
                problem = self.problem("compute", "a method `compute`", "none", f"define it in {type(self.node).__name__}")
                self._signature = Signature(problems=[problem])
        return self._signature

    @property
    def params(self) -> Params:
        """The values of its parameters."""
        if self._params is None:
            self._params = Params(self, self.signature.parameters)
        return self._params

    def problem(self, code: str, needed: str, found: str, do: str = "") -> Problem:
        """A problem of this node, with the place where it was made."""
        return Problem(code=code, where=self.name, needed=needed, found=found, do=do, file=self.file, line=self.line)

    @property
    def running(self) -> bool:
        """Whether its graph is running."""
        return self.graph is not None and self.graph._running

    def inside_a_node(self) -> bool:
        """Whether a method of a node of the running graph is on the caller's stack."""
        if self.graph is None or not self.graph._running:
            return False
        frame = sys._getframe(1)
        while frame is not None and frame.f_code not in self.graph._codes:
            frame = frame.f_back  # type: ignore[assignment]
        return frame is not None

    def driven_here(self) -> bool:
        """Whether the caller's thread is the one in which the inline nodes of the run fire."""
        return self.graph is not None and self.graph._driven_here

    def fed_by(self, end: str) -> Edge | None:
        """The first edge into the input or parameter `end`."""
        return next((edge for edge in self.edges if edge.target.node is self.node and edge.target.name == end), None)

    def describe(self, dtype: Any, outputs: Any, keywords: Mapping[str, Any], place: tuple[str, int]) -> None:
        """Take what a constructor says: its outputs, then options and starting values of parameters."""
        self._outputs = self._read_outputs(dtype, outputs, place)
        parameters = {name: value for name, value in keywords.items() if name in self.signature.parameters}
        options = {name: value for name, value in keywords.items() if name not in parameters}
        check_keywords(options, NODE_OPTIONS, lambda: type(self.node).__name__, place, self.signature.parameters)
        self.options.update(options)
        self.params._start(parameters)

    def _read_outputs(self, dtype: Any, outputs: Any, place: tuple[str, int]) -> dict[str, np.dtype[Any] | None]:
        def report(needed: str, found: str, do: str) -> None:
            self.problems.append(Problem(code="outputs", where=type(self.node).__name__, needed=needed, found=found, do=do,
                                         file=place[0], line=place[1]))  # fmt: skip

        if outputs is None:
            return {} if dtype is None else {ONLY_OUTPUT: self._stored(dtype, "", place)}
        if dtype is not None:
            report("either a dtype or outputs", "both", "keep one of them")
        if not isinstance(outputs, Mapping) or not outputs:
            report("outputs as a dict from name to dtype", repr(outputs), 'write outputs={"name": dtype, ...}')
            return {}
        for name in outputs:
            if not isinstance(name, str) or not name.isidentifier():
                report("output names that are identifiers", repr(name), "rename it")
        return {str(name): self._stored(value, f".{name}", place) for name, value in outputs.items()}

    def _stored(self, dtype: Any, end: str, place: tuple[str, int]) -> np.dtype[Any] | None:
        where = f"{type(self.node).__name__}{end}"
        try:
            return dtypes.stored(dtype)
        except DtypeError as error:
            self.problems.append(_dtype_problem(str(error), where, place))
            return None


def _dtype_problem(text: str, where: str, place: tuple[str, int]) -> Problem:
    """A problem from a DtypeError, which reads *path: needed X, was Y; do*."""
    path, _, rest = text.partition(": needed ")
    needed, _, rest = rest.partition(", was ")
    found, _, do = rest.partition("; ")
    where = where if path == "dtype" else f"{where}, field {path}"
    return Problem(code="dtype", where=where, needed=needed, found=found, do=do, file=place[0], line=place[1])


def check_keywords(
    given: Iterable[str],
    known: Iterable[str],
    where: Callable[[], str],
    place: tuple[str, int],
    also: Iterable[str] = (),
) -> None:
    """Raise GraphError for keywords that nobody knows; only then `where` is asked."""
    problems = []
    for name in given:
        if name in known:
            continue
        do = did_you_mean(name, [*known, *also])
        problems.append(
            Problem(
                code="keyword", where=where(), needed="known keywords", found=f"`{name}`", do=do, file=place[0], line=place[1]
            )
        )
    if problems:
        raise GraphError(problems)


def enrol(member: Member) -> None:
    """Let a new member belong to the innermost open block; outside any it is free."""
    blocks = open_blocks.get()
    if not blocks:
        free_nodes.add(member.node)
        return
    graph, context = blocks[-1]
    graph._refuse_change()
    graph._take_in(member, context)


def forget(member: Member) -> None:
    """Have nobody know a member whose constructor failed."""
    free_nodes.discard(member.node)
    if member.graph is not None:
        member.graph._let_go(member)


def connected_free(member: Member, home: Contents) -> Iterator[Member]:
    """A free member and all others that it is connected to, directly or through other free ones, but not where `home` lies in."""
    seen, todo = {home._members.outermost.serial, member.serial}, [member]
    while todo:
        here = todo.pop()
        yield here
        for edge in here.touching:
            for other in (edge.source.book.outermost, edge.target.book.outermost):
                if other.serial not in seen:
                    seen.add(other.serial)
                    todo.append(other)


def snake_case(name: str) -> str:
    """`CartPole` -> `cart_pole`, `HTTPServer2` -> `http_server2`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return words.strip("_<>").lower() or "node"
