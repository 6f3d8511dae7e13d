# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False
"""What several workers have pulled ahead of one puller: who may pull, how much, and in which order it is handed on.

Laws:
* One worker at a time pulls the source, so the source is never entered twice and the order of its items is known.
* Items that are pulled and not yet handed on are never more than `limit`. Nothing is pulled before the first item is asked for.
* Ordered: results are handed on in the order of the source. Unordered: as they are done; a marker is a fence: nothing behind
  it is pulled before all in front of it is done.
* The first error ends the pulling; results that come before it are handed on, then it is raised, with its own traceback, to every
  pull from then on. An error of the source comes behind all its items.
* Nobody who waits is forgotten: whoever makes room, an item or the end wakes whom it concerns. Nothing is polled.
* There is room, and nobody pulls: then another worker is on his way, or the puller is. One of them is enough, because whoever
  arrives invites the next. Where the last one came too late to do anything, calls are cheap and waking others costs more than they
  take: then a puller that sleeps keeps `watch`, once and for `WATCH_S`, and what it waits for after that is done by many again.

Every step that changes an `Ahead` runs under the interpreter lock and calls no Python code half-way (objects are made before it
begins, because making one may run a finaliser), so it is one step for other threads, for finalisers and for signals; no lock is
held, and `close` may be called from anywhere. Waiting is done on `gates`, locks of `threading` that whoever wakes releases, so a
worker or a puller that is a task of a world parks in it.
"""

cimport cython

import threading
from collections import deque

from dfcore._pull cimport GAP, ITEM, SKIP_RESULT, Tag, applied, working

from libc.stdint cimport int64_t
from posix.types cimport pid_t
from posix.unistd cimport getpid


cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident()

cdef extern from "_bell.h":
    int64_t df_now_ns()


@cython.final
cdef class Failed:
    """Stands in the place of an item: what to raise instead of handing it on."""

    cdef readonly object error, traceback

    def __init__(self, error):
        self.error, self.traceback = error, error.__traceback__


@cython.final
cdef class Place:
    """One pulled item, and then what became of it. `value` is valid once `done`."""

    cdef readonly object item
    cdef object value
    cdef readonly bint done


#: How long calls may go on before a puller that keeps watch has other workers help.
cdef double WATCH_S = 0.0005

cdef object given(object item, object result):
    """What is handed on where a function gave `result` for `item`."""
    if type(item) is not Tag:
        return result
    return (<Tag>item).altered(GAP, None) if result is SKIP_RESULT else (<Tag>item).altered(ITEM, result)


cdef dict waiting = {}  # the thread of each puller that waits, and what it waits for


cdef object closed():
    return ValueError("pipe: needed an open one, was closed; pull it inside its `with` block.")


def closed_gate():
    """A lock that is taken: the next to take it waits until somebody wakes him."""
    gate = threading.Lock()
    gate.acquire()
    return gate


