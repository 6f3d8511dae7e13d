# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False
"""What a pipe hands from stage to stage, and the stages that only look at one item after another.

Laws:
* A stage is an iterator of values and of `Tag`s. A value stands for itself; a tag is a marker, or an item that has to find its
  place again, or the gap that such an item left. `Flow`, what a user holds, shows the values only.
* Nothing is overtaken: what comes first out of a source comes first out of the stage.
* A `Step` keeps nothing between two items, so several threads may `apply` it at once. All others are pulled behind a `Guard`.
* An exception of the source or of a function passes through and leaves the stage as it was, without the item, which leaves a gap
  where somebody waits for it behind `order.load`; a `StopIteration`
  that a function lets out is no end, it becomes a `RuntimeError` (as PEP 479 has it for generators).
"""

cimport cython
from cpython.ref cimport PyObject

import threading
from collections import deque

from .sentinels import SKIP


cdef extern from "Python.h":
    PyObject *PyIter_Next(object iterator) except? NULL
    PyObject *PyObject_CallOneArg(object call, object value)
    void Py_DECREF(PyObject *value)
    unsigned long PyThread_get_thread_ident()


SKIP_RESULT = SKIP  # a C global: compared at every item


@cython.final
cdef class Tag:
    """A step of a pipe that is more than a value.

    Args:
        kind: `ITEM`, `MARK`, `GAP` or `LAST`.
        value: the item, or the `Marker`.
        keys: one `(order, path)` for each order that was saved, the innermost last; a path is a tuple of integers.
    """

    def __init__(self, int kind, value, tuple keys=()):
        self.kind, self.value, self.keys = kind, value, keys

    def __repr__(self):
        return f"Tag({('ITEM', 'MARK', 'GAP', 'LAST')[self.kind]}, {self.value!r}, {self.keys!r})"

    cdef Tag altered(self, int kind, object value):
        cdef Tag other = Tag.__new__(Tag)
        other.kind, other.value, other.keys = kind, value, self.keys
        return other

    cdef int lose(self) except -1:
        """Tell the innermost order that is loaded: in this place nothing will come. It hands the gap on to those around it."""
        for order, _ in reversed(self.keys):
            if order.loads:
                order.hold(self.altered(GAP, None))
                return 0

    cdef Tag child(self, int kind, object value, Py_ssize_t number):
        cdef Tag other = Tag.__new__(Tag)
        other.kind, other.value = kind, value
        other.keys = tuple([(order, path + (number,)) for order, path in self.keys])
        return other


cdef class Flow:
    """What a user pulls: the values of a stage, without its tags.

    Args:
        raw: the stage itself, an iterator of values and tags.
    """

    cdef readonly object raw

    def __init__(self, raw):
        self.raw = raw

    def __iter__(self):
        return self

    def __next__(self):
        while True:
            item = next(self.raw)
            if type(item) is not Tag:
                return item
            if (<Tag>item).kind == ITEM:
                shown(item)
                return (<Tag>item).value


cdef int shown(Tag tag) except -1:
    """Refuse to show an item that somebody waits for elsewhere."""
    for order, _ in tag.keys:
        if order.loads:
            raise ValueError("pipe: needed to be pulled behind order.load, was before it; there the item would be missed.")


cdef class Step:
    """A stage that looks at one item at a time and keeps nothing: the root of `Map`, `Each` and `Filter`."""

    def __init__(self, source, call):
        self.source, self.call = source, call

    def __iter__(self):
        return self

    def __next__(self):
        while True:
            item = self.apply(next(self.source))
            if item is not SKIP_RESULT:
                return item

    cdef object apply(self, object item):
        """What becomes of one item; SKIP: nothing."""
        raise NotImplementedError


cpdef object applied(list steps, object item):
    """What the steps make of an item of the source, one after the other; SKIP: nothing."""
    cdef Step step
    for step in steps:
        item = step.apply(item)
        if item is SKIP_RESULT:
            break
    return item


cdef object called(object call, object value):
    """`call(value)`, whose StopIteration would look like an end."""
    cdef PyObject *result = PyObject_CallOneArg(call, value)
    if result is NULL:
        raised(call)
    value = <object>result
    Py_DECREF(result)
    return value


cdef object called_for(object call, Tag tag):
    """`call(tag.value)`, which leaves a gap if it raises."""
    try:
        return called(call, tag.value)
    except BaseException:
        tag.lose()
        raise


cdef int raised(object call) except -1:
    """Raise what the call has raised, or what it stands for. Apart, because a `try` in `called` would cost every item."""
    try:
        pending()
    except StopIteration as error:
        raise stopped(call) from error


