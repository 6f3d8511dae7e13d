/* Counters in shared memory: the structs that `counters.py` shows to NumPy. One writer per struct, plain 64-bit words.
 *
 * Offsets are fixed here and compared with NumPy's by a test. No atomics: a counter is read for statistics only, nothing is
 * decided by it while a graph runs well; an aligned 64-bit store is never seen half done. */
#ifndef DF_COUNTERS_H
#define DF_COUNTERS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define DF_SUB_BITS 5
#define DF_SUB_BUCKETS (1 << DF_SUB_BITS)
#define DF_VALUE_BITS 40
#define DF_BUCKETS ((DF_VALUE_BITS - DF_SUB_BITS + 1) * DF_SUB_BUCKETS)

enum { DF_NODE_NEW = 0, DF_NODE_OPEN = 1, DF_NODE_RUNNING = 2, DF_NODE_ENDED = 3, DF_NODE_CLOSED = 4, DF_NODE_FAILED = 5 };

typedef struct {
    uint64_t count;
    int64_t min, max, sum;
    uint64_t spare[4];
    uint64_t buckets[DF_BUCKETS];
} df_histogram;

typedef struct {
    uint64_t firings, in_flight, last_firing, began_ticks, busy_ticks, wait_input_ticks, wait_room_ticks, blocked_edge; // each firing
    uint64_t errors, deadline_misses, overruns, skipped_firings, state, waiting_edge, pace, blocked_bytes;
    uint64_t suspended, spare[7];
    df_histogram lateness, duration;
} df_node_counters;

typedef struct {
    uint64_t read, stale_dropped, decimated, unread_buffered, high_water, digest, initial_taken, last_seq;
    uint64_t ring, spare[7];
    df_histogram age;
} df_edge_counters;

typedef struct {
    uint64_t dropped, skipped, closings, refused;
    uint64_t spare[4];
} df_writer_counters;

static_assert(sizeof(df_histogram) == 64 + 8 * DF_BUCKETS, "histogram");
static_assert(sizeof(df_node_counters) == 192 + 2 * sizeof(df_histogram), "node counters");
static_assert(sizeof(df_edge_counters) == 128 + sizeof(df_histogram), "edge counters");
static_assert(sizeof(df_writer_counters) == 64, "writer counters");
static_assert(sizeof(df_node_counters) % 64 == 0 && sizeof(df_edge_counters) % 64 == 0, "whole cache lines");
static_assert(offsetof(df_node_counters, lateness) == 192, "node counters");

/* Bucket of a value: exact below 32, then 32 buckets for each power of two. */
static inline unsigned df_histogram_bucket(int64_t value_ns) {
    if (value_ns < DF_SUB_BUCKETS)
        return value_ns < 0 ? 0u : (unsigned)value_ns;
    if (value_ns >> DF_VALUE_BITS)
        return DF_BUCKETS - 1;
    unsigned shift = 63u - (unsigned)__builtin_clzll((uint64_t)value_ns) - DF_SUB_BITS;
    return (shift << DF_SUB_BITS) + (unsigned)(value_ns >> shift);
}

/* Count one value; negative ones count as 0. */
static inline void df_histogram_add(df_histogram *h, int64_t value_ns) {
    if (value_ns < 0)
        value_ns = 0;
    if (h->count == 0 || value_ns < h->min)
        h->min = value_ns;
    if (value_ns > h->max)
        h->max = value_ns;
    h->count++;
    h->sum += value_ns;
    h->buckets[df_histogram_bucket(value_ns)]++;
}

#endif
