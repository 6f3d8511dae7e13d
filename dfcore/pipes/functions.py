"""The stages of a pipe as functions that take the pipe first. See `Pipe`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .given import Marker
from .stage import Pipe, pipe

T = TypeVar("T")
U = TypeVar("U")


def map(p: Iterable[T], f: Callable[[T], U]) -> Pipe[U]:
    """`f(item)` for each item of `p`: `pipe(p).map(f)`."""
    return pipe(p).map(f)


def filter(p: Iterable[T], f: Callable[[T], Any]) -> Pipe[T]:
    """The items of `p` for which `f(item)` is true: `pipe(p).filter(f)`."""
    return pipe(p).filter(f)


def each(p: Iterable[T], f: Callable[[T], Any]) -> Pipe[T]:
    """The items of `p`, after `f(item)` was called for each: `pipe(p).each(f)`."""
    return pipe(p).each(f)


def flatten(p: Iterable[Iterable[T]]) -> Pipe[T]:
    """The items of each item of `p`: `pipe(p).flatten()`."""
    return pipe(p).flatten()


def partition(p: Iterable[T], n: int, *, partial: bool = True, split_on: Marker | None = None) -> Pipe[list[T]]:
    """Lists of `n` items of `p`: `pipe(p).batch(n, partial=partial, split_on=split_on)`."""
    return pipe(p).batch(n, partial=partial, split_on=split_on)


def take(p: Iterable[T], n: int) -> Pipe[T]:
    """The first `n` items of `p`: `pipe(p).take(n)`."""
    return pipe(p).take(n)


def tee(p: Iterable[T], n: int = 2) -> tuple[Pipe[T], ...]:
    """`n` pipes that each hand on every item of `p`: `pipe(p).tee(n)`."""
    return pipe(p).tee(n)


def ratelimit(p: Iterable[T], rate_hz: float) -> Pipe[T]:
    """The items of `p`, at most `rate_hz` in a second: `pipe(p).ratelimit(rate_hz)`."""
    return pipe(p).ratelimit(rate_hz)
