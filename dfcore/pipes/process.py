"""Stages that use processes, as functions of a pipe, and memory that processes share. See `Pipe.process`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .ringbuffer import SharedMemoryRingBuffer
from .stage import Pipe, pipe

__all__ = ["SharedMemoryRingBuffer", "each", "map"]

T = TypeVar("T")
U = TypeVar("U")


def map(
    p: Iterable[T], f: Callable[[T], U], workers: int, maxsize: int | None = None, *, ordered: bool = True
) -> Pipe[U]:
    """`f(item)` for each item of `p`, by processes: `pipe(p).process.map(f, workers, maxsize, ordered=ordered)`."""
    return pipe(p).process.map(f, workers, maxsize, ordered=ordered)


def each(
    p: Iterable[T], f: Callable[[T], Any], workers: int, maxsize: int | None = None, *, ordered: bool = True
) -> Pipe[T]:
    """The items of `p`, after `f(item)` was called, by processes: `pipe(p).process.each(f, workers, maxsize, ordered=ordered)`."""
    return pipe(p).process.each(f, workers, maxsize, ordered=ordered)
