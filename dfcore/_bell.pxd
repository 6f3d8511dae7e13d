"""The C API of the bell, and the class that holds one context's wait point."""

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "_bell.h" nogil:
    ctypedef struct df_context_words:
        pass

    int df_ring_bell(df_context_words *context, int eventfd)
    void df_ring_bell_always(int eventfd)
    void df_sleep_begin(df_context_words *context)
    void df_sleep_end(df_context_words *context)
    int df_timer_slack(unsigned long ns)
    int64_t df_now_ns()
    uint64_t df_ticks()
    uint32_t df_state(df_context_words *context)
    void df_set_state(df_context_words *context, uint32_t state)
    uint64_t df_heartbeat(df_context_words *context)
    void df_beat(df_context_words *context, uint64_t ticks)
    uint64_t df_blocked(df_context_words *context)
    void df_set_blocked(df_context_words *context, uint64_t node_plus_one)
    int df_sleeping(df_context_words *context)


cdef class Bell:
    cdef df_context_words *words
    cdef readonly int fd
    cdef readonly int epoll_fd
    cdef object memory

    cdef int ring_c(self) noexcept nogil
    cdef void begin_sleep_c(self) noexcept nogil
    cdef void end_sleep_c(self) noexcept nogil
    cdef list wait_c(self, int64_t timeout_ns)
