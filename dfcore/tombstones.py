"""Where tombstones travel: which outputs may publish a slot that holds no record.

Laws (RULES 10): a tombstone stands for a record that an exception has kept away (`on_error`). It travels on `every` edges that lose
nothing, so that joins discard the set that it belongs to, and ends where several records make one item (`batch`, `window`, `decimate`) and at
nodes without outputs, and where the next record of each input is no set (`merge`, `sync_s`). `share` gives it to one reader. Edges that lose records, and parameters, see none: beside others that do, they have an index of their own over the records of the
output; an output that only they read publishes none. One that came into a loop would go round for ever: no such graph is built. Pure: plan
parts in, plan parts out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .errors import Problem
from .loops import cycles
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
        new = {index for index in _carrying(node) if any(travels(edges[edge]) for edge in outputs[index].edges)} - found
        found |= new
        todo += [nodes[edge.node] for edge in _onward(node, nodes, outputs, edges) if edge.output in new]


def check(nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan]) -> Iterator[Problem]:
    """A problem for each node whose tombstone would come into a loop: from then on each round discards a set there, silently."""
    for node in nodes:
        if node.on_error not in LEAVES:
            continue
        onward = _reached(node, nodes, outputs, edges)
        for path in cycles(len(nodes), [(writer, edge.node) for writer, reading in onward.items() for edge in reading]):
            steps = set(zip(path, [*path[1:], path[0]], strict=True))
            back = next(edge for writer in path for edge in onward[writer] if edge.feedback and (writer, edge.node) in steps)
            yield Problem(
                code="loop",
                where=" -> ".join(nodes[index].name for index in [*path, path[0]]),
                needed=f'a loop that goes on after an exception of `{node.name}`, which has on_error="{node.on_error}"',
                found="one in which the place of the lost record goes round for ever, and discards what it meets",
                do=f"let `{node.name}` return a value instead of raising, or take `{back.input_name}` as a parameter of "
                f"`{nodes[back.node].name}`, which keeps its last value: keyword-only, with a default",
                file=node.file,
                line=node.line,
            )


def _reached(
    start: NodePlan, nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan]
) -> dict[int, list[EdgePlan]]:
    """Each node that a tombstone of `start` comes to -> the edges over which it goes on."""
    onward: dict[int, list[EdgePlan]] = {}
    todo = [start]
    while todo:
        node = todo.pop()
        if node.index not in onward:
            onward[node.index] = _onward(node, nodes, outputs, edges)
            todo += [nodes[edge.node] for edge in onward[node.index]]
    return onward


def _onward(
    node: NodePlan, nodes: Sequence[NodePlan], outputs: Sequence[OutputPlan], edges: Sequence[EdgePlan]
) -> list[EdgePlan]:
    """The edges over which a tombstone that comes to `node`, or is left by it, goes on to a node that discards a set for it."""
    readers = [edges[edge] for index in _carrying(node) for edge in outputs[index].edges]
    return [edge for edge in readers if travels(edge) and _alone(edge) and _in_order(nodes[edge.node])]


def _carrying(node: NodePlan) -> Sequence[int]:
    """The outputs of `node` but that of its errors."""
    return node.outputs[: len(node.outputs) - (node.on_error == "emit")]
