/* What the firing table is made of: a timer heap, a bitmap of candidates, and the grid of a paced emitter.
 *
 * Private memory of one scheduler, one thread at a time: nothing here is atomic. Everything has its size from the plan; the heap
 * alone grows, by doubling, and only until every cell has its few timers in it. */
#ifndef DF_FIRING_H
#define DF_FIRING_H

#include <stdint.h>
#include <stdlib.h>

typedef struct {
    int64_t due_ns;
    int32_t position;
} df_timer;

typedef struct {
    df_timer *timers;
    uint32_t count, room;
} df_heap;

static inline int df_earlier(const df_timer *a, const df_timer *b) {
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->position < b->position);
}

/* Add a timer; -1: no memory. */
static inline int df_heap_push(df_heap *heap, int64_t due_ns, int32_t position) {
    if (heap->count == heap->room) {
        uint32_t room = heap->room ? 2 * heap->room : 16;
        df_timer *timers = (df_timer *)realloc(heap->timers, room * sizeof(df_timer));
        if (!timers)
            return -1;
        heap->timers = timers;
        heap->room = room;
    }
    df_timer timer = {due_ns, position};
    uint32_t i = heap->count++;
    while (i && df_earlier(&timer, &heap->timers[(i - 1) / 2])) {
        heap->timers[i] = heap->timers[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->timers[i] = timer;
    return 0;
}

/* Take the earliest timer away and return its position. Call only if count > 0. */
static inline int32_t df_heap_pop(df_heap *heap) {
    int32_t position = heap->timers[0].position;
    df_timer last = heap->timers[--heap->count];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && df_earlier(&heap->timers[child + 1], &heap->timers[child]))
            child++;
        if (!df_earlier(&heap->timers[child], &last))
            break;
        heap->timers[i] = heap->timers[child];
        i = child;
    }
    if (heap->count)
        heap->timers[i] = last;
    return position;
}

/* Nanoseconds of a tick as 32.32 fixed point, and ticks in nanoseconds: one multiplication, no way through floating point. */
static inline uint64_t df_tick_scale(double ns_per_tick) { return (uint64_t)(ns_per_tick * 4294967296.0); }

static inline int64_t df_ticks_to_ns(uint64_t ticks, uint64_t scale) {
    return (int64_t)(((unsigned __int128)ticks * scale) >> 32);
}

/* The k-th grid point of a period of numerator / denominator ns: floor(k * period), exact for ever. */
static inline int64_t df_grid(uint64_t k, uint64_t numerator, uint64_t denominator) {
    return (int64_t)((unsigned __int128)k * numerator / denominator);
}

/* The first k whose grid point is later than now_ns. */
static inline uint64_t df_grid_after(int64_t now_ns, uint64_t numerator, uint64_t denominator) {
    uint64_t k = (uint64_t)(((unsigned __int128)now_ns * denominator) / numerator);
    while (df_grid(k, numerator, denominator) <= now_ns)
        k++;
    return k;
}

#endif
