"""What the program sees of a run while others fire: the report so far, why a node waits, how far it is.

Laws: any thread may look at any time, and looking changes nothing; the memory is not let go under an onlooker's eyes; outside of a
run there is nothing to see.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ._bell import ticks
from .control import RunLine
from .inline import STOP, Orders
from .machine import is_stopped
from .memory import Memory
from .plan import Plan
from .progress import Bar
from .sight import Sight
from .stats import Report
from .stats import report as make_report
from .why import Moment, Why, explain


class Onlooker:
    """The eyes of the program on one run. States: made; under way, from `begin` to `end`; over.

    Attributes: `now_ns` and `contexts`, functions that say what time it is on the run clock and what is known of each context;
    `opened`, set when every node is open, or none will be; `over`, set when nothing of the run is left.
    """

    def __init__(self, plan: Plan, orders: Orders, *, clock: str, seed: int, digest: bool, duration_ns: int | None):
        self.plan, self.orders = plan, orders
        self.clock, self.seed, self.digest, self.duration_ns = clock, seed, digest, duration_ns
        self.now_ns: Callable[[], int] = lambda: 0
        self.contexts: Callable[[], dict[str, dict[str, Any]]] = dict
        self.opened, self.over = threading.Event(), threading.Event()
        self._memory: Memory | None = None
        self._looking = threading.RLock()  # a signal handler may look while its own thread does

    def begin(self, memory: Memory) -> None:
        """From here on there is something to see."""
        self._memory = memory

    def end(self, leave: Callable[[], None]) -> None:
        """Nothing is to be seen any more: call `leave`, which lets the memory go, when nobody looks."""
        with self._looking:
            self._memory = None
            leave()
            self.over.set()
        self.opened.set()

    @property
    def under_way(self) -> bool:
        """Whether the run has begun and is not over."""
        return self._memory is not None and not self.over.is_set()

    def report_so_far(self) -> Report | None:
        """The report of a run under way; None: it is not."""
        with self._looking:
            return self.report("running") if self.opened.is_set() and self.under_way else None

    def report(self, ended: str) -> Report:
        """What the counters say now. Only between `begin` and `end`."""
        assert self._memory is not None
        contexts = self.contexts()
        return make_report(
            self.plan,
            self._memory,
            clock=self.clock,
            seed=self.seed,
            duration_s=self.now_ns() / 1e9,
            ended=ended,
            digests=self.digest,
            tick_ns=_ns_per_tick(contexts),
            contexts=contexts,
        )

    def why(self, declared: int) -> Why | None:
        """Why declared node number `declared`, or the first of its replicas, does not fire; None: the run is not under way."""
        index = next(node.index for node in self.plan.nodes if node.declared == declared)
        with self._looking:
            if self._memory is None:
                return None
            return explain(self.plan, self._memory, index, self._moment(self._memory))

    def _moment(self, memory: Memory) -> Moment:
        contexts, now_ns, line = self.contexts(), self.now_ns(), RunLine(self.plan, memory)
        moment = Moment(
            now_ns=now_ns,
            ticks=ticks() if self.clock == "real" else now_ns,
            ns_per_tick=_ns_per_tick(contexts),
            opened=self.opened.is_set(),
            stopping=self.orders.state >= STOP or line.state >= STOP or (self.duration_ns is not None and now_ns >= self.duration_ns),
            paused=line.paused,
            stopped={name: pid for name, info in contexts.items() if (pid := info.get("pid", 0)) and is_stopped(pid)},
        )
        line.close()
        return moment

    def bar(self, name: str) -> Bar:
        """The progress of the run: run time of its duration; without one, records."""
        if self.duration_ns is None:
            return Bar(name, unit="records", look=self._records)
        total_s = self.duration_ns / 1e9
        return Bar(name, total_s, unit="s", look=lambda: min(self.now_ns() / 1e9, total_s))

    def _records(self) -> int:
        """How many records were published so far, initial ones aside."""
        with self._looking:
            if self._memory is None:
                return 0
            sight = Sight(self.plan, self._memory)
            return sum(sight.words(edge.index).head for edge in self.plan.edges if self.plan.outputs[edge.output].node >= 0)


def _ns_per_tick(contexts: dict[str, dict[str, Any]]) -> float:
    """Nanoseconds of one tick of the counters."""
    return next((info["ns_per_tick"] for info in contexts.values() if "ns_per_tick" in info), 1.0)
