"""Why nothing moves: the search for a deadlock in the words of a run.

Laws (RULES 22): a node is stuck if something it needs, room on a full edge or a record on an empty one, can only come from a node
that is stuck; whoever runs, has all it needs, is about to end or paces itself is not. Heads, tails and firings only grow, so two
looks that agree are one look at a single instant, and what is stuck at one instant is stuck for ever: no false alarm, no waiting.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from .counters import RUNNING
from .errors import Problem
from .memory import Memory
from .plan import ALL, ANY, EVERY, LATEST, ONE, NodePlan, Plan
from .sight import Sight, Words

_UNEQUAL = (
    ", which no more than puts it off: the two ways to {} bring unequal numbers of records; use the same decimate or batch on both, "
    "a parameter, sync_s, or merge()"
)


@dataclass(frozen=True, slots=True)
class Wait:
    """What a node needs: `room` on an edge, its `turn` among replicas, else a record. `giver` is the one node that
    can give it.

    `bytes`: what is needed is so much memory of the output's arena; then any reader of the output may give it. `others`: nodes that
    may give the record as well, replicas without an order.
    """

    edge: int
    room: bool
    giver: int
    bytes: int = 0
    turn: bool = False
    others: tuple[int, ...] = ()


class Look:
    """One look at every word that decides who can go on. `state` of two looks is equal if nothing moved in between."""

    def __init__(self, sight: Sight, stopping: bool):
        self.plan, self._sight, self._stopping = sight.plan, sight, stopping
        self._words: dict[int, Words] = {edge.index: sight.words(edge.index) for edge in self.plan.edges}
        self._buffered = {edge.index: int(sight.edge(edge.index)["unread_buffered"]) for edge in self.plan.edges if edge.batch > 1}
        names = ("state", "in_flight", "firings", "suspended", "skipped_firings", "blocked_bytes")
        self._nodes = {node.index: {name: int(sight.node(node.index)[name]) for name in names} for node in self.plan.nodes}
        self.blocked = {node.index for node in self.plan.nodes if sight.node(node.index)["blocked_edge"]}
        self._wanted = {output.index: sight.wanted(output.index) for output in self.plan.outputs if output.arena}
        self.state = (self._wanted, self._words, self._buffered, self._nodes)

    @property
    def deserted(self) -> bool:
        """Whether a node of a loop waits while the run stops, or after a stream from outside its loop has ended."""
        return any(map(self._deserted, self.plan.nodes))

    def _deserted(self, node: NodePlan) -> bool:
        if self._nodes[node.index]["state"] != RUNNING or self._nodes[node.index]["in_flight"]:
            return False
        edges = [self.plan.edges[index] for index in node.inputs]
        outside = [self._words[edge.index].closed for edge in edges if not edge.feedback]
        return len(outside) < len(edges) and (self._stopping or any(outside))

    # -- who can go on --------------------------------------------------------------------------------------------------------

    def waits(self, node: NodePlan) -> list[Wait]:
        """What keeps a node from going on and only another node can give; [] if nothing does."""
        counters = self._nodes[node.index]
        if counters["state"] != RUNNING or counters["in_flight"]:
            return []
        if self._stopping and (node.role == "emitter" or node.ends_with_stop):
            return []
        if node.index in self.blocked:
            return self._blocked_by(node)  # it had its records, or is between two yields, or flushes
        inputs = [self._reading(edge) for edge in node.inputs]
        if node.fires == ANY:
            return [] if any(map(self._any_there, inputs)) else self._still_open(node)
        if any(all(map(self.over, rings)) or any(map(self._ages, rings)) for rings in inputs) or self._suspended(node):
            return []
        records = list(self._record_waits(node))
        room = [] if node.fires == ONE else self._room_waits(node)
        return [*room, *records] if records else list(self._turn_waits(node))

    def _reading(self, index: int) -> tuple[int, ...]:
        """The edges of which any will do for an input: of the rings of replicas the one that is read now, or all if they have no order."""
        edge = self.plan.edges[index]
        if not edge.rings or not edge.in_turn:
            return edge.rings or (index,)
        return (edge.rings[int(self._sight.edge(edge.rings[0])["ring"])],)

    def _any_there(self, rings: tuple[int, ...]) -> bool:
        return any(map(self._there, rings))

    def _turn_waits(self, node: NodePlan) -> Iterator[Wait]:
        """The siblings that must finish a set before one of several replicas begins its own."""
        if node.replicas == 1 or not node.ordered:
            return
        begins = self._sight.turn(node.index) - node.replicas
        for other in range(node.index - node.instance, node.index - node.instance + node.replicas):
            if other != node.index and self._sight.turn(other) <= begins:
                yield Wait(node.inputs[0], False, other, turn=True)

    def _blocked_by(self, node: NodePlan) -> list[Wait]:
        if self._nodes[node.index]["blocked_bytes"]:
            return list(self._memory_waits(node))
        waits = list(self._room_waits(node))
        there = [output for output in node.outputs if any(not self._words[edge].gone for edge in self.plan.outputs[output].edges)]
        return [] if node.fires == ONE and len(waits) < len(there) else waits  # one reader with room is enough

    def _still_open(self, node: NodePlan) -> list[Wait]:
        return [wait for wait in self._record_waits(node) if not self._words[wait.edge].closed]

    def _suspended(self, node: NodePlan) -> bool:
        """Between two yields of one firing."""
        return bool(self._nodes[node.index]["suspended"])

    def _room_waits(self, node: NodePlan) -> Iterator[Wait]:
        for output in node.outputs:
            for index in self.plan.outputs[output].edges:
                edge, words = self.plan.edges[index], self._words[index]
                if edge.policy == EVERY and edge.on_full == "wait" and not words.gone and words.waiting >= edge.depth:
                    yield Wait(index, True, edge.node)

    def _memory_waits(self, node: NodePlan) -> Iterator[Wait]:
        for output in node.outputs:
            for index in self.plan.outputs[output].edges if self._wanted.get(output) else ():  # else it is about to look again
                if not self._words[index].gone:
                    yield Wait(index, True, self.plan.edges[index].node, self._nodes[node.index]["blocked_bytes"])

    def _record_waits(self, node: NodePlan) -> Iterator[Wait]:
        for first in (*node.inputs, *self._unfed(node)):
            rings = self._reading(first)
            if not self._any_there(rings):
                open_rings = [index for index in rings if not self._words[index].closed] or rings
                giver, *others = [self.plan.outputs[self.plan.edges[index].output].node for index in open_rings]
                yield Wait(open_rings[0], False, giver, others=tuple(others))

    def _unfed(self, node: NodePlan) -> Iterator[int]:
        """Edges of parameters without a default that have not had a value yet."""
        for parameter in node.parameters:
            if parameter.required and parameter.edge is not None and not self._sight.edge(parameter.edge)["read"]:
                yield parameter.edge

    def _there(self, index: int) -> bool:
        """Whether an edge offers what a firing takes, or will once its reader looks."""
        edge, words = self.plan.edges[index], self._words[index]
        if words.waiting or words.initial_left:
            return True
        if edge.batch == 1:
            return False
        buffered = self._buffered[edge.rings[0] if edge.rings else index]
        return buffered == edge.batch or bool(edge.partial and words.closed and buffered)

    def over(self, index: int) -> bool:
        """Whether the stream of an edge has ended, and nothing of it is left."""
        return self._words[index].closed and not self._there(index)

    def _ages(self, index: int) -> bool:
        """A record that grows stale is taken without a firing: a timer of the reader's."""
        edge = self.plan.edges[index]
        return edge.max_age_ns is not None and edge.policy != LATEST and self._words[index].waiting > 0

    def stuck(self) -> dict[int, list[Wait]]:
        """The stuck nodes, each with its waits for other stuck nodes."""
        waits = {node.index: waits for node in self.plan.nodes if (waits := self.waits(node))}
        while True:
            left = {node: kept for node, all in waits.items() if (kept := self._hopeless(node, all, waits.keys()))}
            if left == waits:
                return left
            waits = left

    def _hopeless(self, node: int, waits: list[Wait], stuck: Collection[int]) -> list[Wait]:
        """Those of `waits` whose giver is stuck; [] if `node` can go on without them.

        One giver is enough for `merge` and `share`, and for who waits for memory.
        """
        kept = [wait for wait in waits if wait.giver in stuck and all(other in stuck for other in wait.others)]
        fires = self.plan.nodes[node].fires
        enough = fires == ANY and not waits[0].room or fires == ONE and waits[0].room or waits[0].bytes > 0
        return [] if enough and len(kept) < len(waits) else kept

    # -- what is needed -------------------------------------------------------------------------------------------------------

    def depth_needed(self, chain: list[Wait]) -> int | None:
        """Depth to be declared for `chain[0]`, a full edge, so that it would not stop its writer; None where no ratio says it."""
        full, *others = chain
        firings = 1
        for wait in others:
            if wait.room or wait.turn or wait.others or not self._steady(self.plan.nodes[wait.giver]) and wait is not others[-1]:
                return None
            firings = self._missing(wait.edge, firings)
        return self._words[full.edge].waiting + firings - self.plan.edges[full.edge].raised

    def unequal(self, chain: list[Wait]) -> bool:
        """Whether `chain[0]`, a full edge, surely brings its reader more records than the way on which the reader waits.

        Then no depth is enough for a stream that goes on. Both ways begin at one output, each edge delivers all it takes, and each
        node between publishes at most one record per firing.
        """
        plan, full = self.plan, self.plan.edges[chain[0].edge]
        way = [plan.edges[wait.edge] for wait in chain[1:]]
        nodes = [plan.nodes[edge.node] for edge in way]
        if not way or way[-1].output != full.output or any(edge.rings or edge.policy != EVERY for edge in (full, *way)):
            return False
        if any(wait.room for wait in chain[1:]) or not all(node.replicas == 1 and self._steady(node) for node in nodes):
            return False
        return math.prod(edge.batch * edge.decimate for edge in way) > full.batch * full.decimate

    def _missing(self, index: int, firings: int) -> int:
        """Records that an edge still needs for so many firings of its reader."""
        edge = self.plan.edges[index]
        there = self._buffered.get(index, 0) * edge.decimate + self._words[index].waiting
        return max(firings * edge.batch * edge.decimate - there, 1)

    def _steady(self, node: NodePlan) -> bool:
        """One record per firing to each reader, so far."""
        return node.fires == ALL and node.sync_ns is None and node.style in ("plain", "coroutine") and not self._nodes[node.index]["skipped_firings"]


