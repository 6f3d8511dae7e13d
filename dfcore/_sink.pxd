# cython: language_level=3
"""Records kept in memory of its own. See `_sink.pyx`."""

cimport cython
from libc.stdint cimport int64_t

from dfcore._record cimport Format


@cython.final
cdef class Sink:
    cdef object dtype
    cdef Format format
    cdef Py_ssize_t itemsize, keep, room
    cdef char *data
    cdef int64_t *times
    cdef list values
    cdef bint watched            # somebody of the program waits for a record
    cdef readonly object waiters
    cdef readonly Py_ssize_t total, missed
    cdef readonly bint over

    cdef int append(self, const char *record, object value, int64_t origin_ns) except -1
    cdef Py_ssize_t first(self) noexcept
