"""Where every task stands: for deadlocks, and for a task that keeps the baton.

Law: looking costs the run nothing and changes nothing in it. The watch runs in a thread of its own, outside every world.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import traceback
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
STUCK_S = 10.0
_STARTERS = frozenset({"_bootstrap", "_bootstrap_inner", "run"})  # of `threading`
#: What runs tests, and is itself no part of the program under test: it sees real time, and says nothing in a stack.
RUNNERS = frozenset({"pytest", "_pytest", "hypothesis", "pluggy", "xdist", "execnet"})


def stack_of(frame: FrameType | None) -> str:
    """The stack that ends in `frame`, without the frames of this package, those that start a thread, and those of a test runner."""
    if frame is None:
        return "    (not started)\n"
    frames = [each for each, _ in traceback.walk_stack(frame) if not _of_machinery(each.f_code)]
    program = list(itertools.takewhile(lambda each: not _of_runner(each), frames)) or frames
    return formatted(reversed(program)) if program else "    (inside sim)\n"


def formatted(frames: Iterable[FrameType]) -> str:
    """These frames, the outermost first, as a traceback has them."""
    return "".join(traceback.StackSummary.extract((each, each.f_lineno) for each in frames).format())


def _of_machinery(code: CodeType) -> bool:
    return code.co_filename.startswith(_HERE) or (code.co_filename == threading.__file__ and code.co_name in _STARTERS)


def _of_runner(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in RUNNERS


def stack_in(ident: int) -> str:
    """The stack of the thread with that number."""
    return stack_of(sys._current_frames().get(ident))


def all_stacks(tasks: Iterable[Any]) -> str:
    """One paragraph per task: its name, state and stack."""
    frames = sys._current_frames()
    return "\n".join(
        f"task {task.name} ({task.state}):\n{stack_of(frames.get(task.ident))}{task.more() if task.more else ''}" for task in tasks
    )


def frames_here() -> list[FrameType]:
    """The frames of the calling thread, without those of this package."""
    return [frame for frame, _ in traceback.walk_stack(None) if not frame.f_code.co_filename.startswith(_HERE)]


def leave_handler(frames: list[FrameType]) -> None:
    """Have what the calling thread raises next be raised once more where one of `frames` catches it, and so leave that handler."""

    def trace(_: FrameType, event: str, arg: Any) -> Any:
        if event == "line":  # the first line after an exception is that of its handler
            raise SystemExit
        return trace

    for frame in frames:
        frame.f_trace = trace
    sys.settrace(lambda *_: None)


def real_code(duration_s: float) -> str:
    """What is said of a task that made no call for so long."""
    return f"has run real code for {duration_s:g} s without a call that the world knows (blocked in a socket or a C extension? an endless loop?)"


def print_stuck(text: str) -> None:
    """Say it on the standard error."""
    print(f"sim: {text}", file=sys.stderr, flush=True)


class Watchdog:
    """Tells, once per case, that a task has kept the baton for `stuck_s` real seconds, and where it stands."""

    def __init__(self, kernel: Any, tell: Callable[[str], None] = print_stuck, stuck_s: float | None = None) -> None:
        self._kernel, self._tell = kernel, tell
        self._stuck_s = STUCK_S if stuck_s is None else stuck_s
        self._stop, self._stopped = allocate_lock(), allocate_lock()
        self._stop.acquire()
        self._stopped.acquire()
        start_new_thread(self._watch, ())

    def _watch(self) -> None:
        kernel, said = self._kernel, -1
        seen = kernel.calls
        try:
            while not self._stop.acquire(timeout=self._stuck_s):
                if kernel.calls == seen and said != seen and not kernel.pace.asleep:
                    said = seen
                    self._say(kernel.holder)
                seen = kernel.calls
        finally:
            self._stopped.release()

    def _say(self, task: Any) -> None:
        self._tell(f"task {task.name} {real_code(self._stuck_s)}, so nothing else can run:\n{stack_in(task.ident)}")

    def close(self) -> None:
        """End the watch and its thread."""
        self._stop.release()
        self._stopped.acquire()
