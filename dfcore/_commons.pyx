# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
"""Blocks of shared memory that any of several processes may allocate, in Python's hands. The laws are in `_commons.h`.

Laws: a process holds a block as long as it has a `Claim` of it; the bytes stay as they are while a claim, or a view of one, lives.
A claim may take its bytes into memory of its own, if nobody looks at them, so that others get the block. Who frees a block rings
those who wait for room, through `bell`. Nothing of Python happens in turn: a finaliser would wait for itself. A copy of a process
made by fork holds nothing before it has joined.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy
from posix.unistd cimport getpid, pid_t, write


cdef extern from "_arena.h":
    const uint32_t DF_ARENA_MOST_LINES
    ctypedef struct df_arena:
        uint32_t lines, blocks
    uint64_t df_arena_largest(const df_arena *arena)

cdef extern from "_commons.h":
    const int DF_COMMONS_PROCESSES
    const size_t DF_COMMONS_HEAD
    ctypedef struct df_commons:
        uint32_t waiting
        uint64_t *pids
        uint64_t *births
        df_arena arena
    uint32_t df_commons_lines_for(uint32_t lines)
    int df_commons_init(df_commons *c, uint32_t lines)
    int df_commons_enter(df_commons *c)
    void df_commons_leave(df_commons *c)
    int df_commons_mend(df_commons *c)
    int df_commons_join(df_commons *c, uint64_t pid, uint64_t birth)
    uint64_t df_commons_lend(df_commons *c, uint64_t size, int process, uint64_t *generation)
    int df_commons_hold(df_commons *c, uint64_t offset, uint64_t generation, int process, int arrived)
    uint32_t df_commons_send(df_commons *c, uint64_t offset, uint64_t generation, int change)
    uint32_t df_commons_let_go(df_commons *c, uint64_t offset, uint64_t generation, int process)
    uint32_t df_commons_bury(df_commons *c, int process)
    int df_commons_alone(df_commons *c, int process)

#: Bytes before the blocks; see also `size_for`.
HEAD = DF_COMMONS_HEAD
#: How many processes may join.
PROCESSES = DF_COMMONS_PROCESSES


def size_for(uint64_t size):
    """The bytes of memory in which one block can have `size` bytes.

    Raises:
        ValueError: more than 128 GiB.
    """
    cdef uint64_t lines = (size + 63) // 64 + 1
    if lines + lines // 256 + 1 > DF_ARENA_MOST_LINES:
        raise ValueError(f"commons: needed 128 GiB or less, was {size} bytes.")
    return DF_COMMONS_HEAD + 64 * df_commons_lines_for(<uint32_t>lines)


cdef char STROKES[64]


@cython.final
@cython.no_gc_clear  # a claim that goes in the same circle still looks at it
cdef class Commons:
    """The memory of a commons as one process maps it. States: mapped; joined.

    Args:
        memory: writable buffer; it stays exported as long as the commons lives.
        bell: descriptor, not blocking, to which one byte is written for each writer that waits when there may be room.
        fresh: whether to begin with one free block; else the memory is taken as it is.
    Attributes:
        alone: whether, when there was no room last, this process held every block in use, no other one did, and none was on its way.
    Raises:
        ValueError: the memory is too small or not aligned.
    """

    cdef Py_buffer view
    cdef df_commons *commons
    cdef int bell, process
    cdef pid_t pid
    cdef readonly bint alone
    cdef dict held  # (offset, generation) of a block -> claims of it here

    def __cinit__(self, memory, int bell, bint fresh):
        self.held = {}
        self.process = -1
        PyObject_GetBuffer(memory, &self.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        if self.view.len < <Py_ssize_t>DF_COMMONS_HEAD + 3 * 64 or <size_t>self.view.buf % 64:
            raise ValueError(f"commons: needed {DF_COMMONS_HEAD + 192} bytes aligned to 64, was {self.view.len}; map a larger file.")
        self.commons = <df_commons *>self.view.buf
        self.bell = bell
        cdef Py_ssize_t lines = (self.view.len - <Py_ssize_t>DF_COMMONS_HEAD) // 64
        if lines > <Py_ssize_t>DF_ARENA_MOST_LINES:
            raise ValueError(f"commons: needed 128 GiB or less, was {self.view.len} bytes.")
        if fresh and df_commons_init(self.commons, <uint32_t>lines):
            raise OSError("commons: needed a robust mutex, the system has none; use a current Linux.")

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

    cdef int enter(self) except -1:
        if not df_commons_enter(self.commons):
            raise ValueError("shared memory: needed to be whole, was left broken by a process that was killed; make a new one.")
        return 0

    cdef void ring(self, uint32_t waiting) noexcept nogil:
        cdef ssize_t written
        while waiting:
            written = write(self.bell, STROKES, 64 if waiting > 64 else waiting)
            if written < 0:
                return  # the pipe is full of strokes: everybody will wake
            waiting -= <uint32_t>written

    def join(self, uint64_t birth):
        """Let this process allocate and hold. False: there are `PROCESSES` already.

        In a copy made by fork: hold what the copies of the claims stand for, but for what was freed meanwhile.

        Args:
            birth: when the process was started, in any unit.
        """
        cdef uint64_t offset, generation
        keys = list(self.held)
        self.enter()
        self.process = df_commons_join(self.commons, getpid(), birth)
        df_commons_leave(self.commons)
        if self.process < 0:
            return False
        self.pid = getpid()
        for key in keys:
            offset, generation = key
            self.enter()
            kept = df_commons_hold(self.commons, offset, generation, self.process, 0)
            df_commons_leave(self.commons)
            if not kept:
                del self.held[key]
        return True

    @property
    def joined(self):
        """`(number, pid, birth)` of the other processes that have joined."""
        cdef uint64_t pids[64]
        cdef uint64_t births[64]
        self.enter()
        memcpy(pids, self.commons.pids, sizeof(pids))
        memcpy(births, self.commons.births, sizeof(births))
        df_commons_leave(self.commons)
        return [(i, pids[i], births[i]) for i in range(DF_COMMONS_PROCESSES) if pids[i] and i != self.process]

    def bury(self, int process):
        """Let go what process number `process` held, which is no more."""
        self.enter()
        cdef uint32_t waiting = df_commons_bury(self.commons, process)
        df_commons_leave(self.commons)
        self.ring(waiting)

    def mend(self):
        """Put the free blocks in order again, as after a death in turn: for tests."""
        self.enter()
        cdef int whole = df_commons_mend(self.commons)
        df_commons_leave(self.commons)
        return whole != 0

    def lend(self, uint64_t size):
        """A new claim of `size` bytes, to be filled. None: there is no room, and the bell will ring once for this caller."""
        cdef Claim claim = Claim.__new__(Claim)
        self.enter()
        claim.offset = df_commons_lend(self.commons, size, self.process, &claim.generation)
        if not claim.offset:
            self.alone = df_commons_alone(self.commons, self.process)
        df_commons_leave(self.commons)
        if not claim.offset:
            return None
        return claim.of(self, size)

    def hold(self, uint64_t offset, uint64_t generation, uint64_t size, bint arrived):
        """A claim of a block that somebody holds or that is on its way. None: nobody does any more.

        Args:
            arrived: whether it was counted as on its way (`Claim.send`).
        """
        cdef Claim claim = Claim.__new__(Claim)
        self.enter()
        cdef int held = df_commons_hold(self.commons, offset, generation, self.process, arrived)
        df_commons_leave(self.commons)
        if not held:
            return None
        claim.offset, claim.generation = offset, generation
        return claim.of(self, size)

    @property
    def largest(self):
        """The most bytes that one block can have."""
        return df_arena_largest(&self.commons.arena)

    @property
    def blocks(self):
        """Blocks in use."""
        return self.commons.arena.blocks


@cython.final
@cython.no_gc_clear
cdef class Claim:
    """A hold of one block; exports its bytes, read-only."""

    cdef Commons owner
    cdef readonly uint64_t offset, generation, size
    cdef tuple key
    cdef char *bytes
    cdef char *own
    cdef int exports

    cdef Claim of(self, Commons owner, uint64_t size):
        self.key = (self.offset, self.generation)
        owner.held[self.key] = owner.held.get(self.key, 0) + 1
        self.owner, self.size = owner, size
        self.bytes = <char *>owner.view.buf + DF_COMMONS_HEAD + self.offset
        return self

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if not (self.own != NULL or self.shared):
            raise ValueError("shared memory: needed a block that this process holds, was freed before the fork was through.")
        PyBuffer_FillInfo(buffer, self, self.bytes, self.size, 1, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *buffer):
        self.exports -= 1

    def __dealloc__(self):
        if self.own != NULL:
            PyMem_RawFree(self.own)
        elif self.owner is not None:
            self.let_go()

    cdef int let_go(self) except -1:
        cdef uint32_t waiting
        count = self.owner.held.get(self.key, 0)
        if count > 1:
            self.owner.held[self.key] = count - 1
        elif count and getpid() == self.owner.pid and df_commons_enter(self.owner.commons):
            waiting = df_commons_let_go(self.owner.commons, self.offset, self.generation, self.owner.process)
            df_commons_leave(self.owner.commons)
            del self.owner.held[self.key]
            self.owner.ring(waiting)

    def fill(self, packed):
        """Let `packed.write` put its bytes here. Before anybody else knows of the claim."""
        start = self.bytes - <char *>self.owner.view.buf
        packed.write(memoryview(<object>self.owner.view.obj).cast("B")[start : start + <Py_ssize_t>self.size])

    def view(self):
        """The bytes, read-only."""
        return memoryview(self)

    def send(self, int change):
        """Count the block as on its way to another process once more (1), or once less (-1)."""
        self.owner.enter()
        cdef uint32_t waiting = df_commons_send(self.owner.commons, self.offset, self.generation, change)
        df_commons_leave(self.owner.commons)
        self.owner.ring(waiting)

    def take_out(self):
        """Take the bytes into memory of this process's own, and let the block go. False: somebody looks at them."""
        if self.exports or not self.shared:
            return False
        cdef char *own = <char *>PyMem_RawMalloc(self.size)
        if own == NULL:
            raise MemoryError
        memcpy(own, self.bytes, self.size)
        self.own = self.bytes = own
        self.let_go()
        return True

    @property
    def shared(self):
        """Whether the bytes lie in the shared block, and this process holds it."""
        return self.own == NULL and self.key in self.owner.held
