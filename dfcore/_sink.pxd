# cython: language_level=3
"""Records kept in memory of its own. See `_sink.pyx`."""

cimport cython
from libc.stdint cimport int64_t


@cython.final
cdef class Sink:
    cdef object dtype
    cdef Py_ssize_t itemsize, keep, room
    cdef char *data
    cdef int64_t *times
    cdef list values
    cdef readonly Py_ssize_t total

    cdef int append(self, const char *record, object value, int64_t origin_ns) except -1
