"""Real time over processes, threads and the caller: start everybody, let them fire together, end everybody.

Laws: nobody fires before everybody's `open` is done; the first failure in time ends the run for all, and is the one that is
raised; when the run is over no process, thread or descriptor of it is left, also when anything raised halfway (L8). No lock here is
ever taken on the data path. What may happen meanwhile is watched by `watcher.py`; how a context runs is the business of
`worker.py` and its runner.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from . import machine
from .clock import real_now_ns
from .control import ABORT, GO, NEW, STOP, RunLine
from .diagnosis import hand_of
from .errors import NodeFailed
from .memory import Memory
from .places import MakeRunner, Place, places
from .plan import Plan
from .signals import Signals
from .watcher import Watcher
from .worker import GRACE_S, AsyncRunner, aserve_open, aserve_rest, serve, serve_make, serve_open, serve_rest, settle

#: Time zero lies this far in the future when GO is given, so that no context hears of it too late (RULES 37).
LEAD_NS = 2_000_000
#: While nodes share the interpreter with other threads: a busy one keeps it from the others this long (RULES 33).
SWITCH_INTERVAL_S = 1e-4


class _Turns:
    """How quickly Python threads take turns: quickly while any run of this process has several (RULES 33), else as before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs, self._before_s = 0, 0.0

    def quicken(self) -> None:
        with self._lock:
            if not self._runs:
                self._before_s = sys.getswitchinterval()
                sys.setswitchinterval(min(SWITCH_INTERVAL_S, self._before_s))
            self._runs += 1

    def slow_down(self) -> None:
        with self._lock:
            self._runs -= 1
            if not self._runs:
                sys.setswitchinterval(self._before_s)


_turns = _Turns()


