"""The callbacks of a stream, kept to be looked at afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.contracts.cards import Card


class Call(NamedTuple):
    """One callback: its blocks, copied, and what came with them."""

    blocks: tuple[np.ndarray, ...]
    frames: int
    current_s: float
    adc_s: float
    dac_s: float
    status: Any
    mark: Any


def record(card: Card, kind: str, count: int, mark: Callable[[], Any] = lambda: None, **settings: Any) -> list[Call]:
    """The first `count` callbacks of a stream that plays silence. Each is marked with what `mark()` returns then."""
    calls: list[Call] = []
    done = threading.Event()

    def callback(*arguments: Any) -> None:
        *blocks, frames, times, status = arguments
        if kind != "InputStream":
            blocks[-1][:] = 0
        copies = tuple(block.copy() for block in blocks)
        calls.append(Call(copies, frames, times.currentTime, times.inputBufferAdcTime, times.outputBufferDacTime, status, mark()))
        if len(calls) == count:
            done.set()
            raise card.sd.CallbackStop

    stream = card.open(kind, callback, **settings)
    stream.start()
    card.wait(done)
    stream.close()
    return calls
