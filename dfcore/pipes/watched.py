"""A bar for a pipe: how many items have come through, on the terminal of whoever pulls."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from .._pull import ITEM, Tag
from ..progress import Bar


class Watched:
    """The items, counted by a bar that is there from the first pull until the source ends or nobody pulls any more."""

    def __init__(self, source: Iterator[Any], bar: Bar):
        self._source, self._bar = source, bar
        self._over: weakref.finalize[Any, Any] | None = None

    def __iter__(self) -> Watched:
        return self

    def __next__(self) -> Any:
        if self._over is None:
            self._bar.__enter__()
            self._over = weakref.finalize(self, self._bar.__exit__)
        try:
            item = next(self._source)
        except BaseException:
            self._over()
            raise
        if not isinstance(item, Tag) or item.kind == ITEM:
            self._bar.advance()
        return item
