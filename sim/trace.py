"""What happened in a world, in order.

Law: two runs of one program with one seed have the same trace, byte for byte, whatever the machine did meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from os import PathLike
from typing import Any, NamedTuple

MOST_SHOWN = 64  # bytes or characters of an event that are shown to people


class Event(NamedTuple):
    """One thing that a device or its port did: when, which device, what, and the bytes or words that go with it."""

    t_ns: int
    device: str
    kind: str
    data: bytes | str

    def __str__(self) -> str:
        """One line for people, with the time in seconds; long data is cut."""
        data = repr(self.data[:MOST_SHOWN]) if isinstance(self.data, bytes) else self.data[:MOST_SHOWN]
        more = f" ... ({len(self.data)} in all)" if len(self.data) > MOST_SHOWN else ""
        return f"{self.t_ns / 1e9:.9f} s  {self.device}  {self.kind}  {data}{more}".rstrip()

    def to_json(self) -> str:
        """One line of JSON; bytes as hex."""
        data = {"hex": self.data.hex()} if isinstance(self.data, bytes) else {"text": self.data}
        return json.dumps({"t_ns": self.t_ns, "device": self.device, "kind": self.kind, **data})


class Trace:
    """An iterable of `Event`, in order; it grows while the world runs.

    Args:
        keep: how many events are kept at least; older ones are let go, counted in `dropped`, and stay part of `hash`. None: all.
    """

    def __init__(self, keep: int | None = None) -> None:
        self._events: list[Event] = []
        self._limit = None if keep is None else 2 * keep
        self._digest = hashlib.sha256()
        self.dropped = 0

    def __repr__(self) -> str:
        events = self._events
        last = f", the last {len(events)}" if self.dropped else ""
        span = f"{last} from {events[0].t_ns / 1e9:.9f} s to {events[-1].t_ns / 1e9:.9f} s" if events else ""
        return f"<Trace, {self.dropped + len(events)} events{span}, hash {self.hash[:16]}>"

    def add(self, t_ns: int, device: str, kind: str, data: bytes | str = "") -> None:
        """Append one event."""
        self._events.append(Event(t_ns, device, kind, data))
        if self._limit is not None and len(self._events) >= self._limit:
            self._let_go(self._limit // 2)

    def _let_go(self, count: int) -> None:
        _update(self._digest, self._events[:count])
        del self._events[:count]
        self.dropped += count

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    @property
    def hash(self) -> str:
        """SHA-256 over all events so far, in hexadecimal."""
        digest = self._digest.copy()
        _update(digest, self._events)
        return digest.hexdigest()

    def save(self, path: str | PathLike[str]) -> None:
        """Write one line of JSON per event that is kept."""
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(event.to_json() + "\n" for event in self._events)


def _update(digest: Any, events: list[Event]) -> None:
    for event in events:
        digest.update(event.to_json().encode())
        digest.update(b"\n")
