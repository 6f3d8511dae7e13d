"""The report of a run, read from its counters and ring words.

Laws: written = read + dropped + overwritten + decimated + unread for every edge that is at rest (L5; initial records count as
written, tombstones do not); what the rings lost is computed from their words, never counted beside them, so it is exact even
after a kill. While a run is under way the same figures may be off by the records in motion. Nothing here writes to the memory of
a run. How a report is printed is `tell.py`'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from .counters import WRITER_COUNTERS
from .errors import did_you_mean
from .histogram import Histogram
from .memory import Memory
from .plan import EVERY, PARAMETER, EdgePlan, Plan
from .sight import Sight
from .tell import tell

Value = TypeVar("Value")


class Named(dict[str, Value]):
    """A mapping by name that helps with misspelt ones."""

    def __missing__(self, name: str) -> Value:
        raise KeyError(f"report: needed one of its names, was {name!r}; {did_you_mean(str(name), self)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """What one node did. `lateness_ns`: start of a firing after its grid point; `duration_ns`: of a firing."""

    firings: int
    errors: int
    deadline_misses: int
    overruns: int
    busy_s: float
    wait_input_s: float
    wait_room_s: float
    lateness_ns: Histogram
    duration_ns: Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeReport:
    """What became of the records of one edge. `age_ns`: now - origin_ns when a record was taken; `digest`: 16 hex digits."""

    written: int
    read: int
    dropped: int
    overwritten: int
    decimated: int
    unread: int
    skipped: int
    high_water: int
    digest: str | None
    age_ns: Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextReport:
    """Where a context ran. `refused`: what the machine did not allow, one sentence each."""

    pid: int
    cpu: tuple[int, ...] | None
    priority: int | None
    cpu_s: float
    wakeups: int
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report:
    """A run in figures. `print(report)` is tables; `repr` is one line; `to_dict()` is plain values.

    Attributes:
        name: of the graph.
        clock: "real"; "virtual"; "world": that of the `sim.World` it ran in.
        seed: of every node's `rng`.
        duration_s: from time 0, when every node was open; in real time it includes the ending: draining, `flush` and `close`.
        ended: "finished", "duration", "stopped", "aborted", "interrupted" or "failed" ("running" from `stats()`).
        digest: of all edges together, 16 hex digits; None if digests were not computed.
        nodes, edges, contexts: by name.

    The printed columns; one that would be all 0 or empty is left out. `p50` and `p99` are percentiles.

    Of a node:
        firings, errors: finished firings; exceptions raised.
        misses: firings that ended later than `deadline_s` after the node was ready (`deadline_misses`).
        overruns: points of the `rate_hz` grid that were missed, or caught up late.
        busy: time inside of firings.
        wait input, wait room: time between firings, without a record or without its turn; the same while a full edge behind it
            held it back. An emitter does not wait for input.
        late: start of a firing after its point of the `rate_hz` grid (`lateness_ns`).
        lasts: duration of a firing (`duration_ns`).
    Of an edge, where written = read + dropped + overwritten + decimated + unread:
        written: put on it, initial records included.
        read: taken by a firing.
        dropped: lost because the edge was full (`on_full`), or passed over: too old (`max_age_s`), no partner (`sync_s`).
        overwritten: the same two with `policy="latest"`: replaced by a newer one, or too old.
        decimated: passed over by `decimate`.
        unread: left over at the end.
        skipped: gaps that hold the place of records kept away by an exception (`on_error`); not among `written`.
        high water: the most records that waited when one was taken; not with `policy="latest"`.
        age: time from a record's `origin_ns` until it was taken (`age_ns`).
    Of a context: pid, cpu, priority, cpu time, wakeups, and below the table what the machine refused.
    """

    name: str
    clock: str
    seed: int
    duration_s: float
    ended: str
    digest: str | None
    nodes: Mapping[str, NodeReport]
    edges: Mapping[str, EdgeReport]
    contexts: Mapping[str, ContextReport]

    def to_dict(self) -> dict[str, Any]:
        """The report in plain dicts, lists, strings and numbers; a histogram as its count, extremes, mean and percentiles."""
        plain: dict[str, Any] = _plain(self)
        return plain

    def __str__(self) -> str:
        return tell(self)

    def __repr__(self) -> str:
        nodes, edges = _counted(len(self.nodes), "node"), _counted(len(self.edges), "edge")
        return f"<report of {self.name}: {self.ended} after {self.duration_s:.3f} s, {nodes}, {edges}>"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _plain(value: Any) -> Any:
    if isinstance(value, Histogram):
        return value.to_dict()
    if isinstance(value, (Report, NodeReport, EdgeReport, ContextReport)):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return list(value) if isinstance(value, tuple) else value


# -------------------------------------------------------------------------------------------------------------- reading


def report(
    plan: Plan,
    memory: Memory,
    *,
    clock: str,
    seed: int,
    duration_s: float,
    ended: str,
    digests: bool,
    tick_ns: float,
    contexts: Mapping[str, Mapping[str, Any]],
) -> Report:
    """The report of a run, over or under way.

    Args:
        digests: whether the run computed any.
        tick_ns: nanoseconds of one tick of the counters.
        contexts: name -> what is known of it, of the fields of `ContextReport`.
    """
    sight = Sight(plan, memory)
    told = [edge for edge in plan.edges if plan.outputs[edge.output].node >= 0]
    return Report(
        name=plan.name,
        clock=clock,
        seed=seed,
        duration_s=duration_s,
        ended=ended,
        digest=_digest_of_all(sight, _first_rings(told)) if digests else None,
        nodes=Named(_nodes(sight, tick_ns)),
        edges=Named(_edges(sight, memory, told, digests)),
        contexts=Named({context.name: _context(contexts.get(context.name, {})) for context in plan.contexts if context.nodes}),
    )


def _nodes(sight: Sight, tick_ns: float) -> Iterator[tuple[str, NodeReport]]:
    """Of each declared node; of one with replicas their sum, and then each of them."""
    for node in sight.plan.nodes:
        own = _node(sight, node.index, tick_ns)
        if node.replicas > 1 and not node.instance:
            others = [_node(sight, node.index + instance, tick_ns) for instance in range(1, node.replicas)]
            yield node.title, _sum_of_nodes([own, *others])
        yield node.name, own


def _sum_of_nodes(parts: Sequence[NodeReport]) -> NodeReport:
    figures: dict[str, Any] = {}
    for name in (field.name for field in fields(NodeReport)):
        values = [getattr(part, name) for part in parts]
        figures[name] = Histogram.merged(values) if isinstance(values[0], Histogram) else sum(values)
    return NodeReport(**figures)


def _edges(sight: Sight, memory: Memory, told: Sequence[EdgePlan], digests: bool) -> Iterator[tuple[str, EdgeReport]]:
    """Of each declared edge: between replicas, of all their edges together."""
    together: dict[str, list[EdgePlan]] = {}
    for edge in told:
        together.setdefault(edge.title, []).append(edge)
    for title, edges in together.items():
        reports = [_edge(sight, memory, edge.index, digests) for edge in edges]
        yield title, reports[0] if len(edges) == 1 else _sum_of_edges(sight, edges, reports)


def _sum_of_edges(sight: Sight, edges: Sequence[EdgePlan], reports: Sequence[EdgeReport]) -> EdgeReport:
    """Every record is written once, by whichever instance, and read by one reading instance; a parameter's goes to each of them."""
    written = dict(zip([edge.output for edge in edges], reports, strict=True))  # one edge of each ring
    figures = {name: sum(getattr(part, name) for part in reports) for name in ("read", "dropped", "overwritten", "decimated")}
    initial = sum(len(edge.initial) for edge in edges if edge.node == edges[0].node)
    total = initial + sum(part.written - len(edges[0].initial) * (output == edges[0].output) for output, part in written.items())
    if edges[0].policy == PARAMETER:
        total = sum(part.written for part in reports)
    return EdgeReport(
        written=total,
        **figures,
        unread=total - sum(figures.values()),
        skipped=sum(part.skipped for part in written.values()),
        high_water=max(part.high_water for part in reports),
        digest=None if reports[0].digest is None else _digest_of_several(sight, _first_rings(edges)),
        age_ns=Histogram.merged([part.age_ns for part in reports]),
    )


