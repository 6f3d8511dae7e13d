"""One output in memory of one's own: offsets as a plan would give them, for tests of the ring alone."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass

from dfcore._ring import LEASES, Reader, Writer

LINE = 64


@dataclass(frozen=True)
class Place:
    """Where an output lies: the fields of `OutputPlace`."""

    words: int
    index: int
    entries: int
    slots: int
    stride: int
    want: int


@dataclass(frozen=True)
class Edge:
    """Where an edge lies: the fields of `EdgePlace` that a ring needs."""

    line: int
    words: int
    index: int
    entries: int


class Rig:
    """An output with exactly as many slots as the law asks for, and a line for a tap.

    Args:
        ends: (policy, depth) of each reader.
        size: bytes of a record, a multiple of 64.
        local: writer and readers are one thread.
        tombstones: there may be some, so readers that lose records have an index of their own.
    """

    def __init__(self, ends: Sequence[tuple[str, int]], *, size: int = LINE, local: bool = False, tombstones: bool = False):
        self.ends, self.local = [(policy, 1 if policy == "latest" else depth) for policy, depth in ends], local
        apart = ("latest", "drop_oldest", "drop_new") if tombstones else ("drop_new",)
        shared = [depth for policy, depth in self.ends if policy not in apart]
        own = [depth for policy, depth in self.ends if policy in apart]
        self.slots = max([1, *shared]) + sum(own) + 1 + LEASES * (len(self.ends) + 1)
        self.used = 0
        words = self._take(LINE)
        entries = max([2, *(depth + 1 for depth in shared)])
        index = self._take(4 * entries)
        edges = []
        for number, (policy, depth) in enumerate(self.ends):
            count = max(2, depth + 1) if policy in apart else 0
            place = (self._take(LINE), self._take(4 * count)) if count else (-1, -1)
            edges.append(Edge((number + 2) * LINE, *place, count))
        self.edges, self.tap = edges, Edge((len(self.ends) + 2) * LINE, -1, -1, 0)
        self.place = Place(words, index, entries, self._take((LINE + size) * self.slots), LINE + size, 0)
        self.data = mmap.mmap(-1, self.used)
        self.control = mmap.mmap(-1, (len(self.ends) + 3) * LINE)

    def _take(self, size: int) -> int:
        start, self.used = self.used, self.used + -(-size // LINE) * LINE
        return start

    def writer(self) -> Writer:
        """Attach a writer: the first, or the one after it."""
        ends = [(edge, policy, depth) for edge, (policy, depth) in zip(self.edges, self.ends, strict=True)]
        return Writer(self.data, self.control, self.place, self.slots, ends, spare=self.tap.line, local=self.local)

    def reader(self, number: int) -> Reader:
        """Attach reader `number`; behind the last one comes the tap, which reads the newest record."""
        edge, policy = (self.tap, "latest") if number == len(self.ends) else (self.edges[number], self.ends[number][0])
        return Reader(self.data, self.control, self.place, self.slots, edge, policy, local=self.local)


def put(writer: Writer, value: int, tombstone: bool = False) -> int:
    """Publish a record, or a tombstone, full of `value`."""
    record = writer.loan()
    if record is None:
        raise AssertionError("ring: needs a free slot while there is room, there was none")
    record[:] = bytes([value % 251]) * len(record)
    return writer.publish(kind=int(tombstone))


def value_of(record: memoryview) -> set[int]:
    """The different bytes of a record: one, unless it is torn."""
    return set(record.tobytes())
