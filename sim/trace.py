"""What happened in a world, in order.

Law: two runs of one program with one seed have the same trace, byte for byte, whatever the machine did meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from os import PathLike
from typing import NamedTuple


class Event(NamedTuple):
    """One thing that a device or its port did: when, which device, what, and the bytes or words that go with it."""

    t_ns: int
    device: str
    kind: str
    data: bytes | str

    def to_json(self) -> str:
        """One line of JSON; bytes as hex."""
        data = {"hex": self.data.hex()} if isinstance(self.data, bytes) else {"text": self.data}
        return json.dumps({"t_ns": self.t_ns, "device": self.device, "kind": self.kind, **data})


class Trace:
    """An iterable of `Event`, in order; it grows while the world runs."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def add(self, t_ns: int, device: str, kind: str, data: bytes | str = "") -> None:
        """Append one event."""
        self._events.append(Event(t_ns, device, kind, data))

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    @property
    def hash(self) -> str:
        """SHA-256 over all events so far, in hexadecimal."""
        digest = hashlib.sha256()
        for event in self._events:
            digest.update(event.to_json().encode())
            digest.update(b"\n")
        return digest.hexdigest()

    def save(self, path: str | PathLike[str]) -> None:
        """Write one line of JSON per event."""
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(event.to_json() + "\n" for event in self._events)
