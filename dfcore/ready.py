"""Ready-made nodes, the program's ends of a graph: `emit` plays an iterable or what the program puts, `collect` keeps what comes.

Laws: an iterable starts anew in each run, and its end is end of stream; what was collected lies in memory of its own, complete
after the run whatever the context, and nothing of it refers to a ring. What lies between the program and a running graph is
`feed.py`'s and `reading.py`'s.
"""

from __future__ import annotations

import queue
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import numpy as np

from .declared import forget
from .feed import Feed
from .node import Collector, Emitter
from .plan import Plan
from .reading import Later, Reading, one_by_one

_MOST = 2**31 - 1


def _iterable(value: Any) -> bool:
    """Whether it offers to be gone through; it is not asked to, for that may cost something."""
    return not isinstance(value, np.dtype) and any(hasattr(type(value), name) for name in ("__iter__", "__getitem__"))


class emit(Emitter):
    """Records of the program: one per item of `iterable`, then end of stream; or, without it, what the program puts while it runs.

    Without an iterable it runs in the caller's process: in no context, or in a thread. `put` is for any thread, `aput` for
    coroutines, from when a run begins (`start` has returned) until `end`, `stop` or the end of the run; before and after it is an
    error. It holds as many values as its deepest edge holds records, besides what lies on the edges. `stop` has the rest
    published, `abort` discards it. In virtual time a record is published at the time the run has reached, which is the program's
    doing, not the seed's, but in a World: there only a task of the world may put, and the run is as determined as that task.

    Args:
        iterable: anything to iterate over. An iterator can be played once; anything else starts anew in each run.
        dtype: of the output.
        options: options of the node, as for `Node.options`; `rate_hz=` plays it on a grid.
    """

    def __init__(self, iterable: Iterable[Any] | None = None, dtype: Any = object, **options: Any):
        super().__init__(dtype, **options)
        if iterable is not None and not _iterable(iterable):
            forget(self._declared)
            raise TypeError(f"emit: needed an iterable, was {iterable!r}; give it values to play, or leave it out and put them: emit(dtype=...)")
        self.iterable = iterable
        self._played = False  # an iterator, to its end
        self._feed: Feed | None = None

    def put(self, value: Any, timeout_s: float | None = None) -> None:
        """Have `value` published; wait while there is no room, for `timeout_s` at most (None: as long as it takes).

        Raises:
            DtypeError: it does not fit. RuntimeError: no run is under way, or its stream has ended, or it plays an iterable.
            After a run that has failed its
            failure is the `__cause__`. Or it is full, and the caller is in the event loop or thread that would have to make room. TimeoutError: there was none.
        """
        feed = self._open_feed("put")
        if not self._declared.driven_here():
            feed.put(value, timeout_s)
            return
        try:
            feed.put_nowait(value)
        except queue.Full:
            raise RuntimeError(f"{self.name}.put: needed another thread than the one that makes room, was full with {feed.room} there; in an "
                               "event loop write `await aput(...)`") from None

    def put_nowait(self, value: Any) -> None:
        """`put`, if there is room. Raises queue.Full otherwise."""
        self._open_feed("put_nowait").put_nowait(value)

    async def aput(self, value: Any) -> None:
        """`put` for coroutines: the event loop goes on while there is no room."""
        await self._open_feed("aput").aput(value)

    def end(self) -> None:
        """End of stream, behind what was put. A second time is harmless. Raises RuntimeError: no run is under way."""
        self._open_feed("end").end()

    def compute(self) -> Iterator[Any]:
        if self.iterable is None:
            yield from self._feed or ()
            return
        if self._played:
            raise ValueError(f"{self.name}: needed an iterable that starts anew, was an iterator that a run has played to its end; "
                             "give a list, or a new node")
        yield from self.iterable
        self._played = isinstance(self.iterable, Iterator)

    @property
    def _fed(self) -> bool:
        """Whether the program feeds it."""
        return self.iterable is None

    def _open_feed(self, method: str) -> Feed:
        where = f"{self.name}.{method}"
        if not self._fed:
            raise RuntimeError(f"{where}: needed an emit() that the program feeds, was one that plays an iterable; leave the iterable out")
        if self._feed is None:
            raise RuntimeError(f"{where}: needed a run under way, was none; call `graph.start()`, or do it inside `with graph.running():`")
        if self._declared.inside_a_node():
            raise RuntimeError(f"{where}: needed to be called by the program, was called by a node of the run; connect the node instead")
        return self._feed

    def _run_begins(self, plan: Plan, index: int) -> None:
        if self._fed:
            output = plan.outputs[plan.nodes[index].outputs[0]]
            room = max((plan.edges[edge].depth for edge in output.edges), default=1)
            self._feed = Feed(self.name, output.dtype, room)

    def _run_over(self, failure: BaseException | None) -> None:
        if self._feed is not None:
            self._feed.over(failure)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_feed": None}


