"""The engine's graph of a `Spec`, under a placement: its nodes compute what `spec.Behaviour` says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from dfcore import SKIP, STOP, Emitter, Graph, NodeFailed, Record, Router, collect, emit, router
from tests.properties.doors import Opened
from tests.properties.kahn import interpret
from tests.properties.spec import EMITTERS, FAILING, NOTHING, OTHER_RATE, Behaviour, Emission, Part, Refused, Spec, Wire, emitted

DEEP = 512  # no edge of a graph with rates in it ever fills
ARENA = 4 << 20  # holds all objects of a graph with rates in it
MOST_AGE_S = 1000  # nothing of a short run is as old
NAMES = ("x", "y")  # of two outputs
STORED: dict[str, Any] = {"i8": "i8", "record": [("v", "i8"), ("w", "i8", (3,))], "object": object}
LARGE = 500  # items of an array that travels outside of its pickle


def packed(dtype: str, value: Any) -> Any:
    """An integer as it travels; NOTHING is SKIP."""
    if value is NOTHING:
        return SKIP
    if dtype == "record":
        return value, [value, value, value]
    return {"v": value, "w": np.full(3 if value % 2 else LARGE, value)} if dtype == "object" else value


def plain(value: Any) -> Any:
    """What travelled, as an integer, or as a list of them; what is torn is an error."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, NodeFailed):
        assert isinstance(value.__cause__, Refused)
        return value.__cause__.args[1]
    if isinstance(value, np.ndarray) and value.dtype.names is None:
        return value.tolist()
    if isinstance(value, (Record, dict, np.ndarray, np.void)):
        v, w = np.asarray(value["v"]), np.asarray(value["w"])
        assert (v[..., np.newaxis] == w).all(), f"torn: {value!r}"
        return v.tolist()
    return value


def records(dtype: str, published: list[tuple[Any, ...]]) -> Iterator[Any]:
    """What a node yields for what its behaviour published."""
    for record in published:
        yield tuple(packed(dtype, value) for value in record) if len(record) > 1 else packed(dtype, record[0])


class Values(Emitter):
    """What an emitter says, one value per firing; `shaky` ones fail at some."""

    def __init__(self, part: Part, index: int, **options: Any) -> None:
        super().__init__(STORED[part.dtype], **options)
        self.part, self.index = part, index

    def open(self) -> None:
        self.rest = emitted(self.part, self.index)

    def say(self, emission: Emission) -> Any:
        self.origin_ns = emission.about_ns
        self.meta.update(emission.meta)
        if self.part.kind == "shaky" and emission.value % 5 == 0:
            raise Refused([], emission.value)
        return packed(self.part.dtype, emission.value)

    def compute(self) -> Any:
        emission = next(self.rest, None)
        return STOP if emission is None else self.say(emission)


class WaitingValues(Values):
    """The same from a coroutine."""

    async def compute(self) -> Any:
        await asyncio.sleep(0)
        return super().compute()


class Generated(Values):
    """The same values, from a generator."""

    def compute(self) -> Any:
        for emission in emitted(self.part, self.index):
            yield self.say(emission)


class WaitingGenerated(Values):
    """The same from an async generator."""

    async def compute(self) -> Any:
        for emission in emitted(self.part, self.index):
            await asyncio.sleep(0)
            yield self.say(emission)


class Plain(Router):
    """A node that publishes at most one record per firing."""

    def __init__(self, part: Part, index: int, **options: Any) -> None:
        stored = STORED[part.dtype]
        two = part.outputs == 2 and part.kind != "emits"
        super().__init__(outputs=dict.fromkeys(NAMES, stored), **options) if two else super().__init__(stored, **options)
        self.part, self.index = part, index

    def open(self) -> None:
        self.does = Behaviour(self.part, self.index)

    def fire(self, values: tuple[Any, ...], gain: int) -> Iterator[Any]:
        assert gain == self.part.gain
        published = self.does.fire([plain(value) for value in values], self.meta)
        return records(self.part.dtype, [record[:1] for record in published] if self.part.kind == "emits" else published)

    def compute(self, *values: Any, gain: int = 1) -> Any:
        return STOP if self.does.ends else next(self.fire(values, gain), SKIP)


