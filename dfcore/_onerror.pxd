# cython: language_level=3
"""What a node does about its own exceptions. See `_onerror.pyx`."""

cimport cython
from libc.stdint cimport int64_t

cdef enum:  # action
    SKIP_FIRING = 1
    TRY_AGAIN = 2
    EMIT_ERROR = 3


@cython.final
cdef class OnError:
    cdef int action
    cdef tuple errors
    cdef int retries
    cdef int64_t delay_ns
    cdef int attempt             # of the firing under way, from 0
    cdef bint waiting            # for the next attempt, due at `due_ns`
    cdef int64_t due_ns

    cdef void begin(self) noexcept
    cdef bint handles(self, error)
    cdef bint may_try_again(self) noexcept
    cdef void wait_until(self, int64_t due_ns) noexcept
