"""Locks whose waiters park in a world.

Law: a `Lock` is held by at most one thread, whichever it is; a task that waits for it parks, in order of arrival, and a thread
outside the world that does so blocks for real. Everything else of `threading` and `queue` is built of locks and follows.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque

from .kernel import Kernel
from .pace import timeout_ns
from .task import Bell


class Lock:
    """What `threading.Lock()` makes in a task of a world."""

    __slots__ = ("__weakref__", "_bells", "_kernel", "_real")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._real = allocate_lock()
        self._bells: deque[Bell] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As `threading.Lock.acquire`."""
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        kernel = self._kernel
        if kernel.choosing:
            kernel.preempt()
        if self._real.acquire(False):
            return True
        if kernel.current() is None:
            return self._real.acquire(blocking, timeout)
        if not blocking:
            kernel.poll()
            return False
        return self._wait(None if timeout == -1 else kernel.now + timeout_ns(timeout))

    def _wait(self, until_ns: int | None) -> bool:
        kernel, bell = self._kernel, Bell()
        self._bells.append(bell)
        try:
            while not self._real.acquire(False):
                if not kernel.wait(bell, until_ns) and until_ns is not None and until_ns <= kernel.now:
                    return self._real.acquire(False)
            return True
        finally:
            self._bells.remove(bell)
            if bell.rung and self._bells and not self._real.locked():  # it was ours to take and we did not: the next one may
                kernel.wake(self._bells[0])

    def release(self) -> None:
        """As `threading.Lock.release`."""
        self._real.release()
        if self._bells:
            self._kernel.wake(self._bells[0])

    def locked(self) -> bool:
        """As `threading.Lock.locked`."""
        return self._real.locked()

    def _at_fork_reinit(self) -> None:
        self._real = allocate_lock()
        self._bells.clear()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{'locked' if self.locked() else 'unlocked'} sim lock>"
