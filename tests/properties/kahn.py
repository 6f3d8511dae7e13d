"""Random graphs as data, and what they mean: an interpreter with endless queues, the oracle of the law L6.

A `Spec` says which nodes there are and what each reads. `build` makes an engine graph of it under a placement; `interpret`
computes the sequence of every output by the rules of Kahn 1974, without contexts, rings or time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from dfcore import SKIP, STOP, Emitter, Graph, Router, collect

MODULUS = 1_000_003
DEEP = 512  # no edge of a graph with rates in it ever fills
EMITTERS = ("values", "generator")
SAME_RATE = ("mix", "count")
OTHER_RATE = ("filter", "fan", "stop", "split")


@dataclass(frozen=True)
class Wire:
    """One input: the node and output that it reads, and the options of its edge."""

    source: int
    output: int = 0
    depth: int = 16
    initial: tuple[int, ...] = ()
    batch: int = 1
    decimate: int = 1
    feedback: bool = False


@dataclass(frozen=True)
class Part:
    """One node: what it computes and what it reads. Emitters have a length instead of wires."""

    kind: str
    length: int = 0
    wires: tuple[Wire, ...] = ()

    @property
    def outputs(self) -> int:
        return 2 if self.kind == "split" else 1


@dataclass(frozen=True)
class Spec:
    """A graph. Every output is collected, so that nothing is cut short by a reader that left."""

    parts: tuple[Part, ...]


# ------------------------------------------------------------------------------------------------------------ meaning


def emitted(part: Part, index: int) -> Iterator[int]:
    """The values of an emitter."""
    return ((7 * k + 13 * index) % 101 for k in range(part.length))


def answer(kind: str, state: int, values: Iterable[Any]) -> tuple[int, list[tuple[Any, ...]]]:
    """The next state of a node, and what it publishes: a list of one tuple per record, a value or SKIP at each place."""
    total = sum(int(sum(value)) if hasattr(value, "__len__") else value for value in values) % MODULUS
    state = (31 * state + total + 1) % MODULUS
    if kind == "mix":
        return state, [(state,)]
    if kind == "count":
        return state, [(total,)]
    if kind == "filter":
        return state, [(total,)] if total % 3 else []
    if kind == "fan":
        return state, [(total + copy,) for copy in range(total % 3)]
    if kind == "split":
        return state, [(total, SKIP) if total % 2 else (SKIP, state)]
    return state, [(total,)]  # "stop"


def ends_at(kind: str, firing: int) -> bool:
    """Whether the node ends instead of this firing."""
    return kind == "stop" and firing == 4


def interpret(spec: Spec) -> dict[tuple[int, int], list[int]]:
    """The sequence of every output of `spec`, by (node, output)."""
    sequences: dict[tuple[int, int], list[int]] = {
        (index, output): [] for index, part in enumerate(spec.parts) for output in range(part.outputs)
    }
    queues = [[deque(wire.initial[wire.decimate - 1 :: wire.decimate]) for wire in part.wires] for part in spec.parts]
    passed = [[len(wire.initial) for wire in part.wires] for part in spec.parts]
    states, firings = [0] * len(spec.parts), [0] * len(spec.parts)

    def publish(index: int, record: tuple[Any, ...]) -> None:
        for output, value in enumerate(record):
            if value is SKIP:
                continue
            sequences[index, output].append(value)
            for reader, part in enumerate(spec.parts):
                for place, wire in enumerate(part.wires):
                    if (wire.source, wire.output) == (index, output):
                        passed[reader][place] += 1
                        if passed[reader][place] % wire.decimate == 0:
                            queues[reader][place].append(value)

    for index, part in enumerate(spec.parts):
        for value in emitted(part, index) if part.kind in EMITTERS else ():
            publish(index, (value,))
    progress = True
    while progress:
        progress = False
        for index, part in enumerate(spec.parts):
            while part.wires and all(len(q) >= w.batch for q, w in zip(queues[index], part.wires, strict=True)):
                if ends_at(part.kind, firings[index]):
                    break
                taken = [[q.popleft() for _ in range(w.batch)] for q, w in zip(queues[index], part.wires, strict=True)]
                values = [value if w.batch > 1 else value[0] for value, w in zip(taken, part.wires, strict=True)]
                states[index], records = answer(part.kind, states[index], values)
                firings[index] += 1
                for record in records:
                    publish(index, record)
                progress = True
    return sequences


# ------------------------------------------------------------------------------------------------------------- engine


class Values(Emitter):
    """The values of an emitter, one per firing."""

    def __init__(self, part: Part, index: int, **options: Any) -> None:
        super().__init__("i8", **options)
        self.part, self.index = part, index

    def open(self) -> None:
        self.rest = emitted(self.part, self.index)

    def compute(self) -> Any:
        return next(self.rest, STOP)


class Generated(Emitter):
    """The same values, from a generator."""

    def __init__(self, part: Part, index: int, **options: Any) -> None:
        super().__init__("i8", **options)
        self.part, self.index = part, index

    def compute(self) -> Any:
        yield from emitted(self.part, self.index)


class Plain(Router):
    """A node that publishes at most one record per firing."""

    def __init__(self, part: Part, **options: Any) -> None:
        super().__init__(outputs={"x": "i8", "y": "i8"}, **options) if part.outputs == 2 else super().__init__("i8", **options)
        self.part = part

    def open(self) -> None:
        self.state, self.count = 0, 0

    def compute(self, *values: Any) -> Any:
        if ends_at(self.part.kind, self.count):
            return STOP
        self.state, records = answer(self.part.kind, self.state, values)
        self.count += 1
        return SKIP if not records else records[0] if self.part.outputs == 2 else records[0][0]


class Fan(Router):
    """A node that publishes any number of records per firing."""

    def __init__(self, part: Part, **options: Any) -> None:
        super().__init__("i8", **options)
        self.part = part

    def open(self) -> None:
        self.state = 0

    def compute(self, *values: Any) -> Any:
        self.state, records = answer(self.part.kind, self.state, values)
        for record in records:
            yield record[0]


def make(part: Part, index: int) -> Any:
    """The engine's node for `part`."""
    name = f"n{index}"
    if part.kind in EMITTERS:
        return (Values if part.kind == "values" else Generated)(part, index, name=name)
    return (Fan if part.kind == "fan" else Plain)(part, name=name)


