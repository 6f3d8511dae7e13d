# cython: language_level=3
"""Parameters at run time. See `_parameters.pyx`."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from dfcore._bell cimport df_context_words
from dfcore._ends cimport Output, df_edge_counters
from dfcore._ring cimport df_reader


@cython.final
cdef class ParameterInput:
    cdef readonly int index
    cdef readonly str name
    cdef df_reader reader
    cdef object memory
    cdef list formats
    cdef list offsets
    cdef readonly list positions
    cdef Py_ssize_t itemsize
    cdef char *preload
    cdef df_edge_counters *counters
    cdef df_context_words *context
    cdef int fd
    cdef readonly bint settings
    cdef uint64_t noticed        # head and end of stream for which the cell has been asked
    cdef bint end_noticed

    cdef bint changed(self) noexcept
    cdef bint news(self) noexcept
    cdef bint refresh(self, list values) except -1
    cdef int load(self, char *data, list values) except -1
    cdef int leave(self) noexcept


@cython.final
cdef class Settings:
    cdef Output output
    cdef readonly tuple names
