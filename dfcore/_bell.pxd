"""The C API of the bell, and the class that holds one context's wait point."""

from cpython.buffer cimport Py_buffer
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
    ctypedef struct df_run_word:
        pass
    int64_t df_hear(df_run_word *word)
    void df_tell(df_run_word *word, int64_t value)

cdef extern from "sys/epoll.h" nogil:
    ctypedef union epoll_data_t:
        int fd

    struct epoll_event:
        uint32_t events
        epoll_data_t data

cdef extern from "_bell.h" nogil:
    int df_wait(int epoll_fd, epoll_event *events, int limit, int64_t timeout_ns)


cdef class RunWords:
    cdef df_run_word *words
    cdef Py_buffer view

    cdef df_run_word *word(self, int number) except NULL


cdef class Bell:
    cdef df_context_words *words
    cdef readonly int fd
    cdef int epoll
    cdef int count
    cdef epoll_event events[16]
    cdef Py_buffer view

    cdef int open_epoll(self) except -1
    cdef int ring_c(self) noexcept nogil
    cdef void begin_sleep_c(self) noexcept nogil
    cdef void end_sleep_c(self) noexcept nogil
    cdef int wait_c(self, int64_t timeout_ns) except -1
    cdef list ready_c(self)
