# cython: language_level=3
"""Objects that leave their process. See `_objects.pyx`."""

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from dfcore._arena cimport df_arena
from dfcore._record cimport Slot
from dfcore._ring cimport df_slot_header, df_writer


cdef struct Descriptor:  # the record of an object that lies in the arena of its output
    uint64_t offset, size


@cython.final
cdef class Sender:
    cdef df_arena arena
    cdef df_writer *writer
    cdef uint64_t *blocks        # slot -> offset of its block; 0: none
    cdef object memory
    cdef str where
    cdef object packed           # the object on its way, or None
    cdef readonly uint64_t size  # bytes that it needs
    cdef uint64_t block          # reserved for it; 0: none yet
    cdef list copies             # `object_slots` with room for memory: each object gets its own, no block; None: blocks

    cdef int pack(self, object value, dict meta) except -1
    cdef bint reserve(self) noexcept
    cdef int write(self, df_slot_header *header) except -1
    cdef void drop(self) noexcept
    cdef void _vacate(self, uint32_t slot) noexcept
    cdef void _free_unreachable(self) noexcept


@cython.final
cdef class Receiver:
    cdef char *base
    cdef uint64_t largest        # block of which a view may be handed out
    cdef object memory
    cdef Slot lent               # the block of the record in hand, if what was handed over refers to it
    cdef dict meta               # that came with the record in hand, or None

    cdef object receive(self, df_slot_header *header, bint own)
    cdef bytes copy(self, df_slot_header *header)
    cdef object load(self, object memory, bint carries)
