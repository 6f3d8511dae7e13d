# cython: language_level=3
"""The cells of one scheduler. See `_table.pyx`."""

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from dfcore._bell cimport df_run_word
from dfcore._cell cimport Cell
from dfcore._ends cimport Output


cdef extern from "_firing.h":
    ctypedef struct df_timer:
        int64_t due_ns
        int32_t position
    ctypedef struct df_heap:
        df_timer *timers
        uint32_t count, room
    int df_heap_push(df_heap *heap, int64_t due_ns, int32_t position) nogil
    int32_t df_heap_pop(df_heap *heap) nogil
    int64_t df_grid(uint64_t k, uint64_t numerator, uint64_t denominator) nogil
    uint64_t df_tick_scale(double ns_per_tick) nogil
    int64_t df_ticks_to_ns(uint64_t ticks, uint64_t scale) nogil
    uint64_t df_grid_after(int64_t now_ns, uint64_t numerator, uint64_t denominator) nogil


cdef struct Remote:  # an end whose other side is in another context, and the cell it belongs to
    PyObject *end
    int position


cdef class Table:
    cdef object plan, memory
    cdef readonly list cells
    cdef PyObject **table
    cdef readonly int count
    cdef readonly int remaining          # nodes that have not ended
    cdef uint64_t *dirty                 # candidates: cells that may be ready
    cdef int nwords, low
    cdef df_heap timers
    cdef readonly int64_t now_ns
    cdef readonly bint virtual
    cdef char *occupied                  # by context: a firing holds it (virtual time)
    cdef list remote_inputs, remote_outputs, remote_parameters
    cdef Remote *inputs_there
    cdef Remote *outputs_there
    cdef int nremote_inputs, nremote_outputs
    cdef list file_cells, turn_cells
    cdef public int64_t zero_ns
    cdef bint ticking
    cdef uint64_t ticks_then     # at the start of the step
    cdef uint64_t ticks          # at the end of the last firing
    cdef uint64_t ns_per_tick    # fixed point
    cdef df_run_word *paused     # of the run's line: when the run was paused, or 0
    cdef public object world
    cdef uint64_t in_instant     # steps since time moved
    cdef int64_t instant_ns
    cdef readonly list warnings

    cdef int64_t time(self) except? -2
    cdef void advance(self, int64_t now_ns)
    cpdef int64_t next_ns(self)

    @cython.final
    cdef inline void mark(self, int position) noexcept:
        self.dirty[position >> 6] |= <uint64_t>1 << (position & 63)
        if (position >> 6) < self.low:
            self.low = position >> 6

    @cython.final
    cdef inline void mark_readers(self, Output output) noexcept:
        cdef int i
        for i in range(output.nreaders):
            self.mark(output.readers[i])
