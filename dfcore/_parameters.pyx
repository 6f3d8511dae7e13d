# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""Parameters at run time: a ParameterInput holds the newest values for a node, Settings is how the program sets them.

Laws: a parameter never triggers and never blocks its writer; its values change between firings only, all fields of a record
together; it has one writer, an edge or the program (RULES 20). Both kinds are `latest` readers of an ordinary ring: the
settings of a node are one more output, owned by the parent, with one record that holds all of them.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint64_t

from dfcore._bell cimport df_ring_bell
from dfcore._ends cimport Output, base, context_of, df_edge_counters, line_of, own_ring_of, ring_of, want_of
from dfcore._record cimport SCALAR, Format, Slot, private_slot
from dfcore._ring cimport (
    DF_LATEST,
    DF_OPEN,
    df_end_word,
    df_head_word,
    df_leave,
    df_put_back,
    df_reader_init,
    df_reader_words,
    df_release,
    df_slot,
    df_slot_header,
    df_take,
    df_waiting,
)

from libc.string cimport memcpy

cdef enum:
    LINE = 64


@cython.final
cdef class ParameterInput:
    """The newest values of one parameter (an edge) or of all that the program may set (settings).

    Args:
        index: of the edge in the plan.
        names: the keyword arguments of the node, in the order of the list that `refresh` fills.
        positions: node index -> position of its cell, for the nodes of this scheduler.
    """

    def __cinit__(self, plan, memory, int index, list names, dict positions, list eventfds):
        edge = plan.edges[index]
        output = plan.outputs[edge.output]
        self.index, self.name, self.settings = index, edge.name, output.node < 0
        self.memory = (memory.buffer(0), memory.buffer(1 + output.context), memory.buffer(1 + edge.context))
        local = output.node in positions and all(plan.edges[e].node in positions for e in output.edges)
        df_reader_init(&self.reader, own_ring_of(plan, memory, edge, ring_of(plan, memory, edge.output)), line_of(plan, memory, index),
                       want_of(plan, memory, edge.output), DF_LATEST, local)
        self.counters = <df_edge_counters *>(base(memory, 1 + edge.context) + <Py_ssize_t>plan.layout.edges[index].stats)
        if edge.initial:
            self.preload = base(memory, 1 + output.context) + <Py_ssize_t>plan.layout.edges[index].preload
        if eventfds and output.node >= 0 and output.node not in positions:
            self.context, self.fd = context_of(plan, memory, output.context), eventfds[output.context]
        self._find_fields(output.dtype, edge.input_name, names)

    def _find_fields(self, dtype, str name, list names):
        self.itemsize = dtype.itemsize
        if self.settings:
            fields = [dtype.fields[field] for field in dtype.names]
            self.formats, self.offsets = [Format.of(field[0]) for field in fields], [field[1] for field in fields]
            self.positions = [names.index(field) for field in dtype.names]
        else:
            self.formats, self.offsets, self.positions = [Format.of(dtype)], [0], [names.index(name)]

    cdef bint changed(self) noexcept:
        """A newer record than the one in force is there."""
        return self.preload != NULL or df_waiting(&self.reader) != 0

    cdef bint news(self) noexcept:
        """A value was published, or none will come any more, since the last look."""
        cdef bint over = df_end_word(&self.reader) != DF_OPEN
        cdef uint64_t head = df_head_word(self.reader.ring.words)
        if head == self.noticed and over == self.end_noticed:
            return False
        self.noticed, self.end_noticed = head, over
        return True

    cdef bint refresh(self, list values) except -1:
        """Copy the newest record, if there is a new one, into `values`. Returns whether there was."""
        cdef int32_t slot
        cdef df_slot_header *header
        if df_waiting(&self.reader):
            slot = df_take(&self.reader)
            header = <df_slot_header *>df_slot(&self.reader.ring, slot)
            self.counters.last_seq = header.seq
            if self.preload != NULL:
                self.preload = NULL  # overwritten by the first published record
                self.counters.initial_taken = 1
            try:
                self.load(<char *>header + LINE, values)
            finally:
                if df_release(&self.reader) and self.context != NULL:
                    df_ring_bell(self.context, self.fd)
        elif self.preload != NULL:
            self.load(self.preload + LINE, values)
            self.preload = NULL
            self.counters.initial_taken = 1
        else:
            return False
        self.counters.read += 1
        return True

    cdef int load(self, char *data, list values) except -1:
        cdef Format format
        cdef Slot slot
        cdef Py_ssize_t i, offset
        for i in range(len(self.formats)):
            format, offset = self.formats[i], self.offsets[i]
            if format.kind == SCALAR:
                values[self.positions[i]] = format.load(data + offset)
            else:
                slot = private_slot(format.itemsize)
                memcpy(slot.data, data + offset, format.itemsize)
                slot.readonly = True
                values[self.positions[i]] = format.view(slot, self.name)
        return 0

    cdef int leave(self) noexcept:
        """Nothing more will be read here."""
        cdef int wanted = df_leave(&self.reader)
        if self.context != NULL:
            df_ring_bell(self.context, self.fd)
        return wanted


@cython.final
cdef class Settings:
    """What the program sets of one node while it runs: the writing end of its settings output. One caller at a time."""

    def __cinit__(self, plan, memory, int index):
        self.output = Output(plan, memory, index, None, {}, [])
        self.names = plan.outputs[index].dtype.names

    def publish(self, values):
        """Put the values of all settable parameters, a mapping, in force from the next firing on. Raises DtypeError."""
        self.output.store(tuple([values[name] for name in self.names]))
        self.output.publish(0, 0, 0)

    def close(self):
        """No more settings: the run is over."""
        self.output.close()


@cython.final
cdef class Tap:
    """The newest value that an edge has brought to a parameter, for the program to look at. One caller at a time.

    It reads by the spare line of the output (RULES 28): a lease while it copies, and no say in what the writer may write.
    """

    cdef df_reader reader
    cdef object memory
    cdef Format format
    cdef str name

    def __cinit__(self, plan, memory, int index):
        edge = plan.edges[index]
        output = plan.outputs[edge.output]
        self.name, self.format = edge.name, Format.of(output.dtype)
        self.memory = (memory.buffer(0), memory.buffer(1 + output.context))
        line = <df_reader_words *>(base(memory, 0) + <Py_ssize_t>plan.layout.outputs[edge.output].spare)
        df_reader_init(&self.reader, own_ring_of(plan, memory, edge, ring_of(plan, memory, edge.output)), line,
                       want_of(plan, memory, edge.output), DF_LATEST, False)

    def read(self, otherwise):
        """A copy of the newest value; `otherwise` while nothing was published."""
        cdef int32_t slot
        cdef uint64_t head
        cdef bytes data
        while True:
            slot = df_take(&self.reader)
            if slot < 0:
                return otherwise
            head = self.reader.seen
            data = PyBytes_FromStringAndSize(df_slot(&self.reader.ring, slot) + LINE, self.format.itemsize)
            df_put_back(&self.reader)  # it stays unread: the next look finds it again
            if df_head_word(self.reader.ring.words) == head:
                break  # it was the newest all the time, and the newest is never overwritten, by a local writer neither
        return self.format.unpack(data, self.name)
