"""The door: a Graph is a declaration that can run.

Laws: one run at a time; a run that ended, however it ended, has left a report (L8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .compiler import compile
from .drawing import draw
from .errors import GraphError, Problem
from .graph import Declaration
from .monitor import Wish
from .node import Node
from .plan import Plan
from .run import Run
from .running import Running
from .signature import LONGEST_S, finite
from .stats import Report
from .why import Why, at_rest

_RUN, _REPORT, _MONITOR = "_Graph__run", "_Graph__report", "_Graph__monitor"


class Graph(Declaration):
    """Nodes, edges and contexts, and how to run them.

    Nodes made inside `with graph:` or `with graph.context(...)` belong to it. Four ways to run: `run` waits; `arun` is awaited;
    `running` is a block; `start`, then `stop` or `abort`, then `wait`. Where the inline nodes, those of no context, run is said
    with each.

    Args:
        name: of the graph, in reports and messages.
    """

    def run(
        self,
        duration_s: float | None = None,
        *,
        clock: Any = None,
        seed: int = 0,
        digest: bool | None = None,
        progress: bool = False,
    ) -> Report:
        """Run in the calling thread until all nodes have ended, and return the report.

        Args:
            duration_s: emitters fire at times < duration, then records drain. None: until all nodes have ended.
            clock: None: that of the `World` around the call, else real time; `"real"`; `"virtual"`: one process, time jumps (it
                does not reach `time.sleep` or devices, which a `World` does); or a world.
            seed: of every node's `rng`.
            digest: whether to digest every edge; None: in virtual time only.
            progress: draw a bar, of run time or, without a duration, of records, where standard error is a terminal.
        Raises:
            GraphError: the declaration is wrong (nothing has started), or its edges deadlock.
            NodeFailed: a node raised. ContextDied: a process ended by itself.
            ImportError: `progress` on a terminal without the package `rich`.
            KeyboardInterrupt: Ctrl-C, after records have drained; a second one discards them. Handled in the main thread only.
        """
        return self._begin(duration_s, clock, seed, digest, progress).execute()

    async def arun(
        self,
        duration_s: float | None = None,
        *,
        clock: Any = None,
        seed: int = 0,
        digest: bool | None = None,
        progress: bool = False,
    ) -> Report:
        """`run`, with the inline nodes in the caller's event loop. Cancelling is `stop()`, again is `abort()`."""
        return await self._begin(duration_s, clock, seed, digest, progress).aexecute()

    def start(
        self,
        duration_s: float | None = None,
        *,
        clock: Any = None,
        seed: int = 0,
        digest: bool | None = None,
        progress: bool = False,
    ) -> None:
        """Run in one background thread; returns when every `open` is done. Arguments and errors as for `run`."""
        self._begin(duration_s, clock, seed, digest, progress).start()

    def stop(self) -> None:
        """Have the emitters stop; records drain, and what remains is flushed and closed. Harmless if nothing runs."""
        if self._run is not None:
            self._run.stop()

    def abort(self) -> None:
        """Discard what is under way. Harmless if nothing runs."""
        if self._run is not None:
            self._run.abort()

    def monitor(self, callback: Callable[[Report], object] | None = None, period_s: float | None = 1.0) -> None:
        """Have every run from the next one on sampled: `callback` gets the report so far, once per period.

        Counters only grow, so a rate is the difference to the last sample: of `report.nodes["x"].firings` and
        `report.duration_s`, for example. Samples lie at whole periods of the run clock. In real time `callback` is called in a
        thread of its own; in virtual time in the thread of the run, before any firing begins at that time; in a World in a task of it, at
        the first instant from then on at which anything happens. What it raises ends the run. One that blocks holds up nobody; the
        end of the run waits 5 s for it, warns, and leaves its thread behind.

        Args:
            callback: None: one line per sample to `logging.getLogger("dfcore")`, level INFO.
            period_s: None: no more samples.
        Raises:
            ValueError, TypeError: not a period above 0, or nothing to call. GraphError: the graph is running. The run raises
            `DfcoreError` from what `callback` raised.
        """
        self._refuse_change()
        if callback is not None and not callable(callback):
            raise TypeError(f"graph {self.name}.monitor: needed a function of a Report, was {callback!r}; leave it out for the log")
        if period_s is not None and not (finite(period_s) and 1e-6 <= period_s <= LONGEST_S):
            raise ValueError(f"graph {self.name}.monitor: needed period_s of 1e-6 to 1e9, was {period_s!r}; None takes the monitor away")
        self.__dict__[_MONITOR] = None if period_s is None else Wish(callback=callback, period_ns=round(period_s * 1e9))

    @property
    def _monitored(self) -> Wish | None:
        found: Wish | None = self.__dict__.get(_MONITOR)
        return found

    def why(self, node: Node | str) -> Why:
        """Why a node does not fire now: who waits for whom, down to the root. `print` it; `root` and `chain` have it in parts.

        Only the memory of the run is read, so it answers while a node hangs or its process is stopped.

        Args:
            node: a node of the graph, or its name.
        Raises:
            GraphError: the graph has no such node.
        """
        index = self._index_of(node)
        name = self._books[index].name
        if self._run is not None and (found := self._run.seen.why(index)) is not None:
            return found
        if self.report is None:
            return at_rest(name, f"{name} rests: graph {self.name} has not run yet, call run()")
        firings = self.report.nodes[name].firings if name in self.report.nodes else 0
        return at_rest(name, f"{name} rests: graph {self.name} is not running, its last run has {self.report.ended} after "
                             f"{self.report.duration_s:.3f} s and {firings} firing{'s' * (firings != 1)} of {name}")  # fmt: skip

    def _index_of(self, node: Node | str) -> int:
        found = self[node] if isinstance(node, str) else node
        for index, book in enumerate(self._books):
            if book.node is found:
                return index
        raise GraphError(Problem(code="why", where=f"graph {self.name}.why", needed="one of its nodes, or the name of one",
                                 found=repr(node), do="ask the graph that it belongs to"))  # fmt: skip

    def pause(self) -> None:
        """Let no node begin a firing, anywhere, until `resume`. What fires goes on to its end; what lies on the edges stays.

        Each context looks for a pause before each firing, which begins with that look: once `pause` has returned none begins, and at
        most one per context, begun before, still comes to its end (of coroutines, as many as are under way).

        The run clock stands still: `duration_s`, grid points, deadlines and the age of records go on afterwards where they were, so
        a pause is no overrun and makes nothing stale. In virtual time it is time itself that stands still, also for an `await`; in
        a World only the graph's does. A generator between two yields waits too. A pause costs no CPU time. `stop`, `abort` and
        Ctrl-C end it. Hardware does not stand still: bring it into a state that it can keep before. A second time is harmless.

        Raises:
            RuntimeError: no run is under way, or the run is in a World and the caller is no task of it.
        """
        self._run_under_way("pause").pause(True)

    def resume(self) -> None:
        """Go on after `pause`. Harmless if the run is not paused. Raises RuntimeError as `pause` does."""
        self._run_under_way("resume").pause(False)

    def _run_under_way(self, method: str) -> Run:
        if self._run is None or not self._run.seen.under_way:
            raise RuntimeError(f"graph {self.name}.{method}: needed a run under way, was none; call start() first, or do it inside "
                               "`with graph.running():`")
        return self._run

    def wait(self, timeout_s: float | None = None) -> Report:
        """The report of the run that `start` began, when it is over.

        Raises:
            TimeoutError: it is not over by then. RuntimeError: nothing was started, or the caller is in the event loop or thread in
            which the run fires its inline nodes. And what the run raised.
        """
        if self._run is None:
            raise RuntimeError(f"graph {self.name}.wait: needed a run, was none; call start() first")
        if any(book.inside_a_node() for book in self._books[:1]):
            raise RuntimeError(f"graph {self.name}.wait: needed to be called by the program, was called by a node of the run it "
                               "would wait for; call stop() there, or return STOP")
        if self._driven_here:
            raise RuntimeError(f"graph {self.name}.wait: needed another thread than the one that the run needs, was called there; in an event "
                               "loop write `await asyncio.to_thread(graph.wait)`, or leave the block of running()")
        return self._run.wait(timeout_s)

    def running(
        self,
        duration_s: float | None = None,
        *,
        clock: Any = None,
        seed: int = 0,
        digest: bool | None = None,
        progress: bool = False,
    ) -> Running:
        """For `with` and `async with`: `start` on entering, `stop` and `wait` on leaving. Arguments and errors as for `run`.

        With `with`, inline nodes run in one background thread; with `async with`, in the caller's event loop. Then `report` is
        the report of the run; parameters may be set inside of the block.
        """
        return Running(self, lambda: self._begin(duration_s, clock, seed, digest, progress))

    def plan(self) -> Plan:
        """The compiled graph: printable, picklable. Raises GraphError."""
        return compile(self)

    def diagram(self, form: str = "svg") -> str:
        """A picture of the graph as text; of one that could not run, too.

        Emitters have round ends, collectors corners. Boxes are parts, with dashed sides contexts. At an edge stands what is not the
        default, and of a node with several ends which; edges that lead back are dashed, those into parameters dotted.

        Args:
            form: `"svg"` (default), a picture that needs nothing else; `"mermaid"`, a flowchart; `"dot"`, for Graphviz.
        Raises:
            ValueError: another form.
        """
        return draw(self, form)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows."""
        return {"image/svg+xml": self.diagram(), "text/vnd.mermaid": self.diagram("mermaid"), "text/plain": str(self)}

    def stats(self) -> Report:
        """The report so far of the run under way, or that of the last one. Raises RuntimeError: it never ran."""
        if self._run is not None and (so_far := self._run.seen.report_so_far()) is not None:
            return so_far
        if self.report is None:
            raise RuntimeError(f"graph {self.name}.stats: needed a run, was none; call run() or start() first")
        return self.report

    @property
    def report(self) -> Report | None:
        """The report of the last run, however it ended; None before."""
        found: Report | None = self.__dict__.get(_REPORT)
        return found

    @property
    def _run(self) -> Run | None:
        found: Run | None = self.__dict__.get(_RUN)
        return found

    def _begin(self, duration_s: float | None, clock: Any, seed: int, digest: bool | None, progress: bool) -> Run:
        run = Run(self, duration_s, clock, seed, digest, progress)
        self.__dict__[_RUN] = run
        return run

    def _keep(self, report: Report) -> None:
        self.__dict__[_REPORT] = report
