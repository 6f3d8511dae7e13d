"""At most so many items in a second."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

from .._pull import ITEM, Tag

NS_PER_S = 1_000_000_000


class RateLimit:
    """Items on a grid: the k-th since the stage last kept up comes k periods after the first, or later, never earlier.

    A stage that is late by less than a period catches up, so that waking late does not slow it; what is lost beyond that is lost.
    The clock is the machine's, in a world the world's.
    """

    def __init__(self, source: Iterator[Any], rate_hz: float):
        if not (isinstance(rate_hz, (int, float)) and 0 < rate_hz < math.inf):
            raise ValueError(f"ratelimit: needed a rate in Hz above 0, was {rate_hz!r}; leave the stage out for no limit.")
        self._source = source
        self._period_ns = NS_PER_S / rate_hz
        self._due_ns = -math.inf

    def __iter__(self) -> RateLimit:
        return self

    def __next__(self) -> Any:
        item = next(self._source)
        if not isinstance(item, Tag) or item.kind == ITEM:
            self._wait()
        return item

    def _wait(self) -> None:
        now_ns = time.monotonic_ns()
        if now_ns < self._due_ns:
            time.sleep((self._due_ns - now_ns) / NS_PER_S)
        elif now_ns >= self._due_ns + self._period_ns:
            self._due_ns = now_ns
        self._due_ns += self._period_ns
