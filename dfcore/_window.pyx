# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""The last n records of an input in memory of its own, one behind the other: what `window=n` is made of.

Laws kept here:
RULES 17  each record is written twice, n + 1 places apart, so that the last n are contiguous wherever they end.
L9        after n + 1 records nothing allocates, but the list of a window of objects.
L10       a window that user code kept is never written again: the memory is left to it, and the last n go on in a new one.
One place more than n: the newest record may turn out stale, and taking it away again must not have cost the oldest.
"""

cimport cython
import numpy as np

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport Py_CLEAR, Py_INCREF, PyObject
from libc.string cimport memcpy

from dfcore._record cimport Format, Slot, extra_references, private_slot


@cython.final
cdef class Window:
    """The last `length` records that came, fewer at the start.

    Args:
        dtype: stored dtype of the records; `object` keeps the values themselves.
        length: how many.
    """

    def __cinit__(self, dtype, Py_ssize_t length):
        self.length, self.places = length, length + 1
        if dtype.hasobject:
            self.values = []
            return
        self.itemsize = dtype.itemsize
        self.format = Format.of(np.dtype((dtype, (2 * self.places,))))
        self.views = <PyObject **>PyMem_Calloc(self.places, sizeof(void *))
        if not self.views:
            raise MemoryError
        self.memory = private_slot(self.format.itemsize)

    def __dealloc__(self):
        self._clear()
        PyMem_Free(self.views)

    cdef void _clear(self) noexcept:
        cdef Py_ssize_t place
        if self.views:
            for place in range(self.places):
                Py_CLEAR(self.views[place])
        self.made = 0

    cdef object append(self, const char *record, object value):
        """Take one record in, and return the window that ends with it: a read-only array `(k, ...)`, or a new list."""
        cdef char *place
        if self.values is not None:
            self.values.append(value)
            if len(self.values) > self.places:
                del self.values[0]
            return self.values[-self.length:]
        place = self.memory.data + self.count % self.places * self.itemsize
        memcpy(place, record, self.itemsize)
        memcpy(place + self.places * self.itemsize, record, self.itemsize)
        self.count += 1
        self.view = self._span()
        return self.view

    cdef object _span(self):
        cdef Py_ssize_t start
        if self.whole is None:
            self.whole = self.format.view(self.memory, "")
            self.whole.flags.writeable = False
        if self.count < self.length:
            return self.whole[:self.count]
        start = (self.count - self.length) % self.places
        if self.views[start] == NULL:
            view = self.whole[start:start + self.length]
            Py_INCREF(view)
            self.views[start] = <PyObject *>view
            self.made += 1
        return <object>self.views[start]

    cdef int settle(self, bint taken) except -1:
        """The firing is over. `taken` False: there was none, the newest record was stale, and no later window shows it."""
        cdef bint kept
        if self.values is not None:
            if not taken:
                del self.values[len(self.values) - 1]
            return 0
        if not taken:
            self.count -= 1
        kept = extra_references(<PyObject *>self.view) > 1  # one is that of `views`
        self.view = None
        # what was sliced out of a window refers to the whole, as each window does; one that is short is not in `views`
        if kept or extra_references(<PyObject *>self.whole) > self.made:
            self._leave_to_user()
        return 0

    cdef int _leave_to_user(self) except -1:
        cdef Slot memory = private_slot(self.format.itemsize)
        memcpy(memory.data, self.memory.data, self.format.itemsize)
        self._clear()
        self.memory, self.whole = memory, None
        return 0
