/* Hand-overs between a ringer and a sleeper that spins instead of sleeping, so that the two meet within nanoseconds and a missing
 * fence shows: some strokes are lost. Usage: bell_harness HANDOVERS. Prints lost strokes; ends with 0 when there were none.
 *
 * First the bell of `_bell.h` (work is announced), then the wish for room of `_ring.h` (room is announced). A stroke is lost when
 * the ringer has finished and the sleeper, who has not seen the work, still waits to be rung. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "_bell.h"
#include "_ring.h"

static _Alignas(64) df_context_words context;
static _Alignas(64) df_want_words want;
static _Alignas(64) _Atomic uint64_t work;  /* what a stroke announces */
static _Alignas(64) _Atomic uint64_t rung;  /* the ringer is through with it */
static _Alignas(64) _Atomic uint64_t asked; /* the sleeper is about to sleep */
static uint64_t handovers;
static int bell, room;

static void pause_for(uint64_t ticks) {
    for (uint64_t start = df_ticks(); df_ticks() - start < ticks;) {
    }
}

static void *ring_all(void *unused) {
    for (uint64_t i = 1; i <= handovers; i++) {
        for (unsigned spins = 1; DF_LOAD(&asked, acquire) < i; spins++)
            if (spins % 4096 == 0) sched_yield();
        pause_for(i * 104729 % 211);
        DF_STORE(&work, i, relaxed);
        if (!room) df_ring_bell(&context, bell);
        else if (df_answer(&want)) df_ring_bell_always(bell);
        DF_STORE(&rung, i, release);
    }
    return unused;
}

static int waits(void) { return room ? (int)DF_LOAD(&want.want, acquire) : df_sleeping(&context); }

static uint64_t sleep_all(void) {
    uint64_t lost = 0;
    df_writer writer = {.want = &want};
    for (uint64_t i = 1; i <= handovers; i++) {
        DF_STORE(&asked, i, release);
        pause_for(i * 7919 % 1009); // the ringer hears of it some hundred ticks later: meet it
        if (room) df_want(&writer);
        else df_sleep_begin(&context);
        int seen = DF_LOAD(&work, relaxed) == i; // the last look before sleeping
        for (unsigned spins = 1; DF_LOAD(&rung, acquire) < i; spins++)
            if (spins % 4096 == 0) sched_yield();
        lost += !seen && waits();
        df_sleep_end(&context);
        DF_STORE(&want.want, 0, relaxed);
    }
    return lost;
}

int main(int count, char **arguments) {
    uint64_t lost = 0;
    handovers = count > 1 ? strtoull(arguments[1], NULL, 10) : 100000;
    bell = eventfd(0, EFD_NONBLOCK);
    for (room = 0; room < 2; room++) {
        pthread_t ringer;
        DF_STORE(&work, 0, relaxed), DF_STORE(&rung, 0, relaxed), DF_STORE(&asked, 0, relaxed);
        if (pthread_create(&ringer, NULL, ring_all, NULL)) return 2;
        uint64_t here = sleep_all();
        pthread_join(ringer, NULL);
        printf("%s: lost %lu of %lu\n", room ? "room" : "bell", (unsigned long)here, (unsigned long)handovers);
        lost += here;
    }
    return lost != 0;
}
