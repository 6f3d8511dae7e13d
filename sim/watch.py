"""A wish of somebody who waits at a terminal: ring when this has come.

Knows neither what is waited for nor who waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .kernel import Kernel
from .task import Bell


class Watch:
    """Rings `bell` when `when()`, a time in nanoseconds or None, has come. The terminal looks again whenever that may change."""

    __slots__ = ("at_ns", "bell", "entry", "when")

    def __init__(self, bell: Bell | None, when: Callable[[], int | None]) -> None:
        self.bell, self.when = bell, when
        self.entry: list[Any] | None = None
        self.at_ns: int | None = None

    def ring(self, kernel: Kernel) -> None:
        """The time has come."""
        if self.bell is not None:
            kernel.wake(self.bell)


class Call(Watch):
    """Calls `function()` when `when()` has come."""

    __slots__ = ("function",)

    def __init__(self, when: Callable[[], int | None], function: Callable[[], Any]) -> None:
        super().__init__(None, when)
        self.function = function

    def ring(self, kernel: Kernel) -> None:
        """The time has come."""
        self.function()