class collect(Collector):
    """Keeps every record, or the last `keep`.

    Empty before a run; complete after it, whatever the context. While it runs, `records`, `times_ns`, `latest` and `len` show what
    has come so far, from any thread, and a loop goes on: `for r in out` and `async for r in out` get copies of their own, each
    record once, from the start of the loop to end of stream. What `keep` let go before a loop came to it is passed over and
    counted in `missed`. Any number of threads and tasks may loop at once, and a loop may be left. If the run fails the loop ends;
    the failure is raised where the run is waited for. After the run a loop goes over what was kept.

    Looking while it runs needs the node in the caller's process (no context, or a thread).

    Args:
        keep: how many of the last records; None: all.
        options: options of the node, as for `Node.options`.
    Raises:
        RuntimeError: looked at while it runs in a process context; looped over before the first run, or with `for` in the event
        loop or thread in which the run fires its inline nodes.
    """

    def __init__(self, keep: int | None = None, **options: Any):
        super().__init__(**options)
        if keep is not None and not (isinstance(keep, (int, np.integer)) and not isinstance(keep, bool) and 1 <= keep <= _MOST):
            forget(self._declared)
            raise ValueError(f"collect: needed keep as an int of 1 to {_MOST}, was {keep!r}; leave it out to keep every record")
        self._sink_keep = keep or 0
        self._sink: Any = None  # where the scheduler puts records; native
        self._kept: tuple[Any, Any] | None = None

    def compute(self, value: Any) -> None:
        """Called outside a run only: in a run the scheduler copies records without asking Python."""

    def close(self) -> tuple[Any, Any]:
        kept: tuple[Any, Any] = self._sink.snapshot()
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
        if self._sink is not None:
            return self._sink.latest()
        records = self.records
        return records[-1] if len(records) else None

    @property
    def missed(self) -> int:
        """How many records the loops of this run, or of the last one, have passed over, because `keep` had let them go."""
        return 0 if self._sink is None else int(self._sink.missed)

    def __len__(self) -> int:
        return len(self.records) if self._sink is None else len(self._sink)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        if self._sink is not None and not self._sink.over and self._declared.driven_here():
            raise RuntimeError(f"{self.name}: needed another thread than the one that the run needs to wait for records, was a loop there; in "
                               "an event loop write `async for`")
        return Reading(self._sink) if self._sink is not None else one_by_one(self._all_kept())

    def __aiter__(self) -> AsyncIterator[Any]:
        return Reading(self._sink) if self._sink is not None else Later(one_by_one(self._all_kept()))

    def _all_kept(self) -> Any:
        """What a loop goes over when nothing fills it."""
        if self.result is None and not self._declared.running:
            raise RuntimeError(f"{self.name}: needed a run to loop over its records, was none yet; start the graph first, "
                               "`graph.start()` or `with graph.running():`")
        return self.records

    def _data(self) -> tuple[Any, Any]:
        if self._sink is not None:
            kept: tuple[Any, Any] = self._sink.snapshot()
            return kept
        if self.result is not None:
            records, times_ns = self.result
            return records, times_ns
        if self._declared.running:
            raise RuntimeError(f"{self.name}: needed to be in the caller's process to be looked at while it runs, was in "
                               f"{self._place()}; put it into no context, or one of kind=\"thread\", or look after the run")
        return np.empty(0), np.empty(0, np.int64)

    def _place(self) -> str:
        context = self._declared.context
        return "a graph that is still opening" if context is None or context.kind == "thread" else f"process context `{context.name}`"

    def _run_begins(self, plan: Plan, index: int) -> None:
        self._sink = None

    def _run_over(self, failure: BaseException | None) -> None:
        if self._sink is not None:
            self._sink.finish()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_sink": None}
