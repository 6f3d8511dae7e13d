"""How the tasks of a world end with it: each in turn, and those that do not want to.

Laws: every task but the main one is raised SystemExit in, wherever it waits. One that catches that, again and again, is reported by
name and stack, and led out of its handlers. One that makes no call for ten seconds of real time is reported, too, and left behind:
it is lost, no longer of this world, and keeps neither the world nor the process from ending.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .stacks import frames_here, leave_handler, real_code, stack_in
from .task import DONE, LOST, RUNNABLE, Task

if TYPE_CHECKING:
    from .kernel import Kernel

MOST_REFUSALS = 100  # times that a task may catch its own end, and go on
MOST_HANDLERS = 20  # that it is led out of, after that
GRACE_S = 10.0  # of real code


class Ending:
    """The end of one kernel's tasks."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def unwind(self) -> None:
        """Let every other task end, each in turn; called by the main task."""
        kernel, main = self._kernel, self._kernel.main
        main.pending = None
        kernel.ready = deque(task for task in kernel.all_tasks if task is not main)
        for task in kernel.ready:
            task.state = RUNNABLE  # so that nobody wakes it a second time
        while kernel.ready:
            kernel.ready.popleft().gate.release()
            self.await_baton(main)
            kernel.holder = main

    def await_baton(self, waiting: Task) -> bool:
        """Wait until it is the turn of `waiting`; False: who has the baton makes no call for a long time, and was left behind."""
        kernel = self._kernel
        calls = kernel.calls
        while True:
            taken: list[bool] = []
            try:
                taken.extend(map(waiting.gate.acquire, (True,), (GRACE_S,)))
            except BaseException as error:  # noqa: BLE001 - what the handler of a signal raised; of several the first one counts
                if kernel.closing:
                    kernel.failure = kernel.failure or error
                if not taken:
                    continue
            if taken[0]:
                return True
            task = kernel.holder
            if calls == kernel.calls and task.state is not DONE and not kernel.pace.asleep:
                self._report(task, real_code(GRACE_S))
                self._lose(task)
                return False
            calls = kernel.calls

    def end(self, task: Task) -> None:
        """Raise SystemExit in `task`, whose thread this is."""
        task.refusals += 1
        if task.refusals == MOST_REFUSALS:
            self._report(task, f"caught SystemExit {MOST_REFUSALS} times and went on; do not catch BaseException there")
        if task.refusals >= MOST_REFUSALS + MOST_HANDLERS:
            self._lose(task)
            self._kernel.main.gate.release()
            task.gate.acquire()  # for good
        if task.refusals >= MOST_REFUSALS - 1:
            before, task.frames = task.frames, frames_here()
            leave_handler([frame for frame in task.frames if frame in before])  # those in which it goes round
        raise SystemExit

    def _report(self, task: Task, why: str) -> None:
        if self._kernel.failure is None:
            text = f"world: needed every thread to end with it, task {task.name} {why}:\n{stack_in(task.ident)}"
            self._kernel.failure = RuntimeError(text)

    def _lose(self, task: Task) -> None:
        """Go on without `task`."""
        task.state = LOST
        self._kernel.tasks.pop(task.ident, None)
        self._kernel.all_tasks.remove(task)
        task.let_go()
