"""Where items stand, between `order.save` and `order.load`.

Laws: an item's path is its number; an item made of another one has the path of that one and its own number behind it. A gap stands
where an item was dropped, and a closing tag behind the last of those made of one, so that `Loaded` always knows what comes next.
Never more than `maxsize` numbers are out between the two.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any

from .._pull import ITEM, LAST, MARK, Tag

Path = tuple[int, ...]


class Order:
    """The numbers that are out, and the tags that came before their turn.

    Attributes:
        loads: how many `Loaded` there are; without one nothing is held up.
    """

    def __init__(self, maxsize: int):
        self._maxsize = maxsize
        self._issued = self._done = 0
        self._next: Path = (0,)
        self._held: dict[Path, Tag] = {}
        self._deepest = 1
        self._waiting: deque[threading.Lock] = deque()
        self._loader: int | None = None
        self._closed = False
        self.loads = 0

    # the side of `Saved`

    def issue(self) -> Path:
        """The path of the next item."""
        self._issued += 1
        return (self._issued - 1,)

    def wait(self) -> None:
        """Return when one more number may be out."""
        while self._full():
            if self._loader == threading.get_ident():
                raise ValueError(
                    f"order.load: needed item {self._next[0]} next, was not among the {self._maxsize} that are out; "
                    "do not pull the stages before order.load elsewhere."
                )
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
            if self._full():  # if not, it may have become so before the gate was in the list
                gate.acquire()

    def _full(self) -> bool:
        return self.loads > 0 and not self._closed and self._issued - self._done >= self._maxsize

    def close(self) -> None:
        """Hold nobody up any more: what comes is not wanted."""
        self._closed = True
        self._wake()

    # the side of `Loaded`

    def join(self) -> None:
        """One more `Loaded` uses it."""
        self.loads += 1

    def leave(self) -> None:
        """One less."""
        self.loads -= 1
        self._wake()

    def pull(self, source: Iterator[Any]) -> Tag:
        """The next tag of the source. What holds numbers back can see who is pulling."""
        self._loader = threading.get_ident()
        try:
            item = next(source)
        finally:
            self._loader = None
        if not isinstance(item, Tag) or self._path(item) is None:
            raise ValueError("order.load: needed items of this order.save, was one without a place; load the pipe that was saved.")
        return item

    def hold(self, tag: Tag) -> None:
        """Keep a tag until its turn comes."""
        path = self._path(tag)
        assert path is not None
        self._held[path] = tag
        self._deepest = max(self._deepest, len(path))

    def due(self) -> Tag | None:
        """The tag whose turn it is, if it is there."""
        path = self._next
        while path not in self._held:
            if len(path) >= self._deepest:
                return None
            path += (0,)  # it may have become several
        return self._release(path)

    def rest(self) -> Tag | None:
        """The first of the tags that are left, when no more will come."""
        return self._release(min(self._held)) if self._held else None

    def _release(self, path: Path) -> Tag:
        tag = self._held.pop(path)
        if tag.kind == LAST and len(path) > 1:
            path = path[:-1]
        self._next = (*path[:-1], path[-1] + 1)
        self._done = self._next[0]
        self._wake()
        return tag

    def _wake(self) -> None:
        while self._waiting and not self._full():
            try:
                self._waiting.popleft().release()
            except IndexError:  # another thread was faster
                return

    def _path(self, tag: Tag) -> Path | None:
        return next((path for order, path in tag.keys if order is self), None)

    def without(self, tag: Tag) -> Any:
        """The tag without its place here; an item that has no other place, as its bare value."""
        keys = tuple(key for key in tag.keys if key[0] is not self)
        return tag.value if tag.kind == ITEM and not keys else Tag(tag.kind, tag.value, keys)


class Saved:
    """Gives each item its place."""

    def __init__(self, source: Iterator[Any], order: Order):
        self._source, self._order = source, order

    def __iter__(self) -> Saved:
        return self

    def __next__(self) -> Tag:
        self._order.wait()
        item = next(self._source)
        key = (self._order, self._order.issue())
        if isinstance(item, Tag):
            return Tag(item.kind, item.value, (*item.keys, key))
        return Tag(ITEM, item, (key,))


class Loaded:
    """Hands items on in the order of their places. When the source has ended, what is missing is missed no more."""

    def __init__(self, source: Iterator[Any], order: Order):
        self._source, self._order = source, order
        self._ended = False
        order.join()
        weakref.finalize(self, order.leave)

    def __iter__(self) -> Loaded:
        return self

    def __next__(self) -> Any:
        while True:
            tag = self._order.due() or (self._order.rest() if self._ended else None)
            if tag is not None:
                item = self._order.without(tag)
                if not isinstance(item, Tag) or item.keys or item.kind == MARK:
                    return item
            elif self._ended:
                raise StopIteration
            else:
                self._pull()

    def _pull(self) -> None:
        try:
            self._order.hold(self._order.pull(self._source))
        except StopIteration:
            self._ended = True
