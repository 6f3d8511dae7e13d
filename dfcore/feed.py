"""What the program puts into a running graph, until its emitter takes it.

Laws: what was put is published, in the order of putting, unless the run is aborted; who puts waits while it is full, and is woken,
never polls; a value is checked where it is put; when nothing more can be published, putting is an error, never lost silently. A
feed belongs to one run. It knows no scheduler: whoever drives it asks to be `told`.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from .clock import World, world_around
from .params import converted
from .waiting import Waiters

_END = "end() was called"


def _nobody() -> None:
    """No scheduler cares."""


class StreamEnded(RuntimeError):
    """A put that came too late: the run has ended the stream, not the program with `end`."""


class Feed:
    """Values between the program and one emitter. States: open; closed, with values left; over.

    Args:
        name: of the emitter, for messages.
        dtype: of its output.
        room: how many values may lie here.
    """

    def __init__(self, name: str, dtype: np.dtype[Any], room: int):
        self.name, self.dtype, self.room = name, dtype, room
        self.world: World | None = None  # in which the run is
        self._values: deque[Any] = deque()
        self._lock = threading.RLock()  # a signal handler may put while its own thread puts
        self._waiters = Waiters()
        self._closed = self._do = ""  # why, and what to do about it
        self._failure: BaseException | None = None
        self._notify: Callable[[], None] = _nobody

    def put(self, value: Any, timeout_s: float | None) -> None:
        """Wait for room, for `timeout_s` at most, and let the emitter have `value`. Raises TimeoutError too."""
        checked = self._checked(value)
        if not self._offer(checked) and not self._waiters.wait(lambda: self._offer(checked), timeout_s):
            raise TimeoutError(f"{self.name}.put: needed room within {timeout_s} s, was full with {self.room}; the graph is slower "
                               "than the program, drop in put_nowait, or give its edge another policy")

    async def aput(self, value: Any) -> None:
        """`put` in an event loop, which goes on meanwhile."""
        checked = self._checked(value)
        await self._waiters.until(lambda: self._offer(checked))

    def put_nowait(self, value: Any) -> None:
        """`put` if there is room. Raises queue.Full: there is none."""
        if not self._offer(self._checked(value)):
            raise queue.Full(f"{self.name}.put_nowait: needed room, was full with {self.room}; use put, or drop it")

    def finish(self, why: str, do: str = "put before") -> None:
        """Nothing more can be put, because of `why`. What was put stays for the emitter. The first reason counts."""
        with self._lock:
            if not self._closed:
                self._closed, self._do = why, do
            self._notify()
        self._waiters.wake()

    def cut(self) -> None:
        """Whoever drives it has ended, before the stream did: nothing more can be put."""
        self.finish("its run is ending", "wait() for the run, which says why")

    def over(self, failure: BaseException | None) -> None:
        """The run is over, because of `failure` if it has failed; that is the cause of what putting raises from now on."""
        self._failure = failure
        self.finish("its run is over")

    def end(self) -> None:
        """The program has ended the stream."""
        self.finish(_END)

    def told(self, notify: Callable[[], None] | None) -> None:
        """From now on `notify()` is called after every change, by whoever makes it; None: nobody cares any more."""
        with self._lock:
            self._notify = notify or _nobody

    @property
    def open(self) -> bool:
        """Whether more may be put."""
        return not self._closed

    def _checked(self, value: Any) -> Any:
        """A copy of `value` that fits, so that whoever put it may go on with it. Raises DtypeError."""
        if world_around() is not self.world:
            where = "a World" if self.world is not None else "no World"
            raise RuntimeError(f"{self.name}.put: needed a thread of the time in which the graph runs, which is in {where}, was one of "
                               "another; put from the program that runs the graph, or from a task it has started")
        return converted(value, self.dtype, self.name)

    def _offer(self, value: Any) -> bool:
        with self._lock:
            if self._closed:
                raise self._too_late()
            if len(self._values) >= self.room:
                return False
            self._values.append(value)
            self._notify()
        return True

    def _too_late(self) -> RuntimeError:
        failed = self._failure is not None
        why, do = ("its run has failed", "mend that, and start the graph again") if failed else (self._closed, self._do)
        kind = RuntimeError if self._closed == _END else StreamEnded
        error = kind(f"{self.name}.put: needed a stream that goes on, was at its end: {why}; {do}")
        error.__cause__ = self._failure
        return error

    # -- for the emitter ------------------------------------------------------------------------------------------------------

    def there(self) -> bool:
        """Whether the emitter has something to do: a value, or the end."""
        return bool(self._values or self._closed)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if not self._values:
            raise StopIteration
        value = self._values.popleft()
        self._waiters.wake()
        return value
