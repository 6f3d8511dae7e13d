"""A figure: what was measured, every value of it, and what it should be. Figures are medians; nothing is thrown away."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured quantity.

    Attributes: `values`, one per repetition; `target` and `most`: the median should be at most (True) or at least (False) that.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    target: float | None = None
    most: bool = True
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median meets the target; None without a target."""
        if self.target is None:
            return None
        return self.median <= self.target if self.most else self.median >= self.target

    def row(self) -> list[str]:
        """The cells of the table: name, median, range, target, verdict."""
        aim = "" if self.target is None else f"{'<=' if self.most else '>='} {shown(self.target)}"
        verdict = {None: "", True: "met", False: "MISSED"}[self.met]
        spread = f"{shown(min(self.values))} .. {shown(max(self.values))}"
        return [self.name, f"{shown(self.median)} {self.unit}", spread, str(len(self.values)), aim, verdict, self.note]

    def to_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "values": list(self.values),
            "target": self.target,
            "target_is": None if self.target is None else "at most" if self.most else "at least",
            "met": self.met,
            "note": self.note,
        }


def shown(value: float) -> str:
    """A number with three digits that matter."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def interleaved(repeat: int, *measures: Callable[[], float]) -> list[tuple[float, ...]]:
    """The values of several measures, taken in turn, so that a disturbance of the machine meets all of them alike."""
    rounds = [[measure() for measure in measures] for _ in range(repeat)]
    return [tuple(column) for column in zip(*rounds, strict=True)]


def percentile(values: list[int], percent: float) -> float:
    """The value below which `percent` of the sorted values lie."""
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))])
