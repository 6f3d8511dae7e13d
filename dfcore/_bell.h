/* The bell: what wakes a context, and what a context waits on. Linux only.
 *
 * Law: a stroke is never lost. The ringer changes something, fences, looks at `sleeping`; the sleeper sets `sleeping`, fences,
 * looks at that something once more. At least one of the two sees the other. (L11 follows: nobody needs to poll.)
 *
 * `sleeping` is set by its context and taken back by whoever rings (exchange): one stroke, one system call.
 * The eventfd is registered edge-triggered and never read: every write is a new edge, so waking costs no read.
 *
 * What it refuses to know: rings, nodes, Python, what the stroke was for.
 */
#ifndef DF_BELL_H
#define DF_BELL_H

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

typedef struct { /* one line in the control segment, per context */
    _Atomic uint32_t sleeping, state;
    _Atomic uint64_t heartbeat;
    _Atomic uint64_t blocked;
    uint64_t pad[5];
} df_context_words;

_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "a word shared by processes must not hide a lock");
_Static_assert(sizeof(df_context_words) == 64 && offsetof(df_context_words, heartbeat) == 8, "one cache line");

/* Ring ---------------------------------------------------------------------------------------------------------------------- */

/* Wake whoever waits on `eventfd`, asleep or not: for a word that its context looks at only when it wakes (stop, death). */
static inline void df_ring_bell_always(int eventfd) {
    const uint64_t one = 1;
    ssize_t written;
    do written = write(eventfd, &one, sizeof one);
    while (written < 0 && errno == EINTR); // EAGAIN: 2^64 - 2 strokes are pending, it will wake
}

/* Wake the context if it sleeps. 1: it did, and the system was called. */
static inline int df_ring_bell(df_context_words *context, int eventfd) {
    atomic_thread_fence(memory_order_seq_cst); // pairs with df_sleep_begin: what it is for stays before the look
    if (!atomic_load_explicit(&context->sleeping, memory_order_relaxed)) return 0; // ordered by the fence above
    // pairs with df_sleep_begin: of several ringers one calls the system
    if (!atomic_exchange_explicit(&context->sleeping, 0, memory_order_acq_rel)) return 0;
    df_ring_bell_always(eventfd);
    return 1;
}

/* Wait ---------------------------------------------------------------------------------------------------------------------- */

/* From here on ringers call the system: look once more for work, then df_wait. */
static inline void df_sleep_begin(df_context_words *context) {
    atomic_store_explicit(&context->sleeping, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); // pairs with df_ring_bell: the last look for work stays after sleeping = 1
}

static inline void df_sleep_end(df_context_words *context) {
    atomic_store_explicit(&context->sleeping, 0, memory_order_relaxed); // pairs with df_ring_bell: a late 1 costs a stroke
}

/* Events of `epoll_fd` within `timeout_ns` (negative: no limit); how many, or -1 with errno (EINTR: a signal).
 * Where epoll_pwait2 is missing or forbidden, ppoll on the epoll file has the same resolution. */
static inline int df_wait(int epoll_fd, struct epoll_event *events, int limit, int64_t timeout_ns) {
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    struct timespec *bound = timeout_ns < 0 ? NULL : &timeout;
    int count = (int)syscall(SYS_epoll_pwait2, epoll_fd, events, limit, bound, NULL, (size_t)0);
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    struct pollfd file = {.fd = epoll_fd, .events = POLLIN};
    if (ppoll(&file, 1, bound, NULL) < 0) return -1;
    return epoll_wait(epoll_fd, events, limit, 0);
}

/* Let timers of the calling thread fire within `ns` of their time (the default is 50 us). */
static inline int df_timer_slack(unsigned long ns) { return prctl(PR_SET_TIMERSLACK, ns, 0, 0, 0); }

/* Time ---------------------------------------------------------------------------------------------------------------------- */

/* CLOCK_MONOTONIC, in nanoseconds. */
static inline int64_t df_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* A counter that runs evenly, for durations only; its unit is the machine's. A fifth of the price of df_now_ns. */
static inline uint64_t df_ticks(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return (uint64_t)df_now_ns();
#endif
}

/* Words of a run ---------------------------------------------------------------------------------------------------------------
 *
 * What they mean is `control.py`'s. One process writes them, each word whole; what was told first is heard first. A context looks at
 * the word of a pause before each firing: a look that comes after `pause` has returned hears of it, for between the two is a system
 * call, the stroke of every bell.
 */
typedef _Atomic int64_t df_run_word;

static inline int64_t df_hear(df_run_word *word) {
    return atomic_load_explicit(word, memory_order_acquire); // pairs with df_tell: what is read later is no older than this
}
static inline void df_tell(df_run_word *word, int64_t value) {
    atomic_store_explicit(word, value, memory_order_release); // pairs with df_hear: what was told before stays before
}

/* Words of a context that others read ---------------------------------------------------------------------------------------- */

static inline uint32_t df_state(df_context_words *context) {
    return atomic_load_explicit(&context->state, memory_order_acquire); // pairs with df_set_state: what it means is read after
}
static inline void df_set_state(df_context_words *context, uint32_t state) {
    atomic_store_explicit(&context->state, state, memory_order_release); // pairs with df_state: what it speaks of stays before
}
static inline uint64_t df_heartbeat(df_context_words *context) {
    return atomic_load_explicit(&context->heartbeat, memory_order_relaxed); // pairs with df_beat: nothing else
}
static inline void df_beat(df_context_words *context, uint64_t ticks) {
    atomic_store_explicit(&context->heartbeat, ticks, memory_order_relaxed); // pairs with df_heartbeat: nothing else
}
static inline uint64_t df_blocked(df_context_words *context) {
    return atomic_load_explicit(&context->blocked, memory_order_acquire); // pairs with df_set_blocked: heads are read after
}
static inline void df_set_blocked(df_context_words *context, uint64_t node_plus_one) {
    atomic_store_explicit(&context->blocked, node_plus_one, memory_order_release); // pairs with df_blocked: heads stay before
}
static inline int df_sleeping(df_context_words *context) {
    return (int)atomic_load_explicit(&context->sleeping, memory_order_acquire); // pairs with df_sleep_begin: for onlookers only
}

#endif
