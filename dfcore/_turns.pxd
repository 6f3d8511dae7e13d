# cython: language_level=3
"""Whose turn it is among the instances of a replicated node. See `_turns.pyx`."""

cimport cython
from libc.stdint cimport uint64_t

from dfcore._bell cimport df_context_words
from dfcore._ring cimport df_turn_words


cdef struct Sibling:
    df_turn_words *words
    df_context_words *context    # NULL: it runs in this scheduler, at `position`
    int fd
    int position


@cython.final
cdef class Turns:
    cdef object memory
    cdef readonly bint ordered
    cdef readonly int count
    cdef readonly uint64_t set   # that it works on, or will take next
    cdef df_turn_words *own
    cdef df_turn_words *first    # of instance 0: the claim word is there
    cdef Sibling *siblings
    cdef bint waiting            # for a sibling

    cdef uint64_t aim(self) noexcept
    cdef bint begin(self) noexcept
    cdef bint over(self) noexcept
    cdef bint news(self) noexcept
    cdef void ask(self) noexcept
    cdef void finish(self) noexcept
    cdef void stop(self) noexcept
    cdef void leave(self) noexcept
    cdef void tell(self) noexcept
    cdef bint _open(self) noexcept
