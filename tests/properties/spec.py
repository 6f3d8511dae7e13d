"""Graphs as data, and what their nodes compute: what the oracle in `kahn.py` and the engine's graph of `built.py` have in common.

Nothing of the engine is known here. A value is an integer; `Part.dtype` says as what it travels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MODULUS = 1_000_003
EMITTERS = ("values", "generator", "ready")  # `compute`, a generator function, `emit`
SAME_RATE = ("mix", "count")  # one record for each firing
OTHER_RATE = ("filter", "fan", "stop", "split", "both", "pairs")
FAILING = ("raises", "breaks")  # on_error="skip"
STATELESS = ("count", "filter", "fan", "split", "both", "raises", "breaks")
TWO_OUTPUTS = ("split", "both")
DTYPES = ("i8", "record")
NOTHING: Any = None  # at a place of a node with two outputs


@dataclass(frozen=True)
class Wire:
    """One input: the node and output that it reads, and the options of its edge."""

    source: int
    output: int = 0
    depth: int = 16
    initial: tuple[int, ...] = ()
    batch: int = 1
    decimate: int = 1
    partial: bool = False
    window: int | None = None
    feedback: bool = False


@dataclass(frozen=True)
class Part:
    """One node: what it computes, as what it publishes, and what it reads. Emitters have a length instead of wires.

    Attributes: `dtype` of its outputs; `waits`: it is a coroutine; `gain`: its parameter; `replicas`: how many of it there are.
    """

    kind: str
    length: int = 0
    wires: tuple[Wire, ...] = ()
    dtype: str = "i8"
    waits: bool = False
    gain: int = 1
    replicas: int = 1

    @property
    def outputs(self) -> int:
        return 2 if self.kind in TWO_OUTPUTS else 1


@dataclass(frozen=True)
class Door:
    """A reader of some outputs that sees what time makes of it: by the policy of its edge, or behind a `merge` or `share`."""

    kind: str
    sources: tuple[tuple[int, int], ...]
    depth: int = 2


@dataclass(frozen=True)
class Spec:
    """A graph. Every output is collected, so that nothing is cut short by a reader that left.

    Attributes: `nested`: its nodes are a part of the graph that has the collectors, in one context.
    """

    parts: tuple[Part, ...]
    doors: tuple[Door, ...] = ()
    nested: bool = False

    @property
    def ends(self) -> list[tuple[int, int]]:
        """Every output, as (node, output)."""
        return [(index, output) for index, part in enumerate(self.parts) for output in range(part.outputs)]


def emitted(part: Part, index: int) -> Iterator[int]:
    """The values of an emitter."""
    return ((7 * k + 13 * index) % 101 for k in range(part.length))


class Refused(ValueError):
    """What a failing node raises, with the records that it had published by then."""


class Behaviour:
    """What a router does: a state, a firing, a last word. Each record is a tuple with a value or NOTHING for each output."""

    def __init__(self, part: Part) -> None:
        self.part, self.state, self.firings = part, 0, 0
        self.carried: list[int] = []

    @property
    def ends(self) -> bool:
        """Whether it ends instead of the next firing."""
        return self.part.kind == "stop" and self.firings == 4

    def fire(self, values: Sequence[int | list[int]]) -> list[tuple[Any, ...]]:
        """The records of one firing on `values`, one for each input, a list for a batch."""
        total = sum(sum(value) if isinstance(value, list) else value for value in values) * self.part.gain % MODULUS
        self.state = (31 * self.state + total + 1) % MODULUS
        self.firings += 1
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
            case "raises" if total % 5 == 0:
                raise Refused([])
            case "breaks" if total % 5 == 0:
                raise Refused([(total + copy,) for copy in range(total % 2)])
            case "pairs":
                self.carried.append(total)
                pair, self.carried = self.carried[:2], self.carried[2:]
                if len(pair) == 2:
                    return [(sum(pair),)]
                self.carried = pair
                return []
        return [(total,)]  # "count", "stop"

    def flush(self) -> list[tuple[Any, ...]]:
        """The records after the last firing."""
        return [(value,) for value in self.carried]
