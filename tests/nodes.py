"""Nodes that several files of tests declare graphs of."""

from __future__ import annotations

from typing import Any

import numpy as np

from dfcore.functions import collector, emitter, router
from dfcore.node import Collector
from dfcore.sentinels import STOP


@emitter("f8")
def noise() -> float:
    """Ones."""
    return 1.0


@router("f8")
def scale(x: float, *, gain: float = 1.0) -> float:
    """With a parameter."""
    return gain * x


@router("f8")
def observer(readout: float, control: float) -> float:
    """With two inputs."""
    return readout + control


@collector
def log(value: Any) -> None:
    """One input."""


@collector
def show(*values: Any) -> None:
    """Any number of inputs."""


class Takes(Collector):
    """What came, up to `most`; it comes home as `result`."""

    def __init__(self, most: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.most = most

    def open(self) -> None:
        self.seen: list[Any] = []

    def compute(self, x: Any) -> Any:
        self.seen += np.atleast_1d(x).tolist()
        return STOP if len(self.seen) == self.most else None

    def close(self) -> list[Any]:
        return self.seen
