/* The floor of a hop between two pinned processes on this machine, in C alone: a 32-byte record in shared memory and an eventfd
   (`blocking`), or a word that the reader watches (`spin`). Prints one latency in nanoseconds per line.

   ping blocking|spin COUNT PERIOD_NS WRITER_CPU READER_CPU */

#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 1024

struct record { int64_t stamp, number; double a, b; };
struct shared { _Alignas(64) _Atomic uint64_t head; _Alignas(64) struct record ring[SLOTS]; };

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) { perror("sched_setaffinity"); exit(1); }
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

static void writer(struct shared *s, int bell, int blocking, int count, int64_t period_ns)
{
    int64_t at = now_ns() + 10000000;
    for (int k = 0; k < count; k++, at += period_ns) {
        struct timespec t = {at / 1000000000LL, at % 1000000000LL};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        s->ring[k % SLOTS] = (struct record){now_ns(), k, k, -k};
        atomic_store(&s->head, (uint64_t)k + 1);
        uint64_t one = 1;
        if (blocking && write(bell, &one, 8) != 8) { perror("write"); exit(1); }
    }
}

static void reader(struct shared *s, int bell, int blocking, int count)
{
    int64_t *late = calloc((size_t)count, sizeof *late);
    for (int k = 0; k < count;) {
        uint64_t strokes;
        if (blocking && read(bell, &strokes, 8) != 8) { perror("read"); exit(1); }
        for (; k < (int)atomic_load(&s->head); k++) {
            struct record r = s->ring[k % SLOTS];
            late[k] = now_ns() - r.stamp;
            if (r.number != k || r.a + r.b != 0) { fprintf(stderr, "record %d was torn\n", k); exit(1); }
        }
    }
    for (int k = 0; k < count; k++) printf("%lld\n", (long long)late[k]);
}

int main(int argc, char **argv)
{
    if (argc != 6) { fprintf(stderr, "ping: needs five arguments, were %d\n", argc - 1); return 2; }
    int blocking = !strcmp(argv[1], "blocking"), count = atoi(argv[2]), bell = eventfd(0, 0);
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (!child) {
        pin(atoi(argv[5]));
        reader(s, bell, blocking, count);
        return 0;
    }
    pin(atoi(argv[4]));
    writer(s, bell, blocking, count, atoll(argv[3]));
    int status;
    waitpid(child, &status, 0);
    return status ? 1 : 0;
}