def blocked(plan: Plan, memory: Memory, stopping: bool = False) -> Problem | None:
    """The deadlock that a run is in, or None. `stopping`: emitters are about to end."""
    sight = Sight(plan, memory)
    first, second = Look(sight, stopping), Look(sight, stopping)
    if first.state != second.state or first.blocked != second.blocked:
        return None
    stuck = second.stuck()
    return _problem(second, _chain(stuck)) if stuck else None


def _chain(stuck: dict[int, list[Wait]]) -> list[Wait]:
    """A closed chain of waits, beginning with one for room if it has one."""
    node = min(stuck)
    path: list[Wait] = []
    seen: dict[int, int] = {}
    while node not in seen:
        seen[node] = len(path)
        path.append(stuck[node][0])  # waits for room come first
        node = path[-1].giver
    ring = path[seen[node] :]
    start = next((at for at, wait in enumerate(ring) if wait.room), 0)
    return ring[start:] + ring[:start]


def _problem(look: Look, chain: list[Wait]) -> Problem:
    plan, first = look.plan, look.plan.edges[chain[0].edge]
    if not chain[0].room:
        again = any(plan.nodes[plan.edges[wait.edge].node].fires == ANY for wait in chain)
        return Problem(
            code="deadlock",
            where=first.name,
            needed="a record",
            found=f"empty, and nobody can write one ({_told(plan, chain)})",
            do="return STOP from a node of this loop when its work is done"
            if again
            else "publish where a node of this loop returns SKIP, or give an edge of it one more `initial` record",
            file=first.file,
            line=first.line,
        )
    if chain[0].bytes:
        writer, reader = plan.nodes[plan.outputs[first.output].node].name, plan.nodes[first.node].name
        return Problem(
            code="deadlock",
            where=first.name,
            needed=f"{chain[0].bytes} bytes for an object",
            found=f"an arena of {plan.outputs[first.output].arena}, taken by objects that are kept ({_told(plan, chain)})",
            do=f"keep copies in {reader}, or give {writer} a larger arena_bytes",
            file=first.file,
            line=first.line,
        )
    depth = look.depth_needed(chain)
    full = [plan.edges[wait.edge].name for wait in chain if wait.room]
    return Problem(
        code="deadlock",
        where=first.name,
        needed=f"depth {depth}" if depth is not None else f"a depth of more than {first.declared_depth}",
        found=f"depth {first.declared_depth}, full, and nobody can go on ({_told(plan, chain)})",
        do=(f"connect it with depth={depth}" if depth is not None else f"give {' or '.join(full)} a larger depth")
        + (_UNEQUAL.format(plan.nodes[first.node].name) if look.unequal(chain) else ""),
        file=first.file,
        line=first.line,
    )


