"""The order of items, saved before stages that change it and restored behind them.

`thread.map` and `process.map` keep the order themselves. In between, `map`, `filter`, `flatten`, `each` and all queues may be used;
what makes one item of several, `partition` and `tee`, may not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from .._pull import Guard
from . import given
from .ordering import Loaded, Order, Saved
from .stage import Pipe, pipe

T = TypeVar("T")


class SavedPipe(Pipe[T]):
    """A pipe whose items know their places: made by `save`, passed to `load`."""

    order: Order


def save(p: Iterable[T], maxsize: int) -> SavedPipe[T]:
    """The items of `p`, which from here on know their places.

    Args:
        maxsize: how many items may be out between here and `load`: who pulls one more waits. One thread at a time pulls.
    """
    order = Order(given.count("order.save", "maxsize", maxsize, 1))
    below = pipe(p)
    saved: SavedPipe[T] = SavedPipe(Guard(Saved(below.raw, order), below.works), below)
    saved.order = order
    return saved


def load(p: Iterable[T], saved: SavedPipe[Any]) -> Pipe[T]:
    """The items of `p` in the places they had at `saved`.

    Raises:
        ValueError: when pulled: an item of `p` did not come through `saved`.
    """
    if not isinstance(saved, SavedPipe):
        raise TypeError(f"order.load: needed what order.save returned, was {saved!r}.")
    below = pipe(p)
    return Pipe(Guard(Loaded(below.raw, saved.order), below.works), below, closing=saved.order)
