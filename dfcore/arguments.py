"""What the run methods of a graph take, judged before anything starts."""

from __future__ import annotations

import numbers
from typing import Any

from .clock import World, world_around


def duration_ns(duration_s: float | None) -> int | None:
    """A duration in nanoseconds; None: no end. Raises ValueError."""
    if duration_s is None:
        return None
    if isinstance(duration_s, bool) or not isinstance(duration_s, numbers.Real) or not 0 <= duration_s < 1e9:
        raise ValueError(f"duration_s: needed seconds from 0 to 1e9, or None, was {duration_s!r}")
    return round(float(duration_s) * 1e9)


def seed(seed: Any) -> int:
    """The seed of a run. Raises ValueError."""
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= int(seed) < 1 << 64:
        raise ValueError(f"seed: needed an integer from 0 to 2**64 - 1, was {seed!r}")
    return int(seed)


def flag(name: str, value: Any, choices: tuple[Any, ...] = (True, False)) -> Any:
    """A switch. Raises ValueError."""
    if not any(value is choice for choice in choices):
        listed = ", ".join(map(repr, choices[:-1]))
        raise ValueError(f"{name}: needed {listed} or {choices[-1]!r}, was {value!r}")
    return value


def clock(clock: Any) -> tuple[World | None, str]:
    """The world of a run, and the name of its clock. Raises ValueError."""
    if clock is None:
        world = world_around()
        return world, "real" if world is None else "world"
    if clock in ("real", "virtual"):
        if clock == "real" and world_around() is not None:
            raise ValueError('clock: needed that of the World around the call, was "real"; leave clock out, or run outside the World')
        return None, clock
    if isinstance(clock, str) or not all(hasattr(clock, name) for name in ("now_ns", "spawn", "when_quiet", "watch")):
        raise ValueError(f'clock: needed "real", "virtual" or an open World, was {clock!r}')
    if not clock.member():
        raise ValueError("clock: needed a World that this thread is in, was one it is not; call run() inside `with world:`")
    return clock, "world"