cdef int pending() except -1:
    return -1  # the exception that is set


cdef object stopped(object call):
    return RuntimeError(f"{call!r}: needed to return, was StopIteration; catch it in the function.")


@cython.final
cdef class Map(Step):
    """The result of a function for each item; SKIP: none."""

    cdef object apply(self, object item):
        if type(item) is not Tag:
            return called(self.call, item)
        if (<Tag>item).kind != ITEM:
            return item
        result = called_for(self.call, item)
        return (<Tag>item).altered(GAP, None) if result is SKIP_RESULT else (<Tag>item).altered(ITEM, result)


@cython.final
cdef class Each(Step):
    """Each item, after a function has seen it."""

    cdef object apply(self, object item):
        if type(item) is not Tag:
            called(self.call, item)
        elif (<Tag>item).kind == ITEM:
            called_for(self.call, item)
        return item


@cython.final
cdef class Filter(Step):
    """The items that a function says yes to; a keyed item leaves a gap."""

    cdef object apply(self, object item):
        if type(item) is not Tag:
            return item if called(self.call, item) else SKIP_RESULT
        if (<Tag>item).kind != ITEM or called_for(self.call, item):
            return item
        return (<Tag>item).altered(GAP, None)


#: Thread -> the work (an `Ahead`) whose items it makes.
cdef dict working = {}


cdef object itself():
    return ValueError("pipe: needed an item of another pipe, was one of itself; a stage cannot pull itself.")


@cython.final
cdef class Guard:
    """Lets one thread at a time pull; the others wait their turn, first come, first served.

    The look and the claim happen under the interpreter lock with no Python code between them: alone, one pays for no lock.

    Args:
        source: what is pulled, an iterator; or only taken in turns, `with guard:`.
        works: whose work the items are: of stages before this one. Who works for one would wait for itself here, and is told.
    """

    cdef object source, waiting
    cdef tuple works
    cdef bint inside
    cdef unsigned long owner

    def __init__(self, source, tuple works=()):
        self.source, self.waiting, self.works = source, deque(), works

    def __iter__(self):
        return self

    def __next__(self):
        self.enter()
        try:
            return next(self.source)
        finally:
            self.leave()

    def __enter__(self):
        self.enter()

    def __exit__(self, *error):
        self.leave()

    cdef int enter(self) except -1:
        if self.works and working.get(PyThread_get_thread_ident()) in self.works:
            raise itself()
        if self.inside:
            self.wait()
        self.inside = True
        self.owner = PyThread_get_thread_ident()

    cdef int leave(self) except -1:
        self.owner = 0  # this one may be back before the next has arrived
        if self.waiting:
            self.waiting.popleft().release()  # the turn is handed over: `inside` stays
        else:
            self.inside = False

    cdef int wait(self) except -1:
        if self.owner == PyThread_get_thread_ident():
            raise itself()
        gate = threading.Lock()
        gate.acquire()
        if not self.inside:
            return 0  # it was left while the gate was made
        self.waiting.append(gate)
        try:
            gate.acquire()
        except BaseException:
            try:
                self.waiting.remove(gate)
            except ValueError:
                self.leave()  # the turn had come
            raise


@cython.final
cdef class Flatten:
    """The items of each item. It looks no item ahead: a keyed item is closed by a tag of its own behind its last child."""

    cdef object source, inner
    cdef Tag tag
    cdef Py_ssize_t count

    def __init__(self, source):
        self.source = source

    def __iter__(self):
        return self

    def __next__(self):
        cdef Tag tag
        while True:
            if self.inner is None:
                item = next(self.source)
                if type(item) is not Tag:
                    self.inner = opened(item)
                elif (<Tag>item).kind != ITEM:
                    return item
                else:
                    self.inner, self.tag, self.count = opened_for(item), item, 0
            try:
                item = next(self.inner)
            except StopIteration:
                self.inner, tag, self.tag = None, self.tag, None
                if tag is not None:
                    return tag.child(LAST, None, self.count)
                continue
            if self.tag is None:
                return item
            self.count += 1
            return self.tag.child(ITEM, item, self.count - 1)


cdef object opened_for(Tag tag):
    try:
        return opened(tag.value)
    except BaseException:
        tag.lose()
        raise


cdef object opened(object item):
    try:
        return iter(item)
    except TypeError as error:
        raise TypeError(f"flatten: needed items to iterate over, was {type(item).__name__}; leave it out or map it.") from error


