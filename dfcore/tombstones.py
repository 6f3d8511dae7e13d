"""Where tombstones travel: which outputs may publish a slot that holds no record.

Laws (RULES 10): a tombstone stands for a record that an exception has kept away (`on_error`). It travels on `every` edges that lose
nothing, so that joins discard the set that it belongs to, and ends where several records make one item (`batch`, `window`, `decimate`) and at
nodes without outputs, and where the next record of each input is no set (`merge`, `sync_s`). `share` gives it to one reader. Edges that lose records, and parameters, see none: beside others that do, they have an index of their own over the records of the
output; an output that only they read publishes none. Pure: plan parts in, plan parts out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .plan import ANY, EVERY, EdgePlan, NodePlan, OutputPlan

LEAVES = ("skip", "emit")  # the values of `on_error` that end a firing without its records


def carriers(nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan]) -> set[int]:
    """Indices of the outputs that may publish tombstones."""
    found: set[int] = set()
    for node in sorted(nodes, key=lambda node: node.rank):
        _spread(node, nodes, outputs, edges, found)
    return found


def own_indices(found: set[int], edges: Sequence[EdgePlan]) -> tuple[EdgePlan, ...]:
    """The edges, marked where one does not see all that its output publishes: `drop_new` (RULES 9), or tombstones are among it."""
    return tuple(replace(edge, own=_refuses(edge) or (edge.output in found and not travels(edge))) for edge in edges)


def _refuses(edge: EdgePlan) -> bool:
    """Whether a full edge keeps what it has, and the new record is lost."""
    return edge.policy == EVERY and edge.on_full == "drop_new"


def travels(edge: EdgePlan) -> bool:
    """Whether tombstones go over this edge."""
    return edge.policy == EVERY and edge.on_full in ("wait", "error")


def _alone(edge: EdgePlan) -> bool:
    """Whether one record of this edge is one item of a firing."""
    return edge.batch == 1 == edge.decimate and not edge.window


def _in_order(node: NodePlan) -> bool:
    """Whether a set of a node is the next record of each input, so that a missing one has a place."""
    return node.fires != ANY and node.sync_ns is None


def _spread(
    start: NodePlan, nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan], found: set[int]
) -> None:
    """Add the outputs of `start` if it leaves tombstones, and what they reach; loops included."""
    todo = [start] if start.on_error in LEAVES else []
    while todo:
        node = todo.pop()
        for index in node.outputs[: len(node.outputs) - (node.on_error == "emit")]:
            if index in found or not any(travels(edges[edge]) for edge in outputs[index].edges):
                continue
            found.add(index)
            readers = [edges[edge] for edge in outputs[index].edges]
            todo += [nodes[edge.node] for edge in readers if travels(edge) and _alone(edge) and _in_order(nodes[edge.node])]
