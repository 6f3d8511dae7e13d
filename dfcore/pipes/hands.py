"""The workers of one stage that are processes: what lies between an `Ahead` and a `Team`.

Laws: an item that is taken is given to a worker, and put back as a result or a failure, once. Cheap items travel together; one that
a worker might have waits for others only while the source is quick, and no longer than `PATIENCE_S`. The death of a worker fails what is waited for. Two threads serve the workers: one
pulls, one hears; either sends, and never waits for that. They do not keep the stage alive: with the last reference to its results,
or `close`, all ends.
"""

from __future__ import annotations

import signal
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from .._ahead import Ahead, Failed, Place, Results, closed_gate
from .._pull import GAP, ITEM, Tag
from ..clock import world_around
from ..errors import ContextDied, InternalError
from ..pickles import dumps
from ..pipe import unpack_error
from ..sentinels import SKIP
from . import ringbuffer
from .hand import Silent
from .note import DIED, FAILED, FULL, GONE, Note
from .room import Room
from .team import Team

#: Items travel together as long as they are no more work than this.
TOGETHER_NS = 100_000
#: They wait for each other while the source takes no longer for one, and the last results came no longer ago.
QUICK_NS = 20_000
PATIENCE_S = 0.001


class Hands:
    """The workers of one stage.

    Args:
        source: what they work on, an iterator of values and tags.
        function: what they do with each item.
        workers: how many processes.
        maxsize: how many results may wait beside the items that are worked on.
        ordered: whether results keep the order of the source.
        each: whether the items are handed on, instead of what the function returns.
        name: of the stage, for messages and threads.
    Attributes:
        results: what they make, an iterator of values and tags.
    Raises:
        TypeError: the function cannot travel into another process.
    """

    def __init__(
        self,
        source: Iterator[Any],
        function: Callable[[Any], Any],
        workers: int,
        maxsize: int,
        *,
        ordered: bool,
        each: bool,
        name: str,
    ):
        packed = _packed(Silent(function) if each else function, name)
        team = Team(name, packed, workers)
        most = workers + maxsize if ordered else max((workers + maxsize) // 2, 1)
        self._work = _Work(team, most, each, name)
        self._ahead = Ahead(source, workers + maxsize, ordered=ordered, workers=1, hire=self._work.start, timed=True)
        self.results = Results(self._ahead)
        weakref.finalize(self.results, team.end)

    def close(self) -> None:
        """End the workers and wait until they are gone, but not for a pull that is inside the source: it may never end."""
        self._ahead.close()
        self._work.team.end()
        self._work.join(self._ahead)


def _packed(function: Callable[[Any], Any], name: str) -> bytes:
    try:
        return dumps(function)
    except Exception as error:
        raise TypeError(
            f"{name}: needed a function that can travel into another process, was {function!r}; make what it needs inside it."
        ) from error


class _Work:
    """What is under way. States: not started; started; over, when the processes are gone.

    Whatever both threads touch is changed in one step, under the interpreter lock, or by the one that has its turn to send.
    """

    def __init__(self, team: Team, most: int, each: bool, name: str):
        self.team = team
        self._each, self._name = each, name
        self._most, self._together = most, 1  # items of one note: at most, now
        self._pending: deque[Place] = deque()
        self._out: dict[int, Place] = {}
        self._sent = 0  # index of the first pending item
        self._watched = False  # results came, and items are sent in any case if no more come for a while
        self._room = Room()
        self._turn = threading.Lock()  # whose turn it is to send
        self._last = self._over = False  # no more items will be pending; the processes are gone
        self._failure: BaseException | None = None  # of the workers, not of an item
        self._threads: list[threading.Thread] = []

    # -- start and end --------------------------------------------------------------------------------------------------------

    def start(self, ahead: Ahead) -> None:
        """Start the processes, and the threads that serve them."""
        if world_around() is not None:
            raise RuntimeError(
                f"{self._name}: needed real time, was pulled inside a World, where other processes are not simulated; "
                "use thread.map there."
            )
        self.team.start()
        try:
            self._serve(self._listen, ahead)
            self._serve(self._feed, ahead)
        except BaseException:  # the system refused a thread, or Ctrl-C
            ahead.close()
            self.team.end()
            if not self._threads:
                self.team.reap()  # nobody listens who would
            raise

    def _serve(self, task: Callable[[Ahead], None], ahead: Ahead) -> None:
        thread = threading.Thread(target=task, args=(ahead,), name=f"{self._name} {task.__name__[1:]}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def join(self, ahead: Ahead) -> None:
        """Wait for the threads, but not for one that is inside the source, nor for the calling one."""
        for thread in self._threads:
            if thread is not threading.current_thread() and thread.ident != ahead.puller:
                thread.join()

    # -- sending --------------------------------------------------------------------------------------------------------------

    def _feed(self, ahead: Ahead) -> None:
        gate = closed_gate()
        ahead.hired()
        while (place := ahead.take(gate)) is not None:
            self._pending.append(place)
            place = None  # what waits in `take` keeps nothing alive
            if not (self._watched and ahead.pull_ns < QUICK_NS and len(self._pending) < self._together):
                self._send(ahead)
        if ahead.closed:
            self._pending.clear()
        self._last = True
        self._send(ahead)

    def _send(self, ahead: Ahead) -> None:
        """Send what is pending, as far as it is time; whoever is at it already sees to it."""
        while self._is_time() and self._turn.acquire(blocking=False):
            try:
                if self._is_time():
                    self._send_some(ahead)
            finally:
                self._turn.release()

    def _is_time(self) -> bool:
        if not self._pending:
            return self._last and not self.team.leaving and not self._over
        if self._over or self._failure is not None:
            return self._failure is not None
        idle = len(self._out) < (1 if self._watched else self.team.workers)
        return len(self._out) < self.team.room and (self._last or idle or len(self._pending) >= self._together)

    def _send_some(self, ahead: Ahead) -> None:
        places = [self._pending.popleft() for _ in range(min(len(self._pending), self._together))]
        if not places:
            self.team.leave()
        elif self._failure is not None:
            for place in places:
                ahead.put(place, Failed(self._failure))
        else:
            index, self._sent = self._sent, self._sent + len(places)
            self._out.update(enumerate(places, index))
            self._send_together(ahead, places, index)

    def _send_together(self, ahead: Ahead, places: list[Place], index: int) -> None:
        try:
            self.team.send([_value(place.item) for place in places], index)
        except BrokenPipeError:
            pass  # they are gone: whoever hears of it fails what is out
        except Exception as error:  # noqa: BLE001 - a user's `__reduce__` may raise anything
            if len(places) > 1:
                for number, place in enumerate(places, index):
                    self._send_together(ahead, [place], number)
                return
            item = _value(places[0].item)
            failure = TypeError(
                f"{self._name}: needed items that can travel between processes, item {index} was {type(item).__name__}; "
                "make it in the function."
            )
            failure.__cause__ = error
            self._put(ahead, index, Failed(failure))

    # -- hearing --------------------------------------------------------------------------------------------------------------

    def _listen(self, ahead: Ahead) -> None:
        try:
            self._hear_all(ahead)
        except BaseException as error:  # noqa: BLE001 - whoever pulls must hear of it
            failure = InternalError(f"{self._name}: {type(error).__name__}: {error}; please report this")
            failure.__cause__ = error
            self._fail(ahead, failure)
            self.team.end()

    def _hear_all(self, ahead: Ahead) -> None:
        while not self._over:
            if self._watched and not self.team.says(PATIENCE_S):
                self._watched = False
                self._send(ahead)
            for note in self.team.hear():
                if note.kind == GONE:
                    self._all_gone(ahead)
                elif note.kind == DIED:
                    self._fail(ahead, self._death(f"worker {note.worker}", note.value, note.item))
                    self.team.end()
                else:
                    self._hear(ahead, note)

    def _all_gone(self, ahead: Ahead) -> None:
        with self._turn:
            self._over = True
            status = self.team.reap()
        if self._failure is None and (status or self._out):
            self._fail(ahead, self._death("the process that starts its workers", status, None))
        elif self._failure is not None:
            self._fail(ahead, self._failure)
        self._send(ahead)

    def _hear(self, ahead: Ahead, note: Note) -> None:
        references: list[ringbuffer.Reference] = []
        try:
            if ringbuffer.in_use():
                with ringbuffer.received() as references:
                    content = note.read(self.team.memories[note.worker])
            else:
                content = note.read(self.team.memories[note.worker])
        except Exception as error:  # noqa: BLE001 - what a user's object does when it is unpickled
            error.add_note(f"\nin {self._name}, when the result of item {note.item} was loaded")
            self._put(ahead, note.item, Failed(error))
            return
        if note.kind == FULL:
            self._room.wanted(note.item, content)
        elif note.kind == FAILED:
            self._hear_failure(ahead, note, content)
        else:
            self._room.came(note.item, references)
            self._together = min(max(TOGETHER_NS // max(note.value, 1), 1), self._most)
            self._watched = self._together > 1
            places = [self._out.pop(index, None) for index in range(note.item, note.item + len(content))]
            self._send(ahead)
            ahead.put_results(places, content, self._each)
        self._send(ahead)
        if self._room.is_wanted:
            self._room.make(min(self._out, default=self._sent))

    def _hear_failure(self, ahead: Ahead, note: Note, content: Any) -> None:
        """Nothing behind the item will be handed on, so nothing more is sent."""
        self._pending.clear()
        if note.item < 0:
            self._fail(ahead, unpack_error(content, f"{self._name}, worker {note.worker}, when its function was loaded"))
        else:
            error = unpack_error(content, f"{self._name}, worker {note.worker}, item {note.item}")
            self._put(ahead, note.item, Failed(error))

    def _put(self, ahead: Ahead, index: int, result: Any) -> None:
        place = self._out.pop(index, None)
        if place is None:
            return  # it has failed meanwhile
        item = place.item
        if isinstance(result, Failed) or self._each and result is None:
            ahead.put(place, result if isinstance(result, Failed) else item)
        elif isinstance(item, Tag):
            ahead.put(place, Tag(GAP, None, item.keys) if result is SKIP else Tag(ITEM, result, item.keys))
        else:
            ahead.put(place, result)

    def _fail(self, ahead: Ahead, error: BaseException) -> None:
        """Fail what is waited for: the first item that is out, or the next one."""
        self._failure = error
        if self._out:
            self._put(ahead, min(self._out), Failed(error))

    def _death(self, who: str, status: int, index: int | None) -> ContextDied:
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"over with exit status {status}"
        seq = None if index is None or index < 0 else index
        return ContextDied(
            f"{self._name}: needed {who} until the end, was {how}{'' if seq is None else f' at item {seq}'}.",
            context=self._name,
            signal=-status if status < 0 else None,
            status=status if status >= 0 else None,
            seq=seq,
        )


def _value(item: Any) -> Any:
    return item.value if isinstance(item, Tag) else item
