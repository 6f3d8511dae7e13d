"""The contexts of a graph side by side in one thread, each stepped by hand: what crosses between processes, without processes.

Each context believes that it is a process of its own; what a driver would do (time, sleep, wake) the test does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from dfcore._bell import Bell
from dfcore._scheduler import Scheduler
from dfcore.compiler import compile
from dfcore.memory import Memory, object_slots
from dfcore.replicas import instances
from dfcore.stats import EdgeReport, report

MOST_ROUNDS = 1000


class Contexts:
    """A run of `graph`. Every step is at time 0."""

    def __init__(self, graph: Any):
        self.plan = compile(graph)
        self.memory = Memory.create(self.plan, shared=False)
        self.fds = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(len(self.plan.contexts) + 1)]
        self.schedulers, self.bells = {}, {}
        made_of = instances(self.plan, graph.nodes)
        values = {self.plan.process_of(c.index): object_slots(self.plan, self.plan.process_of(c.index)) for c in self.plan.contexts}
        for context in self.plan.contexts:
            nodes = {index: made_of[index] for index in context.nodes}
            slots = values[self.plan.process_of(context.index)]
            made = Scheduler(self.plan, self.memory, nodes, slots, self.fds, virtual=False, digest=False, seed=0)
            for node in nodes.values():
                node.open() if hasattr(node, "open") else None
            made.attach()
            made.begin_run()
            self.schedulers[context.name] = made
            line = self.plan.layout.contexts[context.index]
            self.bells[context.name] = Bell(self.memory.buffer(0), line, self.fds[context.index])

    def step(self, name: str) -> None:
        """Let a context fire until nothing is ready there."""
        scheduler = self.schedulers[name]
        while scheduler.step(0) == 0 or scheduler.poll():
            pass

    def fire_once(self, name: str) -> None:
        """One sweep of a context."""
        self.schedulers[name].step(0)

    def sleep(self, name: str) -> bool:
        """Let a context go to sleep as its driver would. Returns whether it does: nothing is ready at the last look."""
        self.bells[name].begin_sleep()
        return not self.schedulers[name].poll()

    def rung(self, name: str) -> bool:
        """Whether a context that went to sleep was woken since."""
        try:
            return os.eventfd_read(self.fds[next(c.index for c in self.plan.contexts if c.name == name)]) > 0
        except BlockingIOError:
            return False

    def run(self) -> None:
        """Step all contexts in turn until every node has ended."""
        for _ in range(MOST_ROUNDS):
            for name in self.schedulers:
                self.step(name)
            if not any(scheduler.remaining for scheduler in self.schedulers.values()):
                return
        raise AssertionError(f"contexts: needed every node to end within {MOST_ROUNDS} rounds; nobody can go on")

    def edge(self, name: str) -> EdgeReport:
        """The counters of an edge."""
        made = report(self.plan, self.memory, clock="real", seed=0, duration_s=0.0, ended="running", digests=False, tick_ns=1.0,
                      contexts={})  # fmt: skip
        return made.edges[name]

    def close(self) -> None:
        """End the run, however far it is."""
        for scheduler in self.schedulers.values():
            scheduler.close_outputs()
            scheduler.detach()
        self.memory.close()
        for fd in self.fds:
            os.close(fd)


@contextlib.contextmanager
def contexts(graph: Any) -> Iterator[Contexts]:
    """A run of `graph` by hand, closed in the end."""
    made = Contexts(graph)
    try:
        yield made
    finally:
        made.close()
