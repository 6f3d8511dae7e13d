"""One context of a real-time run: build its scheduler, open its nodes, fire, close. And the main program of a process context.

Laws: everything a context owns is made here and let go here, however the run ends (L8); nobody fires before everybody's `open`
is done; the first failure in time ends the run. Where the context runs, in the calling thread, a thread of its own or a process of
its own, is the supervisor's business.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from functools import partial
from typing import Any

from ._bell import Bell
from ._driver import Driver, ticks
from ._scheduler import Scheduler
from .aio import Tasks
from .clock import thread_cpu_ns
from .life import Life, needs_loop, run_now
from .memory import Memory, object_slots
from .worker import Job, Tell, main


class ContextRunner:
    """One context. States: made, open, run, closed; used once.

    Args:
        job: what it does.
        memory: the run's, as this process maps it.
        alive: descriptor whose end of file means that the parent is gone; -1: none.
        values: what `object_slots` made, shared by the contexts of this process.
    """

    def __init__(self, job: Job, memory: Memory, alive: int, values: dict[int, list[Any]]):
        plan, nodes, eventfds = job.plan, job.nodes, list(job.eventfds)
        self._life = Life(plan, nodes, plan.contexts[job.context].nodes)
        self._scheduler = Scheduler(plan, memory, nodes, values, eventfds, virtual=False, digest=job.digest, seed=job.seed)
        bell = Bell(memory.buffer(0), plan.layout.contexts[job.context], eventfds[job.context])
        self._feeds = self._scheduler.feeds()
        for feed, position in self._feeds:
            feed.told(partial(self._offer, position, bell))
        spin_ns = round(job.spin_us * 1e3)
        self._driver = Driver(self._scheduler, bell, memory, plan.layout.run, eventfds[-1], spin_ns, alive)
        self._began, self._cpu_ns = ticks(), thread_cpu_ns()
        self._loop = asyncio.Runner() if needs_loop(plan, nodes) else None

    @property
    def results(self) -> dict[int, Any]:
        """Node index -> what its `close` returned."""
        return self._life.results

    def _offer(self, position: int, bell: Bell) -> None:
        """The program has put something."""
        self._scheduler.offer(position)
        bell.ring()

    def info(self) -> dict[str, Any]:
        """What the report says of this context."""
        return {
            "cpu_s": (thread_cpu_ns() - self._cpu_ns) / 1e9,
            "wakeups": self._driver.wakeups,
            "ns_per_tick": self.ns_per_tick(),
            "warnings": list(self._scheduler.warnings),
        }

    def ns_per_tick(self) -> float:
        """Nanoseconds of one tick of the time-stamp counter, measured since the context was made."""
        (ticks_then, ns_then), (ticks_now, ns_now) = self._began, ticks()
        return (ns_now - ns_then) / max(ticks_now - ticks_then, 1)

    def open(self) -> None:
        """Open all nodes. Raises NodeFailed; those that were open by then are closed by `close`."""
        self._do(self.aopen())

    def run(self) -> bool:
        """Wait for time 0 and fire until every node has ended (True) or the run is aborted (False). Raises NodeFailed."""
        if self._loop is not None:
            return self._loop.run(self.arun())
        if not self._driver.wait_for_start():
            return False
        self._scheduler.begin_run(self.ns_per_tick())
        ended: bool = self._driver.run()
        return ended

    def close(self) -> None:
        """Make safe and close all nodes that were opened. Raises the first NodeFailed, after all were closed."""
        try:
            self._do(self.aclose())
        finally:
            if self._loop is not None:
                self._loop.close()

    async def aopen(self) -> None:
        """`open`, in the caller's event loop."""
        self._scheduler.attach()
        await self._life.open()
        self._driver.watch_files()

    async def arun(self) -> bool:
        """`run`, in the caller's event loop."""
        awake = asyncio.Event()
        loop = asyncio.get_running_loop()
        files = [self._driver.bell.epoll_fd, self._driver.timer_fd()]
        for fd in files:
            loop.add_reader(fd, awake.set)
        tasks = Tasks(self._scheduler, awake.set)
        try:
            return await self._drive(awake, tasks)
        finally:
            for fd in files:
                loop.remove_reader(fd)
            await tasks.end()

    async def _drive(self, awake: asyncio.Event, tasks: Tasks) -> bool:
        while (started := self._driver.starting()) is None:
            await awake.wait()
            awake.clear()
        if not started:
            return False
        self._scheduler.begin_run(self.ns_per_tick())
        while True:
            awake.clear()
            idle = self._driver.turn()
            if tasks.error is not None:
                raise tasks.error
            if idle is False:
                return not self._scheduler.remaining
            if idle:
                await awake.wait()
            else:
                await asyncio.sleep(0)

    async def aclose(self) -> None:
        """`close`, in the caller's event loop."""
        for feed, _ in self._feeds:
            feed.told(None)
            feed.cut()
        self._driver.unwatch_files()
        await self._life.close()
        self._scheduler.close_outputs()
        self._scheduler.detach()
        self._life.raise_first()

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        if self._loop is not None:
            self._loop.run(coroutine)
        else:
            run_now(coroutine)


def make_runner(job: Job, memory: Memory, alive: int, tell: Tell) -> ContextRunner:
    """The runner of a process context, which shares no Python values with others."""
    return ContextRunner(job, memory, alive, object_slots(job.plan, job.plan.process_of(job.context)))


if __name__ == "__main__":
    main(int(sys.argv[1]), make_runner)
