"""Process stages of lazy pipes: small items, and arrays of 1 MB through a ring, each beside tinypl where that is installed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from dfcore.pipes import pipe
from dfcore.pipes.process import SharedMemoryRingBuffer

from .figure import Figure, interleaved

try:
    import tinypl
except ImportError:
    tinypl = None

SMALL, LARGE, ARRAY = 20_000, 300, 125_000  # items, arrays, float64 in each
RING_BYTES = 16 << 20
SETTINGS = [(2, 64), (4, 64), (4, 8)]  # workers, maxsize
TIMES = 3  # so much faster than tinypl
BEFORE = {"small": 14_000.0, "array": 404.0}  # tinypl's rates on the machine of the targets


def double(x: int) -> int:
    """What workers do with small items."""
    return 2 * x


def rate(pulled: Iterable[Any], count: int) -> float:
    """Items in a second, from the first on: starting processes is not measured."""
    items = iter(pulled)
    next(items)
    began_s = time.perf_counter()
    found = sum(1 for _ in items) + 1
    took_s = time.perf_counter() - began_s
    if found != count:
        raise RuntimeError(f"process.map: needed {count} items, were {found}")
    return (count - 1) / took_s


def small(workers: int, maxsize: int) -> float:
    """Small items by our processes."""
    with pipe(range(SMALL)).process.map(double, workers, maxsize) as p:
        return rate(p, SMALL)


def tiny_small(workers: int, maxsize: int) -> float:
    """The same by tinypl."""
    return rate(tinypl.process.map(iter(range(SMALL)), double, workers=workers, maxsize=maxsize), SMALL)


def arrays() -> float:
    """Arrays through our ring, read in this process."""
    ring = SharedMemoryRingBuffer(RING_BYTES)
    with pipe(range(LARGE)).process.map(lambda i: ring.write(np.full(ARRAY, i, "f8")), 4, 8).map(ring.read) as p:
        return rate(p, LARGE)


def direct() -> float:
    """Arrays as results, without a ring."""
    with pipe(range(LARGE)).process.map(lambda i: np.full(ARRAY, i, "f8"), 4, 8) as p:
        return rate(p, LARGE)


def tiny_arrays() -> float:
    """The same by tinypl."""
    ring = tinypl.process.SharedMemoryRingBuffer(RING_BYTES)
    written = tinypl.process.map(iter(range(LARGE)), lambda i: ring.write(np.full(ARRAY, i, "f8")), workers=4, maxsize=8)
    return rate(tinypl.map(written, ring.read), LARGE)


def beside(name: str, what: str, before: float, repeat: int, ours: Callable[[], float], theirs: Callable[[], float]) -> list[Figure]:
    """Our rate and tinypl's, in turn, and the ratio of each pair; without tinypl ours beside the target that follows from its rate."""
    if tinypl is None:
        return [Figure(f"process.map, {name}", "1/s", interleaved(repeat, ours)[0], TIMES * before, most=False, note=what)]
    mine, tiny = interleaved(repeat, ours, theirs)
    paired = tuple(one / other for one, other in zip(mine, tiny, strict=True))
    return [
        Figure(f"process.map, {name}", "1/s", mine, note=what),
        Figure(f"process.map, {name}, tinypl", "1/s", tiny),
        Figure(f"process.map, {name}, ratio", "x", paired, TIMES, most=False, note="of each pair"),
    ]


def measure(repeat: int) -> list[Figure]:
    """Small items for several numbers of workers, then arrays."""
    figures = []
    for workers, maxsize in SETTINGS:
        name = f"{workers} workers, maxsize {maxsize}"
        given = workers, maxsize
        figures += beside(name, "an int doubled", BEFORE["small"], repeat, partial(small, *given), partial(tiny_small, *given))
    figures += beside("1 MB by ring", "4 workers, maxsize 8, 16 MiB", BEFORE["array"], repeat, arrays, tiny_arrays)
    figures.append(Figure("process.map, 1 MB results", "1/s", interleaved(repeat, direct)[0], note="4 workers, maxsize 8, no ring"))
    return figures
