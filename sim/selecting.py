"""`select`, `poll`, `epoll` and `selectors` over simulated files.

Laws: what is asked about simulated files parks the task; what is asked about real ones alone goes to the machine, as it always did.
Both together need a world in real time, since a real file has no virtual time. A wait for nothing is a sleep.

A read of n bytes parks once and not n times: `select` looks at how many bytes the `Serial.read` that called it still wants.
"""

from __future__ import annotations

import select
import selectors
import sys
from typing import Any

from .files import FIRST_FD, TtyFile
from .patches import Patches
from .shim import Shim
from .standins import epoll_standin, poll_standin, select_standin
from .waits import wait_for

try:
    from serial.serialposix import Serial
except ImportError:  # without pyserial nobody calls from there
    _READ = None
else:
    _READ = Serial.read.__code__

MOST_WANTED = 1024
_real_select, _real_poll = select.select, select.poll  # bound before any world replaces them


def _number(file: Any) -> int:
    return file if isinstance(file, int) else int(file.fileno())


class SelectShim(Shim):
    """`select`: `select`, `poll` and `epoll`."""

    _real = select

    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None) -> Any:
        """Wait until one of the files is ready, or the time is over."""
        if not self._world.member():
            return _real_select(rlist, wlist, xlist, timeout)
        need = self._wanted(sys._getframe(1)) if rlist and timeout != 0 else 1
        return self.select_files(rlist, wlist, xlist, timeout, need)

    def select_files(self, rlist: Any, wlist: Any, xlist: Any, timeout: float | None, need: int) -> Any:
        """The same, for a task; `need` bytes to read are waited for. Raises ValueError, as the real one: a negative timeout."""
        if timeout is not None and timeout < 0:
            raise ValueError("timeout must be non-negative")
        reads, writes = {_number(file): file for file in rlist}, {_number(file): file for file in wlist}
        if self.stays_real({*reads, *writes}):
            return _real_select(rlist, wlist, xlist, timeout)
        ready = self.wait(reads, writes, timeout, need)
        return [reads[fd] for fd, write in ready if not write], [writes[fd] for fd, write in ready if write], []

    def stays_real(self, numbers: set[int]) -> bool:
        """Whether only the machine knows these files, and this world cannot wait for them."""
        return bool(numbers) and self._kernel.virtual and max(numbers) < FIRST_FD

    def wait(self, reads: Any, writes: Any, timeout_s: float | None, need: int = 1) -> list[tuple[int, bool]]:
        """Park until some are ready; those that are, as (number, write)."""
        files = self._files
        wishes = [(files.any(fd), need, False) for fd in reads] + [(files.any(fd), 0, True) for fd in writes]
        # rounded: what is left of a timeout in floats may be 1e-18 s, and a read in two waits must end when one in one does
        until_ns = None if timeout_s is None else self._kernel.now + round(timeout_s * 1e9)
        return [(file.fd, write) for file, _, write in wait_for(self._kernel, wishes, until_ns)]

    @staticmethod
    def _wanted(frame: Any) -> int:
        if frame.f_code is not _READ:
            return 1
        names = frame.f_locals
        missing: int = names["size"] - len(names["read"])
        return max(1, min(MOST_WANTED, missing))

    def poll(self) -> Any:
        """A poll object for simulated and real files."""
        return Poll(self) if self._world.member() else _real_poll()

    def epoll(self) -> Any:
        """An epoll object for simulated and real files."""
        return Epoll(self)

    def hung(self, fd: int) -> bool:
        """Whether the line behind a number is gone."""
        file = self._files.get(fd)
        return isinstance(file, TtyFile) and file.tty.hung


class Poll:
    """`select.poll` over simulated files."""

    def __init__(self, shim: SelectShim) -> None:
        self._shim = shim
        self._events: dict[int, int] = {}

    def register(self, fd: Any, eventmask: int = select.POLLIN | select.POLLPRI | select.POLLOUT) -> None:
        """Look at `fd` too."""
        self._events[_number(fd)] = eventmask

    def modify(self, fd: Any, eventmask: int) -> None:
        """Look for other events of `fd`."""
        if _number(fd) not in self._events:
            raise FileNotFoundError(2, "No such file or directory")
        self._events[_number(fd)] = eventmask

    def unregister(self, fd: Any) -> None:
        """Look at `fd` no more."""
        del self._events[_number(fd)]

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """Pairs of number and events that are ready, after at most `timeout` milliseconds."""
        if self._shim.stays_real(set(self._events)):
            return self._poll_real(timeout)
        return self._wait(None if timeout is None or timeout < 0 else timeout / 1e3)

    def _poll_real(self, timeout_ms: float | None) -> list[tuple[int, int]]:
        real = _real_poll()
        for fd, events in self._events.items():
            real.register(fd, events)
        return real.poll(timeout_ms)

    def _wait(self, timeout_s: float | None) -> list[tuple[int, int]]:
        reads = [fd for fd, events in self._events.items() if events & select.POLLIN]
        writes = [fd for fd, events in self._events.items() if events & select.POLLOUT]
        found: dict[int, int] = {}
        for fd, write in self._shim.wait(reads, writes, timeout_s):
            found[fd] = found.get(fd, 0) | (select.POLLOUT if write else select.POLLIN)
        return [(fd, bits | (select.POLLHUP | select.POLLERR if self._shim.hung(fd) else 0)) for fd, bits in found.items()]


class Epoll(Poll):
    """`select.epoll` over simulated files; always level-triggered."""

    closed = False

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """Pairs of number and events that are ready, after at most `timeout` seconds."""
        if timeout is not None and timeout < 0:
            timeout = None
        if self._shim.stays_real(set(self._events)):
            found = self._poll_real(None if timeout is None else timeout * 1e3)
        else:
            found = self._wait(timeout)
        return found if maxevents < 0 else found[:maxevents]

    def close(self) -> None:
        """Look at nothing any more."""
        self._events.clear()
        self.closed = True

    def __enter__(self) -> Epoll:  # noqa: PYI034 - as the real one
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def install_selectors(patches: Patches) -> None:
    """Replace what the classes of `selectors` bound."""
    patches.set(selectors.SelectSelector, "_select", staticmethod(select_standin))
    patches.set(selectors.PollSelector, "_selector_cls", staticmethod(poll_standin))
    patches.set(selectors.EpollSelector, "_selector_cls", staticmethod(epoll_standin))
