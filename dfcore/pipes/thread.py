"""Stages that use threads, as functions of a pipe. See `Pipe.thread`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .stage import Pipe, pipe

T = TypeVar("T")
U = TypeVar("U")


def queue(p: Iterable[T], workers: int, maxsize: int | None = None) -> Pipe[T]:
    """The items of `p`, pulled ahead by threads, as they come: `pipe(p).thread.queue(workers, maxsize)`."""
    return pipe(p).thread.queue(workers, maxsize)


def map(
    p: Iterable[T], f: Callable[[T], U], workers: int, maxsize: int | None = None, *, ordered: bool = True
) -> Pipe[U]:
    """`f(item)` for each item of `p`, by threads: `pipe(p).thread.map(f, workers, maxsize, ordered=ordered)`."""
    return pipe(p).thread.map(f, workers, maxsize, ordered=ordered)


def each(
    p: Iterable[T], f: Callable[[T], Any], workers: int, maxsize: int | None = None, *, ordered: bool = True
) -> Pipe[T]:
    """The items of `p`, after `f(item)` was called, by threads: `pipe(p).thread.each(f, workers, maxsize, ordered=ordered)`."""
    return pipe(p).thread.each(f, workers, maxsize, ordered=ordered)


def mutex(p: Iterable[T]) -> Pipe[T]:
    """The items of `p`, whose stages run in one thread at a time: `pipe(p).thread.mutex()`."""
    return pipe(p).thread.mutex()
