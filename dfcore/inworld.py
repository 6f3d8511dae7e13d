"""A run inside a world: one table, one task per context, and the world's time.

Laws (RULES 4): the table is asked only when the instant is quiet, for one firing at a time, lowest (rank, index) first; so what
fires next does not depend on placement. A context is a task that runs one firing at a time; user code that blocks parks in the
world, its context stays busy and the others go on. Time 0 is when the last `open` returned. A firing that still blocks a grace
after the end is ended by `Stopped` and publishes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from ._scheduler import Scheduler
from .aio import ClockLoop, Tasks, run_to_the_end
from .clock import World
from .control import RunLine
from .errors import GraphError, NodeFailed, Problem, Stopped
from .inline import ABORT, STOP, Orders
from .life import Life, needs_loop, run_now
from .monitor import Samples
from .plan import Plan

#: How long a blocked firing may still take after the end of the run, in its own time.
GRACE_NS = 1_000_000_000
#: Stands among the contexts for the task that takes samples.
_MONITOR = -1


class Stage:
    """One context: a task of the world (the caller, for the inline one) that opens, fires and closes its nodes."""

    def __init__(self, run: InWorld, index: int, nodes: dict[int, Any]):
        self.run, self.index = run, index
        self.life = Life(run.plan, nodes, run.plan.contexts[index].nodes)
        self.bell = run.world.bell()
        self.task: Any = None
        self.firing = -1  # position of the firing that this context is to run next
        self._async = needs_loop(run.plan, nodes)
        self._tasks: Tasks | None = None
        self._done: asyncio.Future[None] | None = None  # while coroutines may fire

    def live(self) -> None:
        """From the first `open` to the last `close`."""
        if not self._async:
            run_now(self._live(self._serve))
            return
        loop = ClockLoop(lambda: self.run.world.now_ns, self._wait, lambda: self.run.world.wake(self.bell))
        run_to_the_end(loop, self._live(self._serve_coroutines))

    async def _live(self, serve: Callable[[], Any]) -> None:
        run = self.run
        try:
            try:
                await self.life.open()
                run.opened(self)
                await serve()
            except BaseException as error:  # noqa: BLE001 - it ends the run in its own task
                run.fail(error)
            await self.life.close()
        finally:
            run.closed(self)

    async def _serve(self) -> None:
        while not self.run.over:
            if self.firing < 0:
                self.run.world.wait(self.bell)
            else:
                self._fire()

    def _fire(self) -> None:
        """Run the firing, and as long as the next one is ours too, without asking the kernel."""
        run = self.run
        while self.firing >= 0 and not run.over:
            position, self.firing = self.firing, -1
            try:
                run.scheduler.run(position)
            except Stopped:
                if not run.over:
                    run.scheduler.cancelled(position)
            if not run.world.quiet():
                return
            bell, _ = run.quiet(run.world.now_ns)
            if bell is not None and bell is not self.bell:
                run.world.wake(bell)

    async def _serve_coroutines(self) -> None:
        self._done = asyncio.get_running_loop().create_future()
        self._tasks = Tasks(self.run.scheduler, lambda: None)
        self.run.add_tasks(self, self._tasks)
        try:
            await self._done
        finally:
            self._done = None
            await self._tasks.end()

    def _wait(self, timeout_ns: int | None) -> None:
        """The loop has nothing to do for `timeout_ns`: park, and fire what the table hands over meanwhile."""
        if timeout_ns == 0 or (self._done is not None and self._done.done()):
            return
        world = self.run.world
        if self._done is None or (self.firing < 0 and not self.run.over):
            try:
                world.wait(self.bell, None if timeout_ns is None else world.now_ns + timeout_ns)
            except Stopped:  # meant for the coroutines, which hold up nobody but their nodes: the loop goes on, to let them clean up
                if self._tasks is not None:
                    self._tasks.cancel_all()
        if self._done is None:
            return
        try:
            self._fire()
            if self._tasks is not None and self._tasks.error is not None:
                raise self._tasks.error
        except BaseException as error:  # noqa: BLE001 - it ends the run in its own task
            self._done.set_exception(error)
            return
        if self.run.over and not self._done.done():
            self._done.set_result(None)


class InWorld:
    """One run in a world. Used once, by a task of the world.

    Args: as for `inline.Inline`, and the world.
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
        samples: Samples | None,
        world: World,
    ):
        self._line, self._paused_ns, self._samples, self._sampling = line, -1, samples, False
        self.plan, self.scheduler, self.world = plan, scheduler, world
        self.over = False
        self.errors: list[BaseException] = []
        self._duration_ns, self._orders, self._stuck = duration_ns, orders, stuck
        self._zero_ns = 0
        self._bell = world.bell()  # of the caller: all are open, or all is over
        self._stages = {
            context.index: Stage(self, context.index, {index: nodes[index] for index in context.nodes})
            for context in plan.contexts
            if context.nodes or context.index == 0
        }
        self._unopened, self._unclosed = set(self._stages), set(self._stages)
        self._launchers: dict[int, Tasks] = {}
        self._grace_ns: int | None = None

    @property
    def now_ns(self) -> int:
        """The run clock; it stands still while the run is paused."""
        return (self.world.now_ns if self._paused_ns < 0 else self._paused_ns) - self._zero_ns

    @property
    def results(self) -> dict[int, Any]:
        """Node index -> what its `close` returned."""
        return {index: result for stage in self._stages.values() for index, result in stage.life.results.items()}

    def run(self, opened: Callable[[], None]) -> None:
        """Open, fire to the end, close. Raises NodeFailed, GraphError (deadlock)."""
        self.scheduler.attach()
        self._orders.wake = self._heed_orders
        for feed, position in self.scheduler.feeds():
            feed.world = self.world
            feed.told(partial(self.scheduler.offer, position))
        self._heed_orders()
        self._when_open = opened
        try:
            for stage in self._stages.values():
                if stage.index:
                    stage.task = self.world.spawn(stage.live)
            self._stages[0].task = self.world.task()
            self._stages[0].live()
            while self._unclosed:
                self.world.wait(self._bell)
        finally:
            self.world.when_quiet(None)
            self._orders.wake = lambda: None
            for feed, _ in self.scheduler.feeds():
                feed.told(None)
            self.scheduler.close_outputs()
            self.scheduler.detach()
            self.scheduler.world = None
        failures = self.errors + [failure for stage in self._stages.values() for failure in stage.life.failures]
        if failures:
            first, *others = failures
            if isinstance(first, NodeFailed):
                first.others = (*first.others, *(error for error in others if isinstance(error, NodeFailed)))
            raise first

    def opened(self, stage: Stage) -> None:
        """All nodes of `stage` are open; the last one to say so starts the run."""
        self._unopened.discard(stage.index)
        if self._unopened or self.over:
            return
        self._zero_ns = self.world.now_ns
        self._paused_ns = self._zero_ns if self._orders.paused else -1
        self.scheduler.zero_ns, self.scheduler.world = self._zero_ns, self.world
        self.scheduler.begin_run()
        try:
            self.scheduler.watch_files(self.world.watch)
        except ValueError as error:
            raise GraphError(
                Problem(
                    code="file",
                    where="wait_for",
                    needed="a file of this world",
                    found=str(error),
                    do="open a simulated device, or run in real time",
                )
            ) from error
        self._when_open()
        if self._samples is not None:
            self._unclosed.add(_MONITOR)
            self._monitor_bell = self.world.bell()
            self.world.spawn(self._sample)
        self.world.when_quiet(self.quiet)

    def quiet(self, now_ns: int) -> tuple[Any, int | None]:
        """Whose turn it is: `(bell, None)`, or when to ask again."""
        if self.over or self._orders.paused:
            return None, None
        try:
            return self._choose(now_ns - self._zero_ns)
        except BaseException as error:  # noqa: BLE001 - it ends the run in its own task
            self.fail(error)
            return self._bell, None

    def _choose(self, now_ns: int) -> tuple[Any, int | None]:
        scheduler = self.scheduler
        if (self._duration_ns is not None and now_ns >= self._duration_ns) or self._orders.state >= STOP:
            self._stop(now_ns)
        if self._samples is not None and self._samples.next_ns <= now_ns and not self._sampling:
            self._sampling = True
            return self._monitor_bell, None
        position = scheduler.choose(now_ns)
        if not scheduler.remaining:
            return self._finish(), None
        if position >= 0:
            stage = self._stages[scheduler.context_of(position)]
            stage.firing = position
            return stage.bell, None
        next_ns = self._next(scheduler.next_ns())
        if next_ns is None and not (scheduler.in_flight() or scheduler.files() or any(feed.open for feed, _ in scheduler.feeds())):
            self.fail(GraphError(self._stuck()))
            return self._bell, None
        return None, None if next_ns is None else next_ns + self._zero_ns

    def _next(self, next_ns: int) -> int | None:
        times = [] if next_ns < 0 else [next_ns]
        if self._duration_ns is not None and not self.scheduler.stopping:
            times.append(self._duration_ns)
        if self._grace_ns is not None:
            times.append(self._grace_ns)
        if times and self._samples is not None and not self._sampling:
            times.append(self._samples.next_ns)
        return min(times, default=None)

    def _stop(self, now_ns: int) -> None:
        if not self.scheduler.stopping:
            over = self._duration_ns if self._orders.state < STOP else None
            self.scheduler.stop(-1 if over is None else over)
            self._grace_ns = now_ns + GRACE_NS
        elif self._grace_ns is not None and now_ns >= self._grace_ns:
            self._grace_ns = None
            self._interrupt("was still blocked when its run was over")

    def _sample(self) -> None:
        """A task of its own, so that the program's function may block in it."""
        assert self._samples is not None
        try:
            while not self.over:
                self.world.wait(self._monitor_bell)
                if self._sampling and not self.over:
                    self._samples.take(self.now_ns)
                    self._sampling = False
        except BaseException as error:  # noqa: BLE001 - it ends the run
            self.fail(error)
        finally:
            self._unclosed.discard(_MONITOR)
            self.world.wake(self._bell)

    def _finish(self) -> Any:
        """Every node has ended: let all contexts close."""
        self.over = True
        if _MONITOR in self._unclosed:
            self.world.wake(self._monitor_bell)
        for stage in self._stages.values():
            self.world.wake(stage.bell)
        return None

    def _interrupt(self, why: str) -> None:
        busy = {self.scheduler.context_of(position) for position in self.scheduler.busy()}
        for stage in self._stages.values():
            if stage.index in busy and stage.task is not None:
                self.world.interrupt(stage.task, Stopped(f"{self.plan.contexts[stage.index].name}: {why}"))

    def _heed_orders(self) -> None:
        if self._orders.state >= ABORT:
            self._end()
        elif self._orders.paused:
            self._line.pause(1)
            self._paused_ns = self.world.now_ns if self._paused_ns < 0 else self._paused_ns
        elif self._paused_ns >= 0:
            self._line.resume(1)
            self._zero_ns += self.world.now_ns - self._paused_ns
            self.scheduler.zero_ns, self._paused_ns = self._zero_ns, -1

    def fail(self, error: BaseException) -> None:
        """The run has failed: let all contexts close. The first failure in time is raised."""
        if not isinstance(error, Stopped):
            self.errors.append(error)
        self._end()

    def _end(self) -> None:
        if not self.over:
            self._finish()
            self._interrupt("was blocked when its run was given up")

    def closed(self, stage: Stage) -> None:
        """All nodes of `stage` are closed."""
        self._unclosed.discard(stage.index)
        self.world.wake(self._bell)

    def add_tasks(self, stage: Stage, tasks: Tasks) -> None:
        """`stage` has an event loop: its coroutines are launched there."""
        self._launchers[stage.index] = tasks
        self.scheduler.launch = lambda position, awaitable: self._tasks_of(position).launch(position, awaitable)
        self.scheduler.cancel = lambda at: self._in_loop_of(at, lambda tasks: tasks.cancel(at))
        self.scheduler.side = lambda at, awaitable: self._in_loop_of(at, lambda tasks: tasks.side(at, awaitable))

    def _in_loop_of(self, position: int, action: Callable[[Tasks], None]) -> None:
        """Act in the event loop of a context that is parked, perhaps, and let it look."""
        action(self._tasks_of(position))
        self.world.wake(self._stages[self.scheduler.context_of(position)].bell)

    def _tasks_of(self, position: int) -> Tasks:
        return self._launchers[self.scheduler.context_of(position)]
