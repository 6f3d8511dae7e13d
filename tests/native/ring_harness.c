/* One writer and seven readers in threads, over the very headers that the package compiles: for the thread sanitizer, and without
 * it for the fences, which the sanitizer does not model. Usage: ring_harness RECORDS. Ends with 0 when every law held.
 *
 * Each record holds its number eight times; every seventh is a tombstone, which readers with an index of their own never see. The writer sleeps on its bell when a waiting reader is full, readers sleep on theirs
 * when nothing waits: a lost stroke hangs, and the caller's time limit tells. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "_bell.h"
#include "_ring.h"

enum { READERS = 7, DEPTH = 4, ENTRIES = DEPTH + 1, STRIDE = 128, SLOTS = DEPTH + 2 * DEPTH + 1 + 1 + DF_LEASES * (READERS + 1) };
enum { WRITER = READERS }; /* its bell */

static const int policies[READERS] = {DF_WAIT, DF_WAIT, DF_DROP_OLDEST, DF_DROP_NEW, DF_LATEST, DF_DROP_OLDEST, DF_LATEST};
static const int apart[READERS] = {0, 0, 0, 1, 0, 1, 1}; /* which have an index of their own */
static _Alignas(64) df_output_words words, own_words[READERS];
static _Alignas(64) df_reader_words lines[READERS];
static _Alignas(64) df_want_words want;
static _Alignas(64) df_context_words contexts[READERS + 1];
static df_index_word entries[ENTRIES], own_entries[READERS][ENTRIES];
static _Alignas(64) char slots[SLOTS * STRIDE];
static int bells[READERS + 1];
static df_ring ring = {&words, entries, ENTRIES, SLOTS, slots, STRIDE};
static uint64_t records;

static int tombstone(uint64_t number) { return number % 7 == 3; }

/* What a reader is to see of the first `number` that are published. */
static uint64_t seen_of(int who, uint64_t number) { return apart[who] ? number - (number + 4) / 7 : number; }

static df_ring ring_of(int who) {
    return apart[who] ? (df_ring){&own_words[who], own_entries[who], ENTRIES, SLOTS, slots, STRIDE} : ring;
}

typedef struct {
    df_writer writer;
    df_end ends[READERS];
} output;
static output out;

static void fail(const char *law, int who, uint64_t a, uint64_t b) {
    fprintf(stderr, "%s: reader %d: %lu, %lu\n", law, who, (unsigned long)a, (unsigned long)b);
    _exit(1);
}

static int epoll_of(int bell) {
    int epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, bell, &event)) fail("epoll", 0, 0, 0);
    return epoll_fd;
}

static void nap(int epoll_fd) {
    struct epoll_event event;
    while (df_wait(epoll_fd, &event, 1, -1) < 0) {
    }
}

static void *write_all(void *unused) {
    int epoll_fd = epoll_of(bells[WRITER]);
    for (uint64_t i = 1; i <= records; i++) {
        while (!df_has_room(&out.writer)) {
            df_sleep_begin(&contexts[WRITER]);
            df_want(&out.writer);
            if (!df_has_room(&out.writer)) nap(epoll_fd);
            df_sleep_end(&contexts[WRITER]);
        }
        char *slot = df_loan(&out.writer);
        uint64_t *record = (uint64_t *)(slot + 64);
        ((df_slot_header *)slot)->kind = tombstone(i) ? DF_TOMBSTONE : DF_RECORD;
        for (int k = 0; k < 8; k++) record[k] = i;
        df_publish(&out.writer);
        for (int r = 0; r < READERS; r++) df_ring_bell(&contexts[r], bells[r]);
    }
    df_close(&out.writer);
    for (int r = 0; r < READERS; r++) df_ring_bell(&contexts[r], bells[r]);
    close(epoll_fd);
    return unused;
}

/* All of a record; now and then the others run while half of it is read. */
static uint64_t look(int who, const char *slot) {
    static _Thread_local unsigned looks;
    const uint64_t *record = (const uint64_t *)(slot + 64);
    if (record[1] != record[0]) fail("torn", who, record[0], record[1]);
    if (++looks % 16 == 0) sched_yield();
    for (int k = 2; k < 8; k++)
        if (record[k] != record[0]) fail("torn", who, record[0], record[k]);
    return record[0];
}

