"""A pipe: stages that pull each other, as an object with a method for each kind of stage.

Laws: nothing runs that was not pulled, except what a stage declares to pull ahead. A pipe is an iterator, so who pulls it twice
shares it, also from several threads; an iterable starts anew in each pipe, an iterator goes on where it is. Who drops the last
reference to a pipe, or leaves its `with` block, ends its workers and those before it.

How a stage is built (for modules of this package). Its `raw` is an iterator of values and of tags (`dfcore/_pull.pyx`): a marker is
a tag, and so is an item between `order.save` and `order.load`. A stage hands tags that are no items on as they are, and returns an
item that is a tag as a tag with the same keys. There are three kinds:

* one that looks at one item and keeps nothing is a native `Step`, made by `Pipe.step`. Workers behind it may run it, each for an
  item of its own: `unfolded` tells them what to pull and which steps to run;
* one that keeps something is any iterator, made by `Pipe.stage`, which puts a `Guard` before it: one thread at a time;
* one that has workers is made by `Pipe.ahead` from a function that starts one worker. An `Ahead` (`dfcore/_ahead.pyx`) says
  what a worker pulls and hands its results on in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .._ahead import Ahead, Results
from .._pull import Batch, Each, Filter, Flatten, Flow, Guard, Map, Marks, On, Step, Take, Until
from ..progress import Bar
from . import given
from .crew import Crew
from .given import Marker
from .hands import Hands
from .limits import RateLimit
from .shared import Branch
from .watched import Watched

T = TypeVar("T")
U = TypeVar("U")


class Closing(Protocol):
    """What ends with a pipe."""

    def close(self) -> None: ...


class Pipe(Flow, Generic[T]):
    """Stages that pull each other: an iterator, with a method for each kind of stage. Made by `pipe`.

    Each method returns a new pipe that pulls this one; this one stays valid, and shares its items with it.
    """

    def __init__(
        self,
        raw: Iterator[Any],
        below: Pipe[Any] | None = None,
        *,
        closing: Closing | None = None,
        works: tuple[Ahead, ...] | None = None,
    ):
        super().__init__(raw)
        self._below, self._closing = below, closing
        #: What the stages up to here have pulled ahead by workers, who must not pull this pipe.
        self.works: tuple[Ahead, ...] = works if works is not None else below.works if below is not None else ()

    if TYPE_CHECKING:

        def __iter__(self) -> Pipe[T]: ...
        def __next__(self) -> T: ...

    # one item at a time

    def map(self, f: Callable[[T], U]) -> Pipe[U]:
        """`f(item)` for each item. `SKIP` drops it."""
        return self.step(Map, f, "map")

    def filter(self, f: Callable[[T], Any]) -> Pipe[T]:
        """The items for which `f(item)` is true."""
        return self.step(Filter, f, "filter")

    def each(self, f: Callable[[T], Any]) -> Pipe[T]:
        """The items, after `f(item)` was called for each."""
        return self.step(Each, f, "each")

    # several

    def flatten(self) -> Pipe[Any]:
        """The items of each item."""
        return self.stage(Flatten(self.raw))

    def batch(self, n: int, *, partial: bool = True, split_on: Marker | None = None) -> Pipe[list[T]]:
        """Lists of `n` items.

        A marker that falls into a list comes behind it.

        Args:
            n: how many, 1 or more.
            partial: whether a shorter list, at the end or before a split, is handed on or dropped.
            split_on: the marker that ends a list before it is full.
        """
        count = given.count("batch", "n", n, 1)
        return self.stage(Batch(self.raw, count, bool(partial), given.marker("batch", split_on)))

    def take(self, n: int) -> Pipe[T]:
        """The first `n` items; no more are pulled."""
        return self.stage(Take(self.raw, given.count("take", "n", n, 0)))

    def tee(self, n: int = 2) -> tuple[Pipe[T], ...]:
        """`n` pipes that each hand on every item. What one is ahead of another is kept; a dropped one keeps nothing."""
        return tuple(Pipe(branch, self) for branch in Branch.several(self.raw, self.works, given.count("tee", "n", n, 1)))

    def ratelimit(self, rate_hz: float) -> Pipe[T]:
        """The items, at most `rate_hz` in a second; markers do not count. In a world it is the world's second."""
        return self.stage(RateLimit(self.raw, rate_hz))

    def progress(self, total: int | None = None, title: str = "pipe") -> Pipe[T]:
        """The items; how many have come through is shown as a bar, if standard error is a terminal.

        Args:
            total: how many there will be, if known.
            title: what the bar is called.
        """
        return self.stage(Watched(self.raw, Bar(title, None if total is None else given.count("progress", "total", total, 0))))

    # markers

    def mark(self, m: Marker, every: int = 1, after: bool = True) -> Pipe[T]:
        """Put `m` behind (`after=False`: before) every so many items. Functions and users of the pipe do not see it."""
        if m is None:
            raise TypeError("mark: needed a Marker, was None; make one, `m = Marker()`.")
        return self.stage(Marks(self.raw, given.marker("mark", m), given.count("mark", "every", every, 1), bool(after)))

    def on(self, m: Marker | None, f: Callable[[], Any]) -> Pipe[T]:
        """Call `f()` when `m` (None: any marker) passes, in the thread that pulls it."""
        return self.stage(On(self.raw, given.marker("on", m), given.function("on", f)))

    def until(self, m: Marker | None = None) -> Segment[T]:
        """What comes before the next `m` (None: any marker), which is taken out. Its `ended` says what was met."""
        return Segment(Until(self.raw, given.marker("until", m)), self)

    # workers

    @property
    def thread(self) -> Threads[T]:
        """The stages that use threads: `queue`, `map`, `each`, `mutex`."""
        return Threads(self)

    @property
    def process(self) -> Processes[T]:
        """The stages that use processes: `map`, `each`."""
        return Processes(self)

    def __enter__(self) -> Pipe[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the workers of this pipe and of those it pulls, and wait for the calls of functions that are under way."""
        below: Pipe[Any] | None = self
        while below is not None:
            if below._closing is not None:
                below._closing.close()
            below = below._below

    # how stages are built

    def step(self, kind: type[Step], f: Any, where: str) -> Pipe[Any]:
        """A pipe with one more stage that looks at one item and keeps nothing."""
        return Pipe(kind(self.raw, given.function(where, f)), self)

    def stage(self, raw: Iterator[Any]) -> Pipe[Any]:
        """A pipe with one more stage that keeps something, so that one thread at a time may pull it."""
        return Pipe(Guard(raw, self.works), self)

    def ahead(
        self, work: Callable[[Ahead, list[Step]], None], workers: int, maxsize: int | None, *, ordered: bool, where: str
    ) -> Pipe[Any]:
        """A pipe with one more stage that has workers.

        Args:
            work: called in a thread for each worker, with the `Ahead` and the steps before this stage, which are the worker's to
                run: `applied(steps, item)`. It calls `hired`, then `take` and `put` until `take` returns None.
            workers: how many at most, 1 or more.
            maxsize: how many results may wait; None: twice as many as there are workers.
            ordered: whether results keep the order of the items.
            where: what messages and threads call the stage.
        """
        many = given.count(where, "workers", workers, 1)
        more = 2 * many if maxsize is None else given.count(where, "maxsize", maxsize, 1)
        source, steps = self.unfolded()
        crew = Crew(source, lambda ahead: work(ahead, steps), many, more, ordered=bool(ordered), name=where)
        return self.worked(crew.results, crew)

    def worked(self, results: Results, closing: Closing) -> Pipe[Any]:
        """A pipe with one more stage that has workers, who end with `closing`."""
        works = (results.ahead, *self.works)
        return Pipe(Guard(results, works), self, closing=closing, works=works)

    def unfolded(self) -> tuple[Iterator[Any], list[Step]]:
        """What workers behind this pipe pull one at a time, and the steps that each then runs on its own item, in order."""
        steps: list[Step] = []
        root: Pipe[Any] = self
        while isinstance(root.raw, Step) and root._below is not None:
            steps.insert(0, root.raw)
            root = root._below
        return root.raw, steps


class Segment(Pipe[T]):
    """What comes before a marker: made by `until`."""

    raw: Until

    @property
    def ended(self) -> str | None:
        """None while it goes on, then `"marker"`, or `"stream"` if nothing came any more."""
        return self.raw.ended


class Threads(Generic[T]):
    """The stages of a pipe that use threads. All end with the pipe.

    They run one Python function at a time, so they are for functions that wait or compute outside of Python.
    """

    def __init__(self, pipe: Pipe[T]):
        self._pipe = pipe

    def queue(self, workers: int, maxsize: int | None = None) -> Pipe[T]:
        """The items, pulled ahead by threads, as they come: the order may change, but not across a marker.

        Functions of the stages before it run in these threads. The stage behind which they run one at a time is pulled by one
        thread at a time.

        Args:
            workers: how many threads, 1 or more.
            maxsize: how many items may wait beside them; None: twice as many.
        """
        return self._pipe.ahead(Ahead.work, workers, maxsize, ordered=False, where="thread.queue")

    def map(self, f: Callable[[T], U], workers: int, maxsize: int | None = None, *, ordered: bool = True) -> Pipe[U]:
        """`f(item)` for each item, by threads, ahead of who pulls.

        Args:
            f: called in any of the threads. Its exception is raised in the place of its result, and ends the work.
            workers: how many threads, 1 or more.
            maxsize: how many results may wait; None: twice as many as workers. With the next one that is pulled there are never
                more than `workers + maxsize` items out of the source that were not handed on.
            ordered: whether results come in the order of the items, or as they are done.
        """
        return self._pipe.step(Map, f, "thread.map").ahead(Ahead.work, workers, maxsize, ordered=ordered, where="thread.map")

    def each(self, f: Callable[[T], Any], workers: int, maxsize: int | None = None, *, ordered: bool = True) -> Pipe[T]:
        """The items, after `f(item)` was called for each, by threads; as `map`."""
        return self._pipe.step(Each, f, "thread.each").ahead(Ahead.work, workers, maxsize, ordered=ordered, where="thread.each")

    def mutex(self) -> Pipe[T]:
        """The items; the stages before it run in one thread at a time."""
        return self._pipe.stage(self._pipe.raw)


class Processes(Generic[T]):
    """The stages of a pipe that use processes. All end with the pipe: a call of a function that is under way then is cut off half a
    second later.

    Items and results travel by pickle; arrays in them arrive as read-only views of shared memory. Functions may be lambdas or
    closures; no `if __name__ == "__main__"` is needed. Nothing runs in a simulated world.

    Workers share no state: what a function changes, it changes in its own process. Their global random numbers differ from each
    other and from run to run; numbers that are the same in every run come from the item: `numpy.random.default_rng([seed, i])`.
    """

    def __init__(self, pipe: Pipe[T]):
        self._pipe = pipe

    def map(self, f: Callable[[T], U], workers: int, maxsize: int | None = None, *, ordered: bool = True) -> Pipe[U]:
        """`f(item)` for each item, by processes, ahead of who pulls. `SKIP` drops it.

        The stages before it run in a thread. Cheap items travel together, as many as are a tenth of a
        millisecond of work: one that suddenly takes long holds up those that travel with it.

        Args:
            f: called in any of the processes. Its exception is raised in the place of its result, with its traceback there, and
                ends the work.
            workers: how many processes, 1 or more. They start with the first pull, which takes a few tenths of a second.
            maxsize: how many results may wait; None: twice as many as workers. There are never more than `workers + maxsize` items
                out of the source that were not handed on.
            ordered: whether results come in the order of the items, or as they are done.
        Raises:
            TypeError: `f`, and when pulled an item or a result, cannot be pickled.
            ContextDied: when pulled: a worker was killed.
        """
        return self._ahead(f, workers, maxsize, ordered, False, "process.map")

    def each(self, f: Callable[[T], Any], workers: int, maxsize: int | None = None, *, ordered: bool = True) -> Pipe[T]:
        """The items, after `f(item)` was called for each, by processes; as `map`. The items do not travel back."""
        return self._ahead(f, workers, maxsize, ordered, True, "process.each")

    def _ahead(
        self, f: Callable[[T], Any], workers: int, maxsize: int | None, ordered: bool, each: bool, where: str
    ) -> Pipe[Any]:
        many = given.count(where, "workers", workers, 1)
        more = 2 * many if maxsize is None else given.count(where, "maxsize", maxsize, 1)
        hands = Hands(self._pipe.raw, given.function(where, f), many, more, ordered=bool(ordered), each=each, name=where)
        return self._pipe.worked(hands.results, hands)


def pipe(items: Iterable[T]) -> Pipe[T]:
    """A pipe over anything that can be iterated. A pipe is returned as it is, an iterator goes on, an iterable starts anew."""
    if isinstance(items, Pipe):
        return items
    return Pipe(Guard(given.items("pipe", items)))
