# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
"""The ring in Python's hands: a writer and a reader over borrowed memory, for tests, tools and taps.

The protocol and its laws are in `_ring.h`; the scheduler uses that directly. A Writer or Reader borrows two buffers, the data
segment of the writer (a reader may have it read-only) and the control segment, and the offsets of a plan: `place` has the fields
of `OutputPlace`, `edge` those of `EdgePlace`.

What it refuses to know: dtypes, time, bells: `release`, `pass_over`, `unkeep` and `leave` return whether to ring.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

#: How an edge hands records over, as the ring sees it. `on_full="error"` is "wait": the caller asks `full_end` first.
POLICIES = {"wait": DF_WAIT, "error": DF_WAIT, "drop_new": DF_DROP_NEW, "drop_oldest": DF_DROP_OLDEST, "latest": DF_LATEST}

#: Lease words of a reader: one for the record in hand, the others for kept views.
LEASES = DF_LEASES

#: Bytes of the header before each record.
HEADER = sizeof(df_slot_header)


@cython.final
cdef class Memory:
    """A buffer held for as long as somebody points into it."""

    cdef Py_buffer view
    cdef object bytes

    def __cinit__(self, memory, bint writable):
        PyObject_GetBuffer(memory, &self.view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        self.bytes = memoryview(memory).cast("B")

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

    cdef char *at(self, what, Py_ssize_t offset, Py_ssize_t size) except NULL:
        if offset < 0 or offset + size > self.view.len:
            raise ValueError(f"{what}: needs {size} bytes at {offset}, the segment has {self.view.len}; use the plan's offsets.")
        if (<size_t>self.view.buf + <size_t>offset) % 8:
            raise ValueError(f"{what}: needs memory aligned to 8 bytes, offset was {offset}; use the plan's offsets.")
        return <char *>self.view.buf + offset


cdef df_ring ring_of(Memory data, place, words, index, entries, Py_ssize_t slots) except *:
    cdef df_ring ring
    cdef Py_ssize_t stride = place.stride
    if entries < 2 or slots < 1 or stride < 64 or stride % 8:
        raise ValueError(f"ring: needs 2 entries, a slot, a stride of whole words, was {entries}, {slots}, {stride}; use a plan.")
    ring.words = <df_output_words *>data.at("head, end", words, 64)
    ring.index = <df_index_word *>data.at("index", index, 4 * entries)
    ring.slots = data.at("slots", place.slots, stride * slots)
    ring.entries = entries
    ring.nslots = slots
    ring.stride = stride
    return ring


cdef int policy_of(policy) except -1:
    if policy not in POLICIES:
        raise ValueError(f"ring: needs a policy of {sorted(POLICIES)}, was {policy!r}; name one of them.")
    return POLICIES[policy]


@cython.final
cdef class Writer:
    """The one writer of an output. States: without a loan, with a loan, closed. Never blocks.

    Args:
        data: writable buffer of the data segment.
        control: writable buffer of the control segment.
        place: offsets of the output.
        slots: how many there are.
        ends: (edge, policy, depth) of each reader, in order.
        spare: offset of the line of a tap in the control segment, -1: none.
        local: every reader lives in the writer's thread.
    Raises:
        ValueError: a region lies outside its buffer, or there are too few slots or entries for the law that one is always free.
    """

    cdef df_writer writer
    cdef df_end *ends
    cdef Memory data, control

    def __cinit__(self, data, control, place, Py_ssize_t slots, ends, *, Py_ssize_t spare=-1, bint local=False):
        cdef df_end *end
        cdef df_ring ring
        ends = tuple(ends)
        self.data, self.control = Memory(data, True), Memory(control, True)
        ring = ring_of(self.data, place, place.words, place.index, place.entries, slots)
        self.ends = <df_end *>calloc(len(ends) + 1, sizeof(df_end))
        if self.ends is NULL:
            raise MemoryError()
        for i, (edge, policy, depth) in enumerate(ends):
            end = &self.ends[i]
            end.words = <df_reader_words *>self.control.at("reader", edge.line, 64)
            end.policy = policy_of(policy)
            end.depth = depth
            if edge.words >= 0:
                end.own = ring_of(self.data, place, edge.words, edge.index, edge.entries, slots)
            if depth < 1 or (end.policy != DF_LATEST and (end.own if edge.words >= 0 else ring).entries < depth + 1):
                raise ValueError(f"ring: depth {depth} of reader {i} needs an index of {depth + 1} entries; use a plan.")
        cdef uint64_t needed = df_slots_needed(self.ends, len(ends), spare >= 0)
        if slots < <int64_t>needed:
            raise ValueError(f"ring: needs {needed} slots for its readers, had {slots}; use a plan.")
        want = <df_want_words *>self.control.at("want", place.want, 64)
        if df_writer_init(&self.writer, ring, self.ends, len(ends), want, local) < 0:
            raise MemoryError()
        if spare >= 0:
            self.writer.spare = <df_reader_words *>self.control.at("spare reader", spare, 64)

    def __dealloc__(self):
        df_writer_free(&self.writer)
        free(self.ends)

    def room(self):
        """Whether every waiting reader that is still there can take one more record."""
        return df_has_room(&self.writer) != 0

    def full_end(self):
        """Index of the first waiting reader without room, None: there is room."""
        cdef int end = df_full_end(&self.writer)
        return None if end < 0 else end

    def loan(self):
        """The record's bytes of a free slot, writable; None: no slot is free, which cannot be while there is room."""
        if df_loan(&self.writer) is NULL:
            return None
        cdef Py_ssize_t start = df_slot(&self.writer.ring, self.writer.loaned) - <char *>self.data.view.buf
        return self.data.bytes[start + 64 : start + self.writer.ring.stride]

    def unloan(self):
        """Give the loan back unpublished."""
        df_unloan(&self.writer)

    def publish(self, *, publish_ns=0, origin_ns=0, firing=0, kind=0):
        """Publish the loan and return its sequence number, from 1. Ring the readers afterwards.

        Raises:
            ValueError: nothing is on loan, there is no room, or the output is closed.
        """
        if self.writer.loaned < 0 or self.writer.closed or not df_has_room(&self.writer):
            state = "nothing was" if self.writer.loaned < 0 else "it was closed" if self.writer.closed else "it was full"
            raise ValueError(f"ring: publish needs a loan and room, {state}; ask room(), then loan().")
        header = <df_slot_header *>df_slot(&self.writer.ring, self.writer.loaned)
        header.publish_ns, header.origin_ns, header.firing, header.kind = publish_ns, origin_ns, firing, kind
        df_publish(&self.writer)
        return self.writer.head

    def close(self):
        """End of stream behind the last record. Ring the readers afterwards."""
        df_close(&self.writer)

    def all_gone(self):
        """Whether there was a reader and none is left."""
        return df_all_gone(&self.writer) != 0

    def want(self):
        """Ask to be rung when a reader makes room; look at room() once more before sleeping."""
        df_want(&self.writer)

    def dropped(self, Py_ssize_t end):
        """Records that this writer refused (drop_new) or took away (drop_oldest) from reader `end`."""
        if not 0 <= end < self.writer.nends:
            raise IndexError(f"ring: needs a reader below {self.writer.nends}, was {end}; they are numbered as they were given.")
        return self.ends[end].dropped

    @property
    def head(self):
        """Records published."""
        return self.writer.head

    @property
    def loaned(self):
        """Slot on loan, None: none."""
        return None if self.writer.loaned < 0 else self.writer.loaned

    @property
    def free(self):
        """Slots known to be free, without looking again."""
        return self.writer.nfree


