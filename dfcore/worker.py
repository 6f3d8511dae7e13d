"""One context as its supervisor sees it: open, wait for GO, run, close, and say so; in this thread, or as a process of its own.

Laws: every context says `ready` or `failed` once, and `done` last, whatever happened in between; `close` runs however the run
went. A process context is told what it is by one memory file it inherits.
How nodes are opened, fired and closed is the `Runner`'s business.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, TypeVar

from . import machine
from ._process import write_when_orphaned
from .clock import real_now_ns
from .control import ABORT, state_address
from .errors import NodeFailed
from .interpreter import begin
from .memory import Memory
from .params import leave_to_the_program
from .pickles import dumps
from .pipe import pack_error, receive, send, with_causes
from .plan import Plan

#: How long a context may still take after it should have ended, before it is killed.
GRACE_S = 5

_HOME = os.path.dirname(__file__)
_NO_WAY_HOME = "needed a `result` that can be pickled, was not; return plain data from `close`."

Tell = Callable[[tuple[Any, ...]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one context does in this run. Where it is executed makes no difference to it."""

    plan: Plan
    context: int
    nodes: dict[int, Any]  # node index -> node
    memory_fds: tuple[int, ...]  # () where the memory is mapped already
    eventfds: tuple[int, ...]  # one per context, and last the supervisor's
    cores: tuple[int, ...] | None  # where it shall run; None: anywhere
    spin_us: float  # 0 where it may not
    seed: int
    digest: bool


class Runner(Protocol):
    """The nodes of one context, ready to be driven by one thread."""

    @property
    def results(self) -> dict[int, Any]:
        """Node index -> what its `close` returned."""

    def open(self) -> None:
        """`open` of every node, in order of creation. Raises the first failure; what was opened is left to `close`."""

    def run(self) -> Any:
        """Wait for GO, then fire until all nodes have ended, or the run is aborted. Raises the first failure."""

    def close(self) -> None:
        """`safe` and `close` of every node that was opened, in reverse. Raises the first failure, after all were closed."""

    def info(self) -> dict[str, Any]:
        """What the report says of this context: `cpu_s`, `wakeups`, …"""


class AsyncRunner(Runner, Protocol):
    """A runner that an event loop of the program can drive too."""

    async def aopen(self) -> None:
        """`open`, in the caller's event loop."""

    async def arun(self) -> Any:
        """`run`, in the caller's event loop."""

    async def aclose(self) -> None:
        """`close`, in the caller's event loop."""


AnyRunner = TypeVar("AnyRunner", bound=Runner)


def serve(make: Callable[[], Runner], tell: Tell) -> None:
    """Make a runner, drive it from open to close, and tell its supervisor how it goes.

    Told are tuples: `("ready", info)`, `("failed", at_ns, error)`, and last `("done", results, info)`. Exceptions do not leave.
    """
    runner = serve_make(make, tell)
    if runner is not None:
        serve_rest(runner, tell, serve_open(runner, tell))


def serve_make(make: Callable[[], AnyRunner], tell: Tell) -> AnyRunner | None:
    """The beginning of `serve`: the runner; None if it could not be made, which ends its context."""
    try:
        return make()
    except BaseException as error:  # noqa: BLE001 - it goes to whoever runs the graph
        tell(("failed", real_now_ns(), error))
        tell(("done", {}, {}))
        return None


def serve_open(runner: Runner, tell: Tell) -> bool:
    """The first half of `serve`: whether everything is open."""
    opened = _attempt(runner.open, tell)
    if opened:
        tell(("ready", runner.info()))
    return opened


def serve_rest(runner: Runner, tell: Tell, opened: bool) -> None:
    """The second half of `serve`: run if `opened`, close in any case."""
    if opened:
        _attempt(runner.run, tell)
    _attempt(runner.close, tell)
    tell(("done", runner.results, runner.info()))


async def aserve_open(runner: AsyncRunner, tell: Tell) -> bool:
    """`serve_open` in the caller's event loop."""
    opened = await _aattempt(runner.aopen, tell)
    if opened:
        tell(("ready", runner.info()))
    return opened


