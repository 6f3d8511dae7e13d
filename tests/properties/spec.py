"""Graphs as data, and what their nodes compute: what the oracle in `kahn.py` and the engine's graph of `built.py` have in common.

Nothing of the engine is known here. A value is an integer; `Part.dtype` says as what it travels. Beside a value goes metadata, a
dict of integers, which the next node adds to what it computes; and the time that it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MODULUS = 1_000_003
EMITTERS = ("values", "generator", "ready", "paced", "shaky")  # `compute`, a generator function, `emit`, with a rate, on_error="skip"
SAME_RATE = ("mix", "count", "retries")  # one record for each firing; the last fails some times before
OTHER_RATE = ("filter", "fan", "stop", "split", "both", "pairs")
FAILING = ("raises", "breaks", "emits")  # on_error="skip", the same of a generator, on_error="emit"
STATELESS = ("count", "retries", "filter", "fan", "split", "both", "raises", "breaks", "emits")
TWO_OUTPUTS = ("split", "both", "emits")
DTYPES = ("i8", "record", "object")
NOTHING: Any = None  # at a place of a node with two outputs


@dataclass(frozen=True)
class Wire:
    """One input: the node and output that it reads, and the options of its edge. `old`: it has a max_age_s, which nothing reaches."""

    source: int
    output: int = 0
    depth: int = 16
    initial: tuple[int, ...] = ()
    batch: int = 1
    decimate: int = 1
    partial: bool = False
    window: int | None = None
    feedback: bool = False
    on_full: str = "wait"
    old: bool = False


@dataclass(frozen=True)
class Part:
    """One node: what it computes, as what it publishes, and what it reads. Emitters have a length instead of wires.

    Attributes: `dtype` of its outputs; `waits`: it is a coroutine; `gain`: its parameter; `replicas`: how many of it there are, and
        whether in order; `sync_ns`: how far apart what it takes together may be, None for any time.
    """

    kind: str
    length: int = 0
    wires: tuple[Wire, ...] = ()
    dtype: str = "i8"
    waits: bool = False
    gain: int = 1
    replicas: int = 1
    ordered: bool = True
    sync_ns: int | None = None

    @property
    def outputs(self) -> int:
        return 2 if self.kind in TWO_OUTPUTS else 1

    def published(self, output: int) -> str:
        """As what the records of an output travel: failures are objects."""
        return "object" if self.kind == "emits" and output == 1 else self.dtype

    def carries(self, output: int) -> bool:
        """Whether metadata goes out with its records. With failures there is none."""
        return self.dtype == "object" and not (self.kind == "emits" and output == 1)


@dataclass(frozen=True)
class Door:
    """A reader of some outputs that sees what time makes of it: by the policy of its edge, or behind a `merge` or `share`."""

    kind: str
    sources: tuple[tuple[int, int], ...]
    depth: int = 2


@dataclass(frozen=True)
class Spec:
    """A graph. Every output is collected, so that nothing is cut short by a reader that left.

    Attributes: `levels`: of each node, in how many graphs within the whole one it is, 0 to 2; edges between levels go over exposed ends.
    """

    parts: tuple[Part, ...]
    doors: tuple[Door, ...] = ()
    levels: tuple[int, ...] = ()

    @property
    def ends(self) -> list[tuple[int, int]]:
        """Every output, as (node, output)."""
        return [(index, output) for index, part in enumerate(self.parts) for output in range(part.outputs)]

    def shuffled(self, index: int) -> bool:
        """Whether what node `index` publishes has no order: it, or what it descends from, has replicas without one."""
        part = self.parts[index]
        return not part.ordered or any(self.shuffled(wire.source) for wire in part.wires if not wire.feedback)


@dataclass(frozen=True)
class Emission:
    """What one firing of an emitter publishes, what travels beside it, and the time that it is about."""

    value: int
    meta: dict[str, int]
    about_ns: int


def emitted(part: Part, index: int) -> Iterator[Emission]:
    """What an emitter has to say."""
    for k in range(part.length):
        value = (7 * k + 13 * index) % 101
        yield Emission(value, {f"e{index % 2}": value}, (3 + index % 3) * k + index)


class Refused(ValueError):
    """What a failing node raises: the records that it published before, and what it refused."""


class Behaviour:
    """What a router does: a state, a firing, a last word. Each record is a tuple with a value or NOTHING for each output."""

    def __init__(self, part: Part, index: int) -> None:
        self.part, self.index, self.state, self.firings, self.tried = part, index, 0, 0, 0
        self.carried: list[int] = []

    @property
    def ends(self) -> bool:
        """Whether it ends instead of the next firing."""
        return self.part.kind == "stop" and self.firings == 4

    def fire(self, values: Sequence[int | list[int]], meta: dict[str, int]) -> list[tuple[Any, ...]]:
        """The records of one firing on `values`, one for each input, a list for a batch; adds to `meta`, which came with them."""
        total = sum(sum(value) if isinstance(value, list) else value for value in values) + sum(meta.values())
        total = total * self.part.gain % MODULUS
        meta[f"n{self.index % 2}"] = total
        match self.part.kind:
            case "retries" if self.tried < total % 3:
                self.tried += 1
                raise Refused([], total)
            case "raises" if total % 5 == 0:
                raise Refused([], total)
            case "breaks" if total % 5 == 0:
                raise Refused([(total + copy,) for copy in range(total % 2)], total)
            case "emits" if total % 5 == 0:
                raise Refused([], total)
        self.state, self.tried = (31 * self.state + total + 1) % MODULUS, 0
        self.firings += 1
        return self._records(total)

    def _records(self, total: int) -> list[tuple[Any, ...]]:
        match self.part.kind:
            case "mix":
                return [(self.state,)]
            case "filter":
                return [(total,)] if total % 3 else []
            case "fan":
                return [(total + copy,) for copy in range(total % 3)]
            case "split":
                return [(total, NOTHING) if total % 2 else (NOTHING, total + 50)]
            case "both":
                return [(total, total + 1)]
            case "emits":
                return [(total, NOTHING)]
            case "pairs":
                self.carried.append(total)
                pair, self.carried = self.carried[:2], self.carried[2:]
                if len(pair) == 2:
                    return [(sum(pair),)]
                self.carried = pair
                return []
        return [(total,)]  # "count", "retries", "stop", "raises", "breaks"

    def flush(self) -> list[tuple[Any, ...]]:
        """The records after the last firing."""
        return [(value,) for value in self.carried]
