"""What makes unmodified blocking code park in a world.

Laws. Only tasks of the world are affected: any other thread, and any caller in pytest or Hypothesis, gets the real thing. What
was put in is taken out again, in reverse order, however the world ends. Names that a module bound by `from time import sleep`
are replaced where they stand.

Everything in `threading`, `queue` and `concurrent.futures` that waits does so on a lock, so the lock, the start of a thread and
its end are all that has to be replaced there.
"""

from __future__ import annotations

import asyncio.unix_events
import concurrent.futures.thread
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from . import aio
from .files import Files
from .kernel import Kernel
from .locks import Lock
from .pace import timeout_ns
from .stacks import RUNNERS
from .standins import STANDINS, from_real_caller
from .task import Task

KEPT_MODULES = RUNNERS | {"sim"}
_MISSING = object()


class Patches:
    """Replacements under way; `undo` puts everything back."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, Any]] = []

    def set(self, target: Any, name: str, value: Any) -> None:
        """Replace an attribute of a module or class."""
        self._done.append((target, name, vars(target).get(name, _MISSING)))
        setattr(target, name, value)

    def rebind(self, replacements: dict[int, Any]) -> None:
        """Replace every module-level name bound to an object whose id is given."""
        wanted = replacements.keys()
        for path, module in list(sys.modules.items()):
            if path.partition(".")[0] in KEPT_MODULES:
                continue
            names = getattr(module, "__dict__", None)
            if type(names) is not dict or wanted.isdisjoint(map(id, names.values())):  # nearly always: it must be quick
                continue
            for name in [name for name, value in names.items() if id(value) in replacements]:
                self.set(module, name, replacements[id(names[name])])

    def undo(self) -> None:
        """Put everything back, last first."""
        while self._done:
            target, name, before = self._done.pop()
            if before is _MISSING:
                delattr(target, name)
            else:
                setattr(target, name, before)


def install(kernel: Kernel, files: Files, patches: Patches, more: Iterable[tuple[Any, Callable[..., Any]]] = ()) -> None:
    """Replace what waits or tells the time, for the tasks of `kernel`, and `more`: pairs of a function and its stand-in."""
    real_loop = asyncio.SelectorEventLoop
    loop = aio.loop_class(kernel, files, real_loop)  # also for who names the class: a real one would wait in a time that does not move
    patches.rebind({id(real): standin for real, standin in (*STANDINS, *more, (real_loop, loop))})  # looks at all modules: once
    _start_threads(kernel, patches)
    patches.set(threading, "excepthook", _excepthook(kernel, threading.excepthook))
    patches.set(threading.Thread, "join", _join(kernel))
    patches.set(threading.Thread, "is_alive", _is_alive(kernel))
    # held while a thread is started, which parks: a real lock would block whoever submits meanwhile
    patches.set(concurrent.futures.thread, "_global_shutdown_lock", Lock(kernel))
    events: Any = asyncio.unix_events
    policy = getattr(events, "_UnixDefaultEventLoopPolicy", None) or events._DefaultEventLoopPolicy  # 3.14 on
    patches.set(policy, "_loop_factory", staticmethod(loop))


def _start_threads(kernel: Kernel, patches: Patches) -> None:
    joinable = hasattr(threading, "_start_joinable_thread")  # 3.13 on
    name = "_start_joinable_thread" if joinable else "_start_new_thread"
    real_start = getattr(threading, name)

    def start(function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        if kernel.current() is None or from_real_caller():
            return real_start(function, *args, **keywords)
        thread = getattr(function, "__self__", None)
        task = kernel.admit(getattr(thread, "name", "thread"))
        task.thread = thread
        if thread is not None:
            thread._sim_task = task
        arguments = args[0] if args and not joinable else ()
        return real_start(lambda *_: kernel.run_task(task, lambda: function(*arguments)), *args, **keywords)

    patches.set(threading, name, start)


def _excepthook(kernel: Kernel, real: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def excepthook(args: Any) -> Any:
        if kernel.current() is not None:
            if kernel.closing and args.exc_type is SystemExit:
                return None
            name = args.thread.name if args.thread is not None else "of no name"
            kernel.died.append(f"thread {name} was ended by {args.exc_type.__name__}: {args.exc_value}")
        return real(args)

    return excepthook


def _task_of(kernel: Kernel, thread: threading.Thread) -> Task | None:
    task: Task | None = getattr(thread, "_sim_task", None)
    return task if task is not None and kernel.current() is not None else None


def _join(kernel: Kernel) -> Callable[..., None]:
    real_join = threading.Thread.join

    def join(self: threading.Thread, timeout: float | None = None) -> None:
        task = _task_of(kernel, self)
        if task is None or self is threading.current_thread():
            return real_join(self, timeout)
        if kernel.join(task, None if timeout is None else timeout_ns(timeout)):
            real_join(self)  # its code has ended: the rest takes microseconds and parks nowhere

    return join


def _is_alive(kernel: Kernel) -> Callable[[threading.Thread], bool]:
    real_is_alive = threading.Thread.is_alive

    def is_alive(self: threading.Thread) -> bool:
        task = _task_of(kernel, self)
        return real_is_alive(self) if task is None else not task.done

    return is_alive
