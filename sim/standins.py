"""What stands in for functions that wait, tell the time, or make something that waits.

Laws: each asks which world is open now, so a module that bound one while some world was open (because it was imported there) finds
the next world too, and the real thing when none is. A thread that is no task of that world, and a caller in pytest or Hypothesis,
get the real thing.
"""

from __future__ import annotations

import queue
import select
import sys
import threading
import time
from _thread import get_ident
from collections.abc import Callable
from types import FrameType
from typing import Any

from .kernel import Kernel
from .locks import Lock
from .pace import timeout_ns
from .stacks import RUNNERS

_kernel: Any = None  # of the open world
_tasks: dict[int, Any] = {}
_selecting: Any = None


def use(kernel: Kernel | None, selecting: Any = None) -> None:
    """Stand in for `kernel` from here on; None: for nobody."""
    global _kernel, _tasks, _selecting
    _kernel, _tasks, _selecting = kernel, {} if kernel is None else kernel.tasks, selecting


_BETWEEN = ("threading", "queue")


def from_real_caller() -> bool:
    """Whether the caller of the function that asks is one that sees real time; itself, or through `threading` and `queue`."""
    frame: FrameType | None = sys._getframe(2)
    name = str(frame.f_globals.get("__name__", "")) if frame is not None else ""
    while name in _BETWEEN and frame is not None and frame.f_back is not None:
        frame = frame.f_back
        name = str(frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] in RUNNERS


def _seconds(real: Callable[[], float]) -> Callable[[], float]:
    def clock() -> float:
        if get_ident() not in _tasks or from_real_caller():
            return real()
        _kernel.poll()
        seconds: float = _kernel.now / 1e9
        return seconds

    return clock


def _nanoseconds(real: Callable[[], int]) -> Callable[[], int]:
    def clock_ns() -> int:
        if get_ident() not in _tasks or from_real_caller():
            return real()
        _kernel.poll()
        now_ns: int = _kernel.now
        return now_ns

    return clock_ns


_real_gettime, _real_gettime_ns = time.clock_gettime, time.clock_gettime_ns
#: Of these the world has its own; the clocks of the processor stay real.
_CLOCKS = {
    getattr(time, name)
    for name in ("CLOCK_REALTIME", "CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME", "CLOCK_TAI")
    if hasattr(time, name)
}


def _gettime_ns(clock: int) -> int:
    if clock not in _CLOCKS or get_ident() not in _tasks or from_real_caller():
        return _real_gettime_ns(clock)
    _kernel.poll()
    now_ns: int = _kernel.now
    return now_ns


def _gettime(clock: int) -> float:
    if clock not in _CLOCKS or get_ident() not in _tasks or from_real_caller():
        return _real_gettime(clock)
    _kernel.poll()
    seconds: float = _kernel.now / 1e9
    return seconds


def _of_now(real: Callable[..., Any]) -> Callable[..., Any]:
    """`time.localtime` and others that tell of now if they are given no time."""

    def now(secs: float | None = None) -> Any:
        if secs is not None or get_ident() not in _tasks or from_real_caller():
            return real(secs)
        _kernel.poll()
        return real(_kernel.now // 10**9)

    return now


_real_sleep = time.sleep


def _sleep(seconds: float) -> None:
    if get_ident() not in _tasks or from_real_caller():
        return _real_sleep(seconds)
    duration_ns = timeout_ns(seconds)
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    if duration_ns:
        _kernel.park(_kernel.now + duration_ns)
    else:
        _kernel.poll()
        _kernel.pause(_kernel.now)


_real_lock, _real_rlock, _real_queue = threading.Lock, threading.RLock, queue.SimpleQueue
_python_rlock: Any = threading._PyRLock  # type: ignore[attr-defined]
_python_queue: Any = queue._PySimpleQueue  # type: ignore[attr-defined]


def _make_lock() -> Any:
    return Lock(_kernel) if get_ident() in _tasks and not from_real_caller() else _real_lock()


def _make_rlock(*args: Any, **keywords: Any) -> Any:
    return _python_rlock() if get_ident() in _tasks and not from_real_caller() else _real_rlock(*args, **keywords)


def _make_queue() -> Any:
    return _python_queue() if get_ident() in _tasks and not from_real_caller() else _real_queue()


_real_select, _real_poll, _real_epoll = select.select, select.poll, select.epoll


def select_standin(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None) -> Any:
    """`select.select`."""
    if get_ident() not in _tasks or from_real_caller():
        return _real_select(rlist, wlist, xlist, timeout)
    return _selecting.select_files(rlist, wlist, xlist, timeout, 1)


def poll_standin() -> Any:
    """`select.poll`."""
    return _selecting.poll() if get_ident() in _tasks and not from_real_caller() else _real_poll()


def epoll_standin(sizehint: int = -1, flags: int = 0) -> Any:
    """`select.epoll`."""
    return _selecting.epoll() if get_ident() in _tasks and not from_real_caller() else _real_epoll(sizehint, flags)


#: Pairs of a real function and what stands in for it.
STANDINS: list[tuple[Any, Callable[..., Any]]] = [
    (_real_sleep, _sleep),
    *((real, _seconds(real)) for real in (time.time, time.monotonic, time.perf_counter)),
    *((real, _nanoseconds(real)) for real in (time.time_ns, time.monotonic_ns, time.perf_counter_ns)),
    (_real_gettime, _gettime),
    (_real_gettime_ns, _gettime_ns),
    *((real, _of_now(real)) for real in (time.gmtime, time.localtime, time.ctime)),
    (_real_lock, _make_lock),
    (threading._allocate_lock, _make_lock),  # type: ignore[attr-defined]  # from 3.13 on not the same object
    (_real_rlock, _make_rlock),
    (_real_queue, _make_queue),
    (_real_select, select_standin),
    (_real_poll, poll_standin),
    (_real_epoll, epoll_standin),
]
for _real, _standin in STANDINS:
    _standin.__name__ = _standin.__qualname__ = getattr(_real, "__name__", "standin")
    _standin.__doc__ = _real.__doc__
