"""Virtual time: one baton, one heap, one order.

Laws. Exactly one task runs at a time: it holds the baton. One instant is, in this order: the events due, as they were inserted;
the tasks that those woke, first in first out; when nothing else can run, the function of `when_quiet`, once; and only then does
time move. A task is parked, runnable, running, done or lost, and is woken only out of `parked`. What a device raises belongs to
the device: it ends the run in the main task, whichever thread found it. A world that closes ends every task; one that does not
end is reported; at worst it is lost, and no longer of this world.

A task is a real thread that waits on a gate of its own; handing the baton over is releasing one gate and waiting at another. This
module knows no device, no patch and no engine. The laws hold under every clock; only how time moves differs (`pace.py`).
"""

from __future__ import annotations

import gc
import operator
from _thread import get_ident
from collections import deque
from collections.abc import Callable
from typing import Any

from .ending import Ending
from .heap import Entry, Heap
from .order import Order
from .pace import Pace, VirtualPace
from .seam import DeviceError, DfcoreError, InternalError
from .stacks import all_stacks
from .task import DONE, LOST, PARKED, RUNNABLE, RUNNING, Bell, Task

FREE_POLLS = 64  # clock queries and polls that cost nothing, since the task last parked
POLL_NS = 1_000
COLLECT_EVERY = 10_000  # hand-overs between two collections of cycles: finalisers then run at the same place in every run
FULL_EVERY = 100  # collections between two of old cycles, which take long
_call: Callable[[Callable[[], Any]], Any] = operator.call


class SimDeadlock(DfcoreError, RuntimeError):
    """Every task of a world waits for ever and no event is left. The message holds the stack of each."""


class HookWaited(RuntimeError):
    """A hook waited, while time stands still. The message needs no more."""


