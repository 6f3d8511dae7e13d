"""Faults of a line or a sound card as data: what goes wrong with which byte, frame or block, or when.

Laws: a schedule is a value: it prints as Python, compares, and goes through JSON and back unchanged. What it does is decided when a
frame is sent, from indices and times alone, so removing one fault never moves another. Each fault is logged as it acts. Indices
count what one end sends, from 0, before any fault. Towards the program that is the device, and `frame` counts its calls of `send`;
with `towards="device"` it is the program, and `frame` counts what reaches the device in one go: its calls of `on_data`, if nothing
is lost. A sound card counts samples and blocks, from the first that a program got.
"""

from __future__ import annotations

import json
import numbers
from collections.abc import Iterable, Iterator
from dataclasses import Field, asdict, dataclass, fields
from typing import Any, Self

from .pace import MOST_S

Piece = tuple[int, bytes]  # a gap before it, in nanoseconds, and the bytes
ENDS = ("program", "device")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and bool(0 <= value <= MOST_S)  # type: ignore[operator]


def _is_count(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 0


def _fields(fault: Any) -> tuple[Field[Any], ...]:
    return fields(fault)


def _keep_plain(fault: Any) -> None:
    """Make its numbers those of Python, whoever computed them: they are printed and stored."""
    for field in _fields(fault):
        value = getattr(fault, field.name)
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            object.__setattr__(fault, field.name, int(value) if isinstance(value, numbers.Integral) else float(value))


class Directed:
    """A fault of what is sent towards one end."""

    towards: str

    def _check_end(self) -> None:
        if self.towards not in ENDS:
            name = type(self).__name__
            raise ValueError(f'{name}: needed towards="program" or "device", was {self.towards!r}; name the end that hears the fault')

    def __repr__(self) -> str:
        given = (f"{field.name}={getattr(self, field.name)!r}" for field in _fields(self) if getattr(self, field.name) != field.default)
        return f"{type(self).__name__}({', '.join(given)})"


@dataclass(frozen=True, kw_only=True, repr=False)
class Placed(Directed):
    """A fault of one byte or of one frame."""

    byte: int | None = None
    frame: int | None = None
    towards: str = "program"

    def __new__(cls, *args: Any, **_: Any) -> Self:
        """Refuse arguments without a name: one number may be a byte or a frame."""
        if args:
            found = ", ".join(map(repr, args))
            raise TypeError(f"{cls.__name__}: needed byte= or frame= by name, was {found}; write {cls.__name__}(byte=3)")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        self._check_end()
        name = type(self).__name__
        given = [value for value in (self.byte, self.frame) if value is not None]
        if len(given) != 1:
            raise ValueError(f"{name}: needed byte= or frame=, was {'both' if given else 'neither'}; give one")
        if not _is_count(given[0]):
            raise ValueError(f"{name}: needed an index from 0, was {given[0]!r}; count what is sent")
        _keep_plain(self)

    def span(self, frame: int, first: int, size: int) -> tuple[int, int] | None:
        """The bytes of this frame that are hit, as (from, to); None if it is another frame."""
        if self.frame is not None:
            return (0, size) if self.frame == frame else None
        at = -1 if self.byte is None else self.byte - first
        return (at, at + 1) if 0 <= at < size else None

    def act(self, pieces: list[Piece], start: int, stop: int) -> None:
        """Change `pieces`, which hold one byte of the frame each."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, repr=False)
class Drop(Placed):
    """The byte, or the whole frame, never arrives."""

    def act(self, pieces: list[Piece], start: int, stop: int) -> None:
        """Leave gaps, drop bytes."""
        for at in range(start, stop):
            pieces[at] = (pieces[at][0], b"")


@dataclass(frozen=True, kw_only=True, repr=False)
class Flip(Placed):
    """The bits of `mask` are wrong in the byte, or in the first byte of the frame."""

    mask: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (_is_count(self.mask) and 1 <= self.mask <= 255):
            raise ValueError(f"Flip: needed a mask of 1 to 255, was {self.mask!r}; each bit set is a bit that flips")

    def act(self, pieces: list[Piece], start: int, stop: int) -> None:
        """Change one byte."""
        if start < stop:
            gap_ns, data = pieces[start]
            pieces[start] = (gap_ns, bytes([data[0] ^ self.mask]) + data[1:] if data else data)


@dataclass(frozen=True, kw_only=True, repr=False)
class Duplicate(Placed):
    """The byte, or the frame, comes twice."""

    def act(self, pieces: list[Piece], start: int, stop: int) -> None:
        """Append a copy of the span to its last byte."""
        if start < stop:
            copy = b"".join(data for _, data in pieces[start:stop])
            gap_ns, data = pieces[stop - 1]
            pieces[stop - 1] = (gap_ns, data + copy)


@dataclass(frozen=True, kw_only=True, repr=False)
class Insert(Placed):
    """`data`, which nobody sent, comes before the byte or the frame."""

    data: bytes = b"\x00"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.data, bytes):
            raise TypeError(f"Insert: needed data as bytes, was {self.data!r}; for one byte write bytes([value])")

    def act(self, pieces: list[Piece], start: int, stop: int) -> None:
        """Put bytes in front."""
        if start < stop:
            gap_ns, data = pieces[start]
            pieces[start] = (gap_ns, self.data + data)


@dataclass(frozen=True, kw_only=True, repr=False)
class Delay(Placed):
    """The line is idle for `delay_s` before the byte or the frame; what follows queues behind."""

    delay_s: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (_is_number(self.delay_s) and self.delay_s > 0):
            raise ValueError(f"Delay: needed a delay above 0 s, was {self.delay_s!r}; give seconds")

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
        name = type(self).__name__
        if not _is_number(self.at_s):
            raise ValueError(f"{name}: needed a time from 0 s, was {self.at_s!r}; count from the opening of the world")
        for what in ("duration_s", "replug_s"):
            value = getattr(self, what, None)
            if value is not None and not _is_number(value):
                raise ValueError(f"{name}: needed {what} of at least 0 s, was {value!r}; give seconds")
        _keep_plain(self)


@dataclass(frozen=True, repr=False)
class Noise(Directed, _Timed):
    """For `duration_s`, each byte sent is replaced by another with probability `rate`."""

    duration_s: float = 0.1
    rate: float = 0.1
    towards: str = "program"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_end()
        if not (_is_number(self.rate) and self.rate <= 1):
            raise ValueError(f"Noise: needed a rate of 0 to 1, was {self.rate!r}; it is the probability of each byte")


@dataclass(frozen=True)
class Stall(_Timed):
    """Nothing moves on the line for `duration_s`, and CTS is down."""

    duration_s: float = 0.1


@dataclass(frozen=True)
class Unplug(_Timed):
    """The plug is pulled; it is plugged in again after `replug_s`, if that is given."""

    replug_s: float | None = None


@dataclass(frozen=True)
class Jitter(Directed):
    """Frame k is late by `delays_us[k % len(delays_us)]` microseconds."""

    delays_us: tuple[int, ...]
    towards: str = "program"

    def __init__(self, delays_us: Iterable[int], *, towards: str = "program") -> None:
        if isinstance(delays_us, (str, bytes)) or not isinstance(delays_us, Iterable):
            raise TypeError(f"Jitter: needed a list of delays in us, was {delays_us!r}; for example [0, 300]")
        given = tuple(delays_us)
        if not given or not all(map(_is_count, given)):
            raise ValueError(f"Jitter: needed delays from 0 us, was {list(given)}; give one per frame, they repeat")
        object.__setattr__(self, "delays_us", tuple(map(int, given)))
        object.__setattr__(self, "towards", towards)
        self._check_end()

    def __repr__(self) -> str:
        return f"Jitter({list(self.delays_us)}{'' if self.towards == 'program' else f', towards={self.towards!r}'})"


@dataclass(frozen=True)
class Xrun:
    """Block `block` of a sound card, counted from the first that a program got, is lost: recorded frames, or silence is played."""

    block: int

    def __post_init__(self) -> None:
        if not _is_count(self.block):
            raise ValueError(f"Xrun: needed a block from 0, was {self.block!r}; count the host periods of the device")
        _keep_plain(self)


@dataclass(frozen=True)
class Drift:
    """The clock of a sound card is `ppm` parts per million fast, slow if negative."""

    ppm: float

    def __post_init__(self) -> None:
        if isinstance(self.ppm, bool) or not isinstance(self.ppm, numbers.Real) or not -MOST_PPM <= self.ppm <= MOST_PPM:
            raise ValueError(f"Drift: needed parts per million of at most {MOST_PPM}, was {self.ppm!r}; a real clock has less than 200")
        _keep_plain(self)


MOST_PPM = 100_000  # a tenth: beyond it is another rate, not a bad clock
Fault = Drop | Flip | Duplicate | Insert | Delay | Noise | Stall | Unplug | Jitter | Xrun | Drift
_KINDS = {kind.__name__: kind for kind in (Drop, Flip, Duplicate, Insert, Delay, Noise, Stall, Unplug, Jitter, Xrun, Drift)}
MICROPHONE_KINDS = (Xrun, Drift, Unplug, Drop, Insert)
SPEAKER_KINDS = (Xrun, Drift, Unplug)
SERIAL_KINDS = (Drop, Flip, Duplicate, Insert, Delay, Noise, Stall, Unplug, Jitter)


def schedule_for(where: str, faults: Iterable[Fault], kinds: tuple[type, ...]) -> FaultSchedule:
    """The schedule that a device was given. Raises ValueError: it has a fault that means nothing there."""
    schedule = faults if isinstance(faults, FaultSchedule) else FaultSchedule(faults)
    strange = [fault for fault in schedule if not isinstance(fault, kinds)]
    if strange:
        names = ", ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{where}: needed faults of {names}, was {strange[0]!r}; it means nothing here")
    return schedule


class FaultSchedule:
    """A list of faults of one line, whose order decides nothing. `repr` is Python; `to_json` and `from_json` keep it."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        if isinstance(faults, (str, bytes)) or not isinstance(faults, Iterable):
            raise TypeError(f"FaultSchedule: needed a list of faults, was {faults!r}; write [Drop(byte=0)] or the like")
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

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Hypothesis, and IPython, print it as `repr` does: it would else say how it was drawn."""
        printer.text(repr(self))

    def to_json(self) -> str:
        """A JSON list; bytes as hex."""
        return json.dumps([{"kind": type(fault).__name__, **_plain(asdict(fault))} for fault in self._faults])

    @classmethod
    def from_json(cls, text: str) -> FaultSchedule:
        """What `to_json` gave."""
        entries = json.loads(text)
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ValueError(f"FaultSchedule: needed a JSON list of objects, was {text[:40]!r}; was it written by to_json?")
        return cls(_fault(dict(entry)) for entry in entries)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in values.items() if value is not None}


def _fault(entry: dict[str, Any]) -> Fault:
    kind = entry.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"FaultSchedule: needed a kind of {', '.join(_KINDS)}, was {kind!r}; was it written by to_json?")
    try:
        if "data" in entry:
            entry["data"] = _bytes(entry["data"])
        fault: Fault = _KINDS[kind](**entry)
    except TypeError as error:
        raise ValueError(f"FaultSchedule: needed the fields of {kind}, was {sorted(entry)}; was it written by to_json?") from error
    return fault


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise ValueError(f"FaultSchedule: needed data in hexadecimal, was {text!r}; was it written by to_json?") from error
