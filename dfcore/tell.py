"""A report as text for a person: one headline, then a table of nodes, of edges and of contexts.

Law: a column that says nothing in any row, all 0 or none, is left out; times carry their unit, with three digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .histogram import Histogram
from .tables import table

if TYPE_CHECKING:
    from .stats import Report

Column = tuple[str, Callable[[Any], object]]


def duration(value_ns: float) -> str:
    """A time with its unit: `0`, `812 ns`, `1.24 us`, `35.0 ms`, `2.50 s`."""
    if not value_ns:
        return "0"
    for unit, size_ns in (("ns", 1), ("us", 1e3), ("ms", 1e6)):
        if value_ns < 999.5 * size_ns:
            return f"{value_ns / size_ns:.{_digits(value_ns / size_ns)}f} {unit}" if unit != "ns" else f"{value_ns:.0f} ns"
    return f"{value_ns / 1e9:.{_digits(value_ns / 1e9)}f} s"


def _digits(number: float) -> int:
    """Decimals that make three digits in all."""
    return 2 if number < 9.995 else 1 if number < 99.95 else 0


def _seconds(name: str) -> Callable[[Any], str | None]:
    return lambda part: duration(getattr(part, name) * 1e9) if getattr(part, name) else None


def _percentile(name: str, p: float) -> Callable[[Any], str]:
    def show(part: Any) -> str:
        histogram: Histogram = getattr(part, name)
        return duration(histogram.percentile(p)) if histogram.count else ""

    return show


def _plain(name: str) -> Column:
    return name.replace("_", " "), lambda part: getattr(part, name)


_NODES: list[Column] = [
    _plain("firings"),
    _plain("errors"),
    ("misses", lambda part: part.deadline_misses),
    _plain("overruns"),
    ("busy", _seconds("busy_s")),
    ("wait input", _seconds("wait_input_s")),
    ("wait room", _seconds("wait_room_s")),
    ("late p50", _percentile("lateness_ns", 50)),
    ("p99", _percentile("lateness_ns", 99)),
    ("lasts p50", _percentile("duration_ns", 50)),
    ("p99", _percentile("duration_ns", 99)),
]
_EDGES: list[Column] = [
    *map(_plain, ("written", "read", "dropped", "overwritten", "decimated", "unread", "skipped", "high_water")),
    ("age p50", _percentile("age_ns", 50)),
    ("p99", _percentile("age_ns", 99)),
    _plain("digest"),
]
_CONTEXTS: list[Column] = [
    _plain("pid"),
    ("cpu", lambda part: None if part.cpu is None else ",".join(map(str, part.cpu))),
    _plain("priority"),
    ("cpu time", _seconds("cpu_s")),
    _plain("wakeups"),
]
_ALWAYS = {"firings", "written", "read", "pid"}


def tell(report: Report) -> str:
    """The report as text."""
    headline = f"{report.name}: {report.ended} after {report.duration_s:.3f} s (clock {report.clock}, seed {report.seed}"
    headline += ")" if report.digest is None else f", digest {report.digest})"
    parts = [headline]
    for heading, members, columns in (
        ("node", report.nodes, _NODES),
        ("edge", report.edges, _EDGES),
        ("context", report.contexts, _CONTEXTS),
    ):
        if members:
            parts.append(_table(heading, members, columns))
    refusals = [f"context {name}: {text}" for name, context in report.contexts.items() for text in context.refused]
    return "\n\n".join([*parts, *(["\n".join(refusals)] if refusals else [])])


def _table(heading: str, members: Mapping[str, Any], columns: Iterable[Column]) -> str:
    shown = [(name, [show(part) for part in members.values()]) for name, show in columns]
    kept = [(name, cells) for name, cells in shown if name in _ALWAYS or any(cell not in (0, None, "") for cell in cells)]
    rows = [[name, *cells] for name, cells in zip(members, zip(*(cells for _, cells in kept)))]
    return table([heading, *(name for name, _ in kept)], rows, align="<" + ">" * len(kept))
