"""Markers as functions of a pipe. See `Pipe.mark`, `Pipe.on` and `Pipe.until`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .given import Marker
from .stage import Pipe, Segment, pipe

T = TypeVar("T")


def insert_periodic(p: Iterable[T], n: int = 1, after: bool = True) -> tuple[Pipe[T], Marker]:
    """The items of `p` with a new marker behind (or before) every `n` of them, and that marker."""
    marker = Marker()
    return pipe(p).mark(marker, n, after), marker


def on(p: Iterable[T], f: Callable[[], Any], marker: Marker | None = None) -> Pipe[T]:
    """The items of `p`; `f()` is called when `marker` passes. None: any marker."""
    return pipe(p).on(marker, f)


def until(p: Iterable[T], marker: Marker | None = None) -> Segment[T]:
    """The items of `p` before the next `marker`, which is taken out. None: any marker."""
    return pipe(p).until(marker)
