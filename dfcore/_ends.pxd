# cython: language_level=3
"""The two ends of an edge at run time. See `_ends.pyx` for their laws."""

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from dfcore._bell cimport df_context_words
from dfcore._objects cimport Receiver, Sender
from dfcore._record cimport Format, Slot
from dfcore._ring cimport (
    df_end,
    df_reader,
    df_reader_words,
    df_ring,
    df_slot_header,
    df_want_words,
    df_writer,
)
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


@cython.final
cdef class Output:
    cdef readonly int index
    cdef int edge                # index of the first edge from it, -1: none
    cdef readonly str name
    cdef str where               # as messages name it
    cdef df_writer writer
    cdef df_end *ends
    cdef df_writer_counters **losses
    cdef Format format
    cdef list values             # object dtype: slot -> value, then slot -> metadata
    cdef bint shared             # somebody of this process takes it from there
    cdef Sender sender           # for who takes it elsewhere, or None
    cdef bint strict             # an edge wants RecordLost rather than a wait
    cdef object memory
    cdef PyObject **views        # slot -> view that user code writes into, made on first use
    cdef char *header            # the slot in hand, or NULL
    cdef bint looked_up          # user code asked for the slot in hand
    cdef bint gaps               # its slots may hold no record
    cdef int kind                # of the slot in hand: DF_RECORD, unless `bury` said otherwise
    cdef bint last               # the firing publishes nothing after it; for replicas
    cdef uint32_t child
    cdef bint zero
    cdef int *readers            # positions of reading cells in the same scheduler
    cdef int nreaders
    cdef df_context_words **contexts  # contexts to wake, and their eventfds
    cdef int *fds
    cdef int ncontexts
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
    cdef void publish(self, int64_t now_ns, int64_t origin_ns, uint64_t firing) noexcept
    cdef void close(self) noexcept
    cdef void _say_kind(self, df_slot_header *header) noexcept
    cdef void ring(self) noexcept
    cdef void count_losses(self) noexcept
    cdef _connect(self, plan, memory, int i, edge, df_ring ring)
    cdef _find_readers(self, plan, memory, edges, positions, eventfds)
    cdef _preload(self, plan, memory, edges)


@cython.final
cdef class Input:
    cdef readonly int index
    cdef readonly str name
    cdef str where               # as messages name it
    cdef df_reader reader
    cdef Format format
    cdef list values             # None: the objects come from another process
    cdef Receiver receiver       # then
    cdef bint own                # objects are handed over in memory of their own
    cdef object memory
    cdef PyObject **views        # slot -> view handed to user code, and the Slot behind it
    cdef PyObject **slots
    cdef readonly bint latest, feedback, local
    cdef df_slot_header *held    # the record in hand, or NULL
    cdef PyObject *argument      # what user code gets for it; borrowed unless `owned`
    cdef bint owned
    cdef bint gaps               # slots may hold no record
    cdef bint bare, apart        # no argument is made of a record; it is not simply the record
    cdef bint careful            # a look at the next record is more than a look at the head
    cdef bint taking_turns       # replicas: it reads the records of its own sets only
    cdef uint64_t turn           # the set that is read next
    cdef uint64_t ratio          # records of a set
    cdef list rings              # of replicas: an Input for each ring, None where this one reads itself; None: one ring
    cdef bint in_turn            # the rings are read in turn, else as records come
    cdef bint turn_over          # the firing at the ring in hand has published its last
    cdef int ring_now
    cdef uint64_t *digest_word
    cdef df_edge_counters *first_counters
    cdef bint from_initial
    cdef char *preload
    cdef uint64_t stride, initial_count, initial_taken
    cdef tuple initial_values
    cdef uint64_t decimate, phase
    cdef uint64_t batch, filled
    cdef bint partial            # the last batch may be a shorter one
    cdef Window window           # the last n records; None: each by itself
    cdef Format batch_format
    cdef list batch_values
    cdef bint carries            # what is in hand has metadata
    cdef dict batch_meta
    cdef list window_meta        # of the last records of a window; None: none of them had any
    cdef Slot batch_slot
    cdef object batch_view
    cdef df_slot_header batch_header
    cdef df_slot_header no_header    # of an initial object
    cdef df_edge_counters *counters
    cdef bint digesting
    cdef readonly int64_t max_age_ns
    cdef readonly int on_stale
    cdef int64_t last_origin_ns  # of the newest record seen; NO_ORIGIN: none yet
    cdef bint kept_too_many
    cdef bint stale              # user code has been told
    cdef readonly int writer     # position of the writing cell in the same scheduler, or -1
    cdef df_context_words *context
    cdef int fd
    cdef bint owed               # the writer asked for room, and has not been rung yet
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
    cdef int take(self, int64_t now_ns) except -1
    cdef int release(self, bint taken) except -1
    cdef int leave(self) noexcept
    cdef void free_room(self, int wanted) noexcept
    cdef int fill(self) except -1
    cdef void skip_decimated(self) noexcept
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
    cdef void _measure(self) noexcept
    cdef void _digest(self, df_slot_header *header) noexcept
    cdef df_slot_header *_next(self, int32_t *slot) noexcept
    cdef int _release_batch(self, bint taken) except -1
    cdef _find_memory(self, plan, memory, edge, output)
    cdef _make_batch(self, dtype)


cdef char *base(memory, int segment) except NULL
cdef df_ring ring_of(plan, memory, int output)
cdef df_want_words *want_of(plan, memory, int output) except NULL
cdef df_reader_words *line_of(plan, memory, int edge) except NULL
cdef df_context_words *context_of(plan, memory, int context) except NULL
