"""The plan: the compiled graph, with every number decided. Frozen, printable, picklable.

Data types only; `compiler.py` makes them, everything below a graph reads them. A plan knows nothing of node objects, processes
or addresses: `nodes[i]` of the plan belongs to node number `nodes[i].declared` of the graph and its parts, in order of creation, and
offsets are relative to a segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from .tables import html, listed, table

#: An edge hands records over in order, or only the newest one, or as a parameter that never triggers.
EVERY, LATEST, PARAMETER = "every", "latest", "parameter"

#: Which word of the run's line says that the run is paused, and since when; the others are in `control.py`.
PAUSED = 4

#: A node fires on one record of each triggering input and gives to every reader; or on a record of any input (`merge`); or it gives
#: to one reader, which has room (`share`).
ALL, ANY, ONE = "all", "any", "one"

#: Lease words of a reader beyond the one it needs while it reads: how many kept views an input may have.
KEEP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextPlan:
    """Where nodes run. Context 0 is always the inline one, even without nodes: it owns the program's parameters."""

    index: int
    name: str
    kind: str  # "inline" | "process" | "thread"
    cpu: tuple[int, ...] | None
    priority: int | None  # SCHED_FIFO 1..99
    spin_us: float
    nodes: tuple[int, ...]  # in order of creation


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterPlan:
    """A keyword-only argument of `compute`."""

    name: str
    dtype: np.dtype[Any] | None  # None: any Python value, fixed while running
    value: Any  # the starting value; None where there is none
    required: bool  # no default: the node waits for the first value of its edge
    edge: int | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """A node: who fires, on what, when and where."""

    index: int  # order of creation
    name: str
    context: int
    rank: int  # longest path from an emitter, feedback edges left out
    role: str  # "emitter" | "router" | "collector"
    style: str  # "plain" | "coroutine" | "generator" | "async_generator"
    inputs: tuple[int, ...]  # edges, by position of `compute`
    input_names: tuple[str, ...]
    outputs: tuple[int, ...]
    parameters: tuple[ParameterPlan, ...]
    settings: int | None  # the output of the inline context that carries what the program sets; None: nothing settable
    period_ns: tuple[int, int] | None  # numerator, denominator
    overrun: str  # "skip" | "catch_up"
    deadline_ns: int | None
    on_deadline: str  # "count" | "safe" | "error"
    cost_ns: Any  # number, sequence, or function of the rng
    zero: bool
    fires: str = ALL  # ALL | ANY | ONE
    sync_ns: int | None = None  # its inputs are matched by `origin_ns` within this
    ends_with_stop: bool  # all triggering inputs are feedback: nobody else would end it
    declared: int  # index of the declared node; the same for all its replicas
    title: str  # its name as declared
    replicas: int = 1
    ordered: bool = True
    instance: int = 0  # which of the replicas it is
    on_error: str = "stop"  # "stop" | "skip" | "retry" | "emit": then the last output is that of errors
    errors: tuple[type[BaseException], ...] = ()
    retries: int = 0
    retry_delay_ns: int = 0
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPlan:
    """One output and the pool behind it. `node` is -1 for the settings of a node, which the program writes."""

    index: int
    node: int
    name: str  # the end's own name, "output" where there is only one
    context: int  # of the writer
    dtype: np.dtype[Any]
    edges: tuple[int, ...]
    local: bool  # every reader runs in the writer's context: no fences, no bell
    slots: int
    gaps: bool = False  # a slot may hold no record
    arena: int = 0  # bytes for objects that leave the writer's process; 0: none does


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgePlan:
    """One output to one input, with a policy."""

    index: int
    name: str
    output: int
    node: int  # the reader
    input: int  # position among the triggering inputs; -1 for a parameter
    input_name: str
    context: int  # of the reader
    policy: str  # EVERY | LATEST | PARAMETER
    depth: int
    raised: int = 0  # of the depth, what replicas need beyond what was declared
    on_full: str  # "wait" | "drop_new" | "drop_oldest" | "error"
    insisted: bool = False  # the program wrote `on_full` itself
    own: bool = False  # it has an index of its own, for it does not see all that the output publishes
    initial: tuple[Any, ...]
    decimate: int
    batch: int
    partial: bool = False  # the last batch may be a shorter one
    window: int = 0  # 0: each record by itself
    max_age_ns: int | None
    on_stale: str  # "safe" | "skip" | "error"
    feedback: bool
    title: str  # its name as declared
    rings: tuple[int, ...] = ()  # from replicas: the edges into the same input, one from each instance, in order
    in_turn: bool = False  # they are read in turn, else as records come
    file: str
    line: int

    @property
    def declared_depth(self) -> int:
        """The depth as the program knows it."""
        return self.depth - self.raised


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A named stretch of a segment."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPlan:
    """One memory file: the control segment, or the data segment of one writing context."""

    name: str
    context: int  # the only context that maps it writable; -1: the control segment, writable everywhere
    size: int
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPlace:
    """Offsets of one output in its writer's data segment; of its `want` word and its spare reader's line in the control segment."""

    words: int  # head and end
    index: int  # u32[entries]: seq -> slot
    entries: int
    slots: int
    stride: int
    want: int
    spare: int
    arena: int = -1  # in the writer's segment; -1: none


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgePlace:
    """Offsets of one edge: its reader's line (control), its own index ring, its initial records, its counters."""

    line: int
    words: int  # head and end of the own index ring, in the writer's segment; -1: it has none
    index: int
    entries: int
    preload: int  # in the writer's segment; -1: none
    stats: int  # in the reader's segment
    losses: int  # in the writer's segment: what the writer could not deliver


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything lies. Segment 0 is the control segment, segment 1 + c the data segment of context c."""

    segments: tuple[SegmentPlan, ...]
    outputs: tuple[OutputPlace, ...]
    edges: tuple[EdgePlace, ...]
    nodes: tuple[int, ...]  # counters of each node, in its context's segment
    contexts: tuple[int, ...]  # line of each context in the control segment
    turns: tuple[int, ...]  # line of each replicated node in the control segment; -1: it is the only instance
    run: int  # line of the run in the control segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A compiled graph. `print(plan)` is a table."""

    name: str
    contexts: tuple[ContextPlan, ...]
    nodes: tuple[NodePlan, ...]
    outputs: tuple[OutputPlan, ...]
    edges: tuple[EdgePlan, ...]
    layout: Layout
    warnings: tuple[str, ...]
    real_time_warnings: tuple[str, ...] = ()  # of what hurts only where time does not wait

    def __str__(self) -> str:
        return "\n\n".join([self._heading, *(table(*each) for each in self._tables()), *(f"warning: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        warnings = [f"<p>warning: {escape(text)}</p>" for text in self.warnings]
        return "\n".join([f"<p>{escape(self._heading)}</p>", *(html(*each) for each in self._tables()), *warnings])

    @property
    def _heading(self) -> str:
        size = sum(segment.size for segment in self.layout.segments)
        return f"plan {self.name}: {len(self.nodes)} nodes, {len(self.edges)} edges, {size / 2**20:.1f} MiB"

    def _tables(self) -> list[tuple[Sequence[str], list[tuple[object, ...]]]]:
        return [
            (("context", "kind", "cpu", "priority", "spin_us", "nodes"), [_context_row(item) for item in self.contexts]),
            (("node", "context", "rank", "role", "fires", "inputs"), [self._node_row(self.nodes[i]) for i in self.firing_order]),
            (("output", "dtype", "slots", "bytes", "readers"), [self._output_row(item) for item in self.outputs]),
            (("edge", "policy", "depth", "when full", "more"), [_edge_row(item) for item in self.edges]),
        ]

    def _node_row(self, node: NodePlan) -> tuple[object, ...]:
        pace = "on its inputs" if node.role != "emitter" else "by itself"
        if node.period_ns is not None:
            pace = f"every {node.period_ns[0] / node.period_ns[1] / 1e6:g} ms"
        elif node.sync_ns is not None:
            pace = f"on its inputs, {node.sync_ns / 1e6:g} ms apart"
        elif node.fires != ALL:
            pace = "on any input" if node.fires == ANY else "if one reader has room"
        return node.name, self.contexts[node.context].name, node.rank, node.role, pace, listed(node.input_names)

    def _output_row(self, output: OutputPlan) -> tuple[object, ...]:
        name = "(program)" if output.node < 0 else self.nodes[output.node].name
        several = output.node >= 0 and len(self.nodes[output.node].outputs) > 1
        dtype = str(output.dtype) if output.dtype.names is None else listed(output.dtype.names)
        readers = listed([self.nodes[self.edges[edge].node].name for edge in output.edges])
        return f"{name}.{output.name}" if several else name, dtype, output.slots, output.dtype.itemsize, readers

    def process_of(self, context: int) -> int:
        """Which process a context runs in, in real time: the same number is the same process, 0 the caller's."""
        return context if self.contexts[context].kind == "process" else 0

    @property
    def firing_order(self) -> tuple[int, ...]:
        """Node indices by (rank, index): the order of one sweep, and of ties in virtual time."""
        return tuple(node.index for node in sorted(self.nodes, key=lambda node: (node.rank, node.index)))


def _context_row(context: ContextPlan) -> tuple[object, ...]:
    cpu = ", ".join(map(str, context.cpu)) if context.cpu else "any"
    return context.name, context.kind, cpu, context.priority, f"{context.spin_us:g}", len(context.nodes)


def _edge_row(edge: EdgePlan) -> tuple[object, ...]:
    more = ["feedback"] if edge.feedback else []
    more += [f"{len(edge.initial)} initial"] if edge.initial else []
    more += [f"decimate {edge.decimate}"] if edge.decimate > 1 else []
    more += [f"batch {edge.batch}{', the last one shorter' * edge.partial}"] if edge.batch > 1 else []
    more += [f"window {edge.window}"] if edge.window else []
    more += [f"one of {len(edge.rings)} rings, {'in turn' if edge.in_turn else 'as records come'}"] if edge.rings else []
    more += [f"{edge.on_stale} after {edge.max_age_ns / 1e6:g} ms"] if edge.max_age_ns is not None else []
    more += [f"{edge.raised} deeper for replicas"] if edge.raised else []
    every = edge.policy == EVERY
    return edge.name, edge.policy, edge.declared_depth if every else None, edge.on_full if every else None, ", ".join(more)
