# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
"""Blocks of a stretch of shared memory, in Python's hands. The allocator and its laws are in `_arena.h`.

Laws: one side allocates, the `Arena`; it may free a block itself, or lend it. A lent block has holders: whoever holds it, in any
process that maps the memory, may read and write its bytes, let another hold it too (`hold`), and gives it back once
(`give_back`). The allocating side frees it when nobody holds it any more, at the next look. No lock, nothing waits.
What it refuses to know: what lies in a block, who waits for one, how others hear of it.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t, uint64_t

#: Blocks begin at multiples of this, and their sizes are multiples of it, one more for what is noted about a block.
GRAIN = LINE

#: How many held blocks `Arena.lend` passes over to find one that was given back.
cdef enum:
    PASSED_OVER = 4


@cython.final
cdef class Range:
    """The memory of an arena as one process maps it.

    Args:
        memory: writable buffer; it stays exported as long as the range lives.
        offset: where the arena begins, a multiple of 64 from an address that is one.
        size: its bytes; None: to the end of the buffer. What is left beyond whole lines of 64 is not used.
    Raises:
        ValueError: the arena does not lie in the buffer, is not aligned, or has less than two lines or more than 128 GiB.
    """

    def __cinit__(self, memory, Py_ssize_t offset=0, size=None):
        PyObject_GetBuffer(memory, &self.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        cdef Py_ssize_t length = self.view.len - offset if size is None else size
        if offset < 0 or length < 0 or offset + length > self.view.len:
            raise ValueError(f"arena: needed {length} bytes at {offset}, the memory has {self.view.len}; choose a place inside.")
        if length < 2 * LINE or length > <Py_ssize_t>DF_ARENA_MOST_LINES * LINE:
            raise ValueError(f"arena: needed 128 bytes to 128 GiB, was {length}; choose another size.")
        self.base = <char *>self.view.buf + offset
        if <size_t>self.base % LINE:
            raise ValueError(f"arena: needed memory aligned to {LINE} bytes, offset was {offset}; choose a multiple in a mapping.")
        self.size = length - length % LINE

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

    cdef df_block *block(self, uint64_t offset) except NULL:
        if offset % LINE or not 0 < offset < self.size:
            raise ValueError(f"arena: needed the offset of a block, was {offset}; pass what allocate() returned.")
        return <df_block *>(self.base + offset - LINE)

    def bytes_of(self, uint64_t offset):
        """The bytes of the block at `offset`, writable: its size rounded up to lines. Valid while somebody holds the block."""
        cdef uint64_t length = (<uint64_t>self.block(offset).lines - 1) * LINE
        if length > self.size - offset:
            raise ValueError(f"arena: needed the offset of a block, was {offset}; pass what allocate() returned.")
        start = self.base - <char *>self.view.buf + offset
        return memoryview(self.view.obj).cast("B")[start : start + length]

    def hold(self, uint64_t offset):
        """Let one more hold the lent block at `offset`.

        Raises:
            ValueError: nobody held it, so it may be another block by now.
        """
        if not df_hold(&self.block(offset).holders):
            raise ValueError(f"arena: needed a block that somebody holds, was free at {offset}; hold it before giving it back.")

    def give_back(self, uint64_t offset):
        """One holder fewer of the lent block at `offset`.

        Raises:
            ValueError: nobody held it.
        """
        if not df_give_back(&self.block(offset).holders):
            raise ValueError(f"arena: needed a block that somebody holds, was free at {offset}; give each hold back once.")

    def holders(self, uint64_t offset):
        """How many hold the block at `offset`."""
        return df_held(&self.block(offset).holders)


@cython.final
cdef class Arena:
    """The allocating side of an arena; one at a time, and one thread at a time.

    Args:
        memory, offset, size: as for `Range`; the memory is taken over as it is, whatever lies in it.
    Attributes:
        range: the same memory, for `bytes_of`, `hold` and `give_back`.
    Raises:
        ValueError: as for `Range`.
    """

    def __cinit__(self, memory, Py_ssize_t offset=0, size=None):
        self.range = Range(memory, offset, size)
        df_arena_init(&self.arena, self.range.base, <uint32_t>(self.range.size // LINE))

    cdef int check(self, uint64_t offset) except -1:
        if self.range.block(offset).state == DF_BLOCK_FREE:
            raise ValueError(f"arena: needed a block in use, was free at {offset}; free each block once.")
        return 0

    def allocate(self, uint64_t size):
        """The offset of a block of at least `size` bytes, aligned to 64; None: no free block is large enough."""
        cdef uint64_t offset = df_arena_allocate(&self.arena, size)
        return offset or None

    def free(self, uint64_t offset):
        """Give the block at `offset` back, whoever holds it.

        Raises:
            ValueError: it is free already.
        """
        self.check(offset)
        df_arena_free(&self.arena, offset)

    def lend(self, uint64_t size):
        """The offset of a block of at least `size` bytes with one holder; None: none is free, nor was one given back.

        What was given back is collected on the way: each call passes over a few that are held, so that what is used stays
        within about a third more than what is held; all if memory is short.
        """
        df_arena_collect(&self.arena, PASSED_OVER)
        cdef uint64_t offset = df_arena_allocate(&self.arena, size)
        if not offset and df_arena_collect_all(&self.arena):
            offset = df_arena_allocate(&self.arena, size)
        if offset:
            df_arena_lend(&self.arena, offset)
        return offset or None

    def collect(self):
        """Free every lent block that nobody holds any more. Returns how many."""
        return df_arena_collect_all(&self.arena)

    @property
    def largest(self):
        """The most bytes that one block can have."""
        return df_arena_largest(&self.arena)

    @property
    def blocks(self):
        """Blocks in use, those included that were given back and not yet collected."""
        return self.arena.blocks

    @property
    def used(self):
        """Bytes of blocks in use, with what is noted about them."""
        return self.arena.used_lines * LINE

    def sizes(self):
        """(offset, bytes, in use) of every block, in order of memory: for tests and onlookers."""
        found = []
        cdef uint32_t line = 0
        cdef df_block *block
        while line < self.arena.lines:
            block = df_block_at(&self.arena, line)
            found.append((df_bytes_of(line), (<uint64_t>block.lines - 1) * LINE, block.state != DF_BLOCK_FREE))
            line += block.lines
        return found
