"""Warnings about a plan: what is allowed and will probably hurt.

Pure: plan parts in, sentences out. The depths that declared ratios need (RULES 22) are computed here once, for the warning and
for whoever explains a deadlock.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from .plan import ALL, EVERY, ContextPlan, EdgePlan, NodePlan, OutputPlan

FAST_HZ = 50  # from here on a Python thread that waits for the interpreter lock is late


def advise(nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan]) -> tuple[str, ...]:
    """What is worth a warning under any clock, in order of edges."""
    return tuple(_ratios(nodes, outputs, edges))


def advise_for_real_time(
    contexts: Sequence[ContextPlan], nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan]
) -> tuple[str, ...]:
    """What is worth a warning where time does not wait, in order of edges and contexts."""
    return (*_held_back(contexts, nodes, outputs, edges), *_slow_threads(contexts, nodes))


def needed_depths(
    nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan]
) -> dict[int, tuple[int, int]]:
    """Edges too short for declared ratios: edge index -> (depth it needs, index of the edge that makes it wait).

    Where paths of different rates meet again, the faster one has to hold all the records that the slower one needs before it
    delivers its first. Only `batch` and `decimate` declare a rate; what passes `merge` or `share`, or is matched by time, has none.
    """
    flowing = [
        edge
        for edge in edges
        if edge.input >= 0
        and edge.policy == EVERY
        and not edge.feedback
        and nodes[edge.node].sync_ns is None
        and nodes[edge.node].fires == ALL == nodes[outputs[edge.output].node].fires
    ]
    if all(_ratio(edge) == 1 for edge in flowing):
        return {}
    into: dict[int, list[EdgePlan]] = defaultdict(list)
    for edge in flowing:
        into[edge.node].append(edge)
    found: dict[int, tuple[int, int]] = {}
    rated = _rated(nodes, outputs, into)
    for node in nodes:
        if len(into[node.index]) > 1 and node.index in rated:
            _compare(into[node.index], {edge.index: _upstream(edge, nodes, outputs, into) for edge in into[node.index]}, found)
    return found


@dataclass(slots=True)
class _Path:
    """The worst ways from one node to an edge: records it must write before one arrives, and how many it can write before the
    edge's reader takes one (with how many of them each further place on the edge allows)."""

    needs: int
    holds: float
    each: int


def _ratio(edge: EdgePlan) -> int:
    return edge.batch * edge.decimate


def _rated(nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], into: dict[int, list[EdgePlan]]) -> set[int]:
    """The nodes that have an edge with a ratio somewhere upstream."""
    rated: set[int] = set()
    for node in sorted(nodes, key=lambda node: node.rank):
        if any(_ratio(edge) > 1 or outputs[edge.output].node in rated for edge in into[node.index]):
            rated.add(node.index)
    return rated


def _upstream(
    last: EdgePlan, nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], into: dict[int, list[EdgePlan]]
) -> dict[int, _Path]:
    """The path from each node upstream of `last` to `last`, the nearest first."""
    start = outputs[last.output].node
    paths = {start: _Path(max(_ratio(last) - len(last.initial), 0), _holds(last, 0), 1)}
    todo = {start}
    while todo:
        node = max(todo, key=lambda index: (nodes[index].rank, index))
        todo.remove(node)
        below = paths[node]
        for edge in into[node]:
            above, ratio = outputs[edge.output].node, _ratio(edge)
            path = _Path(max(ratio * below.needs - len(edge.initial), 0), _holds(edge, below.holds), ratio * below.each)
            known = paths.get(above)
            if known is not None:
                path.needs = max(path.needs, known.needs)
                if known.holds < path.holds:
                    path.holds, path.each = known.holds, known.each
            paths[above] = path
            todo.add(above)
    return paths


def _holds(edge: EdgePlan, below: float) -> float:
    """How many records the writer of `edge` can write while its reader takes `below` firings' worth."""
    if edge.on_full != "wait":
        return math.inf
    inside = _ratio(edge) if edge.batch > 1 else edge.decimate - 1  # what the reader collects or passes over while it waits
    return edge.depth + inside + _ratio(edge) * below


def _compare(ends: Sequence[EdgePlan], paths: dict[int, dict[int, _Path]], found: dict[int, tuple[int, int]]) -> None:
    for slow in ends:
        for fast in ends:
            for node in paths[slow.index].keys() & paths[fast.index].keys() if slow is not fast else ():
                missing = paths[slow.index][node].needs - paths[fast.index][node].holds
                if missing > 0:
                    depth = fast.depth + math.ceil(missing / paths[fast.index][node].each)
                    if depth > found.get(fast.index, (0, 0))[0]:
                        found[fast.index] = depth, slow.index


def _ratios(nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan]) -> Iterator[str]:
    for index, (depth, slow) in sorted(needed_depths(nodes, outputs, edges).items()):
        edge = edges[index]
        yield (
            f"{edge.name}: needed depth {depth} to hold what comes while {edges[slow].name} waits for its batch, "
            f"was {edge.depth}; write depth={depth}. ({edge.file}:{edge.line})"
        )


def _held_back(
    contexts: Sequence[ContextPlan], nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan]
) -> Iterator[str]:
    """A node on a grid that waits for a context without one (RULES 35)."""
    paced: Collection[int] = {node.context for node in nodes if node.period_ns is not None}
    for edge in edges:
        writer = outputs[edge.output].node
        if edge.policy != EVERY or edge.on_full != "wait" or edge.insisted or writer < 0 or edge.context in paced:
            continue
        if nodes[writer].period_ns is not None:
            yield (
                f"{edge.name}: needed a reader that keeps up with the rate_hz of {nodes[writer].name}, was context "
                f"{contexts[edge.context].name}, which has no pace: if it falls {edge.depth} records behind, {nodes[writer].name} is "
                f'held back and late; write on_full="wait" to say so, or policy="latest" or on_full="drop_oldest" if records may be '
                f"lost. ({edge.file}:{edge.line})"
            )


def _slow_threads(contexts: Sequence[ContextPlan], nodes: Sequence[NodePlan]) -> Iterator[str]:
    """A thread shares the interpreter lock, so it cannot keep what these options promise (RULES 33)."""
    for context in contexts:
        if context.kind != "thread":
            continue
        wishes = [f"rate_hz of {nodes[index].name} above {FAST_HZ}" for index in context.nodes if _fast(nodes[index])]
        wishes += ["priority"] if context.priority is not None else []
        wishes += ["spin_us"] if context.spin_us else []
        if wishes:
            yield f'context {context.name}: needed kind="process" for {", ".join(wishes)}, was "thread"; make it a process.'


def _fast(node: NodePlan) -> bool:
    return node.period_ns is not None and node.period_ns[1] * 10**9 > FAST_HZ * node.period_ns[0]
