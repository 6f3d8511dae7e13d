/* The arena: blocks of any size out of one stretch of memory, handed out by one side, given back in any order.
 *
 * Laws kept here:
 *   Blocks never overlap; the bytes of each begin at a line of 64. Neighbours that are free are one block: when everything is
 *   free there is one. An allocation fails only if no free block is large enough.
 *   Only the allocating side writes what this file reads, except the word `holders` of a block, by which other processes give it
 *   back (`_ring.h`); the allocating side collects such blocks when it next looks.
 *   Constant time, but for an allocation that fails and for collecting, which look at blocks one by one. `df_arena_collect` passes
 *   over a few held blocks at a time and goes on there the next time, so blocks that stay held do not hide others, and each block
 *   is collected once.
 *
 * What it refuses to know: who waits for memory, what lies in a block, processes.
 *
 * Source: the two-level segregated fit of Masmano, Ripoll, Crespo and Real 2004, with sizes in lines and links as line numbers,
 * so that the same arena may be mapped anywhere.
 */
#ifndef DF_ARENA_H
#define DF_ARENA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_ring.h"

#define DF_ARENA_LINE 64
#define DF_NO_BLOCK UINT32_MAX
#define DF_ARENA_MOST_LINES (UINT32_C(1) << 31) /* 128 GiB */

enum { DF_ARENA_ROWS = 29, DF_ARENA_COLUMNS = 16, DF_ARENA_COLUMN_BITS = 4 };
enum { DF_BLOCK_FREE, DF_BLOCK_USED, DF_BLOCK_LENT };

typedef struct { /* one line before the bytes of each block; links lead to blocks of the same state */
    df_holders holders;
    uint32_t state;
    uint32_t lines;  /* of the block, this one included */
    uint32_t behind; /* lines of the block that lies before it; 0: it is the first */
    uint32_t older, newer;
    uint64_t note[5]; /* for whoever allocates; zero where nothing was noted */
} df_block;

_Static_assert(sizeof(df_block) == DF_ARENA_LINE, "the bytes of a block begin at a line");

/* The allocating side's sight: free blocks by size, lent ones by age. */
typedef struct {
    char *base;
    uint32_t lines;
    uint32_t rows;
    uint16_t columns[DF_ARENA_ROWS];
    uint32_t free[DF_ARENA_ROWS][DF_ARENA_COLUMNS];
    uint32_t oldest, newest;
    uint32_t next_look;  /* of the lent blocks; DF_NO_BLOCK: the oldest */
    uint32_t blocks;     /* in use, lent ones included */
    uint64_t used_lines; /* of these */
} df_arena;

static inline df_block *df_block_at(const df_arena *a, uint32_t line) { return (df_block *)(a->base + (uint64_t)line * DF_ARENA_LINE); }

/* The bytes of a block as an offset from the start of the arena, and back. */
static inline uint64_t df_bytes_of(uint32_t line) { return ((uint64_t)line + 1) * DF_ARENA_LINE; }
static inline uint32_t df_line_of(uint64_t offset) { return (uint32_t)(offset / DF_ARENA_LINE - 1); }

/* The most bytes that one block can have. */
static inline uint64_t df_arena_largest(const df_arena *a) { return ((uint64_t)a->lines - 1) * DF_ARENA_LINE; }

/* Free blocks by size ------------------------------------------------------------------------------------------------------- */

/* Row 0 has one column per size; each further row covers twice the sizes of the one before, in 16 columns. */
static inline void df_arena_class(uint32_t lines, int *row, int *column) {
    if (lines < DF_ARENA_COLUMNS) {
        *row = 0;
        *column = (int)lines;
        return;
    }
    int power = 31 - __builtin_clz(lines);
    *row = power - DF_ARENA_COLUMN_BITS + 1;
    *column = (int)(lines >> (power - DF_ARENA_COLUMN_BITS)) & (DF_ARENA_COLUMNS - 1);
}

static inline void df_arena_insert(df_arena *a, uint32_t line) {
    int row, column;
    df_block *block = df_block_at(a, line);
    df_arena_class(block->lines, &row, &column);
    uint32_t next = a->free[row][column];
    block->state = DF_BLOCK_FREE;
    block->older = next;
    block->newer = DF_NO_BLOCK;
    if (next != DF_NO_BLOCK) df_block_at(a, next)->newer = line;
    a->free[row][column] = line;
    a->columns[row] |= (uint16_t)(1u << column);
    a->rows |= 1u << row;
}

static inline void df_arena_remove(df_arena *a, uint32_t line) {
    df_block *block = df_block_at(a, line);
    if (block->older != DF_NO_BLOCK) df_block_at(a, block->older)->newer = block->newer;
    if (block->newer != DF_NO_BLOCK) {
        df_block_at(a, block->newer)->older = block->older;
        return;
    }
    int row, column;
    df_arena_class(block->lines, &row, &column);
    a->free[row][column] = block->older;
    if (block->older != DF_NO_BLOCK) return;
    a->columns[row] &= (uint16_t)~(1u << column);
    if (!a->columns[row]) a->rows &= ~(1u << row);
}

/* The first free block of a class in which every block has at least `lines`. */
static inline uint32_t df_arena_good_fit(const df_arena *a, uint32_t lines) {
    int row, column;
    uint32_t wanted = lines;
    if (lines >= DF_ARENA_COLUMNS) wanted += (1u << (31 - __builtin_clz(lines) - DF_ARENA_COLUMN_BITS)) - 1;
    df_arena_class(wanted, &row, &column);
    uint32_t columns = a->columns[row] & (uint32_t)(0xFFFFFFFFu << column);
    if (!columns) {
        uint32_t rows = a->rows & (0xFFFFFFFFu << (row + 1));
        if (!rows) return DF_NO_BLOCK;
        row = __builtin_ctz(rows);
        columns = a->columns[row];
    }
    return a->free[row][__builtin_ctz(columns)];
}