async def aserve_rest(runner: AsyncRunner, tell: Tell, opened: bool) -> None:
    """`serve_rest` in the caller's event loop."""
    if opened:
        await _aattempt(runner.arun, tell)
    await _aattempt(runner.aclose, tell)
    tell(("done", runner.results, runner.info()))


async def _aattempt(step: Callable[[], Awaitable[Any]], tell: Tell) -> bool:
    try:
        await step()
    except BaseException as error:  # noqa: BLE001 - it goes to whoever runs the graph
        tell(("failed", real_now_ns(), _without_us(error)))
        return False
    return True


def _attempt(step: Callable[[], Any], tell: Tell) -> bool:
    try:
        step()
    except BaseException as error:  # noqa: BLE001 - it goes to whoever runs the graph
        tell(("failed", real_now_ns(), _without_us(error)))
        return False
    return True


def settle(job: Job, own_process: bool) -> list[str]:
    """Give the calling thread what its context wished for: cores, priority, sharp timers. Returns the refusals."""
    context = job.plan.contexts[job.context]
    refusals = [machine.sharpen_timers()]
    if job.cores is not None:
        refusals.append(machine.pin(job.cores))
    if context.priority is not None:
        refusals.append(machine.set_priority(context.priority))
        if own_process:
            refusals.append(machine.keep_in_memory())
    return [refusal for refusal in refusals if refusal is not None]


def _without_us(error: BaseException) -> BaseException:
    """The failure of a node without our frames above it, which would hold the memory of the run as long as the error lives."""
    while isinstance(error, NodeFailed) and (trace := error.__traceback__) is not None and _is_ours(trace):
        error.__traceback__ = trace.tb_next
    return error


def _is_ours(trace: TracebackType) -> bool:
    return os.path.dirname(trace.tb_frame.f_code.co_filename) == _HOME


# ---------------------------------------------------------------------------------------------------- a process of its own


def main(file: int, make_runner: Callable[[Job, Memory, int, Tell], Runner]) -> None:
    """Be a process context: read the job from memory file `file`, build its runner, serve, and leave.

    `make_runner(job, memory, alive, tell)` gets the descriptor that becomes readable when the parent is gone, and a way to send
    `("warning", text)`.
    """
    begin(file, GRACE_S)
    up, alive = receive(file)
    leave_to_the_program()
    tell = _Teller(up)
    try:
        serve(lambda: _runner(file, alive, tell, make_runner), tell)
    finally:
        write_when_orphaned(0, ABORT)  # the memory is about to go


def _runner(file: int, alive: int, tell: _Teller, make_runner: Callable[[Job, Memory, int, Tell], Runner]) -> Runner:
    job: Job = receive(file)
    job.nodes.update(receive(file))
    os.close(file)
    for fd in (tell.up, alive, *job.eventfds):
        os.set_inheritable(fd, False)  # subprocesses of nodes must not keep the run's ends open
    tell.names = {index: job.plan.nodes[index].name for index in job.nodes}
    tell(("refused", settle(job, own_process=True)))
    memory = Memory.attach(job.plan, job.memory_fds, job.context)
    write_when_orphaned(state_address(job.plan, memory), ABORT)
    return make_runner(job, memory, alive, tell)


class _Teller:
    """Sends what a context says through the pipe: errors packed, results pickled one by one, so that one cannot spoil all."""

    def __init__(self, up: int):
        self.up = up
        self.names: dict[int, str] = {}

    def __call__(self, message: tuple[Any, ...]) -> None:
        kind = message[0]
        if kind == "failed":
            message = (kind, message[1], pack_error(message[2]))
        elif kind == "done":
            message = (kind, self._pickled(message[1]), message[2])
        try:
            send(self.up, message)
        except BrokenPipeError:
            pass  # the parent is gone: nobody is left to be told

    def _pickled(self, results: dict[int, Any]) -> dict[int, bytes]:
        pickled = {}
        for index, result in results.items():
            try:
                pickled[index] = dumps(with_causes(result))
            except Exception as error:  # noqa: BLE001 - a user's `__reduce__` may raise anything
                name = self.names[index]
                failure = NodeFailed(f"{name}: {_NO_WAY_HOME}", node=name, method="close")
                failure.__cause__ = error
                self(("failed", real_now_ns(), failure))
        return pickled


