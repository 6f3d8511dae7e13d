"""Coroutines of firings in an event loop: real, or driven by a clock that jumps.

Laws: a firing's coroutine is one task; when it is done the scheduler is told, in the loop's thread; what it raised ends the run.
`ClockLoop` never looks at the machine's clock: its selector asks the driver to move time, so that an `await asyncio.sleep(0.1)`
costs exactly 0.1 s of the run's clock, for ever.
"""

from __future__ import annotations

import asyncio
import inspect
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any


class Carried(Exception):
    """Carries what asyncio would let through all of its loop, SystemExit and KeyboardInterrupt, to whom it belongs."""


async def _result(awaitable: Awaitable[Any]) -> Any:
    """What a task is made of: a coroutine, or an async generator's next value."""
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as error:
        raise Carried from error


def _raised(task: asyncio.Task[Any]) -> BaseException | None:
    """What the coroutine of a task raised; None if it returned."""
    error = task.exception()
    return error.__cause__ if isinstance(error, Carried) else error


class Tasks:
    """The tasks of one scheduler in one event loop.

    Attributes:
        error: what ended the run, if a firing raised; the driver raises it.
    """

    def __init__(self, scheduler: Any, wake: Callable[[], None]):
        self.scheduler, self._wake = scheduler, wake
        self.error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._firings: dict[int, asyncio.Task[Any]] = {}
        self._asides: set[asyncio.Task[Any]] = set()
        self._stopped: set[int] = set()  # positions whose firing `cancel` has ended
        self._launched: set[int] = set()  # positions that have had a firing here
        self._ended = False
        scheduler.launch, scheduler.cancel, scheduler.side = self.launch, self.cancel, self.side

    def launch(self, position: int, awaitable: Awaitable[Any]) -> None:
        """Run the coroutine of the firing of the cell at `position`."""
        self._launched.add(position)
        task = self._firings[position] = self._loop.create_task(_result(awaitable))
        task.add_done_callback(lambda task: self._done(position, task))

    def cancel(self, position: int) -> None:
        """End the firing of the cell at `position`: it publishes nothing."""
        if position in self._firings:
            self._stopped.add(position)
            self._firings[position].cancel()

    def side(self, position: int, awaitable: Awaitable[Any]) -> None:
        """Run a coroutine of the cell at `position` beside the firings: an `async def safe`."""
        task = self._loop.create_task(_result(awaitable))
        self._asides.add(task)
        task.add_done_callback(self._aside_done)

    def _done(self, position: int, task: asyncio.Task[Any]) -> None:
        if self._ended:
            return
        del self._firings[position]
        try:
            if task.cancelled():
                if position in self._stopped:
                    self._stopped.discard(position)
                    self.scheduler.cancelled(position)
                else:  # what the node awaited was cancelled, by somebody else than us
                    self.scheduler.reject(position, asyncio.CancelledError("what it awaited was cancelled"))
            elif (error := _raised(task)) is not None:
                self.scheduler.reject(position, error)
            else:
                self.scheduler.resolve(position, task.result())
        except BaseException as error:  # noqa: BLE001 - the driver raises it
            self.error = self.error or error
        self._wake()

    def _aside_done(self, task: asyncio.Task[Any]) -> None:
        self._asides.discard(task)
        if not task.cancelled() and (error := _raised(task)) is not None:
            self.error = self.error or error
            self._wake()

    def cancel_all(self) -> None:
        """End the firing of every cell: none publishes anything."""
        for position in self._firings:
            self.cancel(position)

    async def end(self) -> None:
        """Cancel what still runs, close the generators that wait at a `yield`, and wait for both."""
        self.scheduler.launch = self.scheduler.cancel = self.scheduler.side = None
        self._ended = True
        tasks = [*self._firings.values(), *self._asides]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for generator in self.scheduler.async_generators(self._launched):
            try:
                await generator.aclose()
            except Exception as error:  # noqa: BLE001 - told as asyncio tells it of a generator that it closes
                context = {"message": f"an error occurred while closing {generator!r}", "exception": error, "asyncgen": generator}
                self._loop.call_exception_handler(context)


class _Selector(selectors.BaseSelector):
    """Ready files are none; waiting is `wait(timeout_ns)`, which moves time or parks."""

    def __init__(self, wait: Callable[[int | None], None]):
        self._wait = wait
        self._files: dict[Any, selectors.SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._wait(None if timeout is None else round(timeout * 1e9))
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._files[fileobj] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._files.pop(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self.unregister(fileobj)
        return self.register(fileobj, events, data)

    def get_map(self) -> dict[Any, selectors.SelectorKey]:
        return self._files


class ClockLoop(asyncio.SelectorEventLoop):
    """An event loop in the time of a clock.

    Args:
        now_ns: reads the clock.
        wait: called with the nanoseconds until the loop's next timer (0: it has something to do; None: no timer). It returns when
            time has moved there, or earlier when something else happened.
        wake: called from another thread that scheduled something.
    """

    def __init__(self, now_ns: Callable[[], int], wait: Callable[[int | None], None], wake: Callable[[], None]):
        self._now_ns, self._wake = now_ns, wake
        super().__init__(_Selector(wait))
        self._clock_resolution = 1e-9  # timers due now are due now, not a tick of the machine's clock later

    def time(self) -> float:
        """The clock, in seconds."""
        return self._now_ns() / 1e9

    def _write_to_self(self) -> None:
        """Asyncio's way to wake a loop that waits: here it waits nowhere but in `wait`."""
        self._wake()


def run_to_the_end(loop: ClockLoop, main: Coroutine[Any, Any, None]) -> None:
    """Run `main`, then end what user code left in the loop, whether `main` failed or not. Closes the loop."""
    try:
        loop.run_until_complete(main)
    finally:
        try:
            loop.run_until_complete(_end_the_rest())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


async def _end_the_rest() -> None:
    """Cancel the tasks of others. Those by which asyncio closes a generator that nobody holds any more are waited for."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        if inspect.iscoroutine(task.get_coro()):
            task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
