"""A monitor: the report so far of a run, again and again, to a function of the program or to the log.

Laws: samples lie at whole periods of the run clock, so a pause is no sample, and in virtual time they are as determined as the run; it
does nothing between two samples, and nothing at all for a run that has none; a function that raises ends the run, and is named.
Knows what a report says, not how a run is driven: whoever drives it asks when the next sample is due.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from .errors import DfcoreError, told
from .stats import NodeReport, Report
from .tell import duration
from .waiting import Waiters

_log = logging.getLogger("dfcore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the program asked for: a function (None: the log), and how often."""

    callback: Callable[[Report], object] | None
    period_ns: int


class Samples:
    """The samples of one run. States: waiting for the k-th; over.

    Args:
        graph: its name, for messages.
        look: the report so far; None: the run is not under way.
    """

    def __init__(self, graph: str, wish: Wish, look: Callable[[], Report | None]):
        self.graph, self._wish, self._look = graph, wish, look
        self._before: Report | None = None
        self.next_ns = wish.period_ns  # run clock

    @property
    def calls(self) -> str:
        """The name of the program's function."""
        return getattr(self._wish.callback, "__qualname__", repr(self._wish.callback))

    def take(self, now_ns: int) -> None:
        """Take the sample that is due, and find when the next one is. Raises DfcoreError: the program's function raised."""
        self.next_ns = (now_ns // self._wish.period_ns + 1) * self._wish.period_ns
        report = self._look()
        if report is None:
            return
        if self._wish.callback is None:
            _log.info("%s", line(report, self._before))
            self._before = report
            return
        try:
            self._wish.callback(report)
        except BaseException as error:  # it ends the run, as whatever `compute` raises does
            raise DfcoreError(f"graph {self.graph}.monitor: needed `{self.calls}` to return, raised {told(error)}; the run was given up") from error


class Sampler:
    """Takes the samples of a run in real time, in a thread of its own. States: made; started; ended.

    Args:
        clock: the run clock, and whether it goes.
        fail: ends the run because of an error.
    """

    def __init__(self, samples: Samples, clock: Callable[[], tuple[int, bool]], fail: Callable[[BaseException], None]):
        self._samples, self._clock, self._fail = samples, clock, fail
        self._waiters, self._changed = Waiters(), False
        self.over = False  # no more samples
        self.thread = threading.Thread(target=self._work, name=f"dfcore {samples.graph} monitor", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def end(self, limit_s: float) -> bool:
        """Take no more, and wait for a sample that is being taken, for `limit_s` at most. Whether it has ended: a thread cannot be
        killed, so one whose function blocks lives on until that returns."""
        self.over = True
        self._waiters.wake()
        if self.thread.ident is not None:
            self.thread.join(limit_s)
        return not self.thread.is_alive()

    @property
    def calls(self) -> str:
        """The name of the program's function."""
        return self._samples.calls

    def heed(self) -> None:
        """The run was paused or resumed."""
        self._changed = True
        self._waiters.wake()

    def _work(self) -> None:
        while not self.over:
            self._changed = False
            now_ns, goes = self._clock()
            left_ns = self._samples.next_ns - now_ns
            if not goes or left_ns > 0:
                self._waiters.wait(lambda: self.over or self._changed, left_ns / 1e9 if goes else None)
                continue
            try:
                self._samples.take(now_ns)
            except DfcoreError as error:
                self._fail(error)
                return


def line(report: Report, before: Report | None) -> str:
    """One sample in one line: totals, and what changed since `before`."""
    span_s = report.duration_s - (before.duration_s if before is not None else 0.0)
    firings, records = _firings(report), _records(report)
    parts = [f"{firings} firings{_rate(firings - (_firings(before) if before else 0), span_s)}"]
    parts.append(f"{records} records{_rate(records - (_records(before) if before else 0), span_s)}")
    parts += _busiest(report, before, span_s) + _losses(report)
    return f"{report.name} {report.duration_s:.3f} s: {', '.join(parts)}"


def _rate(count: int, span_s: float) -> str:
    return f" ({count / span_s:.4g}/s)" if span_s > 0 else ""


def _firings(report: Report) -> int:
    return sum(node.firings for node in report.nodes.values())


def _records(report: Report) -> int:
    return sum(edge.written for edge in report.edges.values())


def _busiest(report: Report, before: Report | None, span_s: float) -> list[str]:
    def busy_s(name: str, node: NodeReport) -> float:
        return node.busy_s - (before.nodes[name].busy_s if before is not None else 0.0)

    name, most_s = max(((name, busy_s(name, node)) for name, node in report.nodes.items()), key=lambda pair: pair[1])
    return [f"busiest {name} {duration(most_s * 1e9)}"] if most_s > 0 and span_s > 0 else []


def _losses(report: Report) -> list[str]:
    """The edge that most waits on, and what went wrong so far."""
    unread = {name: edge.unread for name, edge in report.edges.items()}
    fullest = max(unread, key=lambda name: unread[name], default="")
    found = [f"most unread {unread[fullest]} on {fullest}"] if fullest and unread[fullest] else []
    sums = {
        "dropped": sum(edge.dropped for edge in report.edges.values()),
        "errors": sum(node.errors for node in report.nodes.values()),
        "overruns": sum(node.overruns for node in report.nodes.values()),
        "deadline misses": sum(node.deadline_misses for node in report.nodes.values()),
    }
    return found + [f"{count} {name}" for name, count in sums.items() if count]
