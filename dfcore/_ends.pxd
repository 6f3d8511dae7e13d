# cython: language_level=3
"""The two ends of an edge at run time. See `_ends.pyx` for their laws."""

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from dfcore._bell cimport df_context_words
from dfcore._objects cimport Receiver, Sender
from dfcore._record cimport OBJECT, SCALAR, Format, Slot, extra_references
from dfcore._ring cimport (
    df_end,
    df_loan,
    df_publish,
    df_reader,
    df_reader_words,
    df_release,
    df_ring,
    df_slot,
    df_slot_header,
    df_take,
    df_waiting,
    df_want_words,
    df_writer,
)
from dfcore._scalar cimport load_scalar, store_scalar
from dfcore._window cimport Window


cdef extern from "<stdint.h>":
    const int64_t NO_ORIGIN "INT64_MIN"  # of a record that is about no time: an initial one
    const int64_t NEVER "INT64_MAX"

cdef extern from "_counters.h":
    ctypedef struct df_histogram:
        uint64_t count
        int64_t min, max, sum
    ctypedef struct df_node_counters:
        uint64_t firings, errors, deadline_misses, overruns, skipped_firings
        uint64_t busy_ticks, wait_input_ticks, wait_room_ticks
        uint64_t state, in_flight, last_firing, blocked_edge, waiting_edge, pace, began_ticks, blocked_bytes, suspended
        df_histogram lateness, duration
    ctypedef struct df_edge_counters:
        uint64_t read, stale_dropped, decimated, unread_buffered, high_water, digest, initial_taken, last_seq, ring
        df_histogram age
    ctypedef struct df_writer_counters:
        uint64_t dropped, skipped, closings, refused
    void df_histogram_add(df_histogram *histogram, int64_t value_ns) nogil

cdef extern from "Python.h":
    PyObject *item_of "PyList_GET_ITEM"(PyObject *list, Py_ssize_t i)  # borrowed
    void put_item "PyList_SET_ITEM"(PyObject *list, Py_ssize_t i, PyObject *value)  # steals, and forgets what was there

cdef enum:
    LINE = 64
    FEW = 4      # readers of an output that lie in it: one cache line fewer


@cython.final
cdef class Output:
    # What every firing touches, in few cache lines
    cdef char *header  # the slot in hand, or NULL
    cdef Format format
    cdef list values  # object dtype: slot -> value, then slot -> metadata
    cdef PyObject **views  # slot -> view that user code writes into, made on first use
    cdef int few[FEW]            # room for it
    cdef int *readers  # positions of reading cells in the same scheduler
    cdef int nreaders, ncontexts
    cdef bint looked_up  # user code asked for the slot in hand
    cdef bint shared  # somebody of this process takes it from there
    cdef bint gaps  # its slots may hold no record
    cdef int kind  # of the slot in hand: DF_RECORD, unless `bury` said otherwise
    cdef bint zero
    cdef df_writer writer
    # The others
    cdef readonly int index
    cdef int edge                # index of the first edge from it, -1: none
    cdef readonly str name
    cdef str where               # as messages name it
    cdef df_end *ends
    cdef df_writer_counters **losses
    cdef Sender sender           # for who takes it elsewhere, or None
    cdef bint strict             # an edge wants RecordLost rather than a wait
    cdef object memory
    cdef bint last               # the firing publishes nothing after it; for replicas
    cdef uint32_t child
    cdef df_context_words **contexts  # contexts to wake, and their eventfds
    cdef int *fds
    cdef list bounds             # (edge, low, high) of the parameters that it writes; None: no limits
    cdef bint left               # its readers are gone, and its cell has been told

    cdef int loan(self) except -1
    cdef object look_up(self)
    cdef int store(self, object value) except -1
    cdef bint forward(self, Input end) except -1
    cdef bint put(self, object value, dict meta) except -1
    cdef bint has_block(self) noexcept
    cdef int send(self) except -1
    cdef int refuse(self) except -1
    cdef void lose(self) noexcept
    cdef df_end *waiting_end(self) noexcept
    cdef _find_sender(self, plan, memory, edges, list eventfds)
    cdef int check_kept(self, PyObject *result) except -1
    cdef _check_bounds(self)
    cdef void discard(self) noexcept
    cdef int bury(self, int kind) except -1
    cdef void close(self) noexcept
    cdef void _say_kind(self, df_slot_header *header) noexcept
    cdef void ring(self) noexcept
    cdef void count_losses(self) noexcept
    cdef _connect(self, plan, memory, int i, edge, df_ring ring)
    cdef _find_readers(self, plan, memory, edges, positions, eventfds)
    cdef _preload(self, plan, memory, edges)

    # -- the short way of every firing, inlined where it is used

    cdef inline void keep_value(self, PyObject *value) noexcept:
        """Keep the object of the slot in hand for those who take it in this process; it has no metadata."""
        cdef PyObject *before = item_of(<PyObject *>self.values, self.writer.loaned)
        Py_INCREF(<object>value)
        put_item(<PyObject *>self.values, self.writer.loaned, value)
        Py_DECREF(<object>before)

    cdef inline bint put_plain(self, PyObject *value) except -1:
        """Put a result without metadata into the slot in hand if it plainly fits. False: the general code says what it is."""
        if self.header == NULL:
            self.header = df_loan(&self.writer)
            if self.header == NULL:
                return False
        if self.format.kind == OBJECT:
            if (<df_slot_header *>self.header).carries:
                return False
            if self.shared:
                self.keep_value(value)
            return True
        if self.format.kind == SCALAR:
            return store_scalar(self.format.code, self.header + LINE, <object>value, self.format.itemsize)
        return value == <PyObject *>None and self.looked_up and not extra_references(self.views[self.writer.loaned])

    cdef inline void publish(self, int64_t now_ns, int64_t origin_ns, uint64_t firing) noexcept:
        """Make the slot in hand the newest record, and wake the contexts that sleep for it."""
        cdef df_slot_header *header = <df_slot_header *>self.header
        header.publish_ns = now_ns
        header.origin_ns = origin_ns
        header.firing = firing
        if self.gaps:
            self._say_kind(header)
        df_publish(&self.writer)
        self.header = NULL
        self.looked_up = False
        if self.ncontexts:
            self.ring()