/* What the classes round away: a block of the same class as `lines` may still do. */
static inline uint32_t df_arena_exact_fit(const df_arena *a, uint32_t lines) {
    int row, column;
    df_arena_class(lines, &row, &column);
    uint32_t line = a->free[row][column];
    while (line != DF_NO_BLOCK && df_block_at(a, line)->lines < lines) line = df_block_at(a, line)->older;
    return line;
}

/* Blocks in use -------------------------------------------------------------------------------------------------------------- */

/* Begin with one free block. `base` is aligned to a line; `lines` at least 2. Nobody uses the memory yet, or any more. */
static inline void df_arena_init(df_arena *a, char *base, uint32_t lines) {
    memset(a, 0, sizeof *a);
    memset(a->free, 0xFF, sizeof a->free);
    a->base = base;
    a->lines = lines;
    a->oldest = a->newest = a->next_look = DF_NO_BLOCK;
    memset(base, 0, sizeof(df_block));
    df_block_at(a, 0)->lines = lines;
    df_arena_insert(a, 0);
}

static inline void df_arena_tell_next(df_arena *a, uint32_t line) {
    df_block *block = df_block_at(a, line);
    if (line + block->lines < a->lines) df_block_at(a, line + block->lines)->behind = block->lines;
}

static inline void df_arena_split(df_arena *a, uint32_t line, uint32_t lines) {
    df_block *block = df_block_at(a, line);
    if (block->lines < lines + 2) return;
    df_block *rest = df_block_at(a, line + lines);
    memset(rest, 0, sizeof *rest);
    rest->lines = block->lines - lines;
    rest->behind = lines;
    block->lines = lines;
    df_arena_tell_next(a, line + lines);
    df_arena_insert(a, line + lines);
}

/* A block of at least `size` bytes, as the offset of its bytes; 0: no free block is large enough. */
static inline uint64_t df_arena_allocate(df_arena *a, uint64_t size) {
    if (size > df_arena_largest(a)) return 0;
    uint32_t lines = 1 + (uint32_t)((size ? size + DF_ARENA_LINE - 1 : DF_ARENA_LINE) / DF_ARENA_LINE);
    uint32_t line = df_arena_good_fit(a, lines);
    if (line == DF_NO_BLOCK) line = df_arena_exact_fit(a, lines);
    if (line == DF_NO_BLOCK) return 0;
    df_arena_remove(a, line);
    df_arena_split(a, line, lines);
    df_block_at(a, line)->state = DF_BLOCK_USED;
    a->blocks++;
    a->used_lines += df_block_at(a, line)->lines;
    return df_bytes_of(line);
}

static inline void df_arena_unlend(df_arena *a, uint32_t line) {
    df_block *block = df_block_at(a, line);
    if (a->next_look == line) a->next_look = block->newer;
    if (block->older != DF_NO_BLOCK) df_block_at(a, block->older)->newer = block->newer;
    else a->oldest = block->newer;
    if (block->newer != DF_NO_BLOCK) df_block_at(a, block->newer)->older = block->older;
    else a->newest = block->older;
}

/* Give a block back, whoever else still holds it. `offset` is what df_arena_allocate returned. */
static inline void df_arena_free(df_arena *a, uint64_t offset) {
    uint32_t line = df_line_of(offset);
    df_block *block = df_block_at(a, line);
    if (block->state == DF_BLOCK_LENT) df_arena_unlend(a, line);
    a->blocks--;
    a->used_lines -= block->lines;
    uint32_t next = line + block->lines;
    if (next < a->lines && df_block_at(a, next)->state == DF_BLOCK_FREE) {
        df_arena_remove(a, next);
        block->lines += df_block_at(a, next)->lines;
    }
    if (block->behind && df_block_at(a, line - block->behind)->state == DF_BLOCK_FREE) {
        line -= block->behind;
        df_arena_remove(a, line);
        df_block_at(a, line)->lines += block->lines;
    }
    df_arena_tell_next(a, line);
    df_arena_insert(a, line);
}

/* Let one holder have a block in use, in this process or another: it, or whom it hands the block to, gives it back. */
static inline void df_arena_lend(df_arena *a, uint64_t offset) {
    uint32_t line = df_line_of(offset);
    df_block *block = df_block_at(a, line);
    block->state = DF_BLOCK_LENT;
    block->older = a->newest;
    block->newer = DF_NO_BLOCK;
    if (a->newest != DF_NO_BLOCK) df_block_at(a, a->newest)->newer = line;
    else a->oldest = line;
    a->newest = line;
    df_first_holder(&block->holders);
}

/* Free lent blocks that nobody holds any more, from where the last look ended until `most` that are held were passed over.
 * Returns how many. */
static inline uint32_t df_arena_collect(df_arena *a, uint32_t most) {
    uint32_t count = 0;
    if (a->next_look == DF_NO_BLOCK) a->next_look = a->oldest;
    while (a->next_look != DF_NO_BLOCK) {
        df_block *block = df_block_at(a, a->next_look);
        if (!df_held(&block->holders)) {
            df_arena_free(a, df_bytes_of(a->next_look)); /* moves on */
            count++;
        } else if (most--) {
            a->next_look = block->newer;
        } else {
            break;
        }
    }
    return count;
}

/* All of them. */
static inline uint32_t df_arena_collect_all(df_arena *a) {
    a->next_look = a->oldest;
    return df_arena_collect(a, UINT32_MAX);
}

#endif
