"""The clock of a converter: when it takes or plays each sample.

Laws: sample n comes at n / (rate * (1 + ppm / 10^6)) seconds from the opening of the world, rounded down to a nanosecond; all
of it in integers, so that an error never adds up. A sample that the converter drops or inserts moves every later one by one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import numpy.typing as npt

SECOND_NS = 1_000_000_000


class Clock:
    """Counts the samples of one converter.

    Args:
        rate: nominal, in samples per second.
        ppm: how much faster it runs than it says, in parts per million; slower if negative.

    Attributes: `true_rate` (exact), `hz` (the same as a float), `inserts` (the delivered samples that nobody took, see `slip`).
    """

    def __init__(self, rate: int, ppm: float = 0) -> None:
        self.rate, self.ppm = rate, ppm
        self.true_rate = rate * (1 + Fraction(str(ppm)) / 10**6)
        self.hz = float(self.true_rate)
        period = SECOND_NS / self.true_rate
        self._num, self._den = period.numerator, period.denominator
        self._edges: list[int] = []  # from this delivered sample on, ...
        self._shifts: list[int] = []  # ... sample n is the one taken as n + shift
        self.inserts: frozenset[int] = frozenset()

    def same_as(self, other: Clock) -> bool:
        """Whether the two never part."""
        return self.true_rate == other.true_rate and not self._edges and not other._edges

    def slip(self, drops: Iterable[int], inserts: Iterable[int]) -> None:
        """Never deliver the samples `drops`; deliver one that nobody took before each of `inserts`. Both count what is taken."""
        shift, inserted = 0, []
        for at, step in sorted([(at, 1) for at in drops] + [(at, -1) for at in inserts]):
            here = at - shift  # as which `at` would be delivered
            if step < 0:
                inserted.append(here)
                here += 1
            shift += step
            self._edges.append(here)
            self._shifts.append(shift)
        self.inserts = frozenset(inserted)

    def taken(self, sample: int) -> int:
        """Which sample the converter took is delivered as number `sample`."""
        at = bisect_right(self._edges, sample)
        return sample + (self._shifts[at - 1] if at else 0)

    def taken_between(self, first: int, stop: int) -> npt.NDArray[np.int64]:
        """The same for the samples from `first` up to `stop`."""
        samples = np.arange(first, stop, dtype=np.int64)
        for at, edge in enumerate(self._edges):
            before = self._shifts[at - 1] if at else 0
            samples[max(0, edge - first) :] += self._shifts[at] - before
        return samples

    def time_ns(self, sample: int) -> int:
        """When `sample` is taken or played."""
        return self.taken(sample) * self._num // self._den

    def times_ns(self, first: int, count: int) -> npt.NDArray[np.int64]:
        """The same for `count` samples from `first`."""
        if (first + count) * self._num < 1 << 62 and not self._edges:
            return np.arange(first, first + count, dtype=np.int64) * self._num // self._den
        return np.array([self.time_ns(sample) for sample in range(first, first + count)], np.int64)

    def first_at(self, time_ns: int) -> int:
        """The first sample that comes at `time_ns` or later."""
        taken = -(-time_ns * self._den // self._num)
        sample = taken - max([0, *self._shifts])
        while self.taken(sample) < taken:
            sample += 1
        return sample
