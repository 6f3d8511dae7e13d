"""What a graph means: an interpreter with endless queues, the oracle of the law L6 (Kahn 1974), without contexts, rings or time."""

from __future__ import annotations

from collections import deque
from typing import Any

from tests.properties.spec import EMITTERS, NOTHING, Behaviour, Part, Refused, Spec, Wire, emitted

Sequences = dict[tuple[int, int], list[int]]
TOMBSTONE: Any = object()  # keeps the place of what a failing firing did not publish


class Reader:
    """One input: what its edge brings, in order."""

    def __init__(self, wire: Wire) -> None:
        self.wire, self.items, self.passed = wire, deque[Any](), 0
        self.window = deque[Any](maxlen=wire.window)
        self.over = False  # nothing more will be put
        for value in wire.initial:
            self.put(value)

    def put(self, value: Any) -> None:
        """A record or a tombstone is published. Where several records make one item, tombstones are passed over."""
        wire = self.wire
        if value is TOMBSTONE:
            if wire.batch == wire.decimate == 1 and wire.window is None:
                self.items.append(value)
            return
        self.passed += 1
        if self.passed % self.wire.decimate == 0:
            self.items.append(value)

    @property
    def ready(self) -> bool:
        return len(self.items) >= self.wire.batch or bool(self.wire.partial and self.over and self.items)

    def take(self) -> int | list[int]:
        """What a firing is given."""
        if self.items[0] is TOMBSTONE:
            return self.items.popleft()
        taken = [self.items.popleft() for _ in range(min(self.wire.batch, len(self.items)))]
        if self.wire.window is not None:
            self.window += taken
            return list(self.window)
        return taken if self.wire.batch > 1 else taken[0]


class Node:
    """One node: its inputs, what it does, and whether it has ended."""

    def __init__(self, part: Part) -> None:
        self.part, self.does, self.ended = part, Behaviour(part), False
        self.readers = [Reader(wire) for wire in part.wires]

    @property
    def ready(self) -> bool:
        return not self.ended and bool(self.readers) and all(reader.ready for reader in self.readers)

    @property
    def buried(self) -> bool:
        """Whether a tombstone is in the next set."""
        return any(reader.items[0] is TOMBSTONE for reader in self.readers)


class Kahn:
    """One run: the nodes, and what every output has published so far."""

    def __init__(self, spec: Spec) -> None:
        self.nodes = [Node(part) for part in spec.parts]
        self.sequences: Sequences = {end: [] for end in spec.ends}
        self.readers: dict[tuple[int, int], list[Reader]] = {end: [] for end in spec.ends}
        for node in self.nodes:
            for reader in node.readers:
                self.readers[reader.wire.source, reader.wire.output].append(reader)

    def publish(self, index: int, records: list[tuple[Any, ...]]) -> None:
        """Node `index` publishes `records`."""
        for record in records:
            for output, value in enumerate(record):
                if value is not NOTHING:
                    self.sequences[index, output] += [] if value is TOMBSTONE else [value]
                    for reader in self.readers[index, output]:
                        reader.put(value)

    def fire_all(self) -> None:
        """Fire until nothing is ready."""
        while ready := [index for index, node in enumerate(self.nodes) if node.ready]:
            for index in ready:
                if self.nodes[index].ready:
                    self.fire(index)

    def fire(self, index: int) -> None:
        """Node `index` is ready: it fires, or ends, or discards a set in which something is missing."""
        node = self.nodes[index]
        gone = [(TOMBSTONE,) * node.part.outputs]
        if node.does.ends and not node.buried:
            self.end(index)
            return
        taken = [reader.take() for reader in node.readers]
        if any(value is TOMBSTONE for value in taken):
            self.publish(index, gone)
            return
        try:
            self.publish(index, node.does.fire(taken))
        except Refused as refused:
            self.publish(index, refused.args[0] + gone)

    def end(self, index: int) -> None:
        """Node `index` fires no more, and says its last word."""
        self.nodes[index].ended = True
        self.publish(index, self.nodes[index].does.flush())
        self.close(index)

    def close(self, index: int) -> None:
        """Nothing more comes from node `index`."""
        for output in range(self.nodes[index].part.outputs):
            for reader in self.readers[index, output]:
                reader.over = True

    def starved(self, node: Node) -> bool:
        """Whether an input that is not feedback has ended, with too little left for a firing."""
        return any(
            self.nodes[reader.wire.source].ended and not reader.ready for reader in node.readers if not reader.wire.feedback
        )

    def run(self) -> Sequences:
        """The sequence of every output."""
        for index, node in enumerate(self.nodes):
            if node.part.kind in EMITTERS:
                node.ended = True
                self.publish(index, [(value,) for value in emitted(node.part, index)])
                self.close(index)
        self.fire_all()
        while ending := [index for index, node in enumerate(self.nodes) if not node.ended and self.starved(node)]:
            self.end(ending[0])
            self.fire_all()
        return self.sequences


def interpret(spec: Spec) -> Sequences:
    """The sequence of every output of `spec`, by (node, output)."""
    return Kahn(spec).run()
