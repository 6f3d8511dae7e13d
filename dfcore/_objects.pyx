# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""Objects that leave their process: a Sender packs them into the arena of their output, a Receiver unpacks them.

Laws kept here (RULES 16):
     A block belongs to the slot whose record names it, and is free when that slot can be written again: no word beside those of
     the ring says who still looks at it. Of the newest record, whose slot stays shown, it is free when every reader has passed it.
     Large buffers are copied once, into the block; arrays arrive as read-only views of it.
L10  a view of a block that is kept keeps its slot leased. Where that could starve the writer, because the leases are taken or the
     block is a large part of the arena, the receiver hands out a copy of its own instead: nobody is told to keep less.
L9   does not hold: pickling allocates.
     Where one process runs all contexts, a Sender that is told to hand out copies packs each object into memory of its own, which
     lies beside the objects of the slots: all the rest, errors included, is as between processes, but memory never runs out.
They know nothing of nodes, edges, policies and time, and never wait: a Sender says whether there is memory.
"""

cimport cython

from cpython.buffer cimport PyBUF_WRITE
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t, uint32_t, uint64_t

from .pickles import Packed, unpack
from .pipe import Travelling
from .plan import KEEP

from dfcore._arena cimport df_arena_allocate, df_arena_free, df_arena_init, df_arena_largest
from dfcore._record cimport Slot, new_slot, private_slot
from dfcore._ring cimport df_free_slot, df_newest_passed, df_newest_slot, df_refresh, df_slot_header, df_writer

cdef enum:
    LINE = 64


@cython.final
cdef class Sender:
    """The arena of one output. States: nothing on its way; an object packed, without a block; an object with a block.

    Args:
        memory: buffer of the writer's data segment, which the arena lies in.
        slots: how many the output has.
        where: the output, as messages name it.
    """

    def __cinit__(self, memory, uint32_t slots, str where):
        self.memory, self.where = memory, where
        self.blocks = <uint64_t *>PyMem_Calloc(slots, sizeof(uint64_t))
        if self.blocks == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.blocks)

    cdef int pack(self, object value, dict meta) except -1:
        """Have `value` on its way, with its metadata if it has any.

        Raises what its parts raise when they are pickled; ValueError: it is larger than the arena.
        """
        self.drop()
        if isinstance(value, BaseException):
            value = Travelling(value)
        try:
            packed = Packed(value if meta is None else (value, meta))
        except BaseException as error:
            error.add_note("while an object was pickled for another process")
            raise
        self.size = packed.size
        if self.size > df_arena_largest(&self.arena):
            raise ValueError(f"{self.where}: needed an object of at most {df_arena_largest(&self.arena)} bytes, which its arena can hold, "
                             f"was {self.size}; give its node a larger arena_bytes")
        self.packed = packed
        return 0

    cdef bint reserve(self) noexcept:
        """There is a block for the object on its way; it stays reserved."""
        if self.copies is not None:
            return True
        if not self.block:
            if self.writer.loaned >= 0:
                self._vacate(self.writer.loaned)  # the block most recently freed: its bytes are in the cache
            self.block = df_arena_allocate(&self.arena, self.size)
        if not self.block:
            self._free_unreachable()
            self.block = df_arena_allocate(&self.arena, self.size)
        return self.block != 0

    cdef void _vacate(self, uint32_t slot) noexcept:
        if self.blocks[slot]:
            df_arena_free(&self.arena, self.blocks[slot])
            self.blocks[slot] = 0

    cdef void _free_unreachable(self) noexcept:
        """Free the blocks of all records that nobody will look at any more."""
        cdef uint32_t i
        cdef int64_t newest
        df_refresh(self.writer)
        for i in range(self.writer.nfree):
            self._vacate(df_free_slot(self.writer, i))
        for i in range(self.writer.nends + 1):
            newest = df_newest_slot(self.writer, i)
            if newest >= 0 and df_newest_passed(self.writer, newest):
                self._vacate(newest)

    cdef int write(self, df_slot_header *header) except -1:
        """Copy the object on its way into its block, and name that in the record on loan, of which `header` is the header."""
        cdef Descriptor *record = <Descriptor *>(<char *>header + LINE)
        cdef Slot memory
        record.size = self.size
        if self.copies is not None:
            memory = private_slot(self.size)
            self.packed.write(PyMemoryView_FromMemory(memory.data, self.size, PyBUF_WRITE))
            record.offset, self.packed = <uint64_t>memory.data, None
            self.copies[2 * self.writer.ring.nslots + self.writer.loaned] = memory
            return 0
        self.packed.write(PyMemoryView_FromMemory(self.arena.base + self.block, self.size, PyBUF_WRITE))
        record.offset = self.block
        self.blocks[self.writer.loaned], self.block, self.packed = self.block, 0, None
        return 0

    cdef void drop(self) noexcept:
        """Nothing is on its way any more."""
        if self.block:
            df_arena_free(&self.arena, self.block)
        self.block, self.packed = 0, None


@cython.final
cdef class Receiver:
    """One reader of the arena of an output in another process. States: nothing in hand; a record in hand.

    Args:
        memory: keeps what it reads alive: the segments, and the list of copies if there is one.
        arena_bytes, readers: of the output, and how many read it elsewhere.
    """

    def __cinit__(self, memory, uint64_t arena_bytes, int readers):
        self.memory = memory
        self.largest = arena_bytes // (KEEP * readers + 2)  # each may keep as many, and the writer still has two

    cdef object receive(self, df_slot_header *header, bint own):
        """The object that a record names. Its arrays are views of the block, of a copy if `own` or if the block is large.

        Raises what its parts raise when they are loaded.
        """
        cdef Descriptor *record = <Descriptor *>(<char *>header + LINE)
        if own or record.size > self.largest:
            return self.load(self.copy(header), header.carries)
        self.lent = new_slot(self.base + record.offset, record.size, True, self.memory)
        return self.load(self.lent, header.carries)

    cdef bytes copy(self, df_slot_header *header):
        """What the block of a record holds, to be loaded later."""
        cdef Descriptor *record = <Descriptor *>(<char *>header + LINE)
        return PyBytes_FromStringAndSize(self.base + record.offset, record.size)

    cdef object load(self, object memory, bint carries):
        """The object that `memory` holds, and its metadata in `meta`."""
        try:
            value = unpack(memory)
        except BaseException as error:
            error.add_note("while an object from another process was loaded")
            raise
        self.meta = None
        if carries:
            value, self.meta = value
        return value
