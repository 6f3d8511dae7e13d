"""The memory of a run as an onlooker sees it: counters, heads and tails, read while others write.

Laws: nothing here writes. Of one edge, what the reader took is read before its tail, and its tail before the head, so that
taken <= tail <= head holds also in motion (L5); whole runs are not seen at one instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .counters import EDGE_COUNTERS, NODE_COUNTERS
from .memory import Memory
from .plan import Plan

OPEN = (1 << 64) - 1  # the end word of an output that is not closed


@dataclass(frozen=True, slots=True)
class Words:
    """What the words of one edge say.

    `head`: published by the output; `offered`: of those, shown to this reader (fewer only where the edge has an own index); `tail`: passed by
    the reader or dropped before it; `taken`: by the reader itself; `initial_left`: of the edge's initial records.
    """

    head: int
    offered: int
    tail: int
    taken: int
    initial_left: int
    closed: bool
    gone: bool

    @property
    def waiting(self) -> int:
        """Records in the ring that the reader has not passed."""
        return self.offered - self.tail


class Sight:
    """An onlooker's view of a run. It keeps views of the memory, made once, on first use."""

    def __init__(self, plan: Plan, memory: Memory):
        self.plan, self._memory = plan, memory
        self._nodes: dict[int, np.ndarray[Any, Any]] = {}
        self._edges: dict[int, np.ndarray[Any, Any]] = {}
        self._words: dict[int, tuple[np.ndarray[Any, Any], ...]] = {}

    def node(self, index: int) -> np.ndarray[Any, Any]:
        """The counters of a node, live: a 0-d `NODE_COUNTERS`."""
        if index not in self._nodes:
            segment = 1 + self.plan.nodes[index].context
            self._nodes[index] = self._memory.struct(segment, self.plan.layout.nodes[index], NODE_COUNTERS)
        return self._nodes[index]

    def edge(self, index: int) -> np.ndarray[Any, Any]:
        """The counters of an edge at its reader, live: a 0-d `EDGE_COUNTERS`."""
        if index not in self._edges:
            segment = 1 + self.plan.edges[index].context
            self._edges[index] = self._memory.struct(segment, self.plan.layout.edges[index].stats, EDGE_COUNTERS)
        return self._edges[index]

    def words(self, index: int) -> Words:
        """What the words of an edge say now."""
        edge = self.plan.edges[index]
        if index not in self._words:
            self._words[index] = self._find(index)
        reader, output, own = self._words[index]
        initial_taken = int(self.edge(index)["initial_taken"])
        taken, gone = int(reader[1]), bool(int(reader[3]) >> 32)
        tail, offered, head = int(reader[0]), int(own[0]), int(output[0])
        return Words(
            head=head,
            offered=offered,
            tail=tail,
            taken=taken,
            initial_left=len(edge.initial) - initial_taken,
            closed=int(output[1]) == head,
            gone=gone,
        )

    def last_ns(self, index: int) -> int | None:
        """`publish_ns` of the newest record of an edge, initial ones aside; None: there was none."""
        edge = self.plan.edges[index]
        segment, place = 1 + self.plan.outputs[edge.output].context, self.plan.layout.outputs[edge.output]
        ring = self.plan.layout.edges[index] if edge.own else place
        offered = self.words(index).offered
        if offered == 0:
            return None
        slots = self._memory.array(segment, ring.index, ring.entries, np.dtype(np.uint32))
        header = self._memory.words(segment, place.slots + int(slots[offered % ring.entries]) * place.stride, 2)  # seq, publish_ns
        return int(header[1].view(np.int64))

    def _find(self, index: int) -> tuple[np.ndarray[Any, Any], ...]:
        edge, place = self.plan.edges[index], self.plan.layout.edges[index]
        segment = 1 + self.plan.outputs[edge.output].context
        reader = self._memory.words(0, place.line, 4)  # tail, taken, two leases, a lease and `gone`
        output = self._memory.words(segment, self.plan.layout.outputs[edge.output].words, 2)  # head, end
        own = self._memory.words(segment, place.words, 2) if place.words >= 0 else output
        return reader, output, own

    def wanted(self, output: int) -> bool:
        """Whether the writer of an output asked to be woken, and no reader has given anything back since."""
        return bool(int(self._memory.words(0, self.plan.layout.outputs[output].want, 1)[0]) & 0xFFFFFFFF)

    def turn(self, index: int) -> int:
        """The set that one of several replicas works on or waits for."""
        return max(int(self._memory.words(0, self.plan.layout.turns[index], 1)[0]), self.plan.nodes[index].instance)

    def working(self, index: int) -> bool:
        """Whether user code of a node runs or awaits now."""
        return bool(self.node(index)["in_flight"])
