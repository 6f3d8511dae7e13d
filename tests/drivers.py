"""One program under every driver: a test says which nodes share a context, a driver says what a context is."""

from __future__ import annotations

import contextlib
from typing import Any

KINDS = ("inline", "threads", "processes", "virtual")


class Driver:
    """One way to run a program: where its contexts are, and on which clock.

    `kind` is "inline" (no contexts, real time), "threads", "processes" or "virtual" (contexts in the plan, one process, a clock
    that jumps).
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def at(self, graph: Any, name: str) -> Any:
        """The context `name` of `graph` under this driver, for `with`; inline, the graph's own block goes on."""
        if self.kind == "inline":
            return contextlib.nullcontext()
        return graph.context(name, kind="thread" if self.kind == "threads" else "process")

    def run(self, graph: Any, duration_s: float | None = None, **options: Any) -> Any:
        """The report of a run of `graph` under this driver."""
        if self.kind == "virtual":
            options["clock"] = "virtual"
        return graph.run(duration_s, **options)

    def __repr__(self) -> str:
        return self.kind
