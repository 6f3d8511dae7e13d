/* Commons: an arena in shared memory from which several processes allocate, and who of them holds which block.
 *
 * Laws kept here:
 *   Every look and every change is made in turn, under a robust mutex: if a process dies in its turn the next one mends what it
 *   left, from the chain of blocks, so nobody waits for the dead.
 *   A block is held by processes and by what is on its way between two of them, and is free when nobody holds it.
 *   A block is known by its offset and its generation, a number that no other block of this memory has. One that was freed is not
 *   found any more, whatever lies there now: a bit for each line, out of reach of who writes into blocks, says where blocks in use
 *   begin. Generations begin anywhere, so one of another memory is not found either.
 *   What a dead process held is let go by `df_commons_bury`, whoever calls it.
 *
 * What it refuses to know: what lies in a block, how a process is told that there is room, Python.
 */
#ifndef DF_COMMONS_H
#define DF_COMMONS_H

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "_arena.h"

#define DF_COMMONS_PROCESSES 64
#define DF_COMMONS_BROKEN UINT64_MAX

typedef struct { /* at the start of the memory; the arena's lines follow, then the bits that say where blocks begin */
    pthread_mutex_t turn;
    uint32_t waiting; /* writers that were told that there is no room */
    uint32_t broken;
    uint64_t generations;
    uint64_t pids[DF_COMMONS_PROCESSES];   /* 0: nobody */
    uint64_t births[DF_COMMONS_PROCESSES]; /* what tells a process from a later one with its number */
    df_arena arena;
} df_commons;

#define DF_COMMONS_HEAD ((sizeof(df_commons) + DF_ARENA_LINE - 1) / DF_ARENA_LINE * DF_ARENA_LINE)

/* What is noted about a block in use: words of `df_block.note`. */
enum { DF_BEGINS = DF_ARENA_LINE * 8 }; /* lines that one line of bits is for */

enum { DF_NOTE_GENERATION, DF_NOTE_LENGTH, DF_NOTE_PROCESSES, DF_NOTE_UNDER_WAY };

/* How many of so many lines are left for blocks. */
static inline uint32_t df_commons_blocks_of(uint32_t lines) { return lines - lines / (DF_BEGINS + 1) - (lines % (DF_BEGINS + 1) != 0); }

/* How many lines are needed for blocks of so many. */
static inline uint32_t df_commons_lines_for(uint32_t lines) { return lines + lines / DF_BEGINS + (lines % DF_BEGINS != 0); }

/* The bits that say where blocks in use begin, one for each line. */
static inline uint64_t *df_commons_begins(df_commons *c) {
    return (uint64_t *)((char *)c + DF_COMMONS_HEAD + (uint64_t)c->arena.lines * DF_ARENA_LINE);
}
static inline void df_commons_begin(df_commons *c, uint32_t line) { df_commons_begins(c)[line / 64] |= UINT64_C(1) << line % 64; }

static inline int df_commons_init(df_commons *c, uint32_t lines) {
    pthread_mutexattr_t attributes;
    memset(c, 0, sizeof *c);
    int error = pthread_mutexattr_init(&attributes);
    if (!error) error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (!error) error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (!error) error = pthread_mutex_init(&c->turn, &attributes);
    pthread_mutexattr_destroy(&attributes);
    if (!error && getrandom(&c->generations, sizeof c->generations, 0) != sizeof c->generations) error = EIO;
    df_arena_init(&c->arena, (char *)c + DF_COMMONS_HEAD, df_commons_blocks_of(lines));
    memset(df_commons_begins(c), 0, (uint64_t)(lines - c->arena.lines) * DF_ARENA_LINE);
    return error;
}

static inline int df_commons_in_use(df_block *block) {
    return block->note[DF_NOTE_PROCESSES] != 0 || block->note[DF_NOTE_UNDER_WAY] != 0;
}

/* Put the arena in order again from its chain of blocks. 0: the chain itself is broken. */
static inline int df_commons_mend(df_commons *c) {
    df_arena *a = &c->arena;
    uint32_t line = 0, behind = 0, lines = a->lines, last_free = DF_NO_BLOCK;
    memset(df_commons_begins(c), 0, (lines + DF_BEGINS - 1) / DF_BEGINS * (uint64_t)DF_ARENA_LINE);
    memset(a->columns, 0, sizeof a->columns);
    memset(a->free, 0xFF, sizeof a->free);
    a->rows = a->blocks = 0;
    a->used_lines = 0;
    while (line < lines) {
        df_block *block = df_block_at(a, line);
        uint32_t size = block->lines;
        if (!size || size > lines - line) return 0;
        if (block->state != DF_BLOCK_FREE && df_commons_in_use(block)) {
            block->behind = behind;
            df_commons_begin(c, line);
            a->blocks++;
            a->used_lines += size;
            behind = size;
            last_free = DF_NO_BLOCK;
        } else if (last_free != DF_NO_BLOCK) {
            behind = df_block_at(a, last_free)->lines += size;
        } else {
            block->state = DF_BLOCK_FREE;
            block->behind = behind;
            memset(block->note, 0, sizeof block->note);
            behind = size;
            last_free = line;
        }
        line += size;
    }
    for (line = 0; line < lines; line += df_block_at(a, line)->lines)
        if (df_block_at(a, line)->state == DF_BLOCK_FREE) df_arena_insert(a, line);
    return 1;
}

