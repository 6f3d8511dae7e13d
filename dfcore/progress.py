"""A bar for long work: how far it is, on the terminal of whoever waits for it.

Laws: it is drawn only where standard error is a terminal, and nothing is done, imported or started elsewhere; it looks at the work,
ten times a second, from a thread of its own, which is gone when the bar is, so the work pays for counting only. In a world nothing
is drawn: its threads would live in its time. Knows no graph and no pipe: they say what is done of what.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from .clock import world_around

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress


PERIOD_S = 0.1


class Bar:
    """How much of some work is done. States: made; drawn, inside its `with` block; over.

    Args:
        title: what is going on.
        total: when it is done; None: nobody knows.
        unit: what is counted, in the plural: `items`, `s`.
        look: tells how much is done; asked from another thread. None: what `advance` has added up.
    Attributes:
        done: what `advance` has added up; one thread at a time may add.
    Raises:
        ImportError: on a terminal without the package `rich`.
    """

    def __init__(self, title: str, total: float | None = None, *, unit: str = "items", look: Callable[[], float] | None = None):
        self.title, self.total, self.unit = title, total, unit
        self.done: float = 0
        self._look = look or (lambda: self.done)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        shown = sys.stderr is not None and sys.stderr.isatty() and world_around() is None
        self._drawn = _draw(self) if shown else None

    def advance(self, count: float = 1) -> None:
        """`count` more are done."""
        self.done += count

    def __enter__(self) -> Self:
        if self._drawn is not None:
            self._thread = threading.Thread(target=self._redraw, name=f"dfcore progress of {self.title}", daemon=True)
            self._drawn.start()
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        drawn, self._drawn = self._drawn, None
        if drawn is not None and self._thread is not None:
            self._over.set()
            self._thread.join()
            drawn.stop()

    def _redraw(self) -> None:
        drawn = self._drawn
        while not self._over.wait(PERIOD_S) and drawn is not None:
            drawn.refresh()

    @property
    def text(self) -> str:
        """How far it is: `3.2 of 10 s`, `1200 items`."""
        done = self._look()
        number = f"{done:.1f}" if self.unit == "s" else f"{done:g}" if done != int(done) else f"{int(done)}"
        return f"{number} of {self.total:g} {self.unit}" if self.total is not None else f"{number} {self.unit}"


def _draw(bar: Bar) -> Progress:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    except ImportError as error:
        raise ImportError("progress: needed the package `rich` to draw a bar, was not installed; "
                          "pip install 'dfcore[cli]', or leave progress out") from error  # fmt: skip

    class Drawn(Progress):
        """Looks at the work each time it is drawn."""

        def get_renderable(self) -> RenderableType:
            for task in self.tasks:
                self.update(task.id, completed=bar._look(), text=bar.text)
            return super().get_renderable()

    left = [TimeRemainingColumn()] if bar.total is not None else []
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn(), *left
    drawn = Drawn(*columns, console=Console(stderr=True), auto_refresh=False)
    drawn.add_task(bar.title, total=bar.total, text=bar.text)
    return drawn
