# cython: language_level=3
"""A node inside a run. See `_cell.pyx`."""

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from dfcore._ends cimport NO_ORIGIN, Input, Output, df_node_counters
from dfcore._onerror cimport OnError
from dfcore._joins cimport Join, Share
from dfcore._sink cimport Sink
from dfcore._turns cimport Turns

cdef extern from "Python.h":
    object PyObject_Vectorcall(PyObject *callable, PyObject **args, size_t nargsf, PyObject *kwnames)
    size_t PY_VECTORCALL_ARGUMENTS_OFFSET

cdef enum:
    PLAIN = 0
    COROUTINE = 1
    GENERATOR = 2
    ASYNC_GENERATOR = 3
    SINK = 4
    RELAY = 5    # merge, share: the record goes on as it is

cdef enum:
    FEW_POINTERS = 8  # of a cell that lie in it: one cache line fewer

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
    # What every firing touches, in few cache lines
    cdef df_node_counters *counters
    cdef PyObject *few[FEW_POINTERS]  # room for the next three
    cdef PyObject **inputs
    cdef PyObject **outputs
    cdef PyObject **arguments
    cdef int ninputs, noutputs, nvalues
    cdef readonly int context, position
    cdef int style, pace
    cdef bint plain  # see `_plain.pxd`
    cdef public bint busy  # a firing is under way
    cdef public bint ended
    cdef bint flushing
    cdef bint abandoned  # nobody reads it any more
    cdef bint asked  # became a candidate while it was busy
    cdef bint aged, emitter
    cdef bint stopped  # STOP came with the firing under way
    cdef bint charged  # the declared cost of the firing under way
    cdef bint waited_room
    cdef bint carried  # metadata came with a record of the firing under way
    cdef bint rng_used
    cdef uint32_t child  # records of the firing under way that are published
    cdef object compute
    cdef tuple names
    cdef dict meta  # of the firing under way; None: nobody has looked at it
    cdef object iterator  # of a generator firing, or of a generator emitter
    cdef Turns turns  # of one of several replicas; else None
    cdef Join join  # which records a firing takes; None: one of each input
    cdef readonly int64_t now_ns
    cdef readonly uint64_t firing
    cdef int64_t origin_ns, ready_ns
    cdef int64_t idle_ns  # end of its last firing
    cdef int64_t deadline_ns
    cdef uint64_t last_ticks, start_ticks
    # The others
    cdef readonly int index
    cdef readonly str name
    cdef readonly object node
    cdef list input_list, output_list
    cdef int nresults               # outputs that a result is for: all but that of errors
    cdef str title                  # its name as declared, whichever instance it is
    cdef OnError on_error           # None: an exception ends the run
    cdef bint gaps                  # tombstones may come in or go out
    cdef readonly list parameters
    cdef list values
    cdef Sink sink
    cdef Share share                # which reader gets it; None: all of them
    cdef int chosen, dealt          # of a RELAY: the input and the output of this firing
    cdef bint ends_with_stop
    cdef bint gathers               # an input takes several records for one firing
    cdef bint unsafe                # an input has grown stale, and `safe` has not been called yet
    cdef bint costing
    cdef bint withheld              # its firing is over, and its publication waits for memory
    cdef int64_t due_ns, watch_ns, costs_until_ns
    cdef uint64_t grid, numerator, denominator
    cdef bint catch_up
    cdef bint held_back             # room was missing since it was due
    cdef int on_deadline
    cdef object cost
    cdef int64_t fixed_cost
    cdef readonly object feed       # what the program puts; None: nothing
    cdef readonly list files
    cdef list file_ready            # predicates, in a world
    cdef bint readable              # its file was, and it has not fired since
    cdef uint64_t held_ticks
    cdef uint64_t seed
    cdef object generator
    cdef uint64_t rng_firing
    cdef str failing_input
    cdef str method                 # that user code runs: for messages

    cdef int take(self, int64_t now_ns) except -1
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
    cdef uint64_t freed(self) noexcept

    cdef inline object call_compute(self):
        """What `compute` returns for the arguments of this firing."""
        return PyObject_Vectorcall(
            <PyObject *>self.compute, &self.arguments[1], <size_t>self.ninputs | PY_VECTORCALL_ARGUMENTS_OFFSET,
            <PyObject *>self.names if self.nvalues else NULL,
        )

    cdef inline void forget_before(self, int64_t now_ns) noexcept:
        """A firing begins: nothing is left of the one before."""
        self.now_ns, self.rng_used = now_ns, False
        self.origin_ns, self.child = NO_ORIGIN, 0
        self.carried = False
        if self.meta is not None:
            self.meta = None
        self.counters.last_firing = self.firing

    cdef inline int take_inputs(self, int64_t now_ns) except -1:
        """Take one record of each input, and the parameters in force."""
        cdef int i
        for i in range(self.ninputs):
            if (<Input>self.inputs[i]).held == NULL:
                (<Input>self.inputs[i]).take(now_ns)
            self.put_argument(i)
        if self.origin_ns == NO_ORIGIN:
            self.origin_ns = now_ns
        if self.nvalues:
            self.refresh()
        return 0

    cdef inline void put_argument(self, int i) noexcept:
        """What input `i` has in hand is an argument of the firing, and makes it as old as it is."""
        cdef int64_t origin
        if not (<Input>self.inputs[i]).feedback:
            origin = NO_ORIGIN if (<Input>self.inputs[i]).from_initial else (<Input>self.inputs[i]).held.origin_ns
            if origin != NO_ORIGIN and (self.origin_ns == NO_ORIGIN or origin < self.origin_ns):
                self.origin_ns = origin
        self.carried |= (<Input>self.inputs[i]).carries
        self.arguments[1 + i] = (<Input>self.inputs[i]).argument


cdef class Live:
    cdef Cell cell
    cdef dict private
    cdef dict private_meta
    cdef object private_rng
