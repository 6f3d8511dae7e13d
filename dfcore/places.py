"""One context of a run as its supervisor sees it: where it runs, what it was refused, how far it is.

Laws: a wish that the machine or the company of other contexts refuses is one sentence, and the run goes on without it; what a
context says is heard the same way whether it came through a pipe or by a call.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from . import launch, machine
from .memory import Memory
from .pickles import loads
from .pipe import Inbox, unpack_error
from .plan import ContextPlan, Plan
from .worker import AsyncRunner, Job, Tell

MakeRunner = Callable[[Job, Memory, int, Tell], AsyncRunner]
Hear = Callable[[int, tuple[Any, ...]], None]


@dataclass(slots=True, kw_only=True)
class Place:
    """A context. States: started, `ready` (everything open), `done` (everything closed); a process may live a little longer."""

    job: Job
    context: ContextPlan
    refused: list[str]
    ready: bool = False
    done: bool = False
    done_ns: int = 0
    starved_ns: int = 0  # of its process, when its time to end began
    killed: str = ""  # why this run killed it
    info: dict[str, Any] = field(default_factory=dict)
    runner: AsyncRunner | None = None  # in this process
    opened: bool = False
    thread: threading.Thread | None = None
    packed: tuple[bytes, bytes] = (b"", b"")  # in a process of its own
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    inbox: Inbox | None = None

    @property
    def name(self) -> str:
        return self.context.name

    @property
    def kind(self) -> str:
        return self.context.kind

    @property
    def over(self) -> bool:
        """Nothing of it runs any more."""
        return self.done and self.pidfd < 0

    @property
    def pid(self) -> int:
        """Of the process in which it runs; 0: that one has not been started yet."""
        if self.kind != "process":
            return os.getpid()
        return 0 if self.process is None else self.process.pid

    def report(self) -> dict[str, Any]:
        """What a report says of it."""
        cpu = None if self.job.cores is None else tuple(sorted(self.job.cores))
        return {**self.info, "pid": self.pid, "cpu": cpu, "priority": self.context.priority, "refused": tuple(self.refused)}

    def tell(self, hear: Hear) -> Tell:
        """How it speaks to its supervisor."""
        return partial(hear, self.job.context)

    def unpacked(self, message: tuple[Any, ...]) -> tuple[Any, ...]:
        """A message of its process with errors and results as they were."""
        if message[0] == "failed":
            return ("failed", message[1], unpack_error(message[2], f"context {self.name!r}, process {self.pid}"))
        if message[0] == "done":
            return ("done", {index: loads(result) for index, result in message[1].items()}, message[2])
        return message

    def start(self, up: tuple[int, int], alive: int) -> None:
        """Start its process. `up`: a pipe, of which the writing end is the child's; `alive`: see `launch.start`."""
        reader, writer = up
        self.inbox = Inbox(reader)
        try:
            self.process = launch.start(self.job, self.packed, writer, alive)
        finally:
            os.close(writer)
        self.packed = (b"", b"")
        self.pidfd = os.pidfd_open(self.process.pid)

    def reap(self) -> int:
        """The exit status of its process, which is over; negative: the signal that killed it."""
        assert self.process is not None
        status = self.process.wait()
        os.close(self.pidfd)
        self.pidfd = -1
        return status

    def close(self) -> None:
        """Let go of what belongs to its process; kill it, should it live."""
        if self.pidfd >= 0 and self.process is not None:
            self.process.kill()
            self.reap()
        if self.inbox is not None:
            self.inbox.close()
        if self.thread is not None and self.done:
            self.thread.join()
        self.runner = None


def places(
    plan: Plan, memory: Memory, nodes: Mapping[int, Any], eventfds: tuple[int, ...], seed: int, digest: bool
) -> list[Place]:
    """One place per context, not started; those without nodes are done already.

    Raises:
        GraphError: a node cannot travel into its process.
    """
    allowed = machine.allowed_cpus()
    chosen = {context.index: _cores(context, allowed) for context in plan.contexts}
    pinned = [(context.name, chosen[context.index][0]) for context in plan.contexts]
    found = []
    for context in plan.contexts:
        cores, refusal = chosen[context.index]
        spins = machine.shared_cores(pinned, context.name) if context.spin_us and context.nodes else None
        job = Job(
            plan=plan,
            context=context.index,
            nodes={index: nodes[index] for index in context.nodes},
            memory_fds=memory.fds if context.kind == "process" else (),
            eventfds=eventfds,
            cores=None if cores is None else tuple(sorted(cores)),
            spin_us=0 if spins else context.spin_us,
            seed=seed,
            digest=digest,
        )
        refused = [sentence for sentence in (refusal, spins) if sentence is not None]
        place = Place(job=job, context=context, refused=refused, done=not context.nodes, ready=not context.nodes)
        if context.kind == "process" and context.nodes:
            place.packed = launch.pack(job)
        found.append(place)
    return found


def _cores(context: ContextPlan, allowed: frozenset[int]) -> tuple[frozenset[int] | None, str | None]:
    if context.cpu is None:
        return None, None
    cores, refusal = machine.choose_cpus(context.cpu, allowed)
    return (None if cores == allowed and refusal else cores), refusal
