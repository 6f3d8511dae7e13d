# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""Records kept in memory of their own: what `collect` is made of.

Laws: nothing handed out refers to a ring; a record is one memcpy. Grows by doubling (the one place of the data path that may
allocate: it keeps what everybody else lets go), or keeps the last n in a circle. Other threads may look while it fills: whatever
they get was there at one instant, and no record of it is torn. What is copied in one piece here is one piece because of the GIL.
"""

cimport cython
import numpy as np

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from .waiting import Waiters


@cython.final
cdef class Sink:
    """The records that came, or the last `keep` of them. States: filling; over.

    Args:
        dtype: stored dtype of the records; `object` keeps the values themselves.
        keep: how many; 0: all.
    Attributes:
        total: how many came. missed: how many loops have passed over, for they were let go before. waiters: for one more.
        over: no more will come.
    """

    def __cinit__(self, dtype, Py_ssize_t keep=0):
        self.dtype, self.keep, self.waiters = dtype, keep, Waiters()
        if dtype.hasobject:
            self.values = []
        else:
            self.format, self.itemsize = Format.of(dtype), dtype.itemsize

    def __dealloc__(self):
        free(self.data)
        free(self.times)

    cdef int append(self, const char *record, object value, int64_t origin_ns) except -1:
        cdef Py_ssize_t place = self.total % self.keep if self.keep else self.total
        cdef object before = None
        if place >= self.room:
            self._grow()
        self.times[place] = origin_ns
        if self.values is None:
            memcpy(self.data + place * self.itemsize, record, self.itemsize)
        elif place < len(self.values):
            before = self.values[place]  # its end may run Python code, and let others look: not before the count is right
            self.values[place] = value
        else:
            self.values.append(value)
        self.total += 1
        if self.watched:
            self.watched = False
            self.waiters.wake()
        return 0

    cdef Py_ssize_t first(self) noexcept:
        """The number, from 0, of the oldest record kept."""
        return self.total - self.keep if self.keep and self.total > self.keep else 0

    def finish(self):
        """No more will come. A second time is harmless."""
        self.over = True
        self.waiters.wake()

    def _grow(self):
        cdef Py_ssize_t room = max(2 * self.room, 64)
        cdef void *data
        if self.keep:
            room = min(room, self.keep)
        data = realloc(self.times, room * sizeof(int64_t))
        if data == NULL:
            raise MemoryError
        self.times = <int64_t *>data
        if self.values is None:
            data = realloc(self.data, room * self.itemsize)
            if data == NULL:
                raise MemoryError
            self.data = <char *>data
        self.room = room

    def __len__(self):
        return self.total - self.first()

    # -- for loops ------------------------------------------------------------------------------------------------------------

    def begin_reading(self):
        """The number of the first record of a loop that begins now: the next one to come, or the oldest kept if none will."""
        return self.first() if self.over else self.total

    def there(self, Py_ssize_t at):
        """Whether record number `at`, or the end, has come; if not, the `waiters` are woken by it."""
        self.watched = True
        return self.total > at or self.over

    def read(self, Py_ssize_t at):
        """(number, own copy) of the first record from `at` on that is still kept; those passed over are counted.

        Raises EOFError: there is none and none will come.
        """
        cdef Py_ssize_t kept = max(at, self.first())
        cdef Py_ssize_t place = kept % self.keep if self.keep else kept
        if kept >= self.total:
            raise EOFError
        self.missed += kept - at
        if self.values is not None:
            return kept, self.values[place]
        return kept, self.format.unpack(PyBytes_FromStringAndSize(self.data + place * self.itemsize, self.itemsize), "collect")

    # -- for whoever looks ----------------------------------------------------------------------------------------------------

    def latest(self):
        """The newest record as an element of what `snapshot` gives; None: none came."""
        if not self.total:
            return None
        cdef Py_ssize_t place = (self.total - 1) % self.keep if self.keep else self.total - 1
        if self.values is not None:
            return self.values[place]
        return self._array(PyBytes_FromStringAndSize(self.data + place * self.itemsize, self.itemsize))[0]

    def snapshot(self):
        """(records, times) at one instant: one contiguous array `(n,)` (`(n, *shape)` for array dtypes), or a list for `object`;
        and `origin_ns` of each, int64 `(n,)`."""
        cdef Py_ssize_t count, place
        cdef bytes data, times
        cdef list values = None
        while True:
            count, place = len(self), self.total % self.keep if self.first() else 0
            total = self.total
            times = PyBytes_FromStringAndSize(<char *>self.times, count * sizeof(int64_t)) if count else b""
            if self.values is not None:
                values = self.values[:]
            else:
                data = PyBytes_FromStringAndSize(self.data, count * self.itemsize) if count else b""
            if total == self.total:  # a list may set the garbage collector off, and that may run Python code
                break
        ordered = np.roll(np.frombuffer(times, np.int64), -place)
        if values is not None:
            return values[place:] + values[:place], ordered
        records = self._array(data)
        return np.roll(records, -place, axis=0) if place else records, ordered

    def _array(self, bytes data):
        """Records, one behind the other, as an array of its own."""
        subtype, shape = self.dtype.subdtype or (self.dtype, ())
        return np.frombuffer(bytearray(data), subtype).reshape((len(data) // self.itemsize, *shape))
