"""How time moves: it jumps, or it is waited for.

Law: the order of events is the same under every pace; only the moment at which the machine runs them differs. A pace knows
neither tasks nor devices. The wall pace also waits for real files, because only a world in real time can serve other programs.
"""

from __future__ import annotations

import numbers
import os
import select
import time
from collections.abc import Callable

MOST_S = 1e15  # of a delay, in seconds: 30 million years
_monotonic_ns = time.monotonic_ns  # bound before any world replaces it
_select = select.select


class Pace:
    """What a kernel asks: `virtual` (time jumps), `now_ns`, `sleep_until`, `interrupt`, `close`."""

    virtual: bool
    asleep = False

    def start(self) -> None:
        """World time is 0 now."""

    def now_ns(self) -> int:
        """World time by the machine's clock."""
        raise NotImplementedError

    def sleep_until(self, time_ns: int | None) -> list[Callable[[], None]]:
        """Wait until that world time, an `interrupt`, or a watched file; None: without end. The functions of files that are ready."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """End a `sleep_until`, from any thread."""

    def close(self) -> None:
        """Give back what it holds."""


class VirtualPace(Pace):
    """Time jumps from event to event."""

    virtual = True


class WallPace(Pace):
    """Time runs with the machine's clock, `scale` times as fast.

    Files given to `add_reader` are looked at while the world sleeps; their functions are called as events.
    """

    virtual = False

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self._origin_ns = 0
        self._event = -1
        self._readers: dict[int, Callable[[], None]] = {}
        self._writers: dict[int, Callable[[], None]] = {}

    def start(self) -> None:
        """World time is 0 now."""
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._origin_ns = _monotonic_ns()

    def now_ns(self) -> int:
        """World time by the machine's clock."""
        return int((_monotonic_ns() - self._origin_ns) * self.scale)

    def add_reader(self, fd: int, function: Callable[[], None]) -> None:
        """Call `function()` whenever `fd` is readable while the world sleeps."""
        self._readers[fd] = function

    def remove_reader(self, fd: int) -> None:
        """Look at `fd` no more."""
        self._readers.pop(fd, None)

    def add_writer(self, fd: int, function: Callable[[], None]) -> None:
        """Call `function()` whenever `fd` is writable while the world sleeps."""
        self._writers[fd] = function

    def remove_writer(self, fd: int) -> None:
        """Look at `fd` no more."""
        self._writers.pop(fd, None)

    def sleep_until(self, time_ns: int | None) -> list[Callable[[], None]]:
        """Wait until that world time, an `interrupt`, or a watched file; None: without end. The functions of files that are ready."""
        timeout_s = None if time_ns is None else max(0.0, (time_ns - self.now_ns()) / self.scale / 1e9)
        self.asleep = True
        try:
            readable, writable, _ = _select([self._event, *self._readers], [*self._writers], [], timeout_s)
        finally:
            self.asleep = False
        if self._event in readable:
            os.eventfd_read(self._event)
            readable.remove(self._event)
        return [self._readers[fd] for fd in readable] + [self._writers[fd] for fd in writable]

    def interrupt(self) -> None:
        """End a `sleep_until`, from any thread."""
        if self._event >= 0:
            os.eventfd_write(self._event, 1)

    def close(self) -> None:
        """Close the event file."""
        if self._event >= 0:
            os.close(self._event)
            self._event = -1


def timeout_ns(timeout_s: float) -> int:
    """A timeout in nanoseconds, at least 1 if it is above 0: a loop that waits for what is left of its time must get there."""
    return max(round(timeout_s * 1e9), 1 if timeout_s > 0 else 0)


def delay_ns(delay_s: float, where: str) -> int:
    """A delay in nanoseconds. Raises ValueError: it is no number from 0 to `MOST_S`."""
    if isinstance(delay_s, bool) or not isinstance(delay_s, numbers.Real) or not 0 <= delay_s <= MOST_S:
        raise ValueError(f"{where}: needed a delay of at least 0 s, was {delay_s!r}; give seconds")
    return round(float(delay_s) * 1e9)


def pace_of(clock: str) -> Pace:
    """The pace that a clock name means: "virtual", "wall", or "x10" for ten times as fast as the wall."""
    if not isinstance(clock, str):
        raise TypeError(f'World: needed clock "virtual", "wall" or "x" and a number, was {clock!r}; for example "x10"')
    if clock == "virtual":
        return VirtualPace()
    if clock == "wall":
        return WallPace()
    try:
        scale = float(clock[1:]) if clock.startswith("x") else 0.0
    except ValueError:
        scale = 0.0
    if not 0.0 < scale < float("inf"):
        raise ValueError(f'World: needed clock "virtual", "wall" or "x" and a number, was {clock!r}; for example "x10"')
    return WallPace(scale)
