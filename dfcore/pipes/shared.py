"""One pipe handed on to several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._pull import Guard, Tag


class _Link:
    """An item and, once somebody has asked for it, the next link."""

    __slots__ = ("item", "next")

    def __init__(self) -> None:
        self.item: Any = None
        self.next: _Link | None = None


class Branch:
    """One of several iterators over the same source: whoever is first pulls, the others find the item in the chain.

    A link lives as long as a branch has not passed it, so a dropped branch keeps nothing.
    """

    def __init__(self, source: Iterator[Any], turn: Guard, link: _Link):
        self._source, self._turn, self._link = source, turn, link

    @classmethod
    def several(cls, source: Iterator[Any], works: tuple[Any, ...], count: int) -> list[Branch]:
        """`count` branches, all before the same item. `works`: as for `Guard`."""
        turn, link = Guard(source, works), _Link()
        return [cls(source, turn, link) for _ in range(count)]

    def __iter__(self) -> Branch:
        return self

    def __next__(self) -> Any:
        with self._turn:
            link = self._link
            if link.next is None:
                link.item = self._pulled()
                link.next = _Link()
            self._link = link.next
            return link.item

    def _pulled(self) -> Any:
        item = next(self._source)
        if isinstance(item, Tag) and item.keys:
            raise ValueError("tee: needed to stand behind order.load, was between order.save and order.load; move it.")
        return item