def _told(plan: Plan, chain: list[Wait]) -> str:
    """The chain in words, from node to node."""
    told = []
    for wait in chain:
        edge = plan.edges[wait.edge]
        reader, writer = plan.nodes[edge.node].name, plan.nodes[plan.outputs[edge.output].node].name
        what = "memory" if wait.bytes else "room"
        if wait.turn:
            told.append(f"{reader} for its turn behind {plan.nodes[wait.giver].name}")
            continue
        told.append(f"{writer} waits for {what} on {edge.name}" if wait.room else f"{reader} for a record of {edge.name}")
    return ", ".join(told)


def hand_of(plan: Plan, memory: Memory, context: int) -> tuple[str, int, int | None] | None:
    """What a context was working on: node, firing, and seq of the record in hand; None: nothing."""
    sight = Sight(plan, memory)
    for index in plan.contexts[context].nodes:
        if sight.working(index):
            inputs = plan.nodes[index].inputs
            seq = int(sight.edge(inputs[0])["last_seq"]) if inputs else None
            return plan.nodes[index].name, int(sight.node(index)["last_firing"]), seq
    return None


def busy_emitters(plan: Plan, memory: Memory) -> dict[int, int]:
    """Emitters whose `compute` runs now, with the number of their firing."""
    sight = Sight(plan, memory)
    emitters = [node.index for node in plan.nodes if node.role == "emitter" and sight.working(node.index)]
    return {index: int(sight.node(index)["last_firing"]) for index in emitters}