@cython.final
cdef class Take:
    """The first items, no more; the source is not asked for another one."""

    cdef object source
    cdef Py_ssize_t left

    def __init__(self, source, Py_ssize_t count):
        self.source, self.left = source, count

    def __iter__(self):
        return self

    def __next__(self):
        if self.left <= 0:
            self.source = None
            raise StopIteration
        item = next(self.source)
        if type(item) is not Tag or (<Tag>item).kind == ITEM:
            self.left -= 1
        return item


@cython.final
cdef class Batch:
    """Lists of so many items.

    A marker that falls into a list comes behind it: what was before the marker is through when it comes.
    """

    cdef object source, split_on
    cdef list items, late
    cdef Py_ssize_t count
    cdef bint partial

    def __init__(self, source, Py_ssize_t count, bint partial, split_on):
        self.source, self.count, self.partial, self.split_on = source, count, partial, split_on
        self.items, self.late = [], []

    def __iter__(self):
        return self

    def __next__(self):
        cdef PyObject *pulled
        if self.late and not self.items:
            return self.late.pop(0)
        while len(self.items) < self.count:
            pulled = PyIter_Next(self.source)
            if pulled is NULL:
                return self.ended()
            item = <object>pulled
            Py_DECREF(pulled)
            if type(item) is not Tag:
                self.items.append(item)
                continue
            if (<Tag>item).keys:
                raise ValueError("batch: needed to stand behind order.load, was between order.save and order.load; move it.")
            if not self.items:
                return item
            self.late.append(item)
            if (<Tag>item).value is self.split_on:
                break
        return self.cut()

    cdef object cut(self):
        """The list under construction, or what comes instead where only whole ones are wanted."""
        items, self.items = self.items, []
        if self.partial or len(items) == self.count:
            return items
        return self.late.pop(0)

    cdef object ended(self):
        if self.items and (self.partial or self.late):
            return self.cut()
        self.items = []
        raise StopIteration


@cython.final
cdef class Marks:
    """A marker behind (or before) each so many items."""

    cdef object source, marker, ready
    cdef Py_ssize_t every, count
    cdef bint after

    def __init__(self, source, marker, Py_ssize_t every, bint after):
        self.source, self.marker, self.every, self.after = source, marker, every, after
        self.ready = deque()

    def __iter__(self):
        return self

    def __next__(self):
        if self.ready:
            return self.ready.popleft()
        item = next(self.source)
        if type(item) is Tag and (<Tag>item).kind != ITEM:
            return item
        self.count += 1
        if self.count < self.every:
            return item
        self.count = 0
        self.ready.extend(self.marked(item))
        return self.ready.popleft()

    cdef list marked(self, object item):
        """The item and the marker, in order; of a keyed item they become the children."""
        cdef Tag tag
        if type(item) is not Tag:
            pair = [item, Tag(MARK, self.marker)]
            return pair if self.after else pair[::-1]
        tag = item
        pair = [tag.child(ITEM, tag.value, not self.after), tag.child(MARK, self.marker, self.after)]
        return [*(pair if self.after else pair[::-1]), tag.child(LAST, None, 2)]


@cython.final
cdef class On:
    """Calls a function when a marker passes, in the thread that pulls it. None: any marker."""

    cdef object source, marker, call

    def __init__(self, source, marker, call):
        self.source, self.marker, self.call = source, marker, call

    def __iter__(self):
        return self

    def __next__(self):
        item = next(self.source)
        if type(item) is Tag and (<Tag>item).kind == MARK and (self.marker is None or (<Tag>item).value is self.marker):
            try:
                self.call()
            except BaseException as error:
                (<Tag>item).lose()
                if isinstance(error, StopIteration):
                    raise stopped(self.call) from error
                raise
        return item


@cython.final
cdef class Until:
    """What comes before a marker (None: any), which is taken out.

    Attributes:
        ended: None so far, then `"marker"`, or `"stream"` when nothing came any more.
    """

    cdef object source, marker
    cdef readonly object ended

    def __init__(self, source, marker):
        self.source, self.marker = source, marker

    def __iter__(self):
        return self

    def __next__(self):
        if self.ended is not None:
            raise StopIteration
        try:
            item = next(self.source)
        except StopIteration:
            self.ended, self.source = "stream", None
            raise
        if type(item) is Tag and (<Tag>item).kind == MARK and (self.marker is None or (<Tag>item).value is self.marker):
            self.ended, self.source = "marker", None
            if (<Tag>item).keys:
                return (<Tag>item).altered(GAP, None)  # what waits for the marker's place goes on
            raise StopIteration
        return item
