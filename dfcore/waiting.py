"""Those of the program that wait for a run to do something: threads, tasks of a world, coroutines.

Laws: nobody polls; whoever changes what is waited for calls `wake` after it, and whoever waits looks once more between asking to
be woken and waiting, so no wake-up is lost. A waker never waits, and takes no lock that a waiter holds. A thread that is a task of
a world parks there, and its time-outs are in the world's time.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from .clock import real_now_ns, world_around


class Waiters:
    """Who waits, in order of arrival. Any thread may wait, and any may wake."""

    def __init__(self) -> None:
        self._wakers: deque[Callable[[], None]] = deque()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        for _ in range(len(self._wakers)):  # who asks again meanwhile has looked after the change
            try:
                waker = self._wakers.popleft()
            except IndexError:  # somebody else wakes too
                return
            waker()

    def wait(self, ready: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Wait until `ready()`: True; or until `timeout_s` has passed: False."""
        now_ns = _clock()
        longest_s = at_most(timeout_s)
        until_ns = None if longest_s is None else now_ns() + round(longest_s * 1e9)
        while not ready():
            turn = threading.Lock()
            turn.acquire()
            self._wakers.append(turn.release)
            try:
                if ready():
                    return True
                left_s = -1.0 if until_ns is None else max(until_ns - now_ns(), 0) / 1e9
                if not turn.acquire(timeout=left_s):
                    return ready()
            finally:
                self._forget(turn.release)
        return True

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()`, and let the event loop go on meanwhile."""
        loop = asyncio.get_running_loop()
        while not ready():
            woken = asyncio.Event()
            waker = _in_loop(loop, woken)
            self._wakers.append(waker)
            try:
                if ready():
                    return
                await woken.wait()
            finally:
                self._forget(waker)

    def _forget(self, waker: Callable[[], None]) -> None:
        try:
            self._wakers.remove(waker)
        except ValueError:
            pass  # it has been called


def at_most(timeout_s: float | None) -> float | None:
    """The time-out, or what the platform can wait if that is less (centuries)."""
    return None if timeout_s is None else min(timeout_s, threading.TIMEOUT_MAX)


def _clock() -> Callable[[], int]:
    """The clock of whoever waits."""
    world = world_around()
    return real_now_ns if world is None else lambda: world.now_ns


def _in_loop(loop: asyncio.AbstractEventLoop, woken: asyncio.Event) -> Callable[[], None]:
    def waker() -> None:
        try:
            loop.call_soon_threadsafe(woken.set)
        except RuntimeError:
            pass  # the loop is closed, and whoever waited in it is gone

    return waker
