"""Faults of a line as data: what goes wrong with which byte, which frame, or when.

Laws: a schedule is a value: it prints as Python, compares, and goes through JSON and back unchanged. What it does is decided when a
frame is sent, from indices and times alone, so removing one fault never moves another. Each fault is logged as it acts. Indices
count what the device sends, from 0, before any fault; `frame` counts its calls of `send`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

Piece = tuple[int, bytes]  # a gap before it, in nanoseconds, and the bytes


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A fault of one byte or of one frame."""

    byte: int | None = None
    frame: int | None = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        given = [value for value in (self.byte, self.frame) if value is not None]
        if len(given) != 1:
            raise ValueError(f"{name}: needed byte= or frame=, was {'both' if given else 'neither'}; give one")
        if given[0] < 0:
            raise ValueError(f"{name}: needed an index from 0, was {given[0]}; count what the device sends")

    def span(self, frame: int, first: int, size: int) -> tuple[int, int] | None:
        """The bytes of this frame that are hit, as (from, to); None if it is another frame."""
        if self.frame is not None:
            return (0, size) if self.frame == frame else None
        at = -1 if self.byte is None else self.byte - first
        return (at, at + 1) if 0 <= at < size else None

    def act(self, pieces: list[Piece], start: int, stop: int) -> None:
        """Change `pieces`, which hold one byte of the frame each."""
        raise NotImplementedError

    def __repr__(self) -> str:
        given = (f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if getattr(self, field.name) != field.default)
        return f"{type(self).__name__}({', '.join(given)})"


@dataclass(frozen=True, kw_only=True, repr=False)
class Drop(_Placed):
    """The byte, or the whole frame, never arrives."""

    def act(self, pieces: list[Piece], start: int, stop: int) -> None:
        """Leave gaps, drop bytes."""
        for at in range(start, stop):
            pieces[at] = (pieces[at][0], b"")


@dataclass(frozen=True, kw_only=True, repr=False)
class Flip(_Placed):
    """The bits of `mask` are wrong in the byte, or in the first byte of the frame."""

    mask: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.mask <= 255:
            raise ValueError(f"Flip: needed a mask of 1 to 255, was {self.mask}; each bit set is a bit that flips")

    def act(self, pieces: list[Piece], start: int, stop: int) -> None:
        """Change one byte."""
        if start < stop:
            gap_ns, data = pieces[start]
            pieces[start] = (gap_ns, bytes([data[0] ^ self.mask]) + data[1:] if data else data)


@dataclass(frozen=True, kw_only=True, repr=False)
class Duplicate(_Placed):
    """The byte, or the frame, comes twice."""

    def act(self, pieces: list[Piece], start: int, stop: int) -> None:
        """Append a copy of the span to its last byte."""
        if start < stop:
            copy = b"".join(data for _, data in pieces[start:stop])
            gap_ns, data = pieces[stop - 1]
            pieces[stop - 1] = (gap_ns, data + copy)


@dataclass(frozen=True, kw_only=True, repr=False)
class Insert(_Placed):
    """`data`, which nobody sent, comes before the byte or the frame."""

    data: bytes = b"\x00"

    def act(self, pieces: list[Piece], start: int, stop: int) -> None:
        """Put bytes in front."""
        if start < stop:
            gap_ns, data = pieces[start]
            pieces[start] = (gap_ns, self.data + data)


@dataclass(frozen=True, kw_only=True, repr=False)
class Delay(_Placed):
    """The line is idle for `delay_s` before the byte or the frame; what follows queues behind."""

    delay_s: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.delay_s > 0:
            raise ValueError(f"Delay: needed a delay above 0 s, was {self.delay_s}; give seconds")

    def act(self, pieces: list[Piece], start: int, stop: int) -> None:
        """Widen the gap in front."""
        if start < stop:
            gap_ns, data = pieces[start]
            pieces[start] = (gap_ns + round(self.delay_s * 1e9), data)


@dataclass(frozen=True)
class _Timed:
    """A fault that begins at `at_s`."""

    at_s: float

    def __post_init__(self) -> None:
        if not self.at_s >= 0:
            raise ValueError(f"{type(self).__name__}: needed a time from 0 s, was {self.at_s}; count from the opening of the world")


@dataclass(frozen=True)
class Noise(_Timed):
    """For `duration_s`, each byte the device sends is replaced by another with probability `rate`."""

    duration_s: float = 0.1
    rate: float = 0.1


@dataclass(frozen=True)
class Stall(_Timed):
    """Nothing moves on the line for `duration_s`, and CTS is down."""

    duration_s: float = 0.1


@dataclass(frozen=True)
class Unplug(_Timed):
    """The plug is pulled; it is plugged in again after `replug_s`, if that is given."""

    replug_s: float | None = None


