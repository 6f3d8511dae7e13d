# cython: language_level=3
"""Nodes that do not take one record of each input, or do not give to every reader. See `_joins.pyx`."""

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from dfcore._ends cimport Input, Output

cdef enum:  # what a look found
    WAITS = 0
    READY = 1
    OVER = 2


cdef class Join:
    cdef list ends
    cdef PyObject **inputs       # of `ends`
    cdef int count
    cdef Input missing           # what it waits for

    cdef int look(self, int64_t now_ns, bint stopping) except -1


@cython.final
cdef class Merge(Join):
    cdef int choose(self, int64_t now_ns) except -1


@cython.final
cdef class Sync(Join):
    cdef uint64_t within_ns

    cdef bint match(self) except -1


@cython.final
cdef class Share:
    cdef list ends
    cdef PyObject **outputs      # of `ends`
    cdef int count
    cdef int last                # whom it gave to

    cdef int next(self) noexcept
    cdef Output full(self)
