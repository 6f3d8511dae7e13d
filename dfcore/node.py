"""Nodes: `Emitter`, `Router`, `Collector`, what users subclass.

Laws: `__init__` describes, a run changes nothing of it; the names that every node has cannot be used for anything else; methods
are overridden with `def`, never assigned. Everything that is kept about a node lies in one attribute, `Declared`, so that user
code may use any other name. What a node sees of a run is `Live`, its native base; nothing here knows how it is fired.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ._cell import Live
from .declared import NODE_OPTIONS, Declared, check_keywords, enrol, forget
from .edge import End, connect, connect_all, is_end, refuse_sources
from .errors import GraphError, Problem, caller
from .params import Params
from .plan import ALL
from .signature import Bounds, style_of

__all__ = ["Bounds", "Collector", "Emitter", "Node", "Router"]

#: The methods that a subclass may define.
METHODS = ("open", "compute", "flush", "safe", "close")
#: The names of API that a subclass cannot use for anything else.
PUBLIC = frozenset(
    ("output", "now_ns", "firing", "name", "rng", "header", "origin_ns", "meta", "wait_for")
    + ("to", "options", "params", "result", "dtype")
)
_BOOK = "_Node__declared"


if TYPE_CHECKING:
    from .edge import Target

    reserved = property
else:

    class reserved(property):
        """A property that says so when it is assigned to."""

        def __set__(self, node: Any, value: Any) -> None:
            raise _reserved_error(type(node), self.fget.__name__, caller())


class Node(Live):
    """The base of the three roles. Made by calling its class; connected with `to`, `|`, or by calling it with sources."""

    _role = ""
    _fires = ALL

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        node = super().__new__(cls)
        book = node.__dict__[_BOOK] = Declared(node, caller())
        enrol(book)
        return node

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for owner in cls.__mro__:
            if owner.__module__.partition(".")[0] == __package__:  # from here on the names are ours
                break
            for name in RESERVED.intersection(vars(owner)):
                raise _reserved_error(cls, name, caller())

    def to(self, target: Target, **edge: Any) -> Any:
        """Connect this node's only output to `target` and return the node of the target, so that `a.to(b).to(c)` chains.

        Args:
            target: a node (its first input not yet connected) or an end of one, `node["name"]`.
            policy: `"every"` (default): each record arrives, in order. `"latest"`: the newest unread one. Each record is used
                once; with two inputs the slower one sets the pace; for a value that stays, use an edge into a parameter (a
                keyword-only argument of `compute`).
            depth: records that fit; 16 by default, fewer if they are large: at most 16 MiB, at least 2. `every` only.
            on_full: `"wait"` (default) holds the writer back; `"drop_new"`, `"drop_oldest"`: a record is lost and counted;
                `"error"`: `RecordLost`. `every` only.
            initial: values that are there before the run, again in each run; () by default. A cycle needs one. At most one
                with `latest`.
            decimate: k takes the last of each k records; 1 by default.
            batch: k records per firing, as an array `(k, ...)`, a list for `object`; 1 by default: the record itself.
            partial: True: at end of stream (and so after `stop`) what is left comes as a shorter last batch; False (default): it
                stays `unread`. A shorter batch counts as a whole one: a node with several inputs fires on it if each has its
                record or batch.
            window: n: at each record the last n, at the start fewer, oldest first, as a read-only array `(k, ...)`, a list for
                `object`; initial records are among them. None (default): the record by itself. Not with `batch`: a window moves
                on by one record.
            max_age_s: a record is stale when now - `origin_ns` is more than this, also while none comes; None (default): never.
            on_stale: what happens then, once: `"safe"`: `safe()` is called and the record does not fire (the default if the
                node has `safe`); `"skip"`: it does not fire; `"error"`: the run ends (the default otherwise).
        Raises:
            GraphError: an unknown keyword, nodes of two graphs, or a graph that is running. All else is found by the compiler.

        An edge into a parameter takes `initial` and nothing else. A stale record with `"error"` is a `TimeoutError`, the
        cause of the `NodeFailed` that the run raises; records passed over as stale are counted in the report.
        """
        return connect(self, target, edge)

    def __call__(self, *sources: Any, **named: Any) -> Any:
        """Connect `sources` to this node by position and by name, with default options, and return this node."""
        return connect_all(self, sources, named)

    def __or__(self, target: Target) -> Any:
        return connect(self, target, {}) if is_end(target) or isinstance(target, type) else NotImplemented

    def __getitem__(self, name: str) -> End:
        """The end `name`: an output or an input, by where it stands."""
        if not isinstance(name, str):
            raise TypeError(f'{self.name}[...]: needed the name of an end, was {name!r}; write {self.name}["name"].')
        return End(self, name)

    def options(self, **options: Any) -> Any:
        """Set options, the same that constructors and decorators take, and return this node.

        Args:
            name: unique in its graph, without `/`; by default the class or function name in snake case, `noise`, `noise_2`, ...
            rate_hz: of an emitter: the k-th firing at k / rate after time 0. None (default): as fast as there is room.
            overrun: grid points missed because it was late or held back: `"skip"` (default) or `"catch_up"`; counted always.
            deadline_s: from when a firing is ready to its end; None (default): no deadline.
            on_deadline: of a miss: `"count"` (default); `"safe"`: and call `safe()`; `"error"`: the run ends with NodeFailed.
            sync_s: the records of its inputs are matched by `origin_ns`: a firing takes one of each, such that the newest is at
                most this much newer than the oldest (0: all about one time). None (default): in order, the next of each. It waits
                until each input has its next record; if they fit they are taken, if not, those too old for the newest are passed
                over and counted `dropped`, and so on. So it depends on the records alone, not on when they come. `origin_ns`
                should grow along each edge; less than half of the shortest time between two records leaves no choice.
            zero: True (default): `self.output` is cleared before each firing. False: you promise to write all of it.
            replicas: instances of a Router or Collector, each with the next of the complete sets of its inputs, in a copy of its
                context (`cpu=[1, 2, 3]` is shared out); 1 by default. This object is instance 0, the others are shallow copies of
                it, made for each run. Nothing may be kept between firings. `result` is a list, in order of instances.
            ordered: results come in order of the inputs (True, default), and at most `replicas` are under way; False: as they are
                done, by whichever instance is free.
            on_error: when `compute` or `flush` raises: `"stop"` (default): the run ends with NodeFailed. `"skip"`: the firing
                ends without its records, which leaves a tombstone: a join behind it discards the set that it belongs to; edges
                that lose records, and parameters, see none. In a loop it would go round for ever: a build error.
                `"retry"`: the same inputs again; then it stops. `"emit"`: as `"skip"`, and the NodeFailed, with the exception as
                its `__cause__`, goes to one more output, `node["error"]`, of dtype object. Counted in the report as `errors`. An
                object of another process that cannot be loaded is no firing, and stops the run in any case.
            errors: the exceptions that this is for; `(Exception,)` by default. Others stop the run.
            retries: how often a firing is tried again; 3 by default. One that has published something is not tried again.
            retry_delay_s: from a failure to the next try, on the run clock; 0 by default. Other nodes go on meanwhile. Once the run
                stops it is tried again for 5 s (in virtual time 1 s), the last time then; if that fails too the run has failed.
            arena_bytes: memory for objects that leave the process, of each output of dtype object that has a reader in another one;
                64 MiB by default. An object must fit into it; a reader that keeps arrays holds up to two objects there.
            cost_ns: time that a firing takes in virtual time: a number, a sequence, or a function of the rng; 0 by default. It
                holds up the node's whole context.
        Raises:
            GraphError: an unknown keyword, or a graph that is running. Values are judged by the compiler.
        """
        place = caller()
        self._declared.refuse_change()
        check_keywords(options, NODE_OPTIONS, lambda: f"{self.name}.options", place)
        self._declared.options.update(options)
        if self._declared.graph is not None:
            self._declared.graph._changed()
        return self

    @reserved
    def name(self) -> str:
        """Its full name: as given, else the class or function name in snake case; `arm/observer` in a part called `arm`."""
        return self._declared.name

    @reserved
    def params(self) -> Params:
        """Its parameters: `node.params.gain = 2.0`, or several together with `node.params.update(gain=2.0, bias=0.1)`.

        They may be set before a run and while it is under way, and arrive at the next firing; reading gives the value in force.
        """
        return self._declared.params

    @reserved
    def result(self) -> Any:
        """What its `close` returned in the last run; None before."""
        return self._declared.result

    @reserved
    def dtype(self) -> np.dtype[Any] | None:
        """The stored dtype of its only output; None for a node without outputs.

        Raises:
            AttributeError: it has several outputs.
        """
        outputs = self._declared.outputs
        if len(outputs) > 1:
            names = ", ".join(outputs)
            raise AttributeError(f"{self.name}.dtype: needed one output, was {len(outputs)} ({names}); ask an end for its dtype.")
        return next(iter(outputs.values()), None)

    @reserved
    def _declared(self) -> Declared:
        """What is declared about this node."""
        book: Declared = self.__dict__[_BOOK]
        return book

    @reserved
    def _style(self) -> str:
        """How a call of `compute` yields its result: "plain", "coroutine", "generator" or "async_generator"."""
        return style_of(self.compute)  # type: ignore[attr-defined]

    def _stands_for(self, side: str, place: tuple[str, int]) -> End:
        """The end that this node stands for on that side of an edge."""
        return End(self, None)

    def _compute(self) -> Callable[..., Any]:
        """What a firing calls, with the inputs by position and the parameters by keyword."""
        function: Callable[..., Any] = self.compute  # type: ignore[attr-defined]
        return function

    def _output_dtypes(self) -> dict[str, np.dtype[Any]]:
        """Stored dtype of each output, in order."""
        return {name: dtype for name, dtype in self._declared.outputs.items() if dtype is not None}

    def __getstate__(self) -> dict[str, Any]:
        """The plain attributes: nothing of a run, nothing of the graph."""
        return dict(self.__dict__)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _restore, (type(self),), self.__getstate__()

    def __repr__(self) -> str:
        return f"<{self._role or 'node'} {self.name}>"

    def _refuse_sources(self, given: tuple[Any, ...]) -> None:
        """Raise TypeError if its class was called with sources, as only a node is."""
        if given:
            forget(self._declared)
            refuse_sources(type(self).__name__, given)

    def _describe(self, dtype: Any, outputs: Any, keywords: dict[str, Any]) -> None:
        self._declared.refuse_change()
        try:
            self._declared.describe(dtype, outputs, keywords, caller())
        except BaseException:
            forget(self._declared)
            raise


#: All names that a subclass cannot use: those of the API, and what this package itself keeps on a node.
RESERVED = PUBLIC | {name for base in (Live, Node) for name in vars(base) if not name.startswith("__")}


class Emitter(Node):
    """A node without inputs.

    Args:
        dtype: of its one output; what `np.dtype` accepts except a dict and None, or `object`.
        outputs: for several outputs, their dtypes by name, in order; then `compute` returns one value for each.
        options: options of the node (see `options`), and starting values of its parameters.

    Methods to define, of all three roles; all but `compute` may be left out, each may be `async def`. They are called where the
    node lives: in the caller's process, or in that of its context, where a copy of the node runs:

    * `open()`: once per run, before any node fires, in order of creation. What a run changes is made here, not in `__init__`.
    * `compute(inputs..., *, parameters...)`: once per firing, never re-entered. An emitter has no inputs.
    * `flush()`: after the last firing, at end of stream or `stop`; publishes as `compute` does. Not after an error or `abort`.
    * `safe()`: puts hardware into its safe state: before every `close`, when an input is stale, at a missed deadline if asked;
      so more than once. A process that was killed runs neither `safe` nor `close`.
    * `close()`: once, if `open` returned, in reverse order, however the run ends. What it returns is `node.result` in the
      caller's process after the run.
    """

    _role = "emitter"

    def __init__(self, dtype: Any = None, *, outputs: Any = None, **options: Any):
        self._describe(dtype, outputs, options)


class Router(Node):
    """A node with inputs and outputs. Arguments and methods as for `Emitter`.

    The positional arguments of `compute` are its inputs, which trigger; the keyword-only ones are parameters, which never do.
    """

    _role = "router"

    def __init__(self, dtype: Any = None, *, outputs: Any = None, **options: Any):
        self._describe(dtype, outputs, options)


class Collector(Node):
    """A node without outputs. Options and methods as for `Emitter`; calling this constructor may be left out.

    What `compute` returns is ignored, except `STOP`; what `close` returns is `node.result`.
    """

    _role = "collector"

    def __init__(self, **options: Any):
        self._describe(None, None, options)


def _reserved_error(cls: type, name: str, place: tuple[str, int]) -> GraphError:
    option = f", or give the option: super().__init__(..., {name}=...)" if name in NODE_OPTIONS else ""
    return GraphError(Problem(code="reserved", where=f"class {cls.__qualname__}", needed="names of its own",
                              found=f"`{name}`, which every node has", do=f"rename it{option}",
                              file=place[0], line=place[1]))  # fmt: skip


def assigned_names(node: Node) -> list[str]:
    """The attributes of the object `node` that hide a name of every node or one of its methods."""
    return [name for name in vars(node) if name in RESERVED or name in METHODS]


def _restore(cls: type[Node]) -> Node:
    """A node whose attributes follow: it is not created anew, so it belongs to no graph."""
    return Live.__new__(cls)
