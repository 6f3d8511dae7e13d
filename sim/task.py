"""The two words of the kernel: a task, which runs or is parked, and a bell, on which it waits.

Knows nothing of time or order.
"""

from __future__ import annotations

import threading
from _thread import allocate_lock
from collections.abc import Callable
from typing import Any

PARKED, RUNNABLE, RUNNING, DONE, LOST = "parked", "runnable", "running", "done", "lost"


class Task:
    """A thread of a world. `error` is what its function raised; `doing` names the driver that it is inside of, if any; `more` says
    what else there is to tell of where it stands."""

    __slots__ = ("__weakref__", "doing", "error", "frames", "gate", "ident", "joiners", "more", "name", "pending", "polls", "refusals", "rung", "state", "thread",
                 "timer")  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.gate = allocate_lock()
        self.gate.acquire()
        self.state = RUNNABLE
        self.ident = 0
        self.polls = 0
        self.refusals = 0
        self.frames: list[Any] = []  # in which it stood when it was last told to end
        self.rung = False
        self.pending: BaseException | None = None
        self.timer: list[Any] | None = None
        self.joiners: list[Bell] = []
        self.error: BaseException | None = None
        self.thread: Any = None
        self.doing = ""
        self.more: Callable[[], str] | None = None

    @property
    def done(self) -> bool:
        """Whether the function of this task has ended."""
        return self.state is DONE

    def let_go(self) -> None:
        """Have the interpreter not wait for the thread of this task when it ends."""
        lock, handle = getattr(self.thread, "_tstate_lock", None), getattr(self.thread, "_handle", None)
        if lock is not None:
            threading._shutdown_locks.discard(lock)  # type: ignore[attr-defined]
        elif handle is not None:  # 3.13 on
            handle._set_done()

    def __repr__(self) -> str:
        return f"<Task {self.name}, {self.state}>"


class Bell:
    """What one task at a time waits on. Rung while nobody waits, it makes the next wait return at once."""

    __slots__ = ("rung", "waiter")

    def __init__(self) -> None:
        self.waiter: Task | None = None
        self.rung = False
