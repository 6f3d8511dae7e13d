"""The events of a world, in order of time and, at one time, in the order in which they were asked for."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

#: Time in nanoseconds, number, function (None once it has happened or was taken back), arguments, owner.
Entry = list[Any]


class Heap:
    """Entries by time. One that was taken back stays until it would come out, or until `tidy`."""

    __slots__ = ("_entries", "_numbers")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, time_ns: int, function: Callable[..., Any], args: tuple[Any, ...], owner: str | None) -> Entry:
        """A new entry, behind those of the same time."""
        entry = [time_ns, next(self._numbers), function, args, owner]
        heapq.heappush(self._entries, entry)
        return entry

    def first_ns(self) -> int | None:
        """When the next event is due; None if there is none."""
        entries = self._entries
        while entries and entries[0][2] is None:
            heapq.heappop(entries)
        return entries[0][0] if entries else None

    def pop_due(self, limit_ns: int) -> Entry | None:
        """Take out the next event, if it is due by `limit_ns`."""
        first_ns = self.first_ns()
        return heapq.heappop(self._entries) if first_ns is not None and first_ns <= limit_ns else None

    def tidy(self) -> None:
        """Let go of events that were taken back long before their time."""
        self._entries[:] = [entry for entry in self._entries if entry[2] is not None]
        heapq.heapify(self._entries)
