"""Open and close the nodes of one context.

Laws: `open` in order of creation, before any node fires; `close` in reverse, of every node whose `open` returned, and `safe`
before each `close`, however the run ends; one that fails does not keep the others from closing. All methods may be `async def`,
so everything here is a coroutine; where no node needs an event loop, `run_now` runs it to its end without one.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from .errors import NodeFailed, Stopped, told
from .plan import Plan

T = TypeVar("T")


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError("open or close: needed to finish without waiting, was awaiting; make the method `async def`")


def needs_loop(plan: Plan, nodes: dict[int, Any]) -> bool:
    """Whether any method of these nodes is a coroutine function."""
    methods = ("open", "flush", "safe", "close")
    if any(plan.nodes[index].style in ("coroutine", "async_generator") for index in nodes):
        return True
    functions = (getattr(node, method, None) for node in nodes.values() for method in methods)
    return any(inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function) for function in functions)


class Life:
    """The nodes of one context, from the first `open` to the last `close`.

    Attributes:
        failures: what `open`, `safe` and `close` raised, as NodeFailed, first in time first.
        results: node index -> what its `close` returned.
    """

    def __init__(self, plan: Plan, nodes: dict[int, Any], order: Iterable[int]):
        self.plan, self.nodes, self.order = plan, nodes, list(order)
        self.opened: list[int] = []
        self.failures: list[NodeFailed] = []
        self.results: dict[int, Any] = {}

    async def open(self) -> None:
        """Open all. The first that fails ends it. Raises NodeFailed."""
        for index in self.order:
            await self._call(index, "open")
            self.opened.append(index)

    async def close(self) -> None:
        """Make safe and close all that were opened, last opened first. Failures are kept, not raised."""
        while self.opened:
            index = self.opened.pop()
            for method in ("safe", "close"):
                try:
                    result = await self._call(index, method)
                except NodeFailed as failure:
                    self.failures.append(failure)
                else:
                    if method == "close":
                        self.results[index] = result

    def raise_first(self) -> None:
        """Raise the first failure in time, with the later ones in its `others`; nothing if there was none."""
        if self.failures:
            first, *others = self.failures
            first.others = (*first.others, *(error for error in others if error not in first.others))
            raise first

    async def _call(self, index: int, method: str) -> Any:
        function = getattr(self.nodes[index], method, None)
        if function is None:
            return None
        name = self.plan.nodes[index].name
        try:
            result = function()
            return await result if inspect.isawaitable(result) else result
        except (KeyboardInterrupt, Stopped, NodeFailed):
            raise
        except BaseException as error:  # a node that calls sys.exit has failed, too
            if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
                raise
            raise NodeFailed(f"{name}: {method} raised {told(error)}", node=name, method=method) from error


def _is_being_cancelled() -> bool:
    """Whether somebody cancelled the program's own task, rather than a method having raised by itself."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0