class WaitingPlain(Plain):
    """The same from a coroutine; of replicas, none is as fast as another."""

    async def compute(self, *values: Any, gain: int = 1) -> Any:
        await asyncio.sleep(uneven(self))
        return super().compute(*values, gain=gain)


def uneven(node: Plain) -> float:
    """How long a firing takes."""
    return node.rng.uniform() / 2000 if node.part.replicas > 1 else 0


class Carries(Plain):
    """A node with a last word."""

    def flush(self) -> Any:
        return next(records(self.part.dtype, self.does.flush()), SKIP)


class WaitingCarries(WaitingPlain):
    """The same, where only `compute` waits."""

    flush = Carries.flush


class Fan(Plain):
    """A node that publishes any number of records per firing, and may fail after some."""

    def compute(self, *values: Any, gain: int = 1) -> Any:
        try:
            yield from self.fire(values, gain)
        except Refused as refused:
            yield from records(self.part.dtype, refused.args[0])
            raise


class WaitingFan(Plain):
    """The same from an async generator."""

    async def compute(self, *values: Any, gain: int = 1) -> Any:
        for record in Fan.compute(self, *values, gain=gain):  # type: ignore[arg-type]
            await asyncio.sleep(uneven(self))
            yield record


def counted(self: Any, *values: Any, gain: int = 1, part: Any = None, index: Any = None) -> Any:
    """A function node without a state."""
    return next(records(part.dtype, Behaviour(part, index).fire([plain(value) for value in values], self.meta)))


COUNTED = {dtype: router(stored)(counted) for dtype, stored in STORED.items()}


def make(part: Part, index: int, name: str) -> Any:
    """The engine's node for `part`."""
    node = _emitter(part, index, name) if part.kind in EMITTERS else _router(part, index, name)
    return node.options(arena_bytes=ARENA) if part.dtype == "object" or part.kind == "emits" else node


def _emitter(part: Part, index: int, name: str) -> Any:
    if part.kind == "ready":
        return emit([packed(part.dtype, emission.value) for emission in emitted(part, index)], STORED[part.dtype], name=name)
    if part.kind == "generator":
        return (WaitingGenerated if part.waits else Generated)(part, index, name=name)
    if part.kind == "paced":
        return Values(part, index, name=name, rate_hz=5000, overrun="catch_up")
    failing = {"on_error": "skip", "errors": (Refused,)} if part.kind == "shaky" else {}
    return (WaitingValues if part.waits else Values)(part, index, name=name, **failing)


def _router(part: Part, index: int, name: str) -> Any:
    options: dict[str, Any] = {"name": name, "gain": part.gain}
    if part.replicas > 1:
        options |= {"replicas": part.replicas, "ordered": part.ordered}
    if part.sync_ns is not None:
        options["sync_s"] = part.sync_ns / 1e9
    if part.kind in FAILING:
        options |= {"on_error": "emit" if part.kind == "emits" else "skip", "errors": (Refused,)}
    if part.kind == "retries":
        options |= {"on_error": "retry", "errors": (Refused,), "retries": 2, "retry_delay_s": 1e-5 * (index % 2)}
    if part.kind in ("fan", "breaks"):
        return (WaitingFan if part.waits else Fan)(part, index, **options)
    if part.kind == "pairs":
        return (WaitingCarries if part.waits else Carries)(part, index, **options)
    if part.kind == "count" and not part.waits:
        return COUNTED[part.dtype](part=part, index=index, **options)
    return (WaitingPlain if part.waits else Plain)(part, index, **options)