@cython.final
cdef class Ahead:
    """What is pulled ahead of one puller.

    States: at rest until the first `next`, then open, then over (nothing is pulled any more), then ended or closed.

    Args:
        source: an iterator of values and tags.
        limit: how many items may be pulled and not yet handed on, 1 or more.
        ordered: whether results keep the order of the source.
        workers: how many may be hired.
        hire: called with this to start one more worker; it calls `work`, or `take` and `put` in a loop.
        timed: whether `pull_ns` shall say how long the source took for the item that was taken last.
    """

    cdef object source, hire, places, parked, gate
    cdef Failed failed
    cdef Place fence
    cdef Py_ssize_t room, running, unhired
    cdef bint ordered, timed, pulling, asleep, abandoned, coming, over
    cdef bint cheap, watched  # whoever was invited last came too late; the puller keeps watch, or is on its way
    cdef readonly bint closed
    cdef readonly int64_t pull_ns
    cdef unsigned long owner
    cdef pid_t process

    def __init__(self, source, Py_ssize_t limit, *, bint ordered, Py_ssize_t workers, hire, bint timed=False):
        self.source, self.hire, self.timed = source, hire, timed
        self.room, self.ordered, self.unhired = limit, ordered, workers
        self.process = getpid()
        self.places, self.parked = deque(), deque()

    @property
    def puller(self):
        """The identity of the thread that is pulling the source now, or None."""
        return self.owner if self.pulling and self.fence is None else None

    # the worker's side

    def work(self, list steps):
        """Take places and apply the steps to their items until there are none. Call it in a thread of its own."""
        cdef Place place
        gate = closed_gate()
        self.hired()
        while True:
            place = self.next_place(gate)
            if place is None:
                return
            value = place.item
            try:
                value = applied(steps, value)
            except BaseException as error:  # noqa: it is the puller's, whatever it is
                value = Failed(error)
            self.put(place, value)
            value = place = None  # while it waits it keeps nothing alive

    def take(self, gate):
        """A place whose `item` is to be worked on, or None: there will be no more. Waits for room and for the source.

        Args:
            gate: a `closed_gate` of the calling worker's own.
        """
        return self.next_place(gate)

    def hired(self):
        """Say that the worker that was hired has arrived, in a thread of its own. Before its first `take`."""
        working[PyThread_get_thread_ident()] = self
        self.coming = False

    def put(self, Place place, value):
        """Say what became of a place: a value or tag, SKIP, or `Failed(error)`. Each place once."""
        self.fill(place, value)
        self.rouse()

    def put_results(self, list places, list results, bint items):
        """Say what a function gave for the items of places, of which some may be None; the puller hears of all at once.

        Args:
            items: whether the items themselves are handed on.
        """
        cdef Place place
        for place, result in zip(places, results):
            if place is not None:
                self.fill(place, place.item if items else given(place.item, result))
        self.rouse()

    cdef Place next_place(self, gate):
        cdef Place place
        cdef bint invited = False
        while True:
            place = Place.__new__(Place)
            if self.over:
                working.pop(PyThread_get_thread_ident(), None)
                return None
            if self.wanted():
                self.room -= 1
                self.pulling = True
                self.owner = PyThread_get_thread_ident()
                if self.pull(place) and self.passed_on(place):
                    return place
            else:
                place = None
                self.cheap = self.cheap or invited
                self.parked.append(gate)
                gate.acquire()
                self.coming, invited = False, True

    cdef bint passed_on(self, Place place):
        """Invite the next worker before this one works. False: that failed, and the pipe with it."""
        try:
            if not self.watched:
                self.invite(True)
        except BaseException as error:
            self.put(place, Failed(error))
            return False
        return True

    cdef bint pull(self, Place place) except -1:
        """Fill `place` with the next item. False: it was none to work on."""
        source = self.source
        cdef int64_t began_ns = df_now_ns() if self.timed else 0
        try:
            item = next(source)
        except StopIteration:
            self.end(None)
            return False
        except BaseException as error:
            place.value, place.done = Failed(error), True
            self.end(place)
            return False
        if self.timed:
            self.pull_ns = df_now_ns() - began_ns
        place.item = item
        if type(item) is Tag and (<Tag>item).kind != ITEM:
            self.pass_by(place)
            return False
        if self.over:
            self.end(None)
            return False
        self.running += 1
        if self.ordered:
            self.places.append(place)
        self.pulling = False
        return True

    cdef int pass_by(self, Place place) except -1:
        """Give a place to what nobody works on. Unordered, it is a fence."""
        place.value, place.done = place.item, True
        if self.running and not self.ordered:
            self.fence = place
            return 0
        self.places.append(place)
        self.pulling = False
        self.rouse()

    cdef int fill(self, Place place, object value) except -1:
        place.item = None
        place.value, place.done = value, True
        self.running -= 1
        if not self.ordered:
            self.places.append(place)
        if type(value) is Failed:
            self.over = True
            self.dismiss()
        if self.fence is not None and not self.running:
            self.places.append(self.fence)
            self.fence = None
            self.pulling = False
            self.invite(False)

    cdef int end(self, Place place) except -1:
        """Nothing is pulled any more. `place` holds the error that ended it, or is None."""
        self.over = True
        self.pulling = False
        self.source = None
        if place is None:
            self.room += 1
        elif self.running and not self.ordered:
            self.fence = place
        else:
            self.places.append(place)
        self.dismiss()
        self.rouse()

    # the puller's side

    cdef object next_value(self):
        """The next result, a value or a tag. Waits for it; hires workers as they are needed. One thread at a time.

        Raises:
            StopIteration: the source has ended and everything is handed on.
            ValueError: it was closed.
            whatever the source or a step raised.
        """
        cdef Place place
        while True:
            if self.failed is not None:
                raise self.failed.error.with_traceback(self.failed.traceback)
            if self.closed:
                raise closed()
            if self.ready():
                place = self.places.popleft()
                self.room += 1
                value = place.value
                if type(value) is Failed:
                    self.failed = value
                    self.close()
                    continue
                self.invite(False)
                if value is not SKIP_RESULT:
                    return value
            elif self.ended():
                raise StopIteration
            else:
                self.wait()

    cdef int wait(self) except -1:
        if getpid() != self.process:
            raise RuntimeError("pipe: needed the process that made it, was a fork, which has no workers; make the pipe there.")
        if self.gate is None:
            self.gate = closed_gate()
        try:
            self.invite(True)  # may run Python code, so the look comes behind it
            if self.ready() or self.ended():
                return 0
            self.asleep = True
            waiting[PyThread_get_thread_ident()] = self
            if not (self.cheap and self.keep_watch()):
                self.gate.acquire()
        except BaseException:
            if not self.asleep:
                self.gate.acquire(False)  # it was roused meanwhile
            self.asleep = False
            raise
        finally:
            waiting.pop(PyThread_get_thread_ident(), None)
            if self.watched:
                self.watched = False
                self.invite(True)
        if self.abandoned:
            self.abandoned = False
            raise closed()

    cdef bint keep_watch(self) except -1:
        """Sleep for a while. False: it was not roused, and has had others help."""
        self.watched = True
        if self.gate.acquire(timeout=WATCH_S):
            return True
        self.watched = self.cheap = False
        self.invite(True)
        return False

    def close(self):
        """End the work: who waits leaves, who works leaves after the call he is in. May be called again, from anywhere."""
        cdef Ahead other
        self.closed = self.over = True
        other = waiting.get(self.owner) if self.pulling else None
        if other is not None:  # our worker waits for what nobody wants any more
            other.abandon()
        self.dismiss()
        self.rouse()
        self.source = self.hire = None
        self.places.clear()

    cdef int abandon(self) except -1:
        """Wake the puller without an item."""
        if self.asleep:
            self.asleep = False
            self.abandoned = True
            self.gate.release()

    # who wakes whom

    cdef bint ready(self):
        """Whether the next result is there."""
        return len(self.places) > 0 and (<Place>self.places[0]).done

    cdef bint wanted(self):
        """Whether a worker may pull now. One may hold several places: how many work at once is the workers' affair."""
        return self.room > 0 and not self.pulling

    cdef bint ended(self):
        return self.closed or (self.over and not self.pulling and not self.running and not self.places)

    cdef int rouse(self) except -1:
        """Wake the puller if what it waits for is there."""
        if self.asleep and (self.ready() or self.ended()):
            self.asleep = False
            self.gate.release()

    cdef int dismiss(self) except -1:
        """Wake all workers that wait: there is nothing to wait for."""
        while self.parked:
            self.parked.popleft().release()

    cdef int invite(self, bint hiring) except -1:
        """Wake one worker, or hire one, if there is room to pull. One at a time is on its way: it invites the next."""
        if self.coming or self.over or not self.wanted():
            return 0
        if self.parked:
            self.coming = True
            self.parked.pop().release()  # who went last is the fastest to be back
        elif hiring and self.unhired > 0:
            self.coming = True
            self.unhired -= 1
            try:
                self.hire(self)
            except BaseException:
                self.coming = False
                self.unhired += 1
                raise


@cython.final
cdef class Results:
    """What workers hand on, as an iterator. With the last reference to it the work ends."""

    cdef readonly Ahead ahead
    cdef object __weakref__

    def __init__(self, Ahead ahead):
        self.ahead = ahead

    def __del__(self):
        if self.ahead is not None:
            self.ahead.close()

    def __iter__(self):
        return self

    def __next__(self):
        return self.ahead.next_value()
