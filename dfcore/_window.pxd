# cython: language_level=3
"""The last n records of an input. See `_window.pyx`."""

cimport cython
from cpython.ref cimport PyObject

from dfcore._record cimport Format, Slot


@cython.final
cdef class Window:
    cdef Py_ssize_t length, places   # n; one more
    cdef Py_ssize_t itemsize
    cdef Format format               # of all places, twice; None for objects
    cdef list values                 # object dtype: the last n + 1 at most
    cdef Slot memory
    cdef object whole                # read-only array over the memory
    cdef PyObject **views            # where it begins -> the n records from there on, made on first use
    cdef Py_ssize_t made             # how many of them
    cdef object view                 # what was handed over
    cdef Py_ssize_t count            # records that came

    cdef object append(self, const char *record, object value)
    cdef int settle(self, bint taken) except -1
    cdef object _span(self)
    cdef int _leave_to_user(self) except -1
    cdef void _clear(self) noexcept
