"""Virtual time without a world: one table, one thread, and a clock that jumps.

Laws: time is one integer and moves only when nothing can happen any more at the instant it shows; user code takes no time unless
it awaits or declares a cost. There is no event heap here: the table says when it wants to be asked again. Nothing waits for real,
but user code that blocks.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from ._scheduler import Scheduler
from .aio import ClockLoop, Tasks, run_to_the_end
from .control import RunLine
from .errors import GraphError, NodeFailed, Problem
from .life import Life, needs_loop, run_now
from .monitor import Samples
from .plan import Plan
from .waiting import Waiters

#: States of a run, as in `control.py`.
STOP, ABORT = 2, 3


class Orders:
    """What the program tells a run: `state` only ever grows, and ends a pause. `wake` is called after each change."""

    def __init__(self) -> None:
        self.state = 0
        self.paused = False
        self.wake: Callable[[], None] = lambda: None

    def raise_to(self, state: int) -> None:
        """Go on to STOP or ABORT."""
        self.state = max(self.state, state)
        self.paused = False
        self.wake()

    def pause(self, paused: bool) -> None:
        """Let nobody begin a firing, or let everybody go on. A run that has to end is not paused."""
        self.paused = paused and self.state < STOP
        self.wake()


class Interrupts:
    """Ctrl-C while a run has the main thread: the first stops it, the second aborts it and is raised there.

    In other threads it does nothing. Attribute `count`: how many there were.
    """

    def __init__(self, orders: Orders):
        self.count = 0
        self._orders = orders
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, number: int, frame: object) -> None:
        self.count += 1
        self._orders.raise_to(STOP if self.count == 1 else ABORT)
        if self.count > 1:
            raise KeyboardInterrupt


class Inline:
    """One run in virtual time, in the calling thread.

    Args:
        plan, nodes: the run's; every node of the graph.
        scheduler: the one table.
        duration_ns: when emitters stop; None: never by themselves.
        orders: from other threads, and from signals.
        line: of the run, by which the table is told of a pause.
        samples: for a monitor.
        stuck: tells why nothing can happen any more: a Problem.
    """

    def __init__(
        self,
        plan: Plan,
        nodes: dict[int, Any],
        scheduler: Scheduler,
        duration_ns: int | None,
        orders: Orders,
        stuck: Callable[[], Problem],
        line: RunLine,
        samples: Samples | None = None,
    ):
        self.now_ns = 0
        self._line, self._outside, self._news, self._samples = line, Waiters(), False, samples
        self._told = False  # an order that was not looked at yet
        self.life = Life(plan, nodes, [node.index for node in plan.nodes])
        self._plan, self._nodes, self._scheduler = plan, nodes, scheduler
        self._duration_ns, self._orders, self._stuck = duration_ns, orders, stuck
        self._tasks: Tasks | None = None
        self._done: asyncio.Future[None] | None = None  # while coroutines may fire

    @property
    def results(self) -> dict[int, Any]:
        """Node index -> what its `close` returned."""
        return self.life.results

    def run(self, opened: Callable[[], None]) -> None:
        """Open, fire to the end, close. `opened` is called when every node is open. Raises NodeFailed, GraphError (deadlock)."""
        if needs_loop(self._plan, self._nodes):
            self._run_in_loop(opened)
        else:
            run_now(self._live(opened, self._fire_all))

    async def _live(self, opened: Callable[[], None], fire: Callable[[], Any]) -> None:
        self._scheduler.attach()
        self._orders.wake = self._hear
        self._hear()
        for feed, position in self._scheduler.feeds():
            feed.told(partial(self._offered, position))
        try:
            await self.life.open()
            self._refuse_files()
            self._scheduler.begin_run()
            opened()
            await fire()
        except NodeFailed as failure:
            self.life.failures.insert(0, failure)
        finally:
            self._orders.wake = lambda: None
            for feed, _ in self._scheduler.feeds():
                feed.told(None)
                feed.cut()
            await self.life.close()
            self._scheduler.close_outputs()
            self._scheduler.detach()
        self.life.raise_first()

    def _refuse_files(self) -> None:
        for _, cell in self._scheduler.files():
            raise GraphError(
                Problem(
                    code="file",
                    where=f"{cell.name}.wait_for",
                    needed="a file that has virtual time",
                    found="a file descriptor of this machine",
                    do="run in a `World`, with a simulated device, or in real time",
                )
            )

    async def _fire_all(self) -> None:
        while self._scheduler.remaining and self._orders.state < ABORT:
            if not self._turn():
                return

    def _turn(self) -> bool:
        """Fire the whole instant, then move time. False: every node has ended."""
        scheduler = self._scheduler
        self._heed()
        if self._orders.paused:
            self._wait_outside()
            return True
        next_ns = scheduler.step(self.now_ns)
        if self._line.paused:
            return True  # an order, before the instant was over
        if not scheduler.remaining:
            return False
        self._move(self._next(next_ns))
        return True

    def _move(self, next_ns: int | None) -> None:
        """Time is `next_ns`; None: nothing can happen any more, unless somebody outside does something."""
        if next_ns is not None:
            self.now_ns = next_ns
        elif any(feed.open for feed, _ in self._scheduler.feeds()):
            self._wait_outside()
        else:
            raise GraphError(self._why())

    # -- from outside ---------------------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        """There is an order. The table fires nothing until it is heeded: an instant in which the program puts may have no end."""
        self._line.pause(1)
        self._told = self._news = True
        self._outside.wake()

    def _offered(self, position: int) -> None:
        """The program has put something."""
        self._scheduler.offer(position)
        self._news = True
        self._outside.wake()

    def _wait_outside(self) -> None:
        """Time stands still until there is an order, or the program puts something."""
        self._outside.wait(lambda: self._news)
        self._news = False

    def _heed(self) -> None:
        if self._told:
            self._told = False
            if not self._orders.paused:
                self._line.resume(1)  # before the order is looked at, so that one that comes meanwhile is not forgotten
        if self._samples is not None and self._samples.next_ns <= self.now_ns:
            self._samples.take(self.now_ns)
        if self._scheduler.stopping:
            return
        if self._orders.state >= STOP:
            self._stop(-1)
        elif self._duration_ns is not None and self.now_ns >= self._duration_ns:
            self._stop(self._duration_ns)

    def _stop(self, end_ns: int) -> None:
        self._scheduler.time_is(self.now_ns)
        self._scheduler.stop(end_ns)

    def _why(self) -> Problem:
        """Why nothing can happen any more: an await that nobody ends, or edges that wait for each other."""
        for name in self._scheduler.in_flight():
            return Problem(
                code="await",
                where=name,
                needed="to await what this run can bring: time, or another coroutine of it",
                found="awaiting something else, and nothing can happen any more",
                do="give the await a timeout, or run in real time",
            )
        return self._stuck()

    def _next(self, next_ns: int, loop_ns: int | None = None) -> int | None:
        """When something happens next: a timer of the table, one of the loop, the end of the run; None: never."""
        times = [] if next_ns < 0 else [next_ns]
        if loop_ns is not None:
            times.append(loop_ns)
        if self._duration_ns is not None and not self._scheduler.stopping:
            times.append(self._duration_ns)
        if times and self._samples is not None:
            times.append(self._samples.next_ns)
        return min(times, default=None)

    # -- with coroutines ------------------------------------------------------------------------------------------------------

    def _run_in_loop(self, opened: Callable[[], None]) -> None:
        run_to_the_end(ClockLoop(lambda: self.now_ns, self._wait, lambda: None), self._live(opened, self._fire_in_loop))

    async def _fire_in_loop(self) -> None:
        self._done = asyncio.get_running_loop().create_future()
        self._tasks = Tasks(self._scheduler, lambda: None)
        try:
            await self._done
        finally:
            self._done = None
            await self._tasks.end()

    def _wait(self, timeout_ns: int | None) -> None:
        """The loop has nothing to do for `timeout_ns`: fire one, or move time."""
        if timeout_ns == 0 or self._done is None or self._done.done():
            if timeout_ns and self._done is None:
                self.now_ns += timeout_ns  # an `await` in open or close
            return
        try:
            if self._fire_one():
                return
            if self._orders.paused:
                self._wait_outside()
                return
            if self._line.paused:
                return  # an order came, and nothing was chosen because of it
            self._move(self._next(self._scheduler.next_ns(), None if timeout_ns is None else self.now_ns + timeout_ns))
            self._scheduler.time_is(self.now_ns)
        except BaseException as error:  # noqa: BLE001 - the loop's future carries it
            self._done.set_exception(error)

    def _fire_one(self) -> bool:
        """One firing, and back to the loop, for it may have woken a coroutine. False: nothing is ready now."""
        assert self._tasks is not None and self._done is not None
        if self._tasks.error is not None:
            raise self._tasks.error
        self._heed()
        position = self._scheduler.choose(self.now_ns)
        if position >= 0:
            self._scheduler.run(position)
        if not self._scheduler.remaining or self._orders.state >= ABORT:
            self._done.set_result(None)
            return True
        return position >= 0
