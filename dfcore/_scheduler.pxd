# cython: language_level=3
"""The firing table. See `_scheduler.pyx`."""

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from dfcore._bell cimport df_run_word
from dfcore._cell cimport Cell
from dfcore._ends cimport Input, Output


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


@cython.final
cdef class Scheduler:
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
    cdef readonly bint stopping
    cdef int64_t end_ns          # of a run that stopped because its duration is over
    cdef char *occupied                  # by context: a firing holds it (virtual time)
    cdef list remote_inputs, remote_outputs, remote_parameters
    cdef Remote *inputs_there
    cdef Remote *outputs_there
    cdef int nremote_inputs, nremote_outputs
    cdef bint looking            # for readers that left
    cdef uint64_t sweeps
    cdef int64_t paid_ns
    cdef list file_cells, turn_cells
    cdef dict outputs
    cdef public object launch, cancel, side, world
    cdef public int64_t zero_ns
    cdef bint ticking
    cdef uint64_t ticks_then     # at the start of the step
    cdef uint64_t ticks          # at the end of the last firing
    cdef uint64_t ns_per_tick    # fixed point
    cdef uint64_t in_instant
    cdef int64_t instant_ns
    cdef int64_t patience_ns     # once the run stops: until when a firing that fails is tried again
    cdef readonly list warnings
    cdef df_run_word *paused        # of the run's line: when the run was paused, or 0

    cpdef int64_t step(self, int64_t now_ns) except? -2
    cpdef int64_t next_ns(self)
    cpdef int choose(self, int64_t now_ns) except -2
    cdef PyObject *current       # whose code, or whose turn, it was last: for messages
    cdef int pick(self, int64_t now_ns) except -2
    cdef int64_t time(self) except? -2
    cdef void mark(self, int position) noexcept
    cdef void mark_readers(self, Output output) noexcept
    cdef void advance(self, int64_t now_ns)
    cdef bint blocked(self) noexcept
    cdef int poll_words(self) except -1
    cdef int pay(self, bint all) noexcept
    cdef int64_t sweep(self, int64_t now_ns) except? -2
    cdef int64_t _ready_since(self, Cell cell) noexcept
    cdef void _count_wait(self, Cell cell) noexcept
    cdef bint ready(self, Cell cell) except -1
    cdef bint turn_ready(self, Cell cell) except -1
    cdef int close_turn(self, Cell cell, bint partial) except -1
    cdef int finish_turn(self, Cell cell) except -1
    cdef bint inputs_ready(self, Cell cell) except -1
    cdef bint _owes(self, Cell cell) except -1
    cdef bint _writes_on(self, Cell cell) noexcept
    cdef bint room(self, Cell cell) except -1
    cdef bint discard_set(self, Cell cell) except -1
    cdef bint _shares(self, Cell cell) noexcept
    cdef bint _joined(self, Cell cell) except -1
    cdef bint _roomy(self, Cell cell) noexcept
    cdef bint no_room(self, Cell cell, Output output) except -1
    cdef bint fresh(self, Cell cell) except -1
    cdef int watch(self, Cell cell) except -1
    cdef int64_t _due(self, Input end) except? -2
    cdef int fire(self, Cell cell) except -1
    cdef int fire_plain(self, Cell cell) except -1
    cdef int launch_firing(self, Cell cell) except -1
    cdef int begin(self, Cell cell) except -1
    cdef int pace_grid(self, Cell cell) except -1
    cdef int resume(self, Cell cell) except -1
    cdef int settle(self, Cell cell, object result) except -1
    cdef int charge(self, Cell cell) except -1
    cdef int deliver(self, Cell cell, object result) except -1
    cdef int attempt(self, Cell cell) except -1
    cdef int excuse(self, Cell cell, object error) except -1
    cdef int try_again(self, Cell cell) except -1
    cdef int _wait_for_attempt(self, Cell cell, int64_t due_ns) except -1
    cdef bint _out_of_patience(self, Cell cell) except -1
    cdef bint emit_error(self, Cell cell, object error) except -1
    cdef int exhaust(self, Cell cell) except -1
    cdef int complete(self, Cell cell, bint exhausted=*) except -1
    cdef int publish(self, Cell cell, int64_t now_ns) except -1
    cdef int judge(self, Cell cell, int64_t now_ns) except -1
    cdef int rearm(self, Cell cell, int64_t now_ns) except -1
    cdef int end(self, Cell cell) except -1
    cdef int finalize(self, Cell cell) except -1
    cdef int _cut(self, Cell cell) except -1
    cdef int call_safe(self, Cell cell) except -1
    cdef int _give_back(self, Cell cell) except -1
    cdef void _wake_writer(self, int position) noexcept
    cdef void _wake_writers(self, Cell cell) noexcept
    cdef void _wake_replicas(self, Input end) noexcept
    cdef void _gather(self, Cell cell) noexcept
    cdef int _reader_left(self, Cell cell) except -1
    cdef int _count_instant(self, int64_t now_ns) except -1
    cpdef int run(self, int position) except -1
    cdef int withhold(self, Cell cell) except -1
    cdef int release_withheld(self, Cell cell) except -1
    cdef int64_t cost_of(self, Cell cell) except -1
