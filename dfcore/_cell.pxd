# cython: language_level=3
"""A node inside a run. See `_cell.pyx`."""

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from dfcore._ends cimport Input, Output, df_node_counters
from dfcore._onerror cimport OnError
from dfcore._joins cimport Join, Share
from dfcore._sink cimport Sink
from dfcore._turns cimport Turns

cdef enum:
    PLAIN = 0
    COROUTINE = 1
    GENERATOR = 2
    ASYNC_GENERATOR = 3
    SINK = 4
    RELAY = 5    # merge, share: the record goes on as it is

cdef enum:  # pace
    INPUTS = 0   # fires when its inputs are there
    GRID = 1     # an emitter with rate_hz
    FILE = 2     # an emitter that waits for a file
    FREE = 3     # an emitter that fires whenever there is room
    FED = 4      # an emitter that fires when the program has put something

cdef enum:  # what deliver found
    PUBLISHED = 1
    STOPPED = 2
    WITHHELD = 8  # an object waits for memory of its arena


@cython.final
cdef class Cell:
    cdef readonly int index, position, context
    cdef readonly str name
    cdef readonly object node
    cdef object compute
    cdef int style
    cdef list input_list, output_list
    cdef PyObject **inputs
    cdef PyObject **outputs
    cdef int ninputs, noutputs
    cdef int nresults               # outputs that a result is for: all but that of errors
    cdef Turns turns                # of one of several replicas; else None
    cdef str title                  # its name as declared, whichever instance it is
    cdef OnError on_error           # None: an exception ends the run
    cdef bint gaps                  # tombstones may come in or go out
    cdef uint32_t child             # records of the firing under way that are published
    cdef readonly list parameters
    cdef list values
    cdef tuple names
    cdef int nvalues
    cdef PyObject **arguments
    cdef Sink sink
    cdef Join join                  # which records a firing takes; None: one of each input
    cdef Share share                # which reader gets it; None: all of them
    cdef int chosen, dealt          # of a RELAY: the input and the output of this firing
    cdef df_node_counters *counters
    cdef int pace
    cdef bint emitter, ends_with_stop, aged
    cdef bint gathers               # an input takes several records for one firing
    cdef bint unsafe                # an input has grown stale, and `safe` has not been called yet
    cdef public bint busy           # a firing is under way
    cdef public bint ended
    cdef bint flushing
    cdef bint costing
    cdef bint withheld              # its firing is over, and its publication waits for memory
    cdef bint abandoned             # nobody reads it any more
    cdef bint asked                 # became a candidate while it was busy
    cdef bint stopped               # STOP came with the firing under way
    cdef object iterator            # of a generator firing, or of a generator emitter
    cdef readonly int64_t now_ns
    cdef readonly uint64_t firing
    cdef int64_t origin_ns
    cdef dict meta                  # of the firing under way; None: nobody has looked at it
    cdef bint carried               # metadata came with a record of the firing under way
    cdef int64_t ready_ns, due_ns, watch_ns, costs_until_ns
    cdef int64_t idle_ns            # end of its last firing
    cdef bint charged               # the declared cost of the firing under way
    cdef uint64_t grid, numerator, denominator
    cdef bint catch_up
    cdef bint held_back             # room was missing since it was due
    cdef int64_t deadline_ns
    cdef int on_deadline
    cdef object cost
    cdef int64_t fixed_cost
    cdef readonly object feed       # what the program puts; None: nothing
    cdef readonly list files
    cdef list file_ready            # predicates, in a world
    cdef bint readable              # its file was, and it has not fired since
    cdef uint64_t last_ticks, start_ticks, held_ticks
    cdef bint waited_room
    cdef uint64_t seed
    cdef object generator
    cdef uint64_t rng_firing
    cdef bint rng_used
    cdef str failing_input
    cdef str method                 # that user code runs: for messages

    cdef bint take(self, int64_t now_ns) except -1
    cdef object call(self)
    cdef int deliver(self, object result) except -1
    cdef int place(self, Output output, object value) except -1
    cdef int release(self, bint taken) except -1
    cdef int take_one(self, int64_t now_ns) except -1
    cdef bint relay(self) except -1
    cdef void drop_outputs(self) noexcept
    cdef bint wrote(self) noexcept
    cdef int refresh(self) except -1
    cdef object random(self)
    cdef int attempt(self) noexcept
    cdef dict gather_meta(self)
    cdef bint has_blocks(self) noexcept
    cdef int send(self) except -1
    cdef object current_output(self)


cdef class Live:
    cdef Cell cell
    cdef dict private
    cdef dict private_meta
    cdef object private_rng