@cython.final
cdef class Input:
    # What every firing touches, in few cache lines
    cdef df_reader reader
    cdef df_slot_header *held  # the record in hand, or NULL
    cdef PyObject *argument  # what user code gets for it; borrowed unless `owned`
    cdef df_edge_counters *counters
    cdef list values  # None: the objects come from another process
    cdef PyObject **views  # slot -> view handed to user code, and the Slot behind it
    cdef Format format
    cdef readonly int writer  # position of the writing cell in the same scheduler, or -1
    cdef bint owned
    cdef bint here  # objects, of this process: the argument is what lies in `values`
    cdef bint simple  # what is in hand is one record, or one object of this process
    cdef bint careful  # a look at the next record is more than a look at the head
    cdef readonly bint feedback
    cdef bint from_initial
    cdef bint carries  # what is in hand has metadata
    cdef bint digesting
    cdef readonly bint latest
    cdef bint owed  # the writer asked for room, and has not been rung yet
    cdef uint64_t initial_taken, initial_count, phase
    cdef uint64_t freed  # slots given back, of any ring
    cdef int64_t last_origin_ns  # of the newest record seen; NO_ORIGIN: none yet
    # The others
    cdef readonly int index
    cdef readonly str name
    cdef str where               # as messages name it
    cdef Receiver receiver       # then
    cdef bint own                # objects are handed over in memory of their own
    cdef object memory
    cdef PyObject **slots
    cdef readonly bint local
    cdef bint gaps               # slots may hold no record
    cdef bint bare, apart        # no argument is made of a record; it is not simply the record
    cdef bint taking_turns       # replicas: it reads the records of its own sets only
    cdef uint64_t turn           # the set that is read next
    cdef uint64_t ratio          # records of a set
    cdef list rings              # of replicas: an Input for each ring, None where this one reads itself; None: one ring
    cdef bint in_turn            # the rings are read in turn, else as records come
    cdef bint turn_over          # the firing at the ring in hand has published its last
    cdef int ring_now
    cdef uint64_t *digest_word
    cdef df_edge_counters *first_counters
    cdef char *preload
    cdef uint64_t stride
    cdef tuple initial_values
    cdef uint64_t decimate
    cdef uint64_t batch, filled
    cdef bint partial            # the last batch may be a shorter one
    cdef Window window           # the last n records; None: each by itself
    cdef Format batch_format
    cdef list batch_values
    cdef dict batch_meta
    cdef list window_meta        # of the last records of a window; None: none of them had any
    cdef Slot batch_slot
    cdef object batch_view
    cdef df_slot_header batch_header
    cdef df_slot_header no_header    # of an initial object
    cdef readonly int64_t max_age_ns
    cdef readonly int on_stale
    cdef bint kept_too_many
    cdef bint stale              # user code has been told
    cdef df_context_words *context
    cdef int fd
    cdef uint64_t depth
    cdef uint64_t noticed        # head and end of stream for which the cell has been asked
    cdef bint end_noticed

    cdef void pay(self) noexcept
    cdef bint ready(self) noexcept
    cdef bint ended(self) noexcept
    cdef bint pending(self) noexcept
    cdef bint _gathers(self) noexcept
    cdef bint look(self) noexcept
    cdef void pass_slot(self, df_slot_header *header) noexcept
    cdef void aim(self, uint64_t turn) noexcept
    cdef void next_ring(self) noexcept
    cdef void read_ring(self, int ring) noexcept
    cdef int oldest_ring(self) noexcept
    cdef void note_last(self, df_slot_header *header) noexcept
    cdef bint buried(self) noexcept
    cdef void pass_buried(self) noexcept
    cdef bint news(self) noexcept
    cdef int take_first(self) except -1
    cdef int release(self, bint taken) except -1
    cdef int leave(self) noexcept
    cdef int fill(self) except -1
    cdef bint skip_decimated(self) noexcept
    cdef int hand_over(self, df_slot_header *header, int32_t slot) except -1
    cdef int hand_over_batch(self) except -1
    cdef void leave_bare(self) noexcept
    cdef int hand_over_window(self, df_slot_header *header, int32_t slot) except -1
    cdef int remember_meta(self) except -1
    cdef bint _last_batch(self) noexcept
    cdef int keep(self, int32_t slot) except -1
    cdef int lease(self, Slot memory) except -1
    cdef dict meta(self)
    cdef object object_of_batch(self, df_slot_header *header, int32_t slot)
    cdef int64_t peek_origin(self) noexcept
    cdef bint fails(self) noexcept
    cdef bint superseded(self) noexcept
    cdef void _digest(self, df_slot_header *header) noexcept
    cdef df_slot_header *_next(self, int32_t *slot) noexcept
    cdef int _release_batch(self, bint taken) except -1
    cdef _find_memory(self, plan, memory, edge, output)
    cdef _make_batch(self, dtype)

    # -- the short way of every firing, inlined where it is used

    cdef inline bint one_more(self) noexcept:
        """`Input.pending`: an unread record is there."""
        return self.pending() if self.careful or self.initial_taken < self.initial_count else df_waiting(&self.reader) != 0

    cdef inline void free_room(self, int wanted) noexcept:
        """A slot is free again. If the writer asked for room (RULES 1) it is owed a stroke: the scheduler sees to it."""
        self.freed += 1
        if wanted and self.context != NULL:
            self.owed = True

    cdef inline void measure(self) noexcept:
        """How full the edge was when its reader came."""
        cdef uint64_t high = self.reader.seen - self.reader.tail
        if high > self.counters.high_water and not self.latest:
            self.counters.high_water = high

    cdef inline df_slot_header *take_front(self, int32_t *slot) noexcept:
        """Take the next record of the ring. Call only if one is there."""
        cdef df_slot_header *header
        self.measure()
        slot[0] = df_take(&self.reader)
        header = <df_slot_header *>df_slot(&self.reader.ring, slot[0])
        self.counters.last_seq = header.seq
        return header

    cdef inline int take_record(self, int64_t now_ns) except -1:
        """Have the next record of the ring in hand, and its argument. Call only if one is there, no batch and no initial record."""
        cdef int32_t slot
        cdef object value
        cdef df_slot_header *header = self.take_front(&slot)
        self.phase += 1
        self.from_initial = False
        self.held = header
        self.carries = header.carries
        self.last_origin_ns = header.origin_ns
        df_histogram_add(&self.counters.age, now_ns - header.origin_ns)
        if self.digesting:
            self.digest_word[0] = self.format.digest(<char *>header + LINE, self.digest_word[0])
        if self.here:
            self.argument = item_of(<PyObject *>self.values, slot)  # nobody writes it while the slot is in hand
        elif self.views[slot] != NULL:
            self.argument = self.views[slot]
        elif self.format.kind == SCALAR and not self.apart:
            value = load_scalar(self.format.code, <char *>header + LINE, self.format.itemsize, self.format.dtype)
            Py_INCREF(value)
            self.argument, self.owned = <PyObject *>value, True
        else:
            return self.hand_over(header, slot)
        return 0

    cdef inline int take(self, int64_t now_ns) except -1:
        """Have the next record in hand: `argument` is what user code gets. Call only if `ready`."""
        if self.batch or self.initial_taken < self.initial_count:
            return self.take_first()
        return self.take_record(now_ns)

    cdef inline int give_back(self) except -1:
        """Give back the record that a firing took of an end that hands records over one by one. Raises BufferError: kept too many."""
        cdef int32_t slot = self.reader.held
        cdef PyObject *argument = self.argument
        self.held, self.argument = NULL, NULL
        self.counters.read += 1
        if self.owned:
            self.owned = False
            Py_DECREF(<object>argument)
        elif not self.here and argument == self.views[slot] and argument != NULL and extra_references(argument):
            self.keep(slot)
        self.free_room(df_release(&self.reader))
        return 0


cdef char *base(memory, int segment) except NULL
cdef df_ring ring_of(plan, memory, int output)
cdef df_ring own_ring_of(plan, memory, edge, df_ring ring)
cdef df_want_words *want_of(plan, memory, int output) except NULL
cdef df_reader_words *line_of(plan, memory, int edge) except NULL
cdef df_context_words *context_of(plan, memory, int context) except NULL