def _first_rings(edges: Sequence[EdgePlan]) -> list[int]:
    """One edge for each reading end: where it reads several rings, the digest lies at the first."""
    return [edge.index for edge in edges if edge.index in (edge.rings or (edge.index,))[:1]]


def _digest_of_several(sight: Sight, edges: list[int]) -> str:
    return f"{int(sight.edge(edges[0])['digest']):016x}" if len(edges) == 1 else _digest_of_all(sight, edges)


def _node(sight: Sight, index: int, tick_ns: float) -> NodeReport:
    counters, tick_s = sight.node(index), tick_ns / 1e9
    return NodeReport(
        firings=int(counters["firings"]),
        errors=int(counters["errors"]),
        deadline_misses=int(counters["deadline_misses"]),
        overruns=int(counters["overruns"]),
        busy_s=int(counters["busy_ticks"]) * tick_s,
        wait_input_s=int(counters["wait_input_ticks"]) * tick_s,
        wait_room_s=int(counters["wait_room_ticks"]) * tick_s,
        lateness_ns=Histogram.of(counters["lateness"]),
        duration_ns=Histogram.of(counters["duration"]),
    )


def _edge(sight: Sight, memory: Memory, index: int, digests: bool) -> EdgeReport:
    plan, counters = sight.plan, sight.edge(index)
    edge, losses = plan.edges[index], plan.layout.edges[index].losses
    output = plan.outputs[edge.output]
    # what was read before what was written: in motion, nothing is read that was not written (L5)
    read, decimated, stale = int(counters["read"]), int(counters["decimated"]), int(counters["stale_dropped"])
    words = sight.words(index)
    places = memory.struct(1 + output.context, losses, WRITER_COUNTERS)
    skipped, refused = int(places["skipped"]), int(places["refused"])
    records = words.head - skipped - int(places["closings"])
    written = records + len(edge.initial) + refused
    dropped = (max(records - words.offered, 0) if edge.own else 0) + stale + refused  # a tombstone is counted before it is published
    if edge.policy == EVERY:
        if edge.on_full == "drop_oldest":
            dropped += words.tail - words.taken
        unread, overwritten = written - read - dropped - decimated, 0
    else:
        unread = 1 if words.waiting or (words.initial_left and not words.offered) else 0
        overwritten = written - read - dropped - decimated - unread
    digested = digests and not output.dtype.hasobject
    return EdgeReport(
        written=written,
        read=read,
        dropped=dropped,
        overwritten=overwritten,
        decimated=decimated,
        unread=unread,
        skipped=0 if edge.own else skipped,
        high_water=max(int(counters["high_water"]), unread),  # what was never taken was never measured
        digest=f"{int(counters['digest']):016x}" if digested else None,
        age_ns=Histogram.of(counters["age"]),
    )


def _digest_of_all(sight: Sight, edges: list[int]) -> str:
    """One figure for all edges, in their order. Source: the mixing step of splitmix64."""
    mask, combined = (1 << 64) - 1, 0
    for index in edges:
        combined = (combined + int(sight.edge(index)["digest"]) + 0x9E3779B97F4A7C15) & mask
        combined = (combined ^ combined >> 30) * 0xBF58476D1CE4E5B9 & mask
        combined = (combined ^ combined >> 27) * 0x94D049BB133111EB & mask
        combined ^= combined >> 31
    return f"{combined:016x}"


def _context(known: Mapping[str, Any]) -> ContextReport:
    return ContextReport(
        pid=known.get("pid", os.getpid()),
        cpu=known.get("cpu"),
        priority=known.get("priority"),
        cpu_s=known.get("cpu_s", 0.0),
        wakeups=known.get("wakeups", 0),
        refused=tuple(known.get("refused", ())),
    )
