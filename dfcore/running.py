"""A graph under way while a block is executed.

Laws: leaving the block is `stop` and `wait`; what the body raised comes first, except that putting was refused because the run
failed: then the failure does. A run that fails under an async body ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from .errors import told
from .feed import StreamEnded
from .run import Run
from .stats import Report

if TYPE_CHECKING:
    from .door import Graph


class Running:
    """A graph under way, for `with` and `async with`."""

    def __init__(self, graph: Graph, begin: Callable[[], Run]):
        self.graph, self._begin = graph, begin
        self._task: asyncio.Task[Report] | None = None

    def __enter__(self) -> Graph:
        self._run = self._begin()
        self._run.start()
        return self.graph

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._run.stop()
        try:
            self._run.wait()
        except BaseException as failure:
            if error is None or isinstance(error, KeyboardInterrupt | StreamEnded):
                raise
            self._note(error, failure)

    def _note(self, error: BaseException, failure: BaseException) -> None:
        """What the body raised comes first, and tells of the run too."""
        error.add_note(f"and the run of graph {self.graph.name} has failed: {told(failure)}")

    async def __aenter__(self) -> Graph:
        self._run = self._begin()
        self._body = asyncio.current_task()
        self._task = asyncio.ensure_future(self._run.aexecute())
        opened = asyncio.ensure_future(asyncio.to_thread(self._run.seen.opened.wait))
        await asyncio.wait([self._task, opened], return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()
        self._task.add_done_callback(self._ended)
        return self.graph

    def _ended(self, task: asyncio.Task[Report]) -> None:
        """A run that fails under the body cancels it; the failure is raised on leaving."""
        if not task.cancelled() and task.exception() is not None and self._body is not None:
            self._body.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        failed = self._task.done() and not self._task.cancelled() and self._task.exception() is not None
        self._body = None
        self._run.stop()
        if failed and isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
        if error is None or failed or isinstance(error, StreamEnded):
            await self._task
        else:
            await asyncio.wait([self._task])
            if not self._task.cancelled() and (failure := self._task.exception()) is not None:
                self._note(error, failure)