@cython.final
cdef class Reader:
    """One reader of an output. States: without a record in hand, with one, gone. Never blocks.

    Args:
        data: buffer of the writer's data segment.
        control: writable buffer of the control segment.
        place: offsets of the output.
        slots: how many there are.
        edge: offsets of the edge.
        policy: "wait", "error", "drop_new", "drop_oldest" or "latest".
        local: lives in the writer's thread.
    Raises:
        ValueError: a region lies outside its buffer.
    """

    cdef df_reader reader
    cdef Memory data, control

    def __cinit__(self, data, control, place, Py_ssize_t slots, edge, policy, *, bint local=False):
        cdef int kind = policy_of(policy)
        cdef df_ring ring
        self.data, self.control = Memory(data, False), Memory(control, True)
        if edge.words >= 0:
            ring = ring_of(self.data, place, edge.words, edge.index, edge.entries, slots)
        else:
            ring = ring_of(self.data, place, place.words, place.index, place.entries, slots)
        line = <df_reader_words *>self.control.at("reader", edge.line, 64)
        want = <df_want_words *>self.control.at("want", place.want, 64)
        df_reader_init(&self.reader, ring, line, want, kind, local)

    def waiting(self):
        """Unread records as far as this reader has looked, at least one if there is one; latest: 0 or 1."""
        return df_waiting(&self.reader)

    def take(self):
        """The bytes of the next (latest: newest) record, now in hand; None: there is none."""
        cdef int32_t slot = df_take(&self.reader)
        if slot < 0:
            return None
        cdef Py_ssize_t start = df_slot(&self.reader.ring, slot) - <char *>self.data.view.buf
        return self.data.bytes[start + 64 : start + self.reader.ring.stride].toreadonly()

    cdef df_slot_header *header(self) except NULL:
        if self.reader.held < 0:
            raise ValueError("ring: needs a record in hand, there was none; take() first.")
        return <df_slot_header *>df_slot(&self.reader.ring, self.reader.held)

    @property
    def seq(self):
        """Sequence number of the record in hand."""
        return self.header().seq

    @property
    def publish_ns(self):
        """When the record in hand was published, on the writer's run clock."""
        return self.header().publish_ns

    @property
    def kind(self):
        """Kind of the record in hand: 0 is a record."""
        return self.header().kind

    @property
    def held(self):
        """Slot in hand, None: none."""
        return None if self.reader.held < 0 else self.reader.held

    def release(self):
        """Let the record in hand go. Returns whether to ring the writer."""
        return df_release(&self.reader) != 0

    def pass_over(self):
        """Let the record in hand, or else the next one, go without counting it. Returns whether to ring the writer."""
        return df_pass(&self.reader) != 0

    def put_back(self):
        """Make the record in hand unread again. Not with drop_oldest.

        Raises:
            ValueError: the policy is drop_oldest.
        """
        if self.reader.policy == DF_DROP_OLDEST:
            raise ValueError("ring: needs a tail that only the reader moves, the policy was drop_oldest; pass_over() instead.")
        df_put_back(&self.reader)

    def keep(self):
        """Lease the record in hand beyond its release. Returns the lease, None: all are taken.

        Raises:
            ValueError: nothing is in hand.
        """
        self.header()
        cdef int which = df_keep(&self.reader)
        return None if which < 0 else which

    def unkeep(self, int which):
        """End a lease. Returns whether to ring the writer.

        Raises:
            ValueError: it is not one that `keep` returns.
        """
        if not 1 <= which < DF_LEASES:
            raise ValueError(f"ring: needs a lease of 1 to {DF_LEASES - 1}, was {which}; pass what keep() returned.")
        return df_unkeep(self.reader.words, self.reader.want, which) != 0

    def ended(self):
        """Whether no record will ever wait here again. One may still be in hand."""
        return df_ended(&self.reader) != 0

    def leave(self):
        """Read no more; kept views stay. Returns whether to ring the writer."""
        return df_leave(&self.reader) != 0

    @property
    def end(self):
        """The last sequence number there will be, None: not known yet."""
        cdef uint64_t end = df_end_word(&self.reader)
        return None if end == DF_OPEN else end

    @property
    def counts(self):
        """(taken, tail, head), read in this order: never falling from left to right; exact at rest."""
        cdef uint64_t taken = df_taken_word(self.reader.words)
        cdef uint64_t tail = df_tail_word(self.reader.words)
        return taken, tail, df_head_word(self.reader.ring.words)

    @property
    def leases(self):
        """Slot of each lease word, None where there is none."""
        cdef list slots = []
        cdef uint32_t lease
        cdef int which
        for which in range(DF_LEASES):
            lease = df_lease_word(self.reader.words, which)
            slots.append(lease - 1 if lease else None)
        return slots
