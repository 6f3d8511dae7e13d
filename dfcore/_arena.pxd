# cython: language_level=3
"""Blocks of shared memory. See `_arena.pyx` and `_arena.h`."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "_ring.h":
    ctypedef uint32_t df_holders
    int df_hold(df_holders *holders)
    int df_give_back(df_holders *holders)
    uint32_t df_held(df_holders *holders)

cdef extern from "_arena.h":
    const uint32_t DF_ARENA_MOST_LINES
    const uint32_t DF_BLOCK_FREE
    const uint32_t DF_BLOCK_USED
    const uint32_t DF_BLOCK_LENT
    ctypedef struct df_block:
        df_holders holders
        uint32_t state, lines
    ctypedef struct df_arena:
        char *base
        uint32_t lines, blocks
        uint64_t used_lines
    uint64_t df_bytes_of(uint32_t line)
    uint32_t df_line_of(uint64_t offset)
    df_block *df_block_at(const df_arena *arena, uint32_t line)
    uint64_t df_arena_largest(const df_arena *arena)
    void df_arena_init(df_arena *arena, char *base, uint32_t lines)
    uint64_t df_arena_allocate(df_arena *arena, uint64_t size)
    void df_arena_free(df_arena *arena, uint64_t offset)
    void df_arena_lend(df_arena *arena, uint64_t offset)
    uint32_t df_arena_collect(df_arena *arena, uint32_t most)
    uint32_t df_arena_collect_all(df_arena *arena)


cdef enum:
    LINE = 64


@cython.final
cdef class Range:
    cdef Py_buffer view
    cdef char *base
    cdef uint64_t size

    cdef df_block *block(self, uint64_t offset) except NULL


@cython.final
cdef class Arena:
    cdef readonly Range range
    cdef df_arena arena

    cdef int check(self, uint64_t offset) except -1
