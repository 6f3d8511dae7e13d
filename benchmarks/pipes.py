"""Lazy pipelines beside plain Python and, where it is installed, beside tinypl; every ratio is of one process and one run."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import dfcore.pipes as pl
from dfcore.pipes import pipe

from .figure import Figure, interleaved

ITEMS = 200_000
SMALL = 20_000
BATCH = 100
SETTINGS = {"workers": 4, "maxsize": 8}


def third(x: int) -> int:
    return 3 * x + 1


def even(x: int) -> bool:
    return x % 2 == 0


def plain(xs: Iterable[int]) -> Iterator[list[int]]:
    """map -> filter -> batch with the built-in ones and a loop."""
    batch: list[int] = []
    for x in filter(even, map(third, xs)):
        batch.append(x)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def lazy(xs: Iterable[int]) -> Iterator[list[int]]:
    """The same as a pipe."""
    return pipe(xs).map(third).filter(even).batch(BATCH)


def seconds(items: Iterable[Any]) -> float:
    """How long it takes to pull all of them."""
    start = time.perf_counter()
    for _ in items:
        pass
    return time.perf_counter() - start


def rate(thread_map: Callable[..., Iterable[Any]]) -> float:
    """Items per second through a map by threads whose function does next to nothing."""
    return SMALL / seconds(thread_map(iter(range(SMALL)), lambda x: x + 1, **SETTINGS))


def measure(repeat: int) -> list[Figure]:
    """The ratio to plain Python, and what threads do in a second."""
    ours, builtin = interleaved(repeat, lambda: seconds(lazy(range(ITEMS))), lambda: seconds(plain(range(ITEMS))))
    ratios = tuple(mine / other for mine, other in zip(ours, builtin, strict=True))
    figures = [Figure("pipe, map filter batch, ratio", "x", ratios, 1.3, note="to built-in map, filter and a loop, of each pair")]
    what = f"x + 1, {SETTINGS['workers']} threads, maxsize {SETTINGS['maxsize']}"
    if importlib.util.find_spec("tinypl") is None:
        (rates,) = interleaved(repeat, lambda: rate(pl.thread.map))
        return [*figures, Figure("pipe, thread.map", "items/s", rates, note=what)]
    tinypl = importlib.import_module("tinypl")
    rates, theirs = interleaved(repeat, lambda: rate(pl.thread.map), lambda: rate(tinypl.thread.map))
    ratios = tuple(mine / other for mine, other in zip(rates, theirs, strict=True))
    return [
        *figures,
        Figure("pipe, thread.map", "items/s", rates, note=what),
        Figure("pipe, thread.map of tinypl", "items/s", theirs, note=what),
        Figure("pipe, thread.map, ratio to tinypl", "x", ratios, 3, most=False, note="of each pair"),
    ]