@dataclass(frozen=True)
class Jitter:
    """Frame k is late by `delays_us[k % len(delays_us)]` microseconds."""

    delays_us: tuple[int, ...]

    def __init__(self, delays_us: Iterable[int]) -> None:
        object.__setattr__(self, "delays_us", tuple(delays_us))
        if not self.delays_us or min(self.delays_us) < 0:
            raise ValueError(f"Jitter: needed delays from 0 us, was {list(self.delays_us)}; give one per frame, they repeat")

    def __repr__(self) -> str:
        return f"Jitter({list(self.delays_us)})"


Fault = Drop | Flip | Duplicate | Insert | Delay | Noise | Stall | Unplug | Jitter
_ORDER = (Flip, Drop, Duplicate, Insert, Delay)
_KINDS = {kind.__name__: kind for kind in (Drop, Flip, Duplicate, Insert, Delay, Noise, Stall, Unplug, Jitter)}


class FaultSchedule:
    """An ordered list of faults of one line. `repr` is Python; `to_json` and `from_json` keep it."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = tuple(faults)
        for fault in self._faults:
            if type(fault).__name__ not in _KINDS or not isinstance(fault, _KINDS[type(fault).__name__]):
                raise TypeError(f"FaultSchedule: needed faults ({', '.join(_KINDS)}), was {fault!r}; import them from sim")

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def __len__(self) -> int:
        return len(self._faults)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FaultSchedule) and self._faults == other._faults

    def __hash__(self) -> int:
        return hash(self._faults)

    def __repr__(self) -> str:
        return f"FaultSchedule([{', '.join(map(repr, self._faults))}])"

    def to_json(self) -> str:
        """A JSON list; bytes as hex."""
        return json.dumps([{"kind": type(fault).__name__, **_plain(asdict(fault))} for fault in self._faults])

    @classmethod
    def from_json(cls, text: str) -> FaultSchedule:
        """What `to_json` gave."""
        return cls(_fault(dict(entry)) for entry in json.loads(text))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in values.items() if value is not None}


def _fault(entry: dict[str, Any]) -> Fault:
    kind = entry.pop("kind", None)
    if kind not in _KINDS:
        raise ValueError(f"FaultSchedule: needed a kind of {', '.join(_KINDS)}, was {kind!r}; was this file written by to_json?")
    if "data" in entry:
        entry["data"] = bytes.fromhex(entry["data"])
    fault: Fault = _KINDS[kind](**entry)
    return fault


class Applied:
    """A schedule at work on one line: counts what is sent and says what becomes of it."""

    def __init__(self, schedule: FaultSchedule, rng: np.random.Generator) -> None:
        self.schedule = schedule
        placed = [fault for fault in schedule if isinstance(fault, _Placed)]
        self._placed = sorted(placed, key=lambda fault: _ORDER.index(type(fault)))  # so the order of the list does not matter
        self._noises = [fault for fault in schedule if isinstance(fault, Noise)]
        self._jitters = [fault for fault in schedule if isinstance(fault, Jitter)]
        self._rng = rng
        self._frame = self._byte = 0

    def send(self, data: bytes, now_ns: int) -> tuple[list[Piece], list[Fault]]:
        """What goes over the wire for the frame `data`, and the faults that acted on it."""
        frame, first = self._frame, self._byte
        self._frame, self._byte = frame + 1, first + len(data)
        acted: list[Fault] = []
        pieces: list[Piece] = [(0, data)]
        hits = [(fault, span) for fault in self._placed if (span := fault.span(frame, first, len(data))) is not None]
        if hits:
            pieces = [(0, data[at : at + 1]) for at in range(len(data))]
            for fault, (start, stop) in hits:
                fault.act(pieces, start, stop)
                acted.append(fault)
        for jitter in self._jitters:
            gap_ns = jitter.delays_us[frame % len(jitter.delays_us)] * 1000
            pieces[:1] = [(pieces[0][0] + gap_ns, pieces[0][1])] if pieces else []
        for noise in self._noises:
            if noise.at_s * 1e9 <= now_ns < (noise.at_s + noise.duration_s) * 1e9:
                pieces = [(gap_ns, self._spoil(part, noise.rate)) for gap_ns, part in pieces]
                acted.append(noise)
        return _joined(pieces), acted

    def _spoil(self, data: bytes, rate: float) -> bytes:
        return bytes(int(self._rng.integers(256)) if self._rng.random() < rate else byte for byte in data)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """The same with as few pieces as there are gaps. A gap before nothing goes to what follows."""
    joined: list[Piece] = []
    gap_ns, data = 0, b""
    for next_gap_ns, part in pieces:
        if next_gap_ns and data:
            joined.append((gap_ns, data))
            gap_ns, data = 0, b""
        gap_ns, data = gap_ns + next_gap_ns, data + part
    return [*joined, (gap_ns, data)] if data else joined
