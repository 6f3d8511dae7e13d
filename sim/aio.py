"""Event loops of asyncio inside a world.

Law: a loop that has nothing to do parks its task; a timer, a callback from another task or a simulated file wakes it. Real files
have no virtual time, so a loop refuses them there.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Iterator
from textwrap import indent
from types import FrameType
from typing import Any

from .files import FIRST_FD, Files
from .kernel import POLL_NS, Kernel
from .pace import timeout_ns
from .stacks import formatted
from .task import Bell

FREE_TURNS = 10_000  # turns of a busy loop at one instant; each later one costs a microsecond


class Selector(selectors._BaseSelectorImpl):
    """A selector over simulated files whose `select` parks."""

    def __init__(self, kernel: Kernel, files: Files) -> None:
        super().__init__()
        self._kernel, self._files = kernel, files
        self._turns = 0
        self.bell = Bell()
        self.waiting: Callable[[], str] | None = None
        self.own_fd = -1  # the loop's self-pipe, which nobody writes to here

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Look at a simulated file."""
        key = super().register(fileobj, events, data)
        if key.fd < FIRST_FD and key.fd != self.own_fd:
            super().unregister(fileobj)
            raise ValueError(
                f"event loop in a world: needed a simulated file, was the real file {key.fd}; "
                "real sockets and pipes have no virtual time: use them outside the world"
            )
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Park until a file is ready, the bell rings, or the time is over."""
        kernel = self._kernel
        ready = self._ready()
        if not ready and (timeout is None or timeout > 0):
            self._park(None if timeout is None else kernel.now + timeout_ns(timeout))
            ready = self._ready()
        elif timeout is not None and timeout <= 0:
            self._take_turn()
        return ready

    def _take_turn(self) -> None:
        """A loop that is never idle lets the others run, and in the end lets time move."""
        kernel = self._kernel
        self.bell.rung = False
        self._turns += 1
        if self._turns > FREE_TURNS:
            kernel.pause(kernel.now + POLL_NS)
        elif not kernel.quiet():
            kernel.pause(kernel.now)

    def _ready(self) -> list[tuple[selectors.SelectorKey, int]]:
        ready = []
        for key in self.get_map().values():
            file = self._file(key)
            if file is not None:
                events = selectors.EVENT_READ if key.events & selectors.EVENT_READ and file.readable() else 0
                events |= selectors.EVENT_WRITE if key.events & selectors.EVENT_WRITE and file.writable() else 0
                if events:
                    ready.append((key, events))
        return ready

    def _file(self, key: selectors.SelectorKey) -> Any:
        return self._files.get(key.fd)

    def _park(self, until_ns: int | None) -> None:
        self._turns = 0
        stops = []
        for key in self.get_map().values():
            file = self._file(key)
            if file is not None:
                reads, writes = key.events & selectors.EVENT_READ, key.events & selectors.EVENT_WRITE
                stops.append(file.watch(self.bell, int(bool(reads)), bool(writes)))
        task = self._kernel.holder
        task.more = self.waiting
        try:
            self._kernel.wait(self.bell, until_ns)
        finally:
            task.more = None
            for stop in stops:
                stop()


class Loop(asyncio.SelectorEventLoop):
    """An event loop that parks in a world instead of waiting."""

    def __init__(self, kernel: Kernel, files: Files) -> None:
        self._kernel = kernel
        self._parking = Selector(kernel, files)
        super().__init__(self._parking)
        self._parking.waiting = self._waiting

    def time(self) -> float:
        """World time, in seconds. Free of charge: the loop asks at every turn."""
        return self._kernel.now / 1e9

    def _waiting(self) -> str:
        """Each pending task of this loop, with the coroutines that it is in."""
        tasks = sorted(asyncio.all_tasks(self), key=lambda task: (len(task.get_name()), task.get_name()))
        told = (f"asyncio task {task.get_name()}:\n{formatted(_frames_of(task.get_coro()))}" for task in tasks)
        return indent("".join(told), "  ")

    def _add_reader(self, fd: Any, callback: Any, *args: Any) -> Any:
        number = fd if isinstance(fd, int) else fd.fileno()
        if self._parking.own_fd < 0:
            self._parking.own_fd = number  # the first is the self-pipe, added by the constructor
        return super()._add_reader(fd, callback, *args)  # type: ignore[misc]

    def _write_to_self(self) -> None:
        if self._kernel.tasks:
            self._kernel.wake(self._parking.bell)


def _frames_of(coroutine: Any) -> Iterator[FrameType]:
    """The frames of a suspended coroutine, and of those that it awaits."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            yield frame
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def loop_class(kernel: Kernel, files: Files, real: Callable[..., Any]) -> Callable[..., Any]:
    """What stands in for `asyncio.SelectorEventLoop`: a class that makes a `Loop` in a task of the world, else a `real` one."""

    class WorldLoop(Loop):
        """As `Loop`. A selector that it is given is not used: it would not park."""

        def __new__(cls, *args: Any) -> Any:
            return super().__new__(cls) if kernel.current() is not None else real(*args)

        def __init__(self, *_: Any) -> None:
            super().__init__(kernel, files)

    WorldLoop.__name__ = WorldLoop.__qualname__ = "Loop"
    return WorldLoop
