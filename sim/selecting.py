"""`select` and `poll` over simulated files.

A read of n bytes parks once and not n times: `select` looks at how many bytes the `Serial.read` that called it still wants.
"""

from __future__ import annotations

import select
import sys
from typing import Any

import serial.serialposix

from .files import FIRST_FD, TtyFile
from .shim import Shim
from .waits import wait_for

MOST_WANTED = 1024
_READ = serial.serialposix.Serial.read.__code__


class SelectShim(Shim):
    """`select`: `select` and `poll`."""

    _real = select

    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None) -> tuple[list[Any], list[Any], list[Any]]:
        """Wait until one of the files is ready, or the time is over."""
        if not any(self._ours(fd) for fd in (*rlist, *wlist)):
            return select.select(rlist, wlist, xlist, timeout)
        need = self._wanted(sys._getframe(1)) if rlist and timeout != 0 else 1
        files = self._files
        wishes = [(files[fd], need, False) for fd in rlist] + [(files[fd], 0, True) for fd in wlist]
        until_ns = None if timeout is None else self._kernel.now + max(0, round(timeout * 1e9))
        ready = wait_for(self._kernel, wishes, until_ns)
        return [f.fd for f, _, write in ready if not write], [f.fd for f, _, write in ready if write], []

    @staticmethod
    def _wanted(frame: Any) -> int:
        if frame.f_code is not _READ:
            return 1
        names = frame.f_locals
        missing: int = names["size"] - len(names["read"])
        return max(1, min(MOST_WANTED, missing))

    def poll(self) -> Any:
        """A poll object for simulated and real files."""
        return Poll(self) if self._world.member() else select.poll()


class Poll:
    """`select.poll` over simulated files."""

    def __init__(self, shim: SelectShim) -> None:
        self._shim = shim
        self._events: dict[int, int] = {}

    def register(self, fd: Any, events: int = select.POLLIN | select.POLLPRI | select.POLLOUT) -> None:
        """Look at `fd` too."""
        self._events[fd if isinstance(fd, int) else fd.fileno()] = events

    modify = register

    def unregister(self, fd: Any) -> None:
        """Look at `fd` no more."""
        del self._events[fd if isinstance(fd, int) else fd.fileno()]

    def poll(self, timeout_ms: float | None = None) -> list[tuple[int, int]]:
        """Pairs of number and events that are ready, after at most `timeout_ms`."""
        reads = [fd for fd, events in self._events.items() if events & select.POLLIN]
        writes = [fd for fd, events in self._events.items() if events & select.POLLOUT]
        timeout_s = None if timeout_ms is None or timeout_ms < 0 else timeout_ms / 1e3
        readable, writable, _ = self._shim.select(reads, writes, [], timeout_s)
        return [(fd, self._bits(fd, readable, writable)) for fd in self._events if fd in readable or fd in writable]

    def _bits(self, fd: int, readable: list[int], writable: list[int]) -> int:
        bits = (select.POLLIN if fd in readable else 0) | (select.POLLOUT if fd in writable else 0)
        file = self._shim._files[fd] if fd >= FIRST_FD else None
        if isinstance(file, TtyFile) and file.tty.hung:
            bits |= select.POLLHUP | select.POLLERR
        return bits
