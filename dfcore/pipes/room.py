"""Room in a ring for the result that is waited for.

Law: results are handed on in order, so a later one that lies in a ring may take the room that an earlier one needs, and nobody would
read it before. Its value is then taken out of the ring, the latest first and no more than needed: whoever still finds no room says
so again.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from .ringbuffer import Reference


class Room:
    """Which items wait for room, and which results have references that nobody has read."""

    def __init__(self) -> None:
        self._waiting: dict[int, int] = {}  # item -> inode of the ring's memory
        self._references: dict[int, list[weakref.ref[Reference]]] = {}  # first item of what came together -> references

    @property
    def is_wanted(self) -> bool:
        """Whether an item waits for it."""
        return bool(self._waiting)

    def wanted(self, item: int, inode: int) -> None:
        """A worker waits for room for an item's result."""
        self._waiting[item] = inode

    def came(self, item: int, references: Iterable[Reference]) -> None:
        """References came in the results from `item` on."""
        found = [weakref.ref(reference) for reference in references]
        if found:
            self._references[item] = found

    def make(self, first: int) -> None:
        """Make room for item `first`, which is the first that is not done, if it waits."""
        self._waiting = {item: inode for item, inode in self._waiting.items() if item >= first}
        self._references = {item: found for item, found in self._references.items() if item > first}
        if first in self._waiting:
            self._take_out(self._waiting[first])

    def _take_out(self, inode: int) -> None:
        for item in sorted(self._references, reverse=True):
            for reference in self._references[item]:
                found = reference()
                if found is not None and found.take_out(inode):
                    return
