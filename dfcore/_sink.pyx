# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""Records kept in memory of their own: what `collect` is made of.

Law: nothing handed out refers to a ring; a record is one memcpy. Grows by doubling (the one place of the data path that may
allocate: it keeps what everybody else lets go), or keeps the last n in a circle.
"""

cimport cython
import numpy as np

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy


@cython.final
cdef class Sink:
    """The records that came, or the last `keep` of them.

    Args:
        dtype: stored dtype of the records; `object` keeps the values themselves.
        keep: how many; 0: all.
    """

    def __cinit__(self, dtype, Py_ssize_t keep=0):
        self.dtype, self.keep = dtype, keep
        if dtype.hasobject:
            self.values = []
        else:
            self.itemsize = dtype.itemsize

    def __dealloc__(self):
        free(self.data)
        free(self.times)

    cdef int append(self, const char *record, object value, int64_t origin_ns) except -1:
        cdef Py_ssize_t place = self.total % self.keep if self.keep else self.total
        if place >= self.room:
            self._grow()
        self.times[place] = origin_ns
        if self.values is None:
            memcpy(self.data + place * self.itemsize, record, self.itemsize)
        elif place < len(self.values):
            self.values[place] = value
        else:
            self.values.append(value)
        self.total += 1
        return 0

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
        return min(self.total, self.keep) if self.keep else self.total

    def _order(self, array):
        """`array` in order of arrival: a full circle begins behind its newest record."""
        first = self.total % self.keep if self.keep and self.total > self.keep else 0
        if isinstance(array, list):
            return array[first:] + array[:first]
        return np.roll(array, -first, axis=0) if first else array

    def records(self):
        """A copy: one contiguous array `(n,)` (`(n, *shape)` for array dtypes), or a list for `object`."""
        if self.values is not None:
            return self._order(self.values)
        subtype, shape = self.dtype.subdtype or (self.dtype, ())
        bytes_ = bytearray(PyBytes_FromStringAndSize(self.data, len(self) * self.itemsize)) if len(self) else bytearray()
        return self._order(np.frombuffer(bytes_, subtype).reshape((len(self), *shape)))

    def times_ns(self):
        """`origin_ns` of each record, int64 `(n,)`."""
        if not len(self):
            return np.empty(0, np.int64)
        return self._order(np.frombuffer(PyBytes_FromStringAndSize(<char *>self.times, len(self) * sizeof(int64_t)), np.int64).copy())
