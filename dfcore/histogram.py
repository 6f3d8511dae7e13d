"""A distribution of nanoseconds as a report shows it: read from the buckets that `_counters.h` fills."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .counters import lower_bounds

_BOUNDS = lower_bounds()


@dataclass(frozen=True, slots=True)
class Histogram:
    """How values in nanoseconds were distributed. `count`, `min`, `max` and `mean` are exact; all are 0 if nothing was counted.

    `buckets`: (bucket, count) of every bucket that is not empty, in order.
    """

    count: int = 0
    min: int = 0
    max: int = 0
    mean: float = 0.0
    buckets: tuple[tuple[int, int], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, counted: np.ndarray[Any, Any]) -> Histogram:
        """What a `HISTOGRAM` struct in shared memory holds now. While others write, the buckets decide what was counted."""
        buckets = counted["buckets"].copy()
        count = int(buckets.sum())
        if count == 0:
            return cls()
        filled = np.flatnonzero(buckets)
        mean = int(counted["sum"]) / max(int(counted["count"]), 1)
        pairs = tuple((int(index), int(buckets[index])) for index in filled)
        return cls(count, int(counted["min"]), int(counted["max"]), mean, pairs)

    @classmethod
    def merged(cls, parts: Sequence[Histogram]) -> Histogram:
        """All that any of the parts has counted."""
        counted = [part for part in parts if part.count]
        if not counted:
            return cls()
        buckets: Counter[int] = Counter()
        for part in counted:
            buckets.update(dict(part.buckets))
        count = sum(part.count for part in counted)
        mean = sum(part.mean * part.count for part in counted) / count
        low, high = min(part.min for part in counted), max(part.max for part in counted)
        return cls(count, low, high, mean, tuple(sorted(buckets.items())))

    def percentile(self, p: float) -> float:
        """The value that `p` percent of all do not exceed, within 1.6 %; 0 if nothing was counted.

        Raises:
            ValueError: `p` is not within 0 to 100.
        """
        if not 0 <= p <= 100:
            raise ValueError(f"percentile: needed 0 to 100, was {p!r}")
        rank, seen = p / 100 * self.count, 0
        for index, count in self.buckets:
            seen += count
            if seen >= rank:
                middle = (float(_BOUNDS[index]) + float(_BOUNDS[index + 1]) - 1) / 2
                return min(max(middle, float(self.min)), float(self.max)) if p < 100 else float(self.max)
        return 0.0

    def to_dict(self) -> dict[str, Any]:
        """The figures a reader of a file wants, not the buckets."""
        points = {f"p{p}": self.percentile(p) for p in (50, 90, 99)}
        return {"count": self.count, "min": self.min, "max": self.max, "mean": self.mean, **points}