class Built:
    """The nodes of `spec` in `graph`, a collector for each output, and its doors. Node i is in context `placement[i]` (cyclic), 0
    being the caller's; a collector is where the next node is. What is in a graph of its own is in one context."""

    def __init__(self, spec: Spec, placement: list[int], kind: str, graph: Graph | None = None, name: str = "") -> None:
        self.spec, self.kind, self.placement, self.graph, self.name = spec, kind, placement, graph or Graph("random"), name
        self.levels = spec.levels or (0,) * len(spec.parts)
        self.graphs = [self.graph]  # each in the one before
        for level in range(1, max(self.levels) + 1):
            self.graphs.append(Graph(f"{name}part{level}"))
            self.graphs[-2].add(self.graphs[-1])
        if len(self.graphs) > 1:
            self._place(self.graphs[1], 0)
        self.nodes = [make(part, index, f"{name}n{index}") for index, part in enumerate(spec.parts)]
        for index, node in enumerate(self.nodes):
            self.graphs[self.levels[index]].add(node)
            if not self.levels[index]:
                self._place(node, index)
        for reader, part in enumerate(spec.parts):
            for number, wire in enumerate(part.wires):
                self._wire(reader, number, wire)
        ends = {key: self._seen(self._end(*key), self.levels[key[0]], 0, f"e{key[0]}_{key[1]}") for key in spec.ends}
        self.collectors: dict[tuple[int, int], Any] = {}
        for index, output in spec.ends:
            out = self.collectors[index, output] = collect(name=f"{name}out{index}_{output}")
            self._place(out, index + 1)
            deep = spec.parts[index].kind in OTHER_RATE
            self.graph.connect(ends[index, output], out, depth=DEEP if deep else 16)
        self.doors = [
            Opened(door, self.graph, [ends[key] for key in door.sources], self._place, f"{name}door{number}_")
            for number, door in enumerate(spec.doors)
        ]

    def _place(self, node: Any, number: int) -> None:
        self.graph.add(node)
        place = self.placement[number % len(self.placement)]
        if place and self.kind != "inline":
            self.graph.context(f"c{place}", kind=self.kind).add(node)

    def _wire(self, reader: int, number: int, wire: Wire) -> None:
        initial = [packed(self.spec.parts[wire.source].published(wire.output), value) for value in wire.initial]
        options: dict[str, Any] = {"depth": wire.depth, "batch": wire.batch, "decimate": wire.decimate, "initial": initial}
        options |= {"partial": wire.partial, "window": wire.window, "on_full": wire.on_full}
        if wire.old:
            options |= {"max_age_s": MOST_AGE_S, "on_stale": "error"}
        there, here = self.levels[wire.source], self.levels[reader]
        both = min(there, here)
        out = self._seen(self._end(wire.source, wire.output), there, both, f"w{reader}_{number}")
        into = self._seen(self.nodes[reader]["values"], here, both, f"r{reader}_{number}")
        self.graphs[both].connect(out, into, **options)

    def _seen(self, end: Any, level: int, at: int, label: str) -> Any:
        """An end of a node at `level` as the graphs around it show it, up to `at`."""
        for graph in self.graphs[level:at:-1]:
            graph.expose(**{label: end})
            end = graph[label]
        return end

    def _end(self, index: int, output: int) -> Any:
        node, part = self.nodes[index], self.spec.parts[index]
        if part.kind == "emits":
            return node["error"] if output else node
        return node[NAMES[output]] if part.outputs == 2 else node

    def check(self, report: Any) -> None:
        """What was collected is what the oracle says, behind replicas without order as multisets, and every door kept its law."""
        expected = interpret(self.spec)
        found = {key: plain(out.records) for key, out in self.collectors.items()}
        shuffled = {key for key in expected if self.spec.shuffled(key[0])}
        assert {key: Counter(expected[key]) for key in shuffled} == {key: Counter(found[key]) for key in shuffled}
        assert {key: expected[key] for key in expected.keys() - shuffled} == {key: found[key] for key in found.keys() - shuffled}
        for door in self.doors:
            door.check([expected[key] for key in door.door.sources], plain, report)


Case = tuple[Spec, list[int]]


def build_all(cases: list[Case], kind: str) -> tuple[Graph, list[Built]]:
    """Many graphs in one, so that they cost one start of processes."""
    graph = Graph("random")
    return graph, [Built(spec, placement, kind, graph, f"g{number}_") for number, (spec, placement) in enumerate(cases)]
