"""Time, the first of the two seams to the outside (the other is whatever a node opens in `open`).

Nothing in `dfcore` asks the machine for the time except through a clock. There are three kinds: real time (`real_now_ns`), a
number that jumps (`inline.VirtualClock`), and a world handed in by the user, which owns its event heap. `dfcore` never imports
the package that makes worlds: a world is whatever offers `World` below, and `enter` is how it says "the calls of my tasks are
mine".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

#: Read CLOCK_MONOTONIC, in nanoseconds: the only real clock of this package.
real_now_ns: Callable[[], int] = time.monotonic_ns

#: CPU time of the calling thread, in nanoseconds.
thread_cpu_ns: Callable[[], int] = time.thread_time_ns


class World(Protocol):
    """What the engine asks of a world: one baton, one heap, one time.

    A *task* is a thread of the world; exactly one runs at a time. A *bell* is what one task at a time may wait on; it counts no
    strokes: a bell rung while nobody waits makes the next `wait` return at once.
    """

    now_ns: int
    #: Objects from one context to another that would be another process are handed over as copies (RULES 16).
    check: bool

    def member(self) -> bool:
        """Whether the calling thread is a task of this world."""

    def bell(self) -> Any:
        """A new bell."""

    def wait(self, bell: Any, until_ns: int | None = None) -> bool:
        """Park the calling task until `bell` rings (True) or the time comes (False)."""

    def wake(self, bell: Any) -> None:
        """Ring `bell`. Its waiter becomes runnable, behind those that already are."""

    def spawn(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run `function(*args)` as another task."""

    def task(self) -> Any:
        """The calling task: what `spawn` returned for it."""

    def interrupt(self, task: Any, error: BaseException) -> None:
        """Have `task` raise `error` out of the call in which it is parked, or at its next one."""

    def when_quiet(self, function: Callable[[int], tuple[Any, int | None]] | None) -> None:
        """Have the kernel ask `function(now_ns)` whenever no event is due and no task can run, before time moves.

        It returns `(bell, None)`: ring this one, now; or `(None, next_ns)`: nothing now, ask again at `next_ns` (None: only
        when something else has happened). One function at a time; None takes it away.
        """

    def quiet(self) -> bool:
        """Whether no event is due and no other task can run at this instant: the caller may then ask the table itself."""

    def watch(self, file: Any) -> Callable[[], bool]:
        """A function that tells whether `file` is readable now. `ValueError`: this world does not know the file."""


_world: World | None = None


def enter(world: World | None) -> None:
    """Make `world` the one that `run(clock=None)` finds; None takes it away. Called by a world's own `with` block."""
    global _world
    _world = world


def world_around() -> World | None:
    """The world of which the calling thread is a task, or None."""
    return _world if _world is not None and _world.member() else None
