# cython: language_level=3
"""The firing table. See `_scheduler.pyx`."""

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from dfcore._cell cimport Cell
from dfcore._ends cimport Input, Output
from dfcore._table cimport Table


@cython.final
cdef class Scheduler(Table):
    cdef readonly bint stopping
    cdef int64_t end_ns          # of a run that stopped because its duration is over
    cdef bint looking            # for readers that left
    cdef uint64_t sweeps
    cdef int64_t paid_ns
    cdef public object launch, cancel, side
    cdef int64_t patience_ns     # once the run stops: until when a firing that fails is tried again

    cpdef int64_t step(self, int64_t now_ns) except? -2
    cpdef int choose(self, int64_t now_ns) except -2
    cdef PyObject *current       # whose code, or whose turn, it was last: for messages
    cdef int pick(self, int64_t now_ns) except -2
    cdef bint blocked(self) noexcept
    cdef bint deserted(self) noexcept
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
    cdef int _count_last_wait(self, Cell cell) except -1
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
