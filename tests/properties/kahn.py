"""What a graph means: an interpreter with endless queues, the oracle of the law L6 (Kahn 1974), without contexts, rings or time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from tests.properties.spec import EMITTERS, NOTHING, Behaviour, Part, Refused, Spec, Wire, emitted

Sequences = dict[tuple[int, int], list[int]]


@dataclass
class Item:
    """A record on its way: its value, its metadata, the time that it is about if anything says so; or the place of one that is not."""

    value: Any
    meta: dict[str, int]
    about_ns: int | None
    missing: bool = False


@dataclass
class Taken:
    """What a firing is given by one input, a value or a list of them; of the records new in it the metadata and the oldest time."""

    value: Any
    meta: dict[str, int]
    about_ns: int | None


def oldest(times: list[int | None]) -> int | None:
    """The oldest of the times that there are."""
    return min((time for time in times if time is not None), default=None)


def united(metas: list[dict[str, int]]) -> dict[str, int]:
    """One mapping of several; of two values for a key the later."""
    return {key: value for meta in metas for key, value in meta.items()}


class Reader:
    """One input: what its edge brings, in order."""

    def __init__(self, wire: Wire, in_order: bool) -> None:
        self.wire, self.items, self.passed = wire, deque[Item](), 0
        self.window = deque[Item](maxlen=wire.window)
        self.over = False  # nothing more will be put
        self.keeps_gaps = in_order and wire.batch == wire.decimate == 1 and wire.window is None
        for value in wire.initial:
            self.put(Item(value, {}, None))

    def put(self, item: Item) -> None:
        """A record or a tombstone is published. Where several records make one item, or none has a place, tombstones are passed over."""
        if item.missing:
            if self.keeps_gaps:
                self.items.append(item)
            return
        self.passed += 1
        if self.passed % self.wire.decimate == 0:
            self.items.append(item)

    @property
    def ready(self) -> bool:
        return len(self.items) >= self.wire.batch or bool(self.wire.partial and self.over and self.items)

    @property
    def buried(self) -> bool:
        return self.items[0].missing

    def discard(self) -> list[Item]:
        """Let go of what a firing would be given; no later window shows it."""
        return [self.items.popleft() for _ in range(min(self.wire.batch, len(self.items)))]

    def take(self) -> Taken:
        """What a firing is given."""
        new = self.discard()
        self.window += new
        shown = new if self.wire.window is None else list(self.window)
        single = self.wire.batch == 1 and self.wire.window is None
        value = new[0].value if single else [item.value for item in shown]
        return Taken(value, united([item.meta for item in shown]), oldest([item.about_ns for item in new]))


class Node:
    """One node: its inputs, what it does, and whether it has ended."""

    def __init__(self, part: Part, index: int) -> None:
        self.part, self.does, self.ended = part, Behaviour(part, index), False
        self.readers = [Reader(wire, part.sync_ns is None) for wire in part.wires]

    @property
    def ready(self) -> bool:
        if self.ended or not self.readers:
            return False
        while all(reader.ready for reader in self.readers):
            late = self._late()
            if not late:
                return True
            for reader in late:
                reader.discard()
        return False

    def _late(self) -> list[Reader]:
        """Inputs whose next record is too old for that of another."""
        if self.part.sync_ns is None:
            return []
        heads = [(reader, reader.items[0].about_ns or 0) for reader in self.readers]
        newest = max(about_ns for _, about_ns in heads)
        return [reader for reader, about_ns in heads if newest - about_ns > self.part.sync_ns]

    @property
    def buried(self) -> bool:
        """Whether a tombstone is in the next set."""
        return any(reader.buried for reader in self.readers)

    def fire(self, taken: list[Taken]) -> tuple[list[tuple[Any, ...]], dict[str, int], bool]:
        """What a firing on `taken` publishes, the metadata with it, and whether it failed in the end."""
        values = [each.value for each in taken]
        while True:
            meta = united([each.meta for each in taken])
            try:
                return self.does.fire(values, meta), meta, False
            except Refused as refused:
                if self.part.kind == "emits":
                    return [(NOTHING, refused.args[1])], meta, True
                if self.part.kind != "retries":
                    return refused.args[0], meta, True


class Kahn:
    """One run: the nodes, and what every output has published so far."""

    def __init__(self, spec: Spec) -> None:
        self.nodes = [Node(part, index) for index, part in enumerate(spec.parts)]
        self.sequences: Sequences = {end: [] for end in spec.ends}
        self.readers: dict[tuple[int, int], list[Reader]] = {end: [] for end in spec.ends}
        for node in self.nodes:
            for reader in node.readers:
                self.readers[reader.wire.source, reader.wire.output].append(reader)

    def publish(self, index: int, records: list[tuple[Any, ...]], meta: dict[str, int], about_ns: int | None) -> None:
        """Node `index` publishes `records`, all with the same metadata and time."""
        for record in records:
            for output, value in enumerate(record):
                if value is not NOTHING:
                    self.sequences[index, output].append(value)
                    carried = meta if self.nodes[index].part.carries(output) else {}
                    for reader in self.readers[index, output]:
                        reader.put(Item(value, carried, about_ns))

    def bury(self, index: int) -> None:
        """Node `index` publishes nothing, and that keeps its place. The failures that it publishes instead have none to keep."""
        part = self.nodes[index].part
        for output in range(1 if part.kind == "emits" else part.outputs):
            for reader in self.readers[index, output]:
                reader.put(Item(NOTHING, {}, None, missing=True))

    def fire_all(self) -> None:
        """Fire until nothing is ready."""
        while ready := [index for index, node in enumerate(self.nodes) if node.ready]:
            for index in ready:
                if self.nodes[index].ready:
                    self.fire(index)

    def fire(self, index: int) -> None:
        """Node `index` is ready: it fires, or ends, or discards a set in which something is missing."""
        node = self.nodes[index]
        if node.buried:
            for reader in node.readers:
                reader.discard()
            self.bury(index)
            return
        if node.does.ends:
            self.end(index)
            return
        taken = [reader.take() for reader in node.readers]
        records, meta, failed = node.fire(taken)
        about = [each.about_ns for each, reader in zip(taken, node.readers, strict=True) if not reader.wire.feedback]
        self.publish(index, records, meta, oldest(about))
        if failed:
            self.bury(index)

    def emit(self, index: int) -> None:
        """Emitter `index` publishes all that it has."""
        node = self.nodes[index]
        node.ended = True
        for emission in emitted(node.part, index):
            if node.part.kind == "shaky" and emission.value % 5 == 0:
                self.bury(index)
            else:
                meta = {} if node.part.kind == "ready" else emission.meta
                self.publish(index, [(emission.value,)], meta, emission.about_ns)
        self.close(index)

    def end(self, index: int) -> None:
        """Node `index` fires no more, and says its last word."""
        self.nodes[index].ended = True
        self.publish(index, self.nodes[index].does.flush(), {}, None)
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
                self.emit(index)
        self.fire_all()
        while ending := [index for index, node in enumerate(self.nodes) if not node.ended and self.starved(node)]:
            self.end(ending[0])
            self.fire_all()
        return self.sequences


def interpret(spec: Spec) -> Sequences:
    """The sequence of every output of `spec`, by (node, output)."""
    return Kahn(spec).run()
