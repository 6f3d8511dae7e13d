"""Where tombstones travel: which outputs may publish a slot that holds no record.

Laws (RULES 10): a tombstone stands for a record that an exception has kept away (`on_error`). It travels on `every` edges that lose
nothing, so that joins discard the set that it belongs to, and ends where several records make one item (`batch`, `window`, `decimate`) and at
nodes without outputs, and where the next record of each input is no set (`merge`, `sync_s`). `share` gives it to one reader. An output read only by edges that lose records or by parameters publishes none. Pure: plan parts in, numbers
and problems out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .errors import Problem
from .plan import ANY, EVERY, EdgePlan, NodePlan, OutputPlan

LEAVES = ("skip", "emit")  # the values of `on_error` that end a firing without its records


def carriers(nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan]) -> set[int]:
    """Indices of the outputs that may publish tombstones."""
    found: set[int] = set()
    for node in sorted(nodes, key=lambda node: node.rank):
        _spread(node, nodes, outputs, edges, found)
    return found


def check_readers(
    found: set[int], nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan]
) -> Iterator[Problem]:
    """Edges that lose records, beside others that must see the tombstones of the same output."""
    for index in sorted(found):
        for edge in (edges[e] for e in outputs[index].edges):
            if not travels(edge):
                source = nodes[outputs[index].node].name
                what = "a parameter" if edge.input < 0 else f'policy="{edge.policy}"' if edge.policy != EVERY else f'on_full="{edge.on_full}"'
                yield Problem(
                    code="tombstone",
                    where=edge.name,
                    needed=f'an edge that loses nothing, like the others that read `{source}`, for its `on_error` leaves tombstones',
                    found=what,
                    do=f"put a node of its own between `{source}` and this edge",
                    file=edge.file,
                    line=edge.line,
                )


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
