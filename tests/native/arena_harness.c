/* One lender and four holders in threads, over the very headers that the package compiles: for the thread sanitizer.
 * Usage: arena_harness BLOCKS. Ends with 0 when every law held.
 *
 * The lender fills each block with its number and puts it into two mailboxes; who finds it there looks at every word of it and
 * gives it back. A block that is used again too early shows as a torn one, one that is never free as an arena that stays full. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "_arena.h"

enum { HOLDERS = 4, LINES = 200, MOST_WORDS = 150 };

typedef struct {
    _Alignas(64) _Atomic uint64_t offset; /* 0: empty; 1: the end */
    uint64_t number, words;
} mailbox;

static _Alignas(64) char memory[LINES * DF_ARENA_LINE];
static mailbox boxes[HOLDERS];
static df_arena arena;

static void fail(const char *law, uint64_t a, uint64_t b) {
    fprintf(stderr, "%s: %lu, %lu\n", law, (unsigned long)a, (unsigned long)b);
    _exit(1);
}

static void *hold(void *argument) {
    mailbox *box = argument;
    for (;;) {
        uint64_t offset;
        while (!(offset = atomic_load_explicit(&box->offset, memory_order_acquire))) sched_yield();
        if (offset == 1) return NULL;
        const uint64_t *words = (const uint64_t *)(memory + offset);
        for (uint64_t i = 0; i < box->words; i++)
            if (words[i] != box->number) fail("torn", words[i], box->number);
        if (!df_give_back(&((df_block *)(memory + offset - DF_ARENA_LINE))->holders)) fail("given back twice", offset, 0);
        atomic_store_explicit(&box->offset, 0, memory_order_release);
    }
}

static void put(mailbox *box, uint64_t offset, uint64_t number, uint64_t words) {
    while (atomic_load_explicit(&box->offset, memory_order_acquire)) sched_yield();
    box->number = number;
    box->words = words;
    atomic_store_explicit(&box->offset, offset, memory_order_release);
}

static uint64_t lend(uint64_t words) {
    uint64_t offset;
    while (!(offset = df_arena_allocate(&arena, words * 8)))
        if (!df_arena_collect_all(&arena)) sched_yield();
    df_arena_lend(&arena, offset);
    return offset;
}

int main(int count, char **arguments) {
    uint64_t blocks = count > 1 ? strtoull(arguments[1], NULL, 10) : 10000;
    pthread_t threads[HOLDERS];
    df_arena_init(&arena, memory, LINES);
    for (int i = 0; i < HOLDERS; i++) pthread_create(&threads[i], NULL, hold, &boxes[i]);
    for (uint64_t number = 1; number <= blocks; number++) {
        uint64_t words = number * 2654435761u % MOST_WORDS, offset = lend(words);
        for (uint64_t i = 0; i < words; i++) ((uint64_t *)(memory + offset))[i] = number;
        if (!df_hold(&df_block_at(&arena, df_line_of(offset))->holders)) fail("not held", offset, number);
        put(&boxes[number % HOLDERS], offset, number, words);
        put(&boxes[(number + 1) % HOLDERS], offset, number, words);
        if (number % 3 == 0) df_arena_collect(&arena, 1);
    }
    for (int i = 0; i < HOLDERS; i++) put(&boxes[i], 1, 0, 0);
    for (int i = 0; i < HOLDERS; i++) pthread_join(threads[i], NULL);
    df_arena_collect_all(&arena);
    if (arena.blocks || df_block_at(&arena, 0)->lines != LINES) fail("left over", arena.blocks, df_block_at(&arena, 0)->lines);
    return 0;
}
