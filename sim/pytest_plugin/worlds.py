"""The worlds that the running test opened, whoever opened them: a fixture, its body, or each example of Hypothesis.

Laws: the last world that was opened is kept, closed or not, for the report; of the others only what was asked for is kept. A world
that a fixture of a wider scope holds open belongs to every test that runs meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .files import TraceFile

if TYPE_CHECKING:
    from sim import World
    from sim.trace import Trace


class Worlds:
    """What the running test did with worlds.

    Attributes: `last` (the world opened last, or None), `count` (how many there were), `traces` (of those that it opened itself, in
    virtual time, if they are kept), `drawn` (whether an example of Hypothesis opened one of these).
    """

    def __init__(self) -> None:
        self.last: World | None = None
        self.count = 0
        self.traces: list[Trace] = []
        self.drawn = False
        self._keep = False
        self._sharing = 0
        self._file: TraceFile | None = None

    def begin(self, *, keep: bool = False, file: TraceFile | None = None) -> None:
        """A test begins. `keep` all its traces; write them to `file`."""
        if not self.open:
            self.last, self.count = None, 0
        self.traces, self.drawn = [], False
        self._keep, self._file = keep, file

    @property
    def open(self) -> bool:
        """Whether a world is open now."""
        return self.last is not None and self.last.member()

    def opened(self, world: World) -> None:
        """A world was opened: called by `sim` itself."""
        self._save()
        self.last = world
        self.count += 1
        if self._keep and not self._sharing and world.clock == "virtual":
            self.traces.append(world.trace)
            hypothesis: Any = sys.modules.get("hypothesis")
            self.drawn |= hypothesis is not None and hypothesis.currently_in_test_context()

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """What is opened in this block belongs to several tests."""
        self._sharing += 1
        try:
            yield
        finally:
            self._sharing -= 1

    def end(self) -> None:
        """The test is over, its fixtures are closed."""
        self._save()
        self._file = None
        if not self.open:
            self.last = None

    def _save(self) -> None:
        if self._file is not None and self.last is not None:
            self._file.add(self.last)
