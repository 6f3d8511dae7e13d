"""A world without its devices: one virtual clock, and the tasks that live on it for the length of a `with` block.

Laws: one world is open in a process at a time. The thread that enters becomes a task of the world, and so does every thread that
a task starts. Leaving ends those threads, closes the devices they left open, restores every patch, and raises what a device raised,
whatever happened inside. This module knows no device: what devices need is put in by `_device_patches` and taken out by
`_close_devices`.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import numbers
import os
import sys
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import numpy as np

from . import seam, standins
from .check import Rehearsal, check_caller
from .files import Files
from .kernel import Kernel
from .order import Order
from .pace import delay_ns, pace_of
from .patches import Patches, install
from .selecting import SelectShim, install_selectors
from .stacks import Watchdog, print_stuck
from .task import Bell, Task
from .trace import Trace

KEEP_EVENTS = 100_000  # of a world in real time, which may serve for days
observers: list[Callable[[Any], None]] = []  # each is called with every world that opens
_open_world: Timeline | None = None
_switch = threading.Lock()


class Timeline:
    """What `World` is, but for its devices: a context manager. Arguments and attributes are said there."""

    def __init__(self, seed: int = 0, clock: str = "virtual", *, choices: Iterable[int] = (), check: bool = False) -> None:
        order = Order(choices)
        self.seed, self.clock, self.choices = _checked_seed(seed), clock, order.choices
        self.rng = np.random.default_rng(self.seed)
        self.kernel = Kernel(pace_of(clock), order)
        if check and not self.kernel.virtual:
            raise ValueError(f'World: check=True needed clock="virtual", was {clock!r}; no two runs in real time are alike')
        self.trace = Trace(None if self.kernel.virtual else KEEP_EVENTS)
        self.files = Files(self.kernel)
        self._state = "new"
        self._patches = Patches()
        self.check = check
        self._rehearsal: Rehearsal | None = None
        self._watchdog: Watchdog | None = None
        self._affinity: set[int] | None = None
        self._collecting = False
        self._names = itertools.count(1)

    def __repr__(self) -> str:
        choices = f", choices {list(self.choices)}" if self.choices else ""
        return f"<World, seed {self.seed}, clock {self.clock}{choices}, {self._state}, {self.kernel.now / 1e9:.9f} s>"

    # opening and closing ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        global _open_world
        with _switch:
            if self._state != "new":
                raise RuntimeError(f"World: needed a new world, this one was {self._state}; make another with World()")
            if _open_world is not None:
                raise RuntimeError(
                    "World: needed no other open world, one was open in this process; worlds do not nest: use that one "
                    "(a test that has the fixture `world` or `port` is in one already)"
                )
            _open_world = self
        try:
            caller = sys._getframe(1)
            if self.kernel.virtual and caller.f_code.co_flags & inspect.CO_COROUTINE and asyncio._get_running_loop() is not None:
                raise RuntimeError(
                    f"World: needed an event loop of its own, {caller.f_code.co_name} runs in one that waits for real, in a time that "
                    "would not move; open the world first, and in it asyncio.run(...)"
                )
            if self.check:
                check_caller(caller)
                self._rehearsal = Rehearsal()
            self._begin()
        except BaseException as error:
            self._restore()
            if self._rehearsal is not None:
                self._rehearsal.over(self.trace, self.kernel.now, error)
            raise
        return self

    def _begin(self) -> None:
        self._state = "open"
        if self.kernel.virtual:  # in real time it may have to make way for pinned contexts
            self._affinity = _pin()
        self._collecting = gc.isenabled()
        gc.disable()  # finalisers run at the same place in every run: the kernel collects
        self.kernel.enter()
        rehearsal = self._rehearsal if self._rehearsal is not None and self._rehearsal.here else None
        self._watchdog = Watchdog(self.kernel, rehearsal.stuck if rehearsal else print_stuck)
        standins.use(self.kernel, SelectShim(self))
        install(self.kernel, self.files, self._patches, self._standins())
        install_selectors(self._patches)
        for target, name, value in self._device_patches():
            self._patches.set(target, name, value)
        seam.enter(self)
        if rehearsal is None:
            for observer in observers:
                observer(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._state == "left":
            return
        try:
            self._leave(error)
        except BaseException as failure:
            error = failure
            raise
        finally:
            if self._rehearsal is not None:
                self._rehearsal.over(self.trace, self.kernel.now, error)

    def _leave(self, error: BaseException | None) -> None:
        try:
            self._end_tasks()
        finally:
            self._restore()
        failure = self.kernel.failure
        if failure is None or error is failure:
            return
        if isinstance(error, KeyboardInterrupt):  # it ends the program, whatever else there is to say
            print_stuck(str(failure))
        else:
            raise failure

    def _end_tasks(self) -> None:
        self.kernel.unwind()
        self._close_devices()
        self.kernel.close()
        for thread in self.kernel.ended:
            _real_join(thread)

    def _restore(self) -> None:
        global _open_world
        self._patches.undo()
        standins.use(None)
        self.kernel.close()
        seam.enter(None)
        if self._watchdog is not None:
            self._watchdog.close()
        if self._affinity is not None:
            os.sched_setaffinity(0, self._affinity)
        if self._collecting:
            gc.enable()
        self._state = "closed"
        with _switch:
            _open_world = None

    def leave_child(self) -> None:
        """In a forked process, which has but one thread: nobody there is a task of this world."""
        if self._state == "open":
            self._watchdog = None  # its thread is in the parent
            self._restore()
            self._state = "left"

    def check_open(self) -> None:
        """Raise if this world is not open."""
        if self._state != "open":
            raise RuntimeError(f"World: needed an open world, was {self._state}; do this inside its `with` block")

    def _device_patches(self) -> Iterable[tuple[Any, str, Any]]:
        """What to replace, as (object, name, value), while this world is open, so that drivers find its devices."""
        return ()

    def _standins(self) -> Iterable[tuple[Any, Callable[..., Any]]]:
        """Pairs of a real function and what stands in for it, wherever a module has it, besides those of every world."""
        return ()

    def _close_devices(self) -> None:
        """Close what programs left open. Their threads have ended; the caller is still a task."""

    # time and tasks ----------------------------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """World time, in nanoseconds from 0."""
        kernel = self.kernel
        if not kernel.virtual and kernel.inside is None and kernel.current() is kernel.holder and self._state == "open":
            kernel.poll()
        return kernel.now

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run `function(*args)` as a task and return its result, or raise what it raises."""
        self._check_member("run")
        _check_function(function, "run")
        box: dict[str, Any] = {}

        def body() -> None:
            try:
                box["result"] = function(*args)
            except BaseException as error:
                if self.kernel.closing:
                    raise
                box["error"] = error  # what ends a test, as `pytest.fail` does, is no Exception, and ends it from here too

        self.kernel.join(self.spawn(body))
        if "error" in box:
            raise box["error"]
        return box.get("result")

    def spawn(self, function: Callable[..., Any], *args: Any) -> Task:
        """Run `function(*args)` as another task. What it raises ends the run in the main task."""
        self._check_member("spawn")
        _check_function(function, "spawn")

        def body() -> None:
            try:
                function(*args)
            except SystemExit:  # a thread may end itself, or be ended with its world
                raise
            except BaseException as error:  # noqa: BLE001 - raised again in the main task
                self.kernel.fail(None, error)

        name = getattr(function, "__qualname__", type(function).__name__)
        thread = threading.Thread(target=body, name=f"{name}-{next(self._names)}")
        thread.start()
        task: Task = thread._sim_task  # type: ignore[attr-defined]
        return task

    def after(self, delay_s: float, function: Callable[..., Any], *args: Any) -> None:
        """Call `function(*args)` as an event, `delay_s` seconds from now. It must return at once."""
        self._check_member("after")
        name = getattr(function, "__name__", "function")
        _check_function(function, "after")
        self.kernel.at(self.kernel.now + delay_ns(delay_s, "World.after"), function, *args, owner=f"event {name}")

    def member(self) -> bool:
        """Whether the calling thread is a task of this world."""
        return self.kernel.current() is not None

    def task(self) -> Task | None:
        """The task that the calling thread is, or None outside this world."""
        return self.kernel.current()

    def bell(self) -> Bell:
        """A new bell: what one task at a time waits on."""
        return Bell()

    def wait(self, bell: Bell, until_ns: int | None = None) -> bool:
        """Park the calling task until `bell` rings (True) or the time comes (False)."""
        return self.kernel.wait(bell, until_ns)

    def wake(self, bell: Bell) -> None:
        """Ring `bell`, from any thread."""
        self.kernel.wake(bell)

    def interrupt(self, task: Task, error: BaseException) -> None:
        """Have `task` raise `error` out of the call in which it is parked, or at its next one."""
        self.kernel.interrupt(task, error)

    def when_quiet(self, function: Callable[[int], tuple[Any, int | None]] | None) -> None:
        """Have the kernel ask `function(now_ns)` whenever nothing else can run, before time moves."""
        self.kernel.when_quiet(function)

    def quiet(self) -> bool:
        """Whether no event is due and no other task can run at this instant."""
        return self.kernel.quiet()

    def watch(self, file: Any) -> Callable[[], bool]:
        """A function that tells whether `file` is readable now; from here on time stops where it becomes readable.

        Raises:
            ValueError: `file` is not a simulated one.
        """
        fd = file if isinstance(file, int) else file.fileno()
        if fd not in self.files:
            raise ValueError(f"watch: needed a simulated file of this world, was the file number {fd}; real files have no virtual time")
        simulated = self.files[fd]
        simulated.watch_always()
        return lambda: simulated.open and simulated.readable()

    def _check_member(self, what: str) -> None:
        self.check_open()
        if not self.member():
            raise RuntimeError(f"World.{what}: needed a task of the world, was another thread; call it inside the `with` block")

    def _check_usable(self) -> None:
        if self._state == "closed":
            self.check_open()


def _check_function(function: Any, where: str) -> None:
    if not callable(function):
        raise TypeError(f"World.{where}: needed a function to call, was {function!r}; give it without brackets, its arguments behind it")


def _checked_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or seed < 0:
        raise ValueError(f"World: needed a seed that is a whole number from 0, was {seed!r}; for example seed=1")
    return int(seed)


def _pin() -> set[int] | None:
    """Keep this thread on the CPU it is on: a hand-over costs 7 microseconds there and four times that across two."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    before = os.sched_getaffinity(0)
    try:
        with open("/proc/thread-self/stat", "rb") as file:
            here = int(file.read().rpartition(b")")[2].split()[36])
        os.sched_setaffinity(0, {here} & before or before)
    except OSError:  # a container may forbid it, or have no /proc: then it is slower
        return None
    return before


def _after_fork() -> None:
    global _switch
    _switch = threading.Lock()  # its holder may be a thread of the parent
    if _open_world is not None:
        _open_world.leave_child()


_real_join = threading.Thread.join
os.register_at_fork(after_in_child=_after_fork)