/* Every call between these two. 0: the memory is broken for good. */
static inline int df_commons_enter(df_commons *c) {
    int error = pthread_mutex_lock(&c->turn);
    c->arena.base = (char *)c + DF_COMMONS_HEAD; /* where this process maps it */
    if (error == EOWNERDEAD) {
        if (!df_commons_mend(c)) c->broken = 1;
        pthread_mutex_consistent(&c->turn);
    }
    if (!c->broken) return 1;
    pthread_mutex_unlock(&c->turn);
    return 0;
}
static inline void df_commons_leave(df_commons *c) { pthread_mutex_unlock(&c->turn); }

/* In turn ------------------------------------------------------------------------------------------------------------------- */

/* The number of a process that joins; -1: there are too many. */
static inline int df_commons_join(df_commons *c, uint64_t pid, uint64_t birth) {
    for (int i = 0; i < DF_COMMONS_PROCESSES; i++)
        if (!c->pids[i]) {
            c->pids[i] = pid;
            c->births[i] = birth;
            return i;
        }
    return -1;
}

/* How many writers are to be told that there may be room. They are told once. */
static inline uint32_t df_commons_free(df_commons *c, df_block *block, uint64_t offset) {
    uint32_t waiting = c->waiting, line = df_line_of(offset);
    df_commons_begins(c)[line / 64] &= ~(UINT64_C(1) << line % 64);
    memset(block->note, 0, sizeof block->note);
    df_arena_free(&c->arena, offset);
    c->waiting = 0;
    return waiting;
}

/* A block for `process`, and its generation; 0: there is no room, and the caller counts as waiting. */
static inline uint64_t df_commons_lend(df_commons *c, uint64_t size, int process, uint64_t *generation) {
    uint64_t offset = df_arena_allocate(&c->arena, size);
    if (!offset) {
        c->waiting++;
        return 0;
    }
    uint64_t *note = df_block_at(&c->arena, df_line_of(offset))->note;
    note[DF_NOTE_GENERATION] = *generation = ++c->generations;
    note[DF_NOTE_LENGTH] = size;
    note[DF_NOTE_UNDER_WAY] = 0;
    note[DF_NOTE_PROCESSES] = UINT64_C(1) << process;
    df_commons_begin(c, df_line_of(offset));
    return offset;
}

/* The block at `offset` if it still is the one of that generation. */
static inline df_block *df_commons_find(df_commons *c, uint64_t offset, uint64_t generation) {
    if (offset % DF_ARENA_LINE || !offset || offset >= (uint64_t)c->arena.lines * DF_ARENA_LINE) return NULL;
    uint32_t line = df_line_of(offset);
    if (!(df_commons_begins(c)[line / 64] >> line % 64 & 1)) return NULL;
    df_block *block = df_block_at(&c->arena, line);
    return block->note[DF_NOTE_GENERATION] == generation && df_commons_in_use(block) ? block : NULL;
}

/* Let `process` hold a block; `arrived`: it was on its way to it. 0: the block is gone. */
static inline int df_commons_hold(df_commons *c, uint64_t offset, uint64_t generation, int process, int arrived) {
    df_block *block = df_commons_find(c, offset, generation);
    if (!block) return 0;
    block->note[DF_NOTE_PROCESSES] |= UINT64_C(1) << process;
    if (arrived && block->note[DF_NOTE_UNDER_WAY]) block->note[DF_NOTE_UNDER_WAY]--;
    return 1;
}

/* Let a block be on its way once more (1) or once less (-1). Returns as df_commons_free. */
static inline uint32_t df_commons_send(df_commons *c, uint64_t offset, uint64_t generation, int change) {
    df_block *block = df_commons_find(c, offset, generation);
    if (!block || (change < 0 && !block->note[DF_NOTE_UNDER_WAY])) return 0;
    block->note[DF_NOTE_UNDER_WAY] += change;
    return df_commons_in_use(block) ? 0 : df_commons_free(c, block, offset);
}

static inline uint32_t df_commons_let_go(df_commons *c, uint64_t offset, uint64_t generation, int process) {
    df_block *block = df_commons_find(c, offset, generation);
    if (!block) return 0;
    block->note[DF_NOTE_PROCESSES] &= ~(UINT64_C(1) << process);
    return df_commons_in_use(block) ? 0 : df_commons_free(c, block, offset);
}

/* Whether `process` holds every block in use, no other one does, and none is on its way. */
static inline int df_commons_alone(df_commons *c, int process) {
    for (uint32_t line = 0; line < c->arena.lines; line += df_block_at(&c->arena, line)->lines) {
        df_block *block = df_block_at(&c->arena, line);
        if (block->state == DF_BLOCK_FREE || !df_commons_in_use(block)) continue;
        if (block->note[DF_NOTE_PROCESSES] != UINT64_C(1) << process || block->note[DF_NOTE_UNDER_WAY]) return 0;
    }
    return 1;
}

/* Let go what a process held that is no more. */
static inline uint32_t df_commons_bury(df_commons *c, int process) {
    uint32_t waiting = 0, line = 0;
    c->pids[process] = 0;
    while (line < c->arena.lines) {
        df_block *block = df_block_at(&c->arena, line);
        uint32_t size = block->lines;
        if (block->note[DF_NOTE_PROCESSES] >> process & 1 && block->state != DF_BLOCK_FREE) {
            uint64_t offset = df_bytes_of(line);
            waiting += df_commons_let_go(c, offset, block->note[DF_NOTE_GENERATION], process);
            line = 0; /* neighbours may have become one */
            continue;
        }
        line += size;
    }
    return waiting;
}

#endif
