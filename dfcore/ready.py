"""Ready-made nodes: `emit` plays an iterable, `collect` keeps what comes.

Laws: an iterable starts anew in each run, and its end is end of stream; what was collected lies in memory of its own, complete
after the run whatever the context, and nothing of it refers to a ring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .node import Collector, Emitter


class emit(Emitter):
    """One record per item of `iterable`, then end of stream.

    Args:
        iterable: anything to iterate over. An iterator can be played once; anything else starts anew in each run.
        dtype: of the output.
        options: options of the node, as for `Node.options`; `rate_hz=` plays it on a grid.
    """

    def __init__(self, iterable: Iterable[Any], dtype: Any = object, **options: Any):
        super().__init__(dtype, **options)
        self.iterable = iterable

    def compute(self) -> Iterator[Any]:
        yield from self.iterable


class collect(Collector):
    """Keeps every record, or the last `keep`.

    Empty before a run; complete after it, whatever the context. Looking while it runs sees the records so far if the node runs in
    the caller's process (no context, or a thread).

    Args:
        keep: how many of the last records; None: all.
        options: options of the node, as for `Node.options`.
    """

    def __init__(self, keep: int | None = None, **options: Any):
        super().__init__(**options)
        if keep is not None and keep < 1:
            raise ValueError(f"collect: needed keep >= 1, was {keep}; leave it out to keep every record")
        self._sink_keep = keep or 0
        self._sink: Any = None  # where the scheduler puts records; native
        self._kept: tuple[Any, Any] | None = None

    def compute(self, value: Any) -> None:
        """Called outside a run only: in a run the scheduler copies records without asking Python."""

    def close(self) -> tuple[Any, Any]:
        kept = self._sink.records(), self._sink.times_ns()
        return kept

    @property
    def records(self) -> Any:
        """One contiguous array `(n,)` (`(n, *shape)` for array dtypes), a list for `object`. Empty before a run."""
        return self._data()[0]

    @property
    def times_ns(self) -> Any:
        """`origin_ns` of each record, int64 `(n,)`."""
        return self._data()[1]

    @property
    def latest(self) -> Any:
        """The newest record, or None."""
        records = self.records
        return records[-1] if len(records) else None

    def __len__(self) -> int:
        return len(self.records)

    def __bool__(self) -> bool:
        return True

    def _data(self) -> tuple[Any, Any]:
        if self._sink is not None:
            return self._sink.records(), self._sink.times_ns()
        if self.result is not None:
            records, times_ns = self.result
            return records, times_ns
        return np.empty(0), np.empty(0, np.int64)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_sink": None}