static void answer(int rings) {
    if (rings) df_ring_bell(&contexts[WRITER], bells[WRITER]);
}

/* Views kept by a reader: up to two, each looked at again before it is given back. */
typedef struct {
    int32_t slot[DF_LEASES];
    uint64_t value[DF_LEASES];
} views;

static void give_back(int who, views *kept, int which) {
    if (kept->slot[which] < 0) return;
    if (look(who, df_slot(&ring, (uint32_t)kept->slot[which])) != kept->value[which])
        fail("kept", who, kept->value[which], look(who, df_slot(&ring, (uint32_t)kept->slot[which])));
    kept->slot[which] = -1;
    answer(df_unkeep(&lines[who], &want, which));
}

static void *read_all(void *number) {
    int who = (int)(intptr_t)number, epoll_fd = epoll_of(bells[who]);
    uint64_t last = 0, state = 88172645463325252u + (uint64_t)who;
    views kept = {.slot = {-1, -1, -1}};
    df_reader reader;
    df_reader_init(&reader, ring_of(who), &lines[who], &want, policies[who], 0);
    while (!df_ended(&reader)) {
        int32_t slot = df_take(&reader);
        if (slot < 0) {
            df_sleep_begin(&contexts[who]);
            if (!df_waiting(&reader) && !df_ended(&reader)) nap(epoll_fd);
            df_sleep_end(&contexts[who]);
            continue;
        }
        uint64_t value = look(who, df_slot(&ring, (uint32_t)slot));
        if (value <= last || (policies[who] == DF_WAIT && value != last + 1)) fail("order", who, last, value);
        if (apart[who] && tombstone(value)) fail("tombstone", who, value, 0);
        last = value;
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        give_back(who, &kept, 1 + (int)(state % 2));
        if (state % 5 == 0) {
            int which = df_keep(&reader);
            if (which >= 0) kept.slot[which] = slot, kept.value[which] = value;
        }
        answer(df_release(&reader));
    }
    uint64_t newest = apart[who] && tombstone(records) ? records - 1 : records;
    if (policies[who] != DF_DROP_NEW && last != newest) fail("L4, last record", who, last, newest);
    for (int which = 1; which < DF_LEASES; which++) give_back(who, &kept, which);
    answer(df_leave(&reader));
    close(epoll_fd);
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t threads[READERS + 1];
    records = count > 1 ? strtoull(arguments[1], NULL, 10) : 10000;
    for (int r = 0; r < READERS; r++) {
        out.ends[r] = (df_end){.words = &lines[r], .depth = DEPTH, .policy = policies[r]};
        if (apart[r]) out.ends[r].own = ring_of(r);
    }
    if (df_writer_init(&out.writer, ring, out.ends, READERS, &want, 0)) return 2;
    for (int b = 0; b <= READERS; b++) bells[b] = eventfd(0, EFD_NONBLOCK);
    for (int r = 0; r < READERS; r++) pthread_create(&threads[r], NULL, read_all, (void *)(intptr_t)r);
    pthread_create(&threads[WRITER], NULL, write_all, NULL);
    for (int t = 0; t <= READERS; t++) pthread_join(threads[t], NULL);
    for (int r = 0; r < READERS; r++) {
        uint64_t taken = df_taken_word(&lines[r]), tail = df_tail_word(&lines[r]), lost = tail - taken;
        uint64_t counted = out.ends[r].dropped, seen = seen_of(r, records);
        if (policies[r] == DF_WAIT && taken != records) fail("L4", r, taken, records);
        if (policies[r] == DF_DROP_NEW && taken + counted != seen) fail("L5", r, taken, counted);
        if (policies[r] == DF_DROP_OLDEST && (tail != seen || lost != counted)) fail("L5", r, lost, counted);
        if (policies[r] == DF_LATEST && tail != seen) fail("L5", r, tail, seen);
        printf("policy %d: taken %lu, lost %lu\n", policies[r], (unsigned long)taken, (unsigned long)(seen - taken));
    }
    if (!df_all_gone(&out.writer)) fail("gone", 0, 0, 0);
    df_writer_free(&out.writer);
    return 0;
}
