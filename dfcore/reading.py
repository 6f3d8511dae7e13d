"""Loops over a `collect`: while it fills, and when it is over.

Laws: a loop gets copies of its own, in order, each once, from where it began to end of stream; what was let go before the loop came
to it is passed over and counted. Many may read at once. A loop that waits is woken; it may be left at any time. What ended the
run is not the loop's business: it ends, and whoever waits for the run hears of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from ._record import Format
from ._sink import Sink


class Reading:
    """One loop, `for` or `async for`, over what `sink` gets from now on; over what it kept, if no more will come."""

    def __init__(self, sink: Sink):
        self._sink, self._next = sink, sink.begin_reading()

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        self._sink.waiters.wait(self._there)
        try:
            return self._read()
        except EOFError:
            raise StopIteration from None

    async def __anext__(self) -> Any:
        await self._sink.waiters.until(self._there)
        try:
            return self._read()
        except EOFError:
            raise StopAsyncIteration from None

    def _there(self) -> bool:
        return self._sink.there(self._next)

    def _read(self) -> Any:
        at, value = self._sink.read(self._next)
        self._next = at + 1
        return value


def one_by_one(records: Any) -> Iterator[Any]:
    """The records of a run that is over, an array or a list, as a loop hands them out."""
    if isinstance(records, list):
        yield from records
        return
    form = Format.of(np.dtype((records.dtype, records.shape[1:])))
    for record in records:
        yield form.unpack(record.tobytes(), "collect")


class Later:
    """`async for` over what is there already."""

    def __init__(self, values: Iterator[Any]):
        self._values = values

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        for value in self._values:
            return value
        raise StopAsyncIteration