class Supervisor:
    """One run in real time. States: made; begun (everybody opens); GO; over; closed. `close` may come at any time.

    Use: `with Supervisor(...) as run: run.begin(); run.open_inline(); run.go(); run.run_inline(); run.wait()`. None of them
    raises what nodes raised: that is `failure`. `stop` and `abort` are for any thread. After SIGTERM or SIGHUP, which nobody
    handled before, `close` ends with the signal's default: the records have drained, and the process goes.

    Args:
        plan, memory: the run's; the memory must be shared if the plan has process contexts.
        nodes: node index -> object.
        make_runner: `(job, memory, -1, tell)` -> the runner of a context of this process; called in the context's own thread.
        duration_ns: emitters fire at times < duration. None: until all nodes have ended.
    Attributes:
        results: node index -> what its `close` returned.
        warnings: sentences for the user, in order.
        interrupted: the signal that ended the run, or None.
        places: what is known of each context.
        eventfds: the bells, one per context, and last the supervisor's own.
    Raises:
        GraphError: a node cannot travel into its process; nothing has started.
    """

    def __init__(
        self,
        plan: Plan,
        memory: Memory,
        nodes: Mapping[int, Any],
        make_runner: MakeRunner,
        *,
        duration_ns: int | None = None,
        seed: int = 0,
        digest: bool = False,
    ):
        self.plan, self.memory, self.line = plan, memory, RunLine(plan, memory)
        self.results: dict[int, Any] = {}
        self.warnings: list[str] = []
        self.interrupted: int | None = None
        self._duration_ns, self._make_runner = duration_ns, make_runner
        self._failures: list[tuple[int, BaseException]] = []
        self._changed = threading.Condition()
        self._watcher: Watcher | None = None
        self._signals: Signals | None = None
        self._interrupts = 0
        self._quick = False  # whether threads take turns quickly on our behalf
        self._stop_wanted = self._closed = False
        self.eventfds: tuple[int, ...] = ()
        try:
            self.eventfds = tuple(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) for _ in range(len(plan.contexts) + 1))
            self.places = places(plan, memory, nodes, self.eventfds, seed, digest)
            for place in self.places:
                self.warnings += [f"context {place.name}: {sentence}" for sentence in place.refused]
        except BaseException:
            self._close_bells()
            self.line.close()
            raise

    # -- what the program does ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start every process and thread; they open their nodes. Signals are taken over if this is the main thread."""
        self._signals = Signals(self._shall_interrupt)
        if threading.current_thread() is not threading.main_thread() or any(place.kind == "thread" for place in self.places):
            _turns.quicken()
            self._quick = True
        self._watcher = Watcher(self, self._signals)
        self._watcher.start()
        for place in self.places:
            if place.kind == "thread" and not place.done:
                place.thread = threading.Thread(
                    target=self._serve_thread, args=(place,), name=f"dfcore {place.name}", daemon=True
                )
                place.thread.start()

    def open_inline(self) -> None:
        """Open the nodes of no context, in the calling thread."""
        place = self.places[0]
        if (runner := self._make_inline(place)) is not None:
            place.opened = serve_open(runner, place.tell(self.hear))

    async def aopen_inline(self) -> None:
        """`open_inline` in the caller's event loop."""
        place = self.places[0]
        if (runner := self._make_inline(place)) is not None:
            place.opened = await aserve_open(runner, place.tell(self.hear))

    def go(self) -> bool:
        """Wait until every node of every context is open, and let them fire. False: something failed or gave up before."""
        with self._changed:
            self._changed.wait_for(lambda: self.line.state != NEW or all(place.ready or place.done for place in self.places))
            if self.line.state == NEW:
                self.line.watch = True
                self.line.go(real_now_ns() + LEAD_NS, self._duration_ns)
            if self._stop_wanted:
                self.line.raise_to(STOP)
        self.ring_all()
        return self.line.state != ABORT

    def run_inline(self) -> None:
        """Run the inline nodes to their end and close them, in the calling thread."""
        place = self.places[0]
        if not place.done and place.runner is not None:
            serve_rest(place.runner, place.tell(self.hear), place.opened)

    async def arun_inline(self) -> None:
        """`run_inline` in the caller's event loop."""
        place = self.places[0]
        if not place.done and place.runner is not None:
            await aserve_rest(place.runner, place.tell(self.hear), place.opened)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether the run is over, everywhere, within `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: all(place.over for place in self.places), timeout_s)

    def stop(self) -> None:
        """Emitters stop, records drain. Before GO: everything is opened and closed, no emitter fires."""
        with self._changed:
            self._stop_wanted = True
            self.line.resume(real_now_ns())
            if self.line.state == GO:
                self.line.raise_to(STOP)
        self.ring_all()

    def pause(self) -> None:
        """Nobody begins a firing until `resume`, `stop` or `abort`."""
        with self._changed:
            if self._stop_wanted or not self.line.pause(real_now_ns()):
                return
        self.ring_all()

    def resume(self) -> None:
        """Everybody goes on, as if no time had passed."""
        with self._changed:
            if not self.line.resume(real_now_ns()):
                return
        self.ring_all()

    def abort(self) -> None:
        """Everything is discarded."""
        with self._changed:
            self.line.raise_to(ABORT)
            self._changed.notify_all()
        self.ring_all()

    def close(self) -> None:
        """Leave nothing: abort what still runs, wait for it, close every descriptor. A second time is harmless."""
        if self._closed:
            return
        if self._watcher is not None:
            self._give_up()
            self._watcher.end()
        if self._signals is not None:
            self._signals.give_back()
        with self._changed:
            self._closed = True
        if self._quick:
            self._quick = False
            _turns.slow_down()
        for place in self.places:
            place.close()
        self._close_bells()
        self._watcher = self._signals = None
        self.line.close()
        if self.interrupted in (signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(self.interrupted)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # -- how it went ----------------------------------------------------------------------------------------------------------

    @property
    def failure(self) -> BaseException | None:
        """The first failure in time; later failures of nodes are in its `others`."""
        if not self._failures:
            return None
        (_, first), *others = sorted(self._failures, key=lambda failure: failure[0])
        if isinstance(first, NodeFailed):
            later = [error for _, error in others if isinstance(error, NodeFailed)]
            first.others = (*first.others, *(error for error in later if error not in first.others))
        return first

    @property
    def ended(self) -> str:
        """How the run ended, in the words of a report."""
        if self._failures:
            return "failed"
        if self.interrupted is not None:
            return "interrupted"
        if self.line.state in (STOP, ABORT):
            return "stopped" if self.line.state == STOP else "aborted"
        ran_out = self.line.state == GO and any(place.done_ns >= self.line.until_ns for place in self.places)
        return "duration" if ran_out else "finished"

    @property
    def contexts(self) -> dict[str, dict[str, Any]]:
        """What a report says of each context: pid, cpu, priority, refused, and what its runner tells."""
        return {place.name: place.report() for place in self.places}

    # -- what is said ---------------------------------------------------------------------------------------------------------

    def hear(self, context: int, message: tuple[Any, ...]) -> None:
        """Take note of what a context says; see `worker.serve`. From any thread."""
        place = self.places[context]
        match message:
            case ("ready", info):
                place.info.update(info)
                place.ready = True
            case ("refused", sentences):
                place.refused += sentences
                self.warnings += [f"context {place.name}: {sentence}" for sentence in sentences]
            case ("warning", text):
                self.warnings.append(text)
            case ("failed", at_ns, error):
                self.fail(at_ns, error)
            case ("done", results, info):
                self.warnings += info.pop("warnings", ())
                place.info.update(info)
                self.results.update(results)
                place.done, place.done_ns = True, real_now_ns()
                place.starved_ns = machine.starved_ns(place.pid) if place.process is not None else 0
        self.changed()

    def fail(self, at_ns: int, error: BaseException) -> None:
        """End the run for everybody because of `error`."""
        if isinstance(error, KeyboardInterrupt):
            self.interrupted = signal.SIGINT
        else:
            self._failures.append((at_ns, error))
        self.abort()

    def changed(self) -> None:
        """Wake whoever waits for a context, and let the watcher look at its deadlines again."""
        with self._changed:
            self._changed.notify_all()
            if not self._closed:
                os.eventfd_write(self.eventfds[-1], 1)

    def ring_all(self) -> None:
        """Ring every bell: somebody was told something, or died with a stroke in hand."""
        with self._changed:
            for fd in () if self._closed else self.eventfds:
                os.eventfd_write(fd, 1)

    # -- inside ---------------------------------------------------------------------------------------------------------------

    def _serve_thread(self, place: Place) -> None:
        tell = place.tell(self.hear)
        tell(("refused", settle(place.job, own_process=False)))
        serve(lambda: self._make_runner(place.job, self.memory, -1, tell), tell)

    def _make_inline(self, place: Place) -> AsyncRunner | None:
        """The runner of the inline nodes; None if there is nothing to open."""
        if not place.done:
            tell = place.tell(self.hear)
            place.runner = serve_make(lambda: self._make_runner(place.job, self.memory, -1, tell), tell)
        return place.runner

    def _shall_interrupt(self) -> bool:
        """In the main thread: a second Ctrl-C ends user code that blocks the calling thread, which nobody else can."""
        self._interrupts += 1
        place = self.places[0]
        opening = place.runner is not None and not (place.ready or place.done)
        return self._interrupts > 1 and (opening or hand_of(self.plan, self.memory, 0) is not None)

    def _give_up(self) -> None:
        """See that everybody ends: of their own accord, or killed by the watcher. A thread cannot be killed."""
        if not all(place.over for place in self.places):
            self.abort()
        for place in self.places:
            if place.kind == "thread" and place.thread is None and not place.done:
                self.hear(place.context.index, ("done", {}, {}))
        place = self.places[0]
        if not place.done:
            if place.runner is None:
                self.hear(0, ("done", {}, {}))
            else:
                serve_rest(place.runner, place.tell(self.hear), False)
        if not self.wait(GRACE_S + 1):
            left = ", ".join(repr(place.name) for place in self.places if not place.over)
            self.warnings.append(f"context {left}: needed to end within {GRACE_S} s, was not; its thread is left behind")

    def _close_bells(self) -> None:
        fds, self.eventfds = self.eventfds, ()
        for fd in fds:
            os.close(fd)
