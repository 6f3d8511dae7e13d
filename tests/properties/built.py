"""The engine's graph of a `Spec`, under a placement: its nodes compute what `spec.Behaviour` says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np

from dfcore import SKIP, STOP, Emitter, Graph, Record, Router, collect, emit
from tests.properties.doors import Opened
from tests.properties.kahn import interpret
from tests.properties.spec import FAILING, NOTHING, OTHER_RATE, Behaviour, Part, Refused, Spec, Wire, emitted

DEEP = 512  # no edge of a graph with rates in it ever fills
NAMES = ("x", "y")  # of two outputs
STORED: dict[str, Any] = {"i8": "i8", "record": [("v", "i8"), ("w", "i8", (3,))], "object": object}


def packed(dtype: str, value: Any) -> Any:
    """An integer as it travels; NOTHING is SKIP."""
    if value is NOTHING:
        return SKIP
    if dtype == "record":
        return value, [value, value, value]
    return {"v": value, "w": np.full(3, value)} if dtype == "object" else value


def plain(value: Any) -> Any:
    """What travelled, as an integer, or as a list of them; what is torn is an error."""
    if isinstance(value, list):
        return [plain(item) for item in value]
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
    """The values of an emitter, one per firing."""

    def __init__(self, part: Part, index: int, **options: Any) -> None:
        super().__init__(STORED[part.dtype], **options)
        self.part, self.index = part, index

    def open(self) -> None:
        self.rest = emitted(self.part, self.index)

    def compute(self) -> Any:
        value = next(self.rest, NOTHING)
        return STOP if value is NOTHING else packed(self.part.dtype, value)


class WaitingValues(Values):
    """The same from a coroutine."""

    async def compute(self) -> Any:
        await asyncio.sleep(0)
        return super().compute()


class Generated(Values):
    """The same values, from a generator."""

    def compute(self) -> Any:
        yield from records(self.part.dtype, [(value,) for value in emitted(self.part, self.index)])


class WaitingGenerated(Values):
    """The same from an async generator."""

    async def compute(self) -> Any:
        for value in emitted(self.part, self.index):
            await asyncio.sleep(0)
            yield packed(self.part.dtype, value)


class Plain(Router):
    """A node that publishes at most one record per firing."""

    def __init__(self, part: Part, **options: Any) -> None:
        stored = STORED[part.dtype]
        super().__init__(outputs=dict.fromkeys(NAMES, stored), **options) if part.outputs == 2 else super().__init__(stored, **options)
        self.part = part

    def open(self) -> None:
        self.does = Behaviour(self.part)

    def fire(self, values: tuple[Any, ...], gain: int) -> Iterator[Any]:
        assert gain == self.part.gain
        return records(self.part.dtype, self.does.fire([plain(value) for value in values]))

    def compute(self, *values: Any, gain: int = 1) -> Any:
        return STOP if self.does.ends else next(self.fire(values, gain), SKIP)


class WaitingPlain(Plain):
    """The same from a coroutine."""

    async def compute(self, *values: Any, gain: int = 1) -> Any:
        await asyncio.sleep(0)
        return super().compute(*values, gain=gain)


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
            await asyncio.sleep(0)
            yield record


def make(part: Part, index: int, name: str) -> Any:
    """The engine's node for `part`."""
    if part.kind == "ready":
        return emit(list(records(part.dtype, [(value,) for value in emitted(part, index)])), STORED[part.dtype], name=name)
    if part.kind == "values":
        return (WaitingValues if part.waits else Values)(part, index, name=name)
    if part.kind == "generator":
        return (WaitingGenerated if part.waits else Generated)(part, index, name=name)
    options: dict[str, Any] = {"name": name, "gain": part.gain}
    if part.replicas > 1:
        options["replicas"] = part.replicas
    if part.kind in FAILING:
        options |= {"on_error": "skip", "errors": (Refused,)}
    if part.kind in ("fan", "breaks"):
        return (WaitingFan if part.waits else Fan)(part, **options)
    if part.kind == "pairs":
        return (WaitingCarries if part.waits else Carries)(part, **options)
    return (WaitingPlain if part.waits else Plain)(part, **options)


class Built:
    """The nodes of `spec` in `graph`, a collector for each output, and its doors. Node i is in context `placement[i]` (cyclic), 0
    being the caller's; a collector is where the next node is. A nested spec has its nodes in a graph of their own."""

    def __init__(self, spec: Spec, placement: list[int], kind: str, graph: Graph | None = None, name: str = "") -> None:
        self.spec, self.kind, self.placement, self.graph = spec, kind, placement, graph or Graph("random")
        self.inside: Graph | None = None
        self.nodes = [make(part, index, f"{name}n{index}") for index, part in enumerate(spec.parts)]
        if spec.nested:
            self.inside = Graph(f"{name}part")
            self.inside.add(*self.nodes)
            self._place(self.inside, 0)
        for index, node in enumerate(self.nodes if self.inside is None else ()):
            self._place(node, index)
        for reader, part in enumerate(spec.parts):
            for wire in part.wires:
                self._wire(reader, wire)
        self.ends = {key: self._end(*key) for key in spec.ends}
        if self.inside is not None:
            self.inside.expose(**{f"e{index}_{output}": end for (index, output), end in self.ends.items()})
            self.ends = {(index, output): self.inside[f"e{index}_{output}"] for index, output in self.ends}
        self.collectors: dict[tuple[int, int], Any] = {}
        for index, output in spec.ends:
            out = self.collectors[index, output] = collect(name=f"{name}out{index}_{output}")
            self._place(out, index + 1)
            self.graph.connect(self.ends[index, output], out, depth=DEEP if spec.parts[index].kind in OTHER_RATE else 16)
        self.doors = [
            Opened(door, self.graph, [self.ends[key] for key in door.sources], self._place, f"{name}door{number}_")
            for number, door in enumerate(spec.doors)
        ]

    def _place(self, node: Any, number: int) -> None:
        self.graph.add(node)
        place = self.placement[number % len(self.placement)]
        if place and self.kind != "inline":
            self.graph.context(f"c{place}", kind=self.kind).add(node)

    def _wire(self, reader: int, wire: Wire) -> None:
        initial = [packed(self.spec.parts[wire.source].dtype, value) for value in wire.initial]
        options: dict[str, Any] = {"depth": wire.depth, "batch": wire.batch, "decimate": wire.decimate, "initial": initial}
        options |= {"partial": wire.partial, "window": wire.window}
        (self.inside or self.graph).connect(self._end(wire.source, wire.output), self.nodes[reader]["values"], **options)

    def _end(self, index: int, output: int) -> Any:
        return self.nodes[index][NAMES[output]] if self.spec.parts[index].outputs == 2 else self.nodes[index]

    def check(self, report: Any) -> None:
        """What was collected is what the oracle says, and every door kept its law."""
        expected = interpret(self.spec)
        assert expected == {key: plain(out.records) for key, out in self.collectors.items()}
        for door in self.doors:
            door.check([expected[key] for key in door.door.sources], plain, report)


Case = tuple[Spec, list[int]]


def build_all(cases: list[Case], kind: str) -> tuple[Graph, list[Built]]:
    """Many graphs in one, so that they cost one start of processes."""
    graph = Graph("random")
    return graph, [Built(spec, placement, kind, graph, f"g{number}_") for number, (spec, placement) in enumerate(cases)]