class Kernel:
    """The baton, the heap and the order of one world."""

    def __init__(self, pace: Pace | None = None, order: Order | None = None) -> None:
        self.now = 0
        self.calls = 0
        self.closing = False
        self.inside: str | None = None  # whose code runs as an event
        self.failure: BaseException | None = None
        self.tasks: dict[int, Task] = {}
        self.all_tasks: list[Task] = []
        self.pace = pace or VirtualPace()
        self.virtual = self.pace.virtual
        self._order = order or Order()
        self.choosing = bool(self._order.choices)
        self.died: list[str] = []  # threads that an exception ended, in words
        self._heap = Heap()
        self.ready: deque[Task] = deque()
        self._posts: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._ask: Callable[[int], tuple[Any, int | None]] | None = None
        self._parks = self._collections = 0
        self.ended: deque[Any] = deque(maxlen=256)  # threads whose code has ended, but perhaps not yet the thread
        self.main = self.holder = Task("main")
        self._ending = Ending(self)

    def enter(self) -> None:
        """Make the calling thread the main task, which holds the baton."""
        task = self.main
        task.state, task.ident = RUNNING, get_ident()
        self.tasks[task.ident] = task
        self.all_tasks.append(task)
        self.pace.start()

    # events ------------------------------------------------------------------------------------------------------------------

    def at(self, time_ns: int, function: Callable[..., Any], *args: Any, owner: str | None = None) -> Entry:
        """Call `function(*args)` at `time_ns`, as an event that belongs to `owner`. The entry returned is for `cancel`."""
        return self._heap.add(max(time_ns, self.now), function, args, owner)

    @staticmethod
    def cancel(entry: Entry) -> None:
        """Take an event back. Harmless if it has already happened."""
        entry[2] = None

    def post(self, function: Callable[..., Any], *args: Any) -> None:
        """Have the kernel call `function(*args)` soon. The only call that a thread outside the world may make."""
        self._posts.append((function, args))
        self.pace.interrupt()

    def call(self, owner: str | None, function: Callable[..., Any], *args: Any) -> Any:
        """Call a hook of `owner` as an event: it cannot park, and what it raises ends the run in the main task."""
        before, self.inside = self.inside, owner or "an event"
        try:
            return function(*args)
        except KeyboardInterrupt:  # it is for the program, not of the device
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a device raises ends the run, by name
            self.fail(owner, error)
        finally:
            self.inside = before

    def fail(self, owner: str | None, error: BaseException) -> None:
        """End the run: raise in the main task, at its next call of the kernel."""
        if owner is not None and not isinstance(error, DfcoreError):
            cause = error
            found = f"{type(cause).__name__} was raised ({cause}) at {self.now / 1e9:.9f} s"
            text = str(cause) if isinstance(cause, HookWaited) else f"{owner}: needed hooks that return, {found}; mend the device"
            error = DeviceError(text)
            error.__cause__ = cause
        if self.failure is None:
            self.failure = error
        self.raise_in_main(self.failure)

    def told_by(self, error: BaseException | None) -> BaseException | None:
        """What ended the run, if `error` is that or was made of it by a driver. Then it has been told, and is not raised again."""
        failure, seen = self.failure, set[int]()
        while failure is not None and error is not None and id(error) not in seen:
            if error is failure:
                self.failure = self.main.pending = None
                return failure
            seen.add(id(error))
            error = error.__cause__ or error.__context__
        return None

    def raise_in_main(self, error: BaseException) -> None:
        """Wake the main task with an exception."""
        self.interrupt(self.main, error)

    def interrupt(self, task: Task, error: BaseException) -> None:
        """Have `task` raise `error` out of the call in which it is parked, or at its next one."""
        if not task.done:
            task.pending = error
            self._make_ready(task)

    def _run_due(self) -> None:
        """Run the events due at this instant. In real time, when nothing is left to do there, go on to the next one first."""
        if not self.virtual and not self.ready:
            self._follow_clock()
        limit_ns = self.now
        while (entry := self._heap.pop_due(limit_ns)) is not None:
            function, entry[2] = entry[2], None
            self.call(entry[4], function, *entry[3])

    def _follow_clock(self) -> None:
        """Be at the present, or at the first event that is overdue: however late the machine is, no instant is passed over."""
        present_ns, first_ns = self.pace.now_ns(), self._heap.first_ns()
        self.now = max(self.now, present_ns if first_ns is None else min(first_ns, present_ns))

    def _run_posts(self) -> None:
        while self._posts:
            function, args = self._posts.popleft()
            self.call(None, function, *args)

    # parking -----------------------------------------------------------------------------------------------------------------

    def current(self) -> Task | None:
        """The task that the calling thread is, or None outside the world."""
        return self.tasks.get(get_ident())

    def park(self, until_ns: int | None = None) -> bool:
        """Give the baton away until woken (True) or until the time has come (False)."""
        task = self.holder
        if self.inside is not None:
            found = f"one waited at {self.now / 1e9:.9f} s"
            raise HookWaited(f"{self.inside}: needed hooks that return at once, {found}; use after() or every() of the device")
        if self.closing and task is not self.main:
            self._ending.end(task)
        if task.pending is not None:
            self._raise_pending(task)
        task.state, task.rung, task.polls = PARKED, False, 0
        if until_ns is not None:
            task.timer = self.at(until_ns, self._time_out, task)
        try:
            following = self._next()
            if following is not task:
                self._hand_over(task, following)
        finally:
            if task.timer is not None:
                task.timer[2] = None
                task.timer = None
            self._take_baton(task)
        return task.rung

    def preempt(self) -> None:
        """Let another runnable task go on instead of this one, if the next choice says so."""
        if not self.ready or self.inside is not None or self.closing or self.current() is None:
            return
        place = self._order.next(len(self.ready) + 1)
        if place == 0:
            return
        task = self.holder
        task.state = RUNNABLE
        self._run_due()
        following = self._take(place - 1)
        self.ready.append(task)
        self.calls += 1
        try:
            self._hand_over(task, following)
        finally:
            self._take_baton(task)

    def _take_baton(self, task: Task) -> None:
        """The calling thread, that of `task`, runs from here on; unless it is to end, or was sent an exception."""
        self.holder = task
        task.state = RUNNING
        if self.closing and task is not self.main:
            self._ending.end(task)
        if task.pending is not None:
            self._raise_pending(task)

    def _hand_over(self, task: Task, following: Task) -> None:
        """Let `following` run, and wait for the baton.

        Ctrl-C, and what else the handler of a signal raises, comes here to the main thread without it, and is raised when it is its
        turn; also when who has it has stopped making calls, and is left behind.
        """
        calls: tuple[Callable[[], Any], ...] = (following.gate.release, task.gate.acquire)
        done: list[Any] = []  # tells which of the two calls were made: a handler runs within the second, or behind both
        try:
            done.extend(map(_call, calls))
        except BaseException as error:
            if len(done) != 1:
                if not done:
                    following.state = RUNNABLE
                    self.ready.appendleft(following)
                raise
            self.post(self.interrupt, task, error)
        if len(done) == 1 and not self._ending.await_baton(task):
            self.holder = task
            self._run_posts()
            self.ready = deque(other for other in self.ready if other is not task)

    def _raise_pending(self, task: Task) -> None:
        error = task.pending
        if error is not self.failure:
            task.pending = None
        elif not task.doing:  # a driver may translate what is raised inside it: then it is raised again at the next call
            self.failure = task.pending = None
        if error is not None:
            raise error

    def _time_out(self, task: Task) -> None:
        self._make_ready(task)

    def _make_ready(self, task: Task) -> None:
        if task.state is PARKED:
            task.state = RUNNABLE
            self.ready.append(task)

    def _next(self) -> Task:
        """The task that runs next. What a finaliser does meanwhile it does at once: nobody can park who has parked already."""
        self.inside = "a finaliser"
        try:
            return self._look_for_next()
        finally:
            self.inside = None

    def _look_for_next(self) -> Task:
        """The task that runs next. Moves time only if nothing else is left at this instant."""
        self.calls += 1
        self._parks += 1
        if self._parks % COLLECT_EVERY == 0:
            self._collect()
        while True:
            if self.closing:
                return self.ready.popleft() if self.ready else self.main
            self._run_due()
            if self._posts:
                self._run_posts()
                continue
            if self.ready:
                return self._choose()
            next_ns = self._heap.first_ns()
            if self._ask is not None:
                bell, ask_ns = self._ask_quiet(self._ask)
                if bell is not None or self.ready:
                    continue
                earlier_ns = self._heap.first_ns()
                next_ns = min((t for t in (earlier_ns, ask_ns) if t is not None), default=None)
            self._move(next_ns)

    def _choose(self) -> Task:
        count = len(self.ready)
        return self._take(self._order.next(count) if self.choosing and count > 1 else 0)

    def _take(self, place: int) -> Task:
        task = self.ready[place]
        del self.ready[place]
        task.state = RUNNING
        return task

    def _collect(self) -> None:
        """Let go of cycles, and of events that were taken back long before their time."""
        self._collections += 1
        gc.collect(1 if self._collections % FULL_EVERY else 2)
        self._heap.tidy()

    def _ask_quiet(self, function: Callable[[int], tuple[Any, int | None]]) -> tuple[Any, int | None]:
        try:
            bell, ask_ns = function(self.now)
        except Exception as error:  # noqa: BLE001 - it goes to the main task, whose run it ends
            self._ask = None
            self.raise_in_main(error)
            return None, None
        if bell is not None:
            self._ring(bell)
            if not self.ready:
                self._ask = None
                self.raise_in_main(InternalError("when_quiet: needed a bell somebody waits on, nobody did"))
        elif ask_ns is not None and ask_ns <= self.now:
            self._ask = None
            self.raise_in_main(InternalError(f"when_quiet: needed a time after {self.now} ns, was {ask_ns} ns"))
        return bell, ask_ns

    def _move(self, next_ns: int | None) -> None:
        if next_ns is None and self.virtual:
            text = "world: needed an event or a task that can run, every task waits for ever; wake one or give it a timeout\n"
            died = "".join(f"{words}\n" for words in self.died)
            self.raise_in_main(SimDeadlock(text + died + all_stacks(self.all_tasks)))
        elif self.virtual and next_ns is not None:
            self.now = next_ns
        else:
            self._posts.extend((function, ()) for function in self.pace.sleep_until(next_ns))

    # bells -------------------------------------------------------------------------------------------------------------------

    def wait(self, bell: Bell, until_ns: int | None = None) -> bool:
        """Park until `bell` rings (True) or the time comes (False)."""
        if bell.rung:
            bell.rung = False
            return True
        bell.waiter = self.holder
        try:
            return self.park(until_ns)
        finally:
            bell.waiter = None

    def wake(self, bell: Bell) -> None:
        """Ring `bell`, from any thread."""
        if get_ident() == self.holder.ident:
            self._ring(bell)
        else:
            self.post(self._ring, bell)

    def _ring(self, bell: Bell) -> None:
        task = bell.waiter
        if task is None or task.state is not PARKED:
            bell.rung = True
        else:
            bell.waiter = None
            task.rung = True
            self._make_ready(task)

    # polls -------------------------------------------------------------------------------------------------------------------

    def poll(self) -> None:
        """Charge a look at the clock or at a device: after the free ones each costs a microsecond, in which others may run."""
        self.calls += 1
        task = self.holder
        if self.inside is not None:
            return
        if self.closing:
            self._poll_closing(task)
            return
        if task.pending is not None:
            self._raise_pending(task)
        task.polls += 1
        if not self.virtual:
            self._look_at_clock(task)
            return
        if task.polls <= FREE_POLLS:
            return
        after_ns = self.now + POLL_NS
        first_ns = self._heap.first_ns()
        if not self.ready and not self._posts and self._ask is None and (first_ns is None or first_ns > after_ns):
            self.now = after_ns
            return
        self.pause(after_ns)

    def _poll_closing(self, task: Task) -> None:
        """Telling the time is allowed while a task ends; going on for ever is not."""
        task.polls += 1
        if task is not self.main and task.polls > FREE_POLLS:
            self._ending.end(task)

    def _look_at_clock(self, task: Task) -> None:
        self._follow_clock()
        if task.polls > FREE_POLLS:
            self.pause(self.now)
            return
        first_ns = self._heap.first_ns()
        while not self.ready and first_ns is not None and first_ns <= self.pace.now_ns():
            self._run_due()
            first_ns = self._heap.first_ns()

    def pause(self, until_ns: int) -> None:
        """Let others run until `until_ns`, without a new allowance of free polls."""
        task = self.holder
        polls = task.polls
        try:
            self.park(until_ns)
        finally:
            task.polls = polls

    # tasks -------------------------------------------------------------------------------------------------------------------

    def admit(self, name: str) -> Task:
        """A task for a thread about to be started; its thread calls `run_task`."""
        if self.closing:
            raise RuntimeError(f"world: needed an open world, it was closing when thread {name} was to start")
        task = Task(name)
        self.all_tasks.append(task)
        self.ready.append(task)
        return task

    def run_task(self, task: Task, function: Callable[[], Any]) -> None:
        """The life of a task, in its own thread: wait for the baton, run, hand the baton on whatever happened."""
        task.gate.acquire()
        task.ident = get_ident()
        task.state = RUNNING
        self.tasks[task.ident] = task
        self.holder = task
        try:
            if not self.closing:
                function()
        finally:
            self._finish(task)

    def _finish(self, task: Task) -> None:
        if task.state is LOST:
            return
        task.state, task.frames = DONE, []
        self.all_tasks.remove(task)
        if task.thread is not None:
            self.ended.append(task.thread)
        for bell in task.joiners:
            self._ring(bell)
        try:
            following = self._next()  # may run events: until the baton is gone this thread is one of the world
        except BaseException as error:  # noqa: BLE001 - whatever it is, the baton must not die with this thread
            self.raise_in_main(error)
            following = self.main
        self.tasks.pop(task.ident, None)
        following.gate.release()

    def join(self, task: Task, timeout_ns: int | None = None) -> bool:
        """Park until `task` has ended; whether it has."""
        if not task.done:
            bell = Bell()
            task.joiners.append(bell)
            self.wait(bell, None if timeout_ns is None else self.now + timeout_ns)
            if not task.done:
                task.joiners.remove(bell)
        return task.done

    def when_quiet(self, function: Callable[[int], tuple[Any, int | None]] | None) -> None:
        """Ask `function(now_ns)` whenever nothing else can run, before time moves; None takes it away."""
        self._ask = function

    def quiet(self) -> bool:
        """Whether no event is due and no other task can run at this instant."""
        if self.ready or self._posts:
            return False
        first_ns = self._heap.first_ns()
        return first_ns is None or first_ns > (self.now if self.virtual else self.pace.now_ns())

    # the end -----------------------------------------------------------------------------------------------------------------

    def unwind(self) -> None:
        """Let every other task end, each in turn; called by the main task."""
        self.closing = True
        self._ask = None
        self._ending.unwind()

    def close(self) -> None:
        """From here on nobody is a task of this world."""
        self.tasks.clear()
        self.pace.close()