def build(spec: Spec, placement: list[int], kind: str) -> tuple[Graph, dict[tuple[int, int], Any]]:
    """The graph of `spec` and a collector of each output. Node i is in context `placement[i]`, 0 being the caller's; a collector
    is where the next node is."""
    graph = Graph("random")
    nodes = [make(part, index) for index, part in enumerate(spec.parts)]

    def place(node: Any, number: int) -> None:
        graph.add(node)
        if number and kind != "inline":
            graph.context(f"c{number}", kind=kind).add(node)

    for index, node in enumerate(nodes):
        place(node, placement[index % len(placement)])

    def end(index: int, output: int) -> Any:
        return nodes[index][("x", "y")[output]] if spec.parts[index].outputs == 2 else nodes[index]

    for reader, part in enumerate(spec.parts):
        for wire in part.wires:
            options: dict[str, Any] = {"depth": wire.depth, "batch": wire.batch, "decimate": wire.decimate}
            graph.connect(end(wire.source, wire.output), nodes[reader]["values"], initial=list(wire.initial), **options)
    collectors = {}
    for index, part in enumerate(spec.parts):
        for output in range(part.outputs):
            out = collectors[index, output] = collect(name=f"out{index}_{output}")
            place(out, placement[(index + 1) % len(placement)])
            graph.connect(end(index, output), out, depth=DEEP if part.kind in OTHER_RATE else 16)
    return graph, collectors


# --------------------------------------------------------------------------------------------------------- strategies


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Graphs of 2 to 7 nodes. One rate and small rings; or one rate, deep rings and a loop; or many rates and deep rings."""
    shape = draw(st.sampled_from(["narrow", "loop", "rates"]))
    emitters = draw(st.integers(1, 3))
    parts = [Part(draw(st.sampled_from(EMITTERS)), length=draw(st.integers(0, 12))) for _ in range(emitters)]
    for _ in range(draw(st.integers(1, 4))):
        wires = []
        for _ in range(draw(st.integers(1, 3))):
            source = draw(st.integers(0, len(parts) - 1))
            wires.append(
                Wire(
                    source,
                    output=draw(st.integers(0, parts[source].outputs - 1)),
                    depth=draw(st.integers(1, 4)) if shape == "narrow" else DEEP,
                    initial=tuple(draw(st.lists(st.integers(0, 50), max_size=3))) if shape == "rates" else (),
                    batch=draw(st.sampled_from([1, 1, 1, 2, 3])) if shape == "rates" else 1,
                    decimate=draw(st.sampled_from([1, 1, 1, 2, 3])) if shape == "rates" else 1,
                )
            )
        kinds = SAME_RATE + OTHER_RATE if shape == "rates" else SAME_RATE
        parts.append(Part(draw(st.sampled_from(kinds)), wires=tuple(wires)))
    if shape == "loop":
        late = draw(st.integers(emitters, len(parts) - 1))
        early = draw(st.sampled_from(ancestors(parts, late)))
        initial = tuple(draw(st.lists(st.integers(0, 50), min_size=1, max_size=3)))
        back = Wire(late, depth=DEEP, initial=initial, feedback=True)
        parts[early] = Part(parts[early].kind, wires=(*parts[early].wires, back))
    return Spec(tuple(parts))


def ancestors(parts: list[Part], index: int) -> list[int]:
    """The routers from which `index` can be reached, itself included."""
    found, rest = {index}, [index]
    while rest:
        for wire in parts[rest.pop()].wires:
            if wire.source not in found and parts[wire.source].kind not in EMITTERS:
                found.add(wire.source)
                rest.append(wire.source)
    return sorted(found)


placements = st.lists(st.integers(0, 3), min_size=2, max_size=8)
