"""One run of a graph, from the plan to the report.

Laws: it ends with a report, and leaves nothing else (L8), however it ends; the clock decides who drives, never what a firing
does. Which driver: a world around the call, `clock="virtual"`, or real time with its supervisor.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from . import arguments
from ._scheduler import Scheduler
from .clock import real_now_ns, world_around
from .compiler import compile
from .context import ContextRunner
from .control import RunLine
from .diagnosis import blocked
from .errors import DfcoreError, Problem, caller
from .inline import ABORT, STOP, Inline, Interrupts, Orders
from .inworld import InWorld
from .launch import with_copies
from .life import needs_loop
from .memory import Memory, object_slots
from .monitor import Sampler, Samples
from .onlooker import Onlooker
from .replicas import instances
from .settings import RunSettings
from .stats import Report
from .supervisor import Supervisor
from .waiting import at_most
from .worker import GRACE_S, Job, Tell

if TYPE_CHECKING:
    from .door import Graph


class Run:
    """One run of a graph. States: made (compiled, nothing mapped), under way, over."""

    def __init__(self, graph: Graph, duration_s: float | None, clock: Any, seed: int, digest: bool | None, progress: bool = False):
        if graph._running:
            whole = graph._whole
            raise whole._error("running", "a graph at rest to run it", "running", "wait() for the end of its run, or stop it", caller())
        self.graph, self.seed = graph, arguments.seed(seed)
        self.duration_ns = arguments.duration_ns(duration_s)
        self.world, self.clock = arguments.clock(clock)
        arguments.flag("digest", digest, (True, False, None))
        self.digest = self.clock != "real" if digest is None else bool(digest)
        self.plan = compile(graph)
        self.needs_loop = needs_loop(self.plan, self._nodes_here())
        self.orders, self.ended = Orders(), "running"
        self.nodes: dict[int, Any] = {}
        self.memory: Memory | None = None
        self.values: dict[int, list[Any]] = {}
        self.warnings = [*self.plan.warnings, *(self.plan.real_time_warnings if self.clock == "real" else ())]
        self.seen = Onlooker(
            self.plan, self.orders, clock=self.clock, seed=self.seed, digest=self.digest, duration_ns=self.duration_ns
        )
        self._thread: threading.Thread | None = None
        self._report: Report | None = None
        self._error: BaseException | None = None
        self._settings = RunSettings()
        self._pausing = threading.RLock()  # here and elsewhere: a signal handler may come while its own thread is inside
        wish = graph._monitored
        self._samples = None if wish is None else Samples(graph.name, wish, self.seen.report_so_far)
        self._sampler: Sampler | None = None
        self._bar = self.seen.bar(graph.name) if arguments.flag("progress", progress) else None

    def _nodes_here(self) -> dict[int, Any]:
        """The nodes that fire in the calling thread: the inline ones, or all of them in virtual time."""
        nodes = {node.index: self.graph._nodes[node.declared] for node in self.plan.nodes}
        return nodes if self.clock != "real" else {index: nodes[index] for index in self.plan.contexts[0].nodes}

    @property
    def _copies(self) -> bool:
        """Objects between contexts that would be processes are handed over as copies."""
        return self.world is not None and self.world.check

    # -- the four ways to run -------------------------------------------------------------------------------------------------

    def execute(self) -> Report:
        """In the calling thread."""
        if self.needs_loop and _loop_runs():
            raise RuntimeError(f"graph {self.graph.name}.run: needed no running event loop in this thread, for its `async def` nodes need "
                               "one, was called inside of one; write `await graph.arun(...)`")
        self._drive()
        return self._result()

    async def aexecute(self) -> Report:
        """In the caller's event loop; virtual time has a thread of its own."""
        if self.clock == "real":
            with self:
                await self._asupervised()
        else:
            thread = asyncio.get_running_loop().run_in_executor(None, self._drive)
            await _patiently(thread, self)
        return self._result()

    def start(self) -> None:
        """In a background thread; returns when all nodes are open. Raises what made that impossible."""
        self._thread = threading.Thread(target=self._drive, name=f"dfcore {self.graph.name}")
        self._thread.start()
        self.seen.opened.wait()
        if self.seen.over.is_set() and self._error is not None:
            self._thread.join()
            self._result()

    def wait(self, timeout_s: float | None = None) -> Report:
        """The report, when the run is over."""
        if self._sampler is not None and threading.current_thread() is self._sampler.thread:
            raise RuntimeError(f"graph {self.graph.name}.wait: needed to be called by the program, was called by its monitor, which the "
                               "run would wait for; call stop() there")
        try:
            over = self.seen.over.wait(at_most(timeout_s))
        except KeyboardInterrupt:
            self._give_in()
            raise
        if not over:
            raise TimeoutError(f"graph {self.graph.name}.wait: needed the run to end within {timeout_s} s, was still running")
        if self._thread is not None:
            self._thread.join()
        return self._result()

    def _give_in(self) -> None:
        """Ctrl-C while the program waits for a run in the background: the first stops it, the second aborts it."""
        self.stop()
        try:
            self.seen.over.wait()
        except KeyboardInterrupt:
            self.abort()
            self.seen.over.wait()

    def stop(self) -> None:
        """Emitters stop, records drain."""
        self.orders.raise_to(STOP)

    def abort(self) -> None:
        """Everything is discarded."""
        self.orders.raise_to(ABORT)

    def pause(self, paused: bool) -> None:
        """Let no firing begin, or let them go on.

        Raises:
            RuntimeError: the run is in a world, and the caller is no task of it.
        """
        if self.world is not None and world_around() is not self.world:
            raise RuntimeError(f"graph {self.graph.name}: needed a task of the World in which it runs to pause or resume it, was a thread "
                               "of another time; do it in a task of that World")
        with self._pausing:
            self.orders.pause(paused)

    def _drive(self) -> None:
        with self:
            if self.clock == "real":
                self._supervised()
            else:
                self._in_virtual_time()

    def _in_virtual_time(self) -> None:
        assert self.memory is not None
        scheduler = Scheduler(
            with_copies(self.plan) if self._copies else self.plan, self.memory, self.nodes, self.values, [], virtual=True, digest=self.digest, seed=self.seed
        )
        line = RunLine(self.plan, self.memory)
        arguments = (self.plan, self.nodes, scheduler, self.duration_ns, self.orders, self._stuck, line, self._samples)
        run = Inline(*arguments) if self.world is None else InWorld(*arguments, self.world)
        self.seen.now_ns = lambda: run.now_ns
        try:
            with Interrupts(self.orders) as interrupts:
                run.run(self.seen.opened.set)
        finally:
            line.close()
            self.warnings += scheduler.warnings
            self.ended = _ended(self.orders, scheduler.stopping)
            self._bring_home(run.results)
        if interrupts.count:
            raise KeyboardInterrupt

    def _supervised(self) -> None:
        with self._supervisor() as supervisor:
            supervisor.begin()
            supervisor.open_inline()
            if supervisor.go():
                self._go(supervisor)
            supervisor.run_inline()
            supervisor.wait()
            self._take_home(supervisor)

    async def _asupervised(self) -> None:
        with self._supervisor() as supervisor:
            ending = asyncio.ensure_future(self._asupervise(supervisor))
            await _patiently(ending, self)
            self._take_home(supervisor)

    async def _asupervise(self, supervisor: Supervisor) -> None:
        supervisor.begin()
        await supervisor.aopen_inline()
        if await asyncio.to_thread(supervisor.go):
            self._go(supervisor)
        await supervisor.arun_inline()
        await asyncio.to_thread(supervisor.wait)

    def _supervisor(self) -> Supervisor:
        assert self.memory is not None

        def make_runner(job: Job, memory: Memory, alive: int, tell: Tell) -> ContextRunner:
            return ContextRunner(job, memory, alive, self.values)

        supervisor = Supervisor(
            self.plan,
            self.memory,
            self.nodes,
            make_runner,
            duration_ns=self.duration_ns,
            seed=self.seed,
            digest=self.digest,
        )
        self.orders.wake = lambda: self._relay(supervisor)
        self.seen.now_ns, self.seen.contexts = lambda: _elapsed_ns(supervisor), lambda: supervisor.contexts
        self.orders.wake()
        return supervisor

    def _relay(self, supervisor: Supervisor) -> None:
        """Let the supervisor do what was ordered."""
        if self.orders.state >= STOP:
            supervisor.abort() if self.orders.state >= ABORT else supervisor.stop()
        elif self.orders.paused:
            supervisor.pause()
        else:
            supervisor.resume()
        if self._sampler is not None:
            self._sampler.heed()

    def _go(self, supervisor: Supervisor) -> None:
        """Every node is open: whoever waited for that goes on, and the samples begin."""
        self.seen.opened.set()
        if self._samples is not None:
            clock, fail = lambda: (self.seen.now_ns(), not supervisor.line.paused), lambda error: supervisor.fail(real_now_ns(), error)
            self._sampler = Sampler(self._samples, clock, fail)
            self._sampler.start()

    def _end_sampler(self) -> None:
        sampler = self._sampler
        if sampler is not None and not sampler.over and not sampler.end(GRACE_S):
            self.warnings.append(f"graph {self.graph.name}.monitor: needed `{sampler.calls}` to return within {GRACE_S} s of the end of the "
                                 "run, was still busy; its thread is left behind until it does")

    def _take_home(self, supervisor: Supervisor) -> None:
        """Results, counters of contexts and failures, when the run is over everywhere."""
        self._end_sampler()
        self.orders.wake = lambda: None
        elapsed_ns = _elapsed_ns(supervisor)
        self.seen.now_ns = lambda: elapsed_ns
        self._bring_home(supervisor.results)
        self.warnings += supervisor.warnings
        contexts, self.ended = supervisor.contexts, supervisor.ended
        self.seen.contexts = lambda: contexts
        if supervisor.failure is not None:
            raise supervisor.failure
        if supervisor.interrupted == signal.SIGINT:
            raise KeyboardInterrupt

    def _bring_home(self, results: dict[int, Any]) -> None:
        for node in self.plan.nodes:
            book = self.nodes[node.index]._declared
            if node.replicas == 1:
                book.result = results.get(node.index, book.result)
            elif not node.instance:
                book.result = [results.get(node.index + instance) for instance in range(node.replicas)]

    def _stuck(self) -> Problem:
        """Why nothing can happen any more."""
        assert self.memory is not None
        return blocked(self.plan, self.memory, self.orders.state >= STOP) or Problem(
            code="internal",
            where=f"graph {self.graph.name}",
            needed="a node that can fire, or a reason why none can",
            found="neither",
            do="please report this with the program",
        )

    # -- what happens around them ---------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Map the memory, hand the parameters over."""
        self.graph._running = True
        try:
            if self._bar is not None:
                self._bar.__enter__()
            self.nodes = instances(self.plan, self.graph._nodes)
            for node in self.nodes.values():
                node._declared.result = None
            for index, node in self.nodes.items():
                if (begins := getattr(node, "_run_begins", None)) is not None:
                    begins(self.plan, index)
            processes = self.clock == "real" and any(context.kind == "process" for context in self.plan.contexts)
            self.memory = Memory.create(self.plan, processes)
            self.values = object_slots(self.plan, 0 if processes else None, self._copies)
            self._settings.begin(self.plan, self.nodes, self.memory)
            self.seen.begin(self.memory)
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        """Report, let everything go, and keep the error for whoever asks for the result."""
        self._error = error
        self._end_sampler()
        if self._bar is not None:
            self._bar.__exit__()
        if isinstance(error, KeyboardInterrupt):
            self.ended = "interrupted"
        elif isinstance(error, asyncio.CancelledError):
            self.ended = "aborted" if self.orders.state >= ABORT else "stopped"
        elif error is not None:
            self.ended = "failed"
        try:
            report = self._report = self.seen.report(self.ended)
            self.graph._keep(report)
            if isinstance(error, DfcoreError):
                error.report = report
        finally:
            self._let_go()
        return isinstance(error, Exception | KeyboardInterrupt | asyncio.CancelledError)

    def _let_go(self) -> None:
        for node in self.nodes.values():
            if (over := getattr(node, "_run_over", None)) is not None:
                over(self._error if isinstance(self._error, DfcoreError) else None)
        self._settings.end()
        self.values.clear()
        self.seen.end(self._leave)

    def _leave(self) -> None:
        if self.memory is not None:
            self.memory.close()
        self.graph._running = False

    def _result(self) -> Report:
        """The report; or what the run raised."""
        texts, self.warnings = dict.fromkeys(self.warnings), []
        if self._error is not None:
            for text in texts:
                _warn_beside(text)
            raise self._error
        for text in texts:
            warnings.warn(text, RuntimeWarning, stacklevel=4)
        assert self._report is not None
        return self._report


def _warn_beside(text: str) -> None:
    """Warn while something else is about to be raised, which the warning must not hide where warnings are errors."""
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=5)
    except RuntimeWarning:
        with warnings.catch_warnings():
            warnings.simplefilter("always", RuntimeWarning)
            warnings.warn(text, RuntimeWarning, stacklevel=5)


async def _patiently(thread: asyncio.Future[None], run: Run) -> None:
    """Wait for a run in a thread. The first cancellation stops it, the second aborts it; then it is raised."""
    cancelled: asyncio.CancelledError | None = None
    while not thread.done():
        try:
            await asyncio.shield(thread)
        except asyncio.CancelledError as error:
            run.abort() if cancelled else run.stop()
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _loop_runs() -> bool:
    """Whether the calling thread is inside an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _elapsed_ns(supervisor: Supervisor) -> int:
    """Time since time 0 of a run; 0 before."""
    return supervisor.line.elapsed_ns(real_now_ns())


def _ended(orders: Orders, stopping: bool) -> str:
    if orders.state >= ABORT:
        return "aborted"
    if orders.state >= STOP:
        return "stopped"
    return "duration" if stopping else "finished"
