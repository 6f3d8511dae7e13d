# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""The two ends of an edge at run time: an Output writes the slots of its ring, an Input reads them.

Laws kept here:
L4, L5  a record is counted once, as read, passed over (decimated, stale) or lost; what the ring lost is computed from its words.
L9      after the first round through the slots nothing allocates, except the Python values that user code asked for.
L10     a view handed out is never overwritten: an input's slot is leased while anything refers to it (lease before tail), an
        output's view must be gone before its record is published.
        Tombstones travel on edges that lose nothing; batches and decimation pass over them; they are in no count but `skipped`
        and in no digest (RULES 10).
An end knows rings, formats and views. It knows nothing of nodes, firing rules, time or processes, and it never waits.
"""

cimport cython
import numpy as np

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_CLEAR, Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from .declared import ONLY_OUTPUT
from .errors import DtypeError, RecordLost
from .plan import KEEP, PARAMETER
from .signature import out_of_bounds

from dfcore._arena cimport df_arena_init
from dfcore._bell cimport df_context_words, df_ring_bell
from dfcore._objects cimport Receiver, Sender
from dfcore._record cimport OBJECT, SCALAR, Format, Slot, extra_references, new_slot, private_slot
from dfcore._ring cimport (
    DF_DROP_NEW,
    DF_DROP_OLDEST,
    DF_LATEST,
    DF_OPEN,
    DF_CLOSING,
    DF_RECORD,
    DF_TOMBSTONE,
    DF_WAIT,
    df_all_gone,
    df_can_keep,
    df_close,
    df_end,
    df_end_word,
    df_ended,
    df_head_word,
    df_index_word,
    df_keep,
    df_leave,
    df_loan,
    df_output_words,
    df_pass,
    df_publish,
    df_put_back,
    df_reader_init,
    df_reader_words,
    df_release,
    df_ring,
    df_slot,
    df_slot_header,
    df_take,
    df_unkeep,
    df_unloan,
    df_waiting,
    df_want_words,
    df_writer_free,
    df_writer_init,
)
from dfcore._window cimport Window

POLICIES = {"wait": DF_WAIT, "error": DF_WAIT, "drop_new": DF_DROP_NEW, "drop_oldest": DF_DROP_OLDEST}
STALE_ACTIONS = {"safe": 0, "skip": 1, "error": 2}


cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *thing)


cdef str output_name(plan, output):
    """As messages name it: the node's name, with the output's where there are several."""
    if output.node < 0:
        return output.name
    node = plan.nodes[output.node]
    return node.name if len(node.outputs) == 1 or output.name == ONLY_OUTPUT else f"{node.name}.{output.name}"


cdef bint hands_copies(list values, output):
    """Whether what leaves its process is copied although one process runs all contexts (`object_slots`)."""
    return values is not None and len(values) > 2 * output.slots


cdef int policy_of(edge):
    return POLICIES[edge.on_full] if edge.policy == "every" else DF_LATEST


cdef char *base(memory, int segment) except NULL:
    return <char *><uintptr_t>memory.address(segment)


cdef df_ring ring_of(plan, memory, int output):
    place = plan.layout.outputs[output]
    cdef char *data = base(memory, 1 + plan.outputs[output].context)
    cdef df_ring ring
    ring.words = <df_output_words *>(data + <Py_ssize_t>place.words)
    ring.index = <df_index_word *>(data + <Py_ssize_t>place.index)
    ring.entries = place.entries
    ring.nslots = plan.outputs[output].slots
    ring.slots = data + <Py_ssize_t>place.slots
    ring.stride = place.stride
    return ring


cdef df_ring own_ring_of(plan, memory, edge, df_ring ring):
    """The edge's own index ring over the output's slots, for who does not see all that is published (RULES 9, 10); else `ring`."""
    place = plan.layout.edges[edge.index]
    cdef char *data = base(memory, 1 + plan.outputs[edge.output].context)
    if not edge.own:
        return ring
    ring.words = <df_output_words *>(data + <Py_ssize_t>place.words)
    ring.index = <df_index_word *>(data + <Py_ssize_t>place.index)
    ring.entries = place.entries
    return ring


cdef df_want_words *want_of(plan, memory, int output) except NULL:
    return <df_want_words *>(base(memory, 0) + <Py_ssize_t>plan.layout.outputs[output].want)


cdef df_reader_words *line_of(plan, memory, int edge) except NULL:
    return <df_reader_words *>(base(memory, 0) + <Py_ssize_t>plan.layout.edges[edge].line)


cdef df_context_words *context_of(plan, memory, int context) except NULL:
    return <df_context_words *>(base(memory, 0) + <Py_ssize_t>plan.layout.contexts[context])


cdef list _bounds(plan, edges):
    found = [(edge.name, parameter.low, parameter.high) for edge in edges for parameter in plan.nodes[edge.node].parameters
             if parameter.edge == edge.index and (parameter.low is not None or parameter.high is not None)]
    return found or None


@cython.final
cdef class Output:
    """The writing end of one output. States: no slot in hand; a slot in hand (loaned); closed.

    Args:
        plan, memory: the run's.
        index: of the output in the plan.
        values: for object dtype, the list slot -> value, then slot -> metadata (then slot -> copy), that all ends of this process
            share; else None.
        positions: node index -> position of its cell in this scheduler, for the nodes that run here.
        eventfds: one per context; empty in virtual time, where nobody needs waking.
    """

    def __cinit__(self, plan, memory, int index, list values, dict positions, list eventfds):
        output = plan.outputs[index]
        edges = [plan.edges[e] for e in output.edges]
        cdef int n = len(edges)
        self.index, self.name, self.values = index, output.name, values
        self.edge = output.edges[0] if output.edges else -1
        self.where = output_name(plan, output)
        self.memory = (memory.buffer(0), memory.buffer(1 + output.context))
        self.format, self.gaps = Format.of(output.dtype), output.gaps
        self.zero = plan.nodes[output.node].zero if output.node >= 0 else True
        self.ends = <df_end *>PyMem_Calloc(n + 1, sizeof(df_end))
        self.losses = <df_writer_counters **>PyMem_Calloc(n + 1, sizeof(void *))
        self.readers = &self.few[0] if n <= FEW else <int *>PyMem_Calloc(n, sizeof(int))
        self.contexts = <df_context_words **>PyMem_Calloc(n + 1, sizeof(void *))
        self.fds = <int *>PyMem_Calloc(n + 1, sizeof(int))
        self.views = <PyObject **>PyMem_Calloc(output.slots, sizeof(void *))
        if not (self.ends and self.losses and self.readers and self.contexts and self.fds and self.views):
            raise MemoryError
        cdef df_ring ring = ring_of(plan, memory, index)
        for i, edge in enumerate(edges):
            self._connect(plan, memory, i, edge, ring)
        local = all(edge.node in positions for edge in edges)
        if df_writer_init(&self.writer, ring, self.ends, n, want_of(plan, memory, index), local):
            raise MemoryError
        if any([edge.policy == PARAMETER for edge in edges]):  # the program may look at its value by a tap
            self.writer.spare = <df_reader_words *>(base(memory, 0) + <Py_ssize_t>plan.layout.outputs[index].spare)
        self._find_readers(plan, memory, edges, positions, eventfds)
        if self.format.kind == OBJECT:
            self._find_sender(plan, memory, edges, eventfds)
        self.bounds = _bounds(plan, edges) if output.node >= 0 else None  # what the program sets was checked at its setter
        self._preload(plan, memory, edges)

    cdef _connect(self, plan, memory, int i, edge, df_ring ring):
        cdef df_end *end = &self.ends[i]
        end.words = line_of(plan, memory, edge.index)
        end.depth = edge.depth
        end.policy = policy_of(edge)
        if edge.own:
            end.own = own_ring_of(plan, memory, edge, ring)
        self.losses[i] = <df_writer_counters *>(base(memory, 1 + plan.outputs[edge.output].context)
                                                + <Py_ssize_t>plan.layout.edges[edge.index].losses)

    cdef _find_readers(self, plan, memory, edges, positions, eventfds):
        known = set()
        for edge in edges:
            if edge.node in positions:
                self.readers[self.nreaders] = positions[edge.node]
                self.nreaders += 1
            elif eventfds and edge.context not in known:
                known.add(edge.context)
                self.contexts[self.ncontexts] = context_of(plan, memory, edge.context)
                self.fds[self.ncontexts] = eventfds[edge.context]
                self.ncontexts += 1

    cdef _find_sender(self, plan, memory, edges, list eventfds):
        """Who takes the objects here, and who elsewhere. In virtual time all are here, unless the run hands out copies."""
        cdef bint apart = bool(eventfds) or hands_copies(self.values, plan.outputs[self.index])
        cdef Py_ssize_t arena = plan.layout.outputs[self.index].arena
        context, size = plan.outputs[self.index].context, plan.outputs[self.index].arena
        elsewhere = [edge for edge in edges if plan.process_of(edge.context) != plan.process_of(context)] if apart else []
        self.shared = len(elsewhere) < len(edges)
        self.strict = any([edge.on_full == "error" for edge in edges])
        if elsewhere:
            self.sender = Sender(self.memory, self.writer.ring.nslots, self.where)
            self.sender.writer = &self.writer
            self.sender.copies = self.values if hands_copies(self.values, plan.outputs[self.index]) else None
            self.writer.eager = True  # the slot freed last has the block freed last: hot memory, if it is large
            df_arena_init(&self.sender.arena, base(memory, 1 + context) + arena, size // LINE)

    cdef _preload(self, plan, memory, edges):
        """Write the initial records of each edge where its reader takes them before ring record 1 (RULES 9)."""
        cdef char *data = base(memory, 1 + plan.outputs[self.index].context)
        cdef char *place
        for edge in edges:
            if not edge.initial or self.format.kind == OBJECT:
                continue
            place = data + <Py_ssize_t>plan.layout.edges[edge.index].preload
            for value in edge.initial:
                self.format.store(place + LINE, value, edge.name)
                place += self.writer.ring.stride

    def __dealloc__(self):
        cdef uint32_t slot
        if self.views:
            for slot in range(self.writer.ring.nslots):
                Py_CLEAR(self.views[slot])
        df_writer_free(&self.writer)
        PyMem_Free(self.ends)
        PyMem_Free(self.losses)
        if self.readers != &self.few[0]:
            PyMem_Free(self.readers)
        PyMem_Free(self.contexts)
        PyMem_Free(self.fds)
        PyMem_Free(self.views)

    cdef int loan(self) except -1:
        """Have a slot in hand."""
        if self.header == NULL:
            self.header = df_loan(&self.writer)
            if self.header == NULL:
                raise BufferError(f"{self.where}: needed a free slot, was none; more views are kept than the plan allows")
        return 0

    cdef object look_up(self):
        """The slot of this firing as user code writes into it: zeroed at the first look-up."""
        cdef uint32_t slot
        cdef object view
        if self.format.kind == SCALAR or self.format.kind == OBJECT:
            raise TypeError(f"{self.where}: needed a structured or array output to write into, was {self.format.dtype}; return the "
                            "value instead of using `self.output`")
        self.loan()
        slot = self.writer.loaned
        if self.views[slot] == NULL:
            view = self.format.view(new_slot(self.header + LINE, self.format.itemsize, False, self.memory), self.name)
            Py_INCREF(view)
            self.views[slot] = <PyObject *>view
        if not self.looked_up:
            self.looked_up = True
            if self.zero:
                memset(self.header + LINE, 0, self.format.itemsize)
        return <object>self.views[slot]

    cdef int store(self, object value) except -1:
        """Put `value` into the slot in hand. Raises DtypeError if it does not fit."""
        cdef uint32_t slot
        self.loan()
        if self.looked_up:
            slot = self.writer.loaned
            if <PyObject *>value == self.views[slot]:
                return 0
        return self.format.store(self.header + LINE, value, self.where)

    cdef bint forward(self, Input end) except -1:
        """Put the record that `end` has in hand into the slot in hand, as it is. False: it waits for memory of its arena."""
        if self.format.kind == OBJECT:
            return self.put(<object>end.argument, end.meta())
        self.loan()
        memcpy(self.header + LINE, <char *>end.held + LINE, self.format.itemsize)
        if self.bounds is not None:
            self._check_bounds()
        return True

    cdef bint put(self, object value, dict meta) except -1:
        """Put an object, with its metadata or None, into the slot in hand. False: it waits for memory of its arena.

        Raises ValueError: it is larger than the arena; RecordLost; and what its parts raise when they are pickled.
        """
        cdef df_slot_header *header
        self.loan()
        header = <df_slot_header *>self.header
        if self.shared:
            self.keep_value(<PyObject *>value)
            if header.carries or meta is not None:
                self.values[self.writer.ring.nslots + self.writer.loaned] = meta
        header.carries = meta is not None
        if self.sender is not None:
            self.sender.pack(value, meta)
            if self.sender.reserve():
                self.send()
            elif self.strict:
                self.refuse()
            elif self.waiting_end() != NULL:
                return False
            else:
                self.lose()
        return True

    cdef df_end *waiting_end(self) noexcept:
        """The first reader that may not lose a record and is still there, or NULL."""
        cdef uint32_t i
        for i in range(self.writer.nends):
            if self.ends[i].policy == DF_WAIT and not self.ends[i].gone:
                return &self.ends[i]
        return NULL

    cdef bint has_block(self) noexcept:
        """The object on its way, if there is one, can go on: it has memory, or nobody is left to read it."""
        if self.sender is None or self.sender.packed is None:
            return True
        if df_all_gone(&self.writer):
            self.discard()
        elif self.sender.reserve():
            return True
        elif self.waiting_end() == NULL:  # those that were waited for are gone
            self.lose()
        else:
            return False
        return True

    cdef int send(self) except -1:
        """Put the object on its way, if there is one, into its block."""
        if self.sender is not None and self.sender.packed is not None:
            self.sender.write(<df_slot_header *>self.header)
        return 0

    cdef int refuse(self) except -1:
        size = self.sender.size
        self.discard()
        raise RecordLost(f"{self.where}: needed {size} bytes of its arena for one more object, were taken by objects that its readers "
                         "hold; give its node a larger arena_bytes, or on_full=\"wait\"")

    cdef void lose(self) noexcept:
        """The object finds no memory, and every reader may lose it: nobody gets it."""
        cdef uint32_t i
        for i in range(self.writer.nends):
            self.losses[i].refused += 1
        self.discard()

    cdef int check_kept(self, PyObject *result) except -1:
        """L10 for outputs: nobody but us refers to the slot in hand, `result` (what compute returned) aside (RULES 8)."""
        cdef PyObject *view
        if self.looked_up:
            view = self.views[self.writer.loaned]
            if extra_references(view) > (1 if result == view else 0):
                raise BufferError(f"{self.where}: needed nobody to hold the output after its firing, was kept, so that the next write would "
                                  "tear a published record; look `self.output` up in each firing")
        return 0

    cdef _check_bounds(self):
        """A value for a parameter lies within its bounds. Raises DtypeError."""
        value = self.format.unpack(PyBytes_FromStringAndSize(self.header + LINE, self.format.itemsize), self.where)
        for edge, low, high in self.bounds:
            broken = out_of_bounds(value, low, high)
            if broken:
                raise DtypeError(f"{edge}: needed a value {broken}, was {value!r}; stay within the bounds of the parameter")

    cdef void discard(self) noexcept:
        """Give the slot in hand back, unpublished."""
        if self.header != NULL:
            df_unloan(&self.writer)
            self.header = NULL
        if self.sender is not None:
            self.sender.drop()
        self.looked_up = False
        self.kind = DF_RECORD

    cdef int bury(self, int kind) except -1:
        """Have a slot in hand that holds no record."""
        self.discard()
        self.loan()
        self.kind = kind
        if self.format.kind == OBJECT:
            self.values[self.writer.loaned] = None
            (<df_slot_header *>self.header).carries = 0
        return 0

    cdef void _say_kind(self, df_slot_header *header) noexcept:
        cdef uint32_t i
        header.kind, header.last, header.child, header.parent = self.kind, self.last, self.child, header.firing
        if self.kind == DF_RECORD:
            return
        for i in range(self.writer.nends):
            if self.kind == DF_CLOSING and self.child:
                self.losses[i].closings += 1
            else:
                self.losses[i].skipped += 1
        self.kind = DF_RECORD

    cdef void ring(self) noexcept:
        cdef int i
        for i in range(self.ncontexts):
            df_ring_bell(self.contexts[i], self.fds[i])

    cdef void close(self) noexcept:
        """End of stream: a word, behind the last record (RULES 10)."""
        if not self.writer.closed:
            self.discard()
            df_close(&self.writer)
            self.ring()
        self.count_losses()

    cdef void count_losses(self) noexcept:
        cdef uint32_t i
        for i in range(self.writer.nends):
            self.losses[i].dropped = self.ends[i].dropped


cdef struct Lease:
    df_reader_words *words
    df_want_words *want
    int which
    df_context_words *context    # of the writer, NULL if it runs here
    int fd


cdef void end_lease(void *lease) noexcept:
    """The last view of a kept record is gone: its slot may be written again (RULES 7)."""
    cdef Lease *kept = <Lease *>lease
    if df_unkeep(kept.words, kept.want, kept.which) and kept.context != NULL:
        df_ring_bell(kept.context, kept.fd)
    PyMem_Free(kept)


@cython.final
cdef class Unloaded:
    """An object of a batch as it came from another process."""

    cdef bytes packed
    cdef bint carries

    def __cinit__(self, bytes packed, bint carries):
        self.packed, self.carries = packed, carries


@cython.final
cdef class Input:
    """The reading end of one triggering edge. States: nothing in hand; one record (or a full batch) in hand."""

    def __cinit__(self, plan, memory, int index, list values, dict positions, list eventfds, bint digest):
        edge = plan.edges[index]
        cdef list copies = None
        output = plan.outputs[edge.output]
        cdef df_ring ring = ring_of(plan, memory, edge.output)
        if hands_copies(values, output) and plan.process_of(edge.context) != plan.process_of(output.context):
            copies, values = values, None
        self.index, self.name, self.values = index, edge.input_name, values
        self.where = f"{plan.nodes[edge.node].name}.{edge.input_name}"
        self.memory = (memory.buffer(0), memory.buffer(1 + output.context))
        self.format = Format.of(output.dtype)
        self.latest, self.gaps = edge.policy == "latest", output.gaps and not edge.own
        self.feedback = edge.feedback
        self.local = all(plan.edges[e].node in positions for e in output.edges) and output.node in positions
        ring = own_ring_of(plan, memory, edge, ring)
        df_reader_init(&self.reader, ring, line_of(plan, memory, index), want_of(plan, memory, edge.output), policy_of(edge),
                       self.local)
        self.views = <PyObject **>PyMem_Calloc(ring.nslots, sizeof(void *))
        self.slots = <PyObject **>PyMem_Calloc(ring.nslots, sizeof(void *))
        if not (self.views and self.slots):
            raise MemoryError
        self.depth = edge.depth
        self.decimate, self.batch, self.partial = edge.decimate, edge.batch if edge.batch > 1 else 0, edge.partial
        self.window = Window(output.dtype, edge.window) if edge.window else None
        self.apart = self.window is not None
        self.digesting = digest and self.format.kind != OBJECT
        self.max_age_ns = -1 if edge.max_age_ns is None else edge.max_age_ns
        self.on_stale = STALE_ACTIONS[edge.on_stale]
        self.last_origin_ns = NO_ORIGIN
        self.writer = positions.get(output.node, -1)
        if self.writer < 0 and eventfds:
            self.context, self.fd = context_of(plan, memory, output.context), eventfds[output.context]
        self._find_memory(plan, memory, edge, output)
        if self.format.kind == OBJECT and values is None:
            readers = [plan.edges[e].context for e in output.edges]
            elsewhere = [context for context in readers if plan.process_of(context) != plan.process_of(output.context)]
            self.receiver = Receiver((self.memory, copies), output.arena, len(elsewhere))
            self.receiver.base = NULL if copies is not None else base(memory, 1 + output.context) + <Py_ssize_t>plan.layout.outputs[edge.output].arena
        self.digest_word, self.first_counters = &self.counters.digest, self.counters
        self.ratio, self.taking_turns = edge.batch * edge.decimate, plan.nodes[edge.node].replicas > 1
        self.careful = self.gaps or self.taking_turns
        self.here = self.format.kind == OBJECT and self.receiver is None and self.window is None
        self.simple = self.receiver is None and self.window is None and not self.batch
        if self.batch:
            self._make_batch(output.dtype)

    cdef _find_memory(self, plan, memory, edge, output):
        place = plan.layout.edges[edge.index]
        self.counters = <df_edge_counters *>(base(memory, 1 + edge.context) + <Py_ssize_t>place.stats)
        self.stride, self.initial_count, self.initial_values = plan.layout.outputs[edge.output].stride, len(edge.initial), edge.initial
        if self.initial_count and self.format.kind != OBJECT:
            self.preload = base(memory, 1 + output.context) + <Py_ssize_t>place.preload

    cdef _make_batch(self, dtype):
        if self.format.kind == OBJECT:
            self.batch_values = []
        else:
            self.batch_format = Format.of(np.dtype((dtype, (self.batch,))))
            self.batch_slot = private_slot(self.batch_format.itemsize)

    def __dealloc__(self):
        cdef uint32_t slot
        if self.owned:
            Py_CLEAR(self.argument)
        if self.views:
            for slot in range(self.reader.ring.nslots):
                Py_CLEAR(self.views[slot])
                Py_CLEAR(self.slots[slot])
        PyMem_Free(self.views)
        PyMem_Free(self.slots)

    cdef bint ready(self) noexcept:
        """A firing's worth of unread records is there (L3: a count, never a flag), or in hand already."""
        if self.held != NULL:
            return True
        if self.batch:
            return self.fill() >= 0 and (self.filled == self.batch or self._last_batch())
        return self.skip_decimated() if self.decimate > 1 else self.pending()

    cdef bint pending(self) noexcept:
        """An unread record is there."""
        if self.careful:
            return self.look()
        if self.initial_taken < self.initial_count:
            if self.latest and df_waiting(&self.reader):
                self.counters.initial_taken = self.initial_taken = self.initial_count  # overwritten by the first published record
            return True
        return df_waiting(&self.reader) != 0

    cdef bint look(self) noexcept:
        """`pending` where it is more than a look at the head: pass over what is no record for this end.

        Those are the closings of replicas, tombstones where several records make one item, and the sets of other replicas.
        """
        cdef bint alone = not self._gathers()
        cdef df_slot_header *header
        while True:
            if self.initial_taken < self.initial_count:
                if not self.taking_turns or self.phase >= self.turn * self.ratio:
                    return True
                self.phase += 1
                self.initial_taken += 1
                self.counters.initial_taken = self.initial_taken
                continue
            if self.rings is not None and (self.turn_over or not self.in_turn):
                self.next_ring()
            if not df_waiting(&self.reader):
                return False
            header = <df_slot_header *>df_slot(&self.reader.ring, df_take(&self.reader))
            if header.kind == DF_CLOSING or (header.kind == DF_TOMBSTONE and not alone):
                self.pass_slot(header)
            elif self.taking_turns and self.phase < self.turn * self.ratio:
                self.phase += 1
                self.pass_slot(header)
            else:
                return True

    cdef void pass_slot(self, df_slot_header *header) noexcept:
        """Pass over the slot at the front, uncounted."""
        self.measure()
        self.note_last(header)
        self.free_room(df_pass(&self.reader))

    cdef void aim(self, uint64_t turn) noexcept:
        """The set to read next; of another one nothing is kept."""
        if turn == self.turn:
            return
        self.turn = turn
        if self.filled and self.held == NULL:
            self.filled = 0
            self.first_counters.unread_buffered = 0
            if self.batch_values is not None:
                self.batch_values.clear()
                self.batch_meta = None

    # -- the rings of replicas: this end has one in hand, the others lie in ends of their own that lend it their state -----------

    def add_rings(self, list others, bint in_turn):
        """The writer is replicated: `others` are the ends of its other rings, in order of instances."""
        self.rings, self.in_turn, self.careful, self.simple = [None, *others], in_turn, True, False

    def writers(self):
        """Positions of the writing cells in this scheduler."""
        ends = [self] if self.rings is None else [self, *[end for end in self.rings if end is not None]]
        return [(<Input>end).writer for end in ends if (<Input>end).writer >= 0]

    def far(self):
        """Whether a writer is in another context."""
        return len(self.writers()) < (1 if self.rings is None else len(self.rings))

    cdef void note_last(self, df_slot_header *header) noexcept:
        """A slot is passed: was it the last of its firing?"""
        if self.rings is not None:
            self.turn_over = header.last

    cdef void next_ring(self) noexcept:
        cdef int ring = (self.ring_now + 1) % len(self.rings) if self.in_turn else self.oldest_ring()
        self.turn_over = False
        if ring != self.ring_now:
            self.read_ring(ring)

    cdef int oldest_ring(self) noexcept:
        """The ring whose unread record was published first, the first of equals; without any, the one in hand."""
        cdef int ring, found = -1
        cdef int64_t first = NEVER
        cdef df_slot_header *header
        cdef Input end
        for ring in range(len(self.rings)):
            end = self if ring == self.ring_now else <Input>self.rings[ring]
            if df_waiting(&end.reader):
                header = <df_slot_header *>df_slot(&end.reader.ring, df_take(&end.reader))
                if found < 0 or header.publish_ns < first:
                    found, first = ring, header.publish_ns
        return self.ring_now if found < 0 else found

    cdef void read_ring(self, int ring) noexcept:
        """Have another ring in hand."""
        cdef Input other = self.rings[ring]
        if self.owed:
            self.pay()
        self.reader, other.reader = other.reader, self.reader
        self.views, other.views = other.views, self.views
        self.slots, other.slots = other.slots, self.slots
        self.values, other.values = other.values, self.values
        self.memory, other.memory = other.memory, self.memory
        self.counters, other.counters = other.counters, self.counters
        self.receiver, other.receiver = other.receiver, self.receiver
        self.here, other.here = other.here, self.here
        self.context, other.context = other.context, self.context
        self.index, other.index = other.index, self.index
        self.fd, other.fd = other.fd, self.fd
        self.writer, other.writer = other.writer, self.writer
        self.local, other.local = other.local, self.local
        self.noticed, other.noticed = other.noticed, self.noticed
        self.end_noticed, other.end_noticed = other.end_noticed, self.end_noticed
        self.rings[self.ring_now], self.rings[ring] = other, None
        self.ring_now = self.first_counters.ring = ring

    cdef bint _gathers(self) noexcept:
        """Several records make one item."""
        return self.batch or self.decimate > 1 or self.window is not None

    cdef bint buried(self) noexcept:
        """The next item is a tombstone; where several records make one item none is. Call only if `ready`."""
        if not self.gaps or self._gathers() or self.held != NULL or self.initial_taken < self.initial_count:
            return False
        if not df_waiting(&self.reader):
            return False
        return (<df_slot_header *>df_slot(&self.reader.ring, df_take(&self.reader))).kind == DF_TOMBSTONE

    cdef void pass_buried(self) noexcept:
        """Pass over the tombstone at the front, an item without a record. Call only if `buried`."""
        self.phase += 1
        self.pass_slot(<df_slot_header *>df_slot(&self.reader.ring, self.reader.held))

    cdef bint news(self) noexcept:
        """A record was published, or the stream ended, since the last look: what lies here unread is no news (L11)."""
        cdef bint over = df_end_word(&self.reader) != DF_OPEN
        cdef uint64_t head = df_head_word(self.reader.ring.words)
        cdef bint elsewhere = self.rings is not None and not self.in_turn and self._other_news()
        if head == self.noticed and over == self.end_noticed:
            return elsewhere
        self.noticed, self.end_noticed = head, over
        return True

    def _other_news(self):
        return any([(<Input>end).news() for end in self.rings if end is not None])

    def _others_ended(self):
        return all([df_ended(&(<Input>end).reader) for end in self.rings if end is not None])

    cdef bint ended(self) noexcept:
        """The stream is over for this input: no record and no full batch is left, and none will come."""
        if self.initial_taken < self.initial_count or not df_ended(&self.reader):
            return False
        if self.rings is not None and not self.in_turn and not self._others_ended():
            return False
        return not (self.batch and (self.filled == self.batch or self._last_batch()))

    cdef bint _last_batch(self) noexcept:
        """What lies here, fewer than asked for, is all that will come, and wanted all the same."""
        if not (self.partial and self.filled and self.initial_taken == self.initial_count and df_ended(&self.reader)):
            return False
        return self.rings is None or self.in_turn or self._others_ended()

    cdef bint skip_decimated(self) noexcept:
        """Pass over the first k - 1 of each k records. Returns whether the last of its k is there."""
        while self.pending():  # first: it passes over what other replicas take, and so moves the phase
            if (self.phase + 1) % self.decimate == 0:
                return True
            self.phase += 1
            self.counters.decimated += 1
            if self.initial_taken < self.initial_count:
                self.initial_taken += 1
                self.counters.initial_taken = self.initial_taken
            else:
                self.measure()
                self.note_last(<df_slot_header *>df_slot(&self.reader.ring, df_take(&self.reader)))
                self.free_room(df_release(&self.reader))
        return False

    cdef int fill(self) except -1:
        """Copy records, as they come, into the batch's own memory and give their slots back at once (RULES 17)."""
        cdef int32_t slot
        cdef df_slot_header *header
        while self.filled < self.batch:
            if not (self.skip_decimated() if self.decimate > 1 else self.pending()):
                break
            header = self._next(&slot)
            if self.filled == 0:
                self.batch_header.origin_ns = header.origin_ns if slot >= 0 else NO_ORIGIN
            elif slot >= 0 and (self.batch_header.origin_ns == NO_ORIGIN or header.origin_ns < self.batch_header.origin_ns):
                self.batch_header.origin_ns = header.origin_ns
            if slot >= 0:
                self.batch_header.seq, self.batch_header.publish_ns = header.seq, header.publish_ns
                self.last_origin_ns = header.origin_ns
            if self.batch_values is not None:
                self.batch_values.append(self.object_of_batch(header, slot))
            else:
                memcpy(self.batch_slot.data + self.filled * self.format.itemsize, <char *>header + LINE, self.format.itemsize)
            self._digest(header)
            self.filled += 1
            if slot >= 0:
                self.note_last(header)
                self.free_room(df_release(&self.reader))
        self.first_counters.unread_buffered = self.filled
        return 0

    cdef void _digest(self, df_slot_header *header) noexcept:
        if self.digesting:
            self.digest_word[0] = self.format.digest(<char *>header + LINE, self.digest_word[0])

    cdef df_slot_header *_next(self, int32_t *slot) noexcept:
        """The next record: an initial one (slot -1), then the ring's. Call only if `pending`."""
        cdef df_slot_header *header
        self.phase += 1
        if self.initial_taken < self.initial_count:
            slot[0] = -1
            header = <df_slot_header *>(self.preload + self.initial_taken * self.stride)
            if self.preload == NULL:
                header = &self.no_header  # an object, which lies in no slot
            self.initial_taken += 1
            self.counters.initial_taken = self.initial_taken
            return header
        return self.take_front(slot)

    cdef int take_first(self) except -1:
        """Have an initial record, or a full batch, in hand."""
        cdef int32_t slot
        cdef df_slot_header *header
        if self.batch:
            return self.hand_over_batch()
        header = self._next(&slot)
        self.from_initial, self.held, self.carries = True, header, header.carries
        self._digest(header)
        return self.hand_over(header, slot)

    cdef int hand_over(self, df_slot_header *header, int32_t slot) except -1:
        cdef object value
        cdef Slot memory
        if self.apart:
            return 0 if self.bare else self.hand_over_window(header, slot)
        if self.format.kind == SCALAR:
            value = self.format.load(<char *>header + LINE)
        elif self.format.kind == OBJECT:
            if slot < 0:
                value = self.initial_values[self.initial_taken - 1]
            else:
                value = self.receiver.receive(header, self.own or not df_can_keep(&self.reader))
        else:
            memory = new_slot(<char *>header + LINE, self.format.itemsize, True, self.memory)
            value = self.format.view(memory, self.name)
            if slot >= 0:
                Py_INCREF(value)
                Py_INCREF(memory)
                self.views[slot], self.slots[slot] = <PyObject *>value, <PyObject *>memory
                self.argument = self.views[slot]
                return 0
        Py_INCREF(value)
        self.argument, self.owned = <PyObject *>value, True
        return 0

    cdef void leave_bare(self) noexcept:
        """Whoever reads wants the bytes of a record only: make no argument of them."""
        self.bare = self.apart = self.format.kind != OBJECT

    cdef int hand_over_window(self, df_slot_header *header, int32_t slot) except -1:
        cdef object value = None
        if self.format.kind == OBJECT:
            if slot < 0:
                value = self.initial_values[self.initial_taken - 1]
            else:
                value = self.values[slot] if self.receiver is None else self.receiver.receive(header, True)
            if self.carries or self.window_meta is not None:
                self.remember_meta()
        value = self.window.append(<char *>header + LINE, value)
        Py_INCREF(value)
        self.argument, self.owned = <PyObject *>value, True
        return 0

    cdef int remember_meta(self) except -1:
        """The window has metadata if one of its records had."""
        self.window_meta = [*(self.window_meta or ()), self._own_meta()]
        del self.window_meta[:max(len(self.window_meta) - self.window.length, 0)]
        self.carries = any(self.window_meta)
        return 0

    cdef int hand_over_batch(self) except -1:
        cdef object value
        self.held, self.from_initial = &self.batch_header, self.batch_header.origin_ns == NO_ORIGIN
        if self.batch_values is not None:
            value, self.batch_values = self.batch_values, []
            self._load(value)
        else:
            if self.batch_view is None:
                self.batch_view = self.batch_format.view(self.batch_slot, self.name)
                self.batch_view.flags.writeable = False
            value = self.batch_view if self.filled == self.batch else self.batch_view[:self.filled]
        self.carries = self.batch_meta is not None
        Py_INCREF(value)
        self.argument, self.owned = <PyObject *>value, True
        return 0

    cdef object object_of_batch(self, df_slot_header *header, int32_t slot):
        """An object that outlives its slot; from another process, as it came: it is loaded when the batch is handed over."""
        if slot < 0:
            return self.initial_values[self.initial_taken - 1]
        if self.receiver is not None:
            return Unloaded(self.receiver.copy(header), header.carries)
        if header.carries:
            self.batch_meta = {**(self.batch_meta or {}), **self.values[self.reader.ring.nslots + slot]}
        return self.values[slot]

    def _load(self, list batch):
        """Load those objects of a batch that came from another process. Later metadata wins."""
        cdef Py_ssize_t i
        for i in range(len(batch) if self.receiver is not None else 0):
            if type(batch[i]) is Unloaded:
                batch[i] = self.receiver.load((<Unloaded>batch[i]).packed, (<Unloaded>batch[i]).carries)
                if self.receiver.meta is not None:
                    self.batch_meta = {**(self.batch_meta or {}), **self.receiver.meta}

    cdef dict meta(self):
        """The metadata of what is in hand, or None: of several records the union, later ones win."""
        cdef dict united
        if self.held == NULL or not self.carries:
            return None
        if self.batch:
            return self.batch_meta
        if self.window_meta is None:
            return self._own_meta()
        united = {}
        for meta in self.window_meta:
            united.update(meta or ())
        return united

    def _own_meta(self):
        """The metadata of the record in hand itself, or None."""
        if not self.held.carries:
            return None
        return self.receiver.meta if self.receiver is not None else self.values[self.reader.ring.nslots + self.reader.held]

    cdef int release(self, bint taken) except -1:
        """Give the record in hand back. `taken` False: it was stale, no firing came of it. Raises BufferError: kept too many."""
        cdef int32_t slot = self.reader.held
        cdef PyObject *argument = self.argument
        if self.held == NULL:
            return 0
        if taken and self.simple and not self.from_initial:
            return self.give_back()
        if self.rings is not None and slot >= 0:
            self.note_last(self.held)
        self.held, self.argument = NULL, NULL
        if self.owned:
            self.owned = False
            Py_DECREF(<object>argument)
            argument = NULL
            if self.window is not None:
                self.window.settle(taken)
                if self.window_meta is not None and not taken:
                    del self.window_meta[len(self.window_meta) - 1]
        if self.batch:
            return self._release_batch(taken)
        if taken:
            self.counters.read += 1
        else:
            self.counters.stale_dropped += not self.latest
        if self.from_initial:
            return 0
        if self.receiver is not None and self.receiver.lent is not None:
            if Py_REFCNT(<PyObject *>self.receiver.lent) > 1:
                self.lease(self.receiver.lent)
            self.receiver.lent = None
        if argument == self.views[slot] and argument != NULL and extra_references(argument):
            self.keep(slot)
        # a stale record of a `latest` edge counts as overwritten: nobody read it
        self.free_room(df_release(&self.reader) if taken or not self.latest else df_pass(&self.reader))
        return 0

    cdef int _release_batch(self, bint taken) except -1:
        if taken:
            self.counters.read += self.filled
        else:
            self.counters.stale_dropped += self.filled
        self.filled, self.batch_meta = 0, None
        self.first_counters.unread_buffered = 0
        if self.batch_view is not None and extra_references(<PyObject *>self.batch_view):
            self.batch_slot = private_slot(self.batch_format.itemsize)  # the kept one belongs to user code now
            self.batch_view = None
        return 0

    cdef int keep(self, int32_t slot) except -1:
        """Lease the slot in hand for whoever kept a view of it, and make new views of the slot from now on."""
        self.lease(<Slot>self.slots[slot])
        Py_CLEAR(self.views[slot])
        Py_CLEAR(self.slots[slot])
        return 0

    cdef int lease(self, Slot memory) except -1:
        """Lease the slot in hand until `memory`, which views of it refer to, is gone: before the tail moves (RULES 4, 7)."""
        cdef Lease *lease
        cdef int which = df_keep(&self.reader)
        if which < 0:
            self.kept_too_many = True
            raise BufferError(f"{self.where}: needed views of at most {KEEP} records kept at a time, was one more; "
                              "keep a copy (`.copy()`) instead")
        lease = <Lease *>PyMem_Malloc(sizeof(Lease))
        if lease == NULL:
            raise MemoryError
        lease.words, lease.want, lease.which = self.reader.words, self.reader.want, which
        lease.context, lease.fd = self.context, self.fd
        memory.release_arg, memory.release = lease, end_lease
        return 0

    cdef int64_t peek_origin(self) noexcept:
        """`origin_ns` of the record in hand, NO_ORIGIN for an initial one."""
        return NO_ORIGIN if self.from_initial else self.held.origin_ns

    cdef bint fails(self) noexcept:
        """The firing failed because of this input: too much was kept of it, or its object could not be loaded."""
        return self.kept_too_many or (self.held != NULL and self.argument == NULL and not self.bare)

    cdef bint superseded(self) noexcept:
        """A newer record than the one in hand is there, at an end that wants the newest."""
        return self.latest and (self.reader.held >= 0 or self.from_initial) and df_waiting(&self.reader) != 0

    cdef void pay(self) noexcept:
        """Wake the writer's context if it sleeps."""
        self.owed = False
        df_ring_bell(self.context, self.fd)

    cdef int leave(self) noexcept:
        """Nothing more will be read here: closing travels upstream (RULES 21). What is in hand stays unread."""
        cdef int wanted = 0
        if self.reader.held >= 0 and self.latest:
            df_put_back(&self.reader)
        elif self.reader.held >= 0 and self.reader.policy == DF_DROP_OLDEST:
            wanted = df_release(&self.reader)  # taken, which the edge counts, but not read
        wanted |= df_leave(&self.reader)
        if self.context != NULL:
            df_ring_bell(self.context, self.fd)
        if self.rings is not None:
            for end in self.rings:
                if end is not None:
                    (<Input>end).leave()
        return wanted
