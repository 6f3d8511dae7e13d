# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
"""One context's wait point: an eventfd that others ring, and the files of the context's nodes, in one epoll.

Law: a stroke is never lost (`_bell.h`). A waiter says `begin_sleep`, looks once more for work, waits, says `end_sleep`.

What it refuses to know: why it rings, nodes, rings, the run clock (times here are CLOCK_MONOTONIC).
House rule: the waiting half is for drivers only; a scheduler may ring, never wait.
"""

import os

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EBADF, EINTR, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from posix.unistd cimport close


cdef extern from "sys/epoll.h" nogil:
    enum:
        EPOLLIN
        EPOLLET
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLL_CTL_DEL
    int epoll_create1(int flags)
    int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event *event)

cdef enum:
    LIMIT = 16


@cython.final
cdef class RunWords:
    """The eight words of a run, over its line in the control segment; `words[i]` reads one, `words[i] = value` tells it.

    Args:
        memory: writable buffer of the control segment.
        offset: of the line in it, in bytes.
    Raises:
        ValueError: the line does not lie in the buffer, or is not aligned; or the memory was released.
    """

    def __cinit__(self, memory, Py_ssize_t offset):
        PyObject_GetBuffer(memory, &self.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        if offset < 0 or offset + 64 > self.view.len or (<size_t>self.view.buf + offset) % 8:
            raise ValueError(f"words of a run: needed 64 aligned bytes at offset {offset} of {self.view.len}; pass the plan's offset")
        self.words = <df_run_word *>(<char *>self.view.buf + offset)

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

    cdef df_run_word *word(self, int number) except NULL:
        if self.words == NULL:
            raise ValueError("words of a run: needed the memory of a run, was released")
        if not 0 <= number < 8:
            raise IndexError(f"words of a run: needed 0 to 7, was {number}")
        return &self.words[number]

    def __getitem__(self, int number):
        return df_hear(self.word(number))

    def __setitem__(self, int number, int64_t value):
        df_tell(self.word(number), value)

    def release(self):
        """Let the memory go. A second time is harmless."""
        self.words = NULL
        PyBuffer_Release(&self.view)


@cython.final
cdef class Bell:
    """The wait point of one context, over its line in the control segment and its eventfd.

    States: ringing only (no epoll yet), then waiting too, from the first `wait`, `poll`, `watch` or `epoll_fd` on.
    Whoever made the eventfd closes it; a Bell closes its own epoll.

    Args:
        memory: writable buffer of the control segment.
        offset: of the context's line in it, in bytes.
        eventfd: non-blocking.
    Raises:
        ValueError: the line does not lie in the buffer, or is not aligned.
    """

    def __cinit__(self, memory, Py_ssize_t offset, int eventfd):
        self.epoll = -1
        self.fd = eventfd
        PyObject_GetBuffer(memory, &self.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        if offset < 0 or offset + 64 > self.view.len:
            raise ValueError(f"bell: needs 64 bytes at offset {offset}, the segment has {self.view.len}; pass the plan's offset.")
        if (<size_t>self.view.buf + offset) % 8:
            raise ValueError(f"bell: needs a line aligned to 8 bytes, offset was {offset}; pass the plan's offset.")
        self.words = <df_context_words *>(<char *>self.view.buf + offset)

    def __dealloc__(self):
        if self.epoll >= 0:
            close(self.epoll)
        PyBuffer_Release(&self.view)

    cdef int open_epoll(self) except -1:
        cdef epoll_event event
        if self.epoll >= 0:
            return 0
        cdef int epoll = epoll_create1(EPOLL_CLOEXEC)
        if epoll < 0:
            PyErr_SetFromErrno(OSError)
        event.events = EPOLLIN | EPOLLET
        event.data.fd = self.fd
        if epoll_ctl(epoll, EPOLL_CTL_ADD, self.fd, &event) < 0:
            try:
                PyErr_SetFromErrno(OSError)
            finally:
                close(epoll)
        self.epoll = epoll
        return 0

    @property
    def epoll_fd(self):
        """The epoll file; readable when something is ready, so that an event loop can wait for it."""
        self.open_epoll()
        return self.epoll

    cdef int ring_c(self) noexcept nogil:
        return df_ring_bell(self.words, self.fd)

    cdef void begin_sleep_c(self) noexcept nogil:
        df_sleep_begin(self.words)

    cdef void end_sleep_c(self) noexcept nogil:
        df_sleep_end(self.words)

    cdef int wait_c(self, int64_t timeout_ns) except -1:
        """Events within `timeout_ns` (negative: no limit), GIL released; how many. A signal ends the wait with 0."""
        cdef int count, number
        self.open_epoll()
        self.count = 0
        with nogil:
            count = df_wait(self.epoll, self.events, LIMIT, timeout_ns)
            number = errno
        if count >= 0:
            self.count = count
            return count
        if number != EINTR:
            raise OSError(number, os.strerror(number))
        PyErr_CheckSignals()
        return 0

    cdef list ready_c(self):
        """The watched files that the last wait found ready."""
        cdef list ready = []
        cdef int i
        for i in range(self.count):
            if self.events[i].data.fd != self.fd:
                ready.append(self.events[i].data.fd)
        return ready

    def ring(self):
        """Wake the context if it sleeps. Returns whether it did."""
        return self.ring_c() != 0

    def ring_always(self):
        """Wake the context from its present or next wait."""
        df_ring_bell_always(self.fd)

    def begin_sleep(self):
        """Ask to be rung from here on. Look once more for work before waiting."""
        self.begin_sleep_c()

    def end_sleep(self):
        """Need no strokes any more."""
        self.end_sleep_c()

    def wait(self, until_ns=None):
        """The watched files that are ready, after a stroke, a ready file, a signal, or at `until_ns` (CLOCK_MONOTONIC)."""
        cdef int64_t timeout_ns = -1
        if until_ns is not None:
            timeout_ns = <int64_t>until_ns - df_now_ns()
            if timeout_ns < 0:
                timeout_ns = 0
        self.wait_c(timeout_ns)
        return self.ready_c()

    def poll(self):
        """The watched files that are ready now."""
        self.wait_c(0)
        return self.ready_c()

    def watch(self, int fd):
        """Let `wait` return whenever `fd` is readable, at its end, or broken.

        Raises:
            OSError: the system cannot wait for it (a regular file is always readable: EPERM), or it is watched already.
        """
        cdef epoll_event event
        self.open_epoll()
        event.events = EPOLLIN
        event.data.fd = fd
        if epoll_ctl(self.epoll, EPOLL_CTL_ADD, fd, &event) < 0:
            PyErr_SetFromErrno(OSError)

    def unwatch(self, int fd):
        """Stop watching `fd`. A file that was closed meanwhile has left by itself.

        Raises:
            OSError: it was not watched.
        """
        cdef epoll_event event
        self.open_epoll()
        if epoll_ctl(self.epoll, EPOLL_CTL_DEL, fd, &event) < 0 and errno != EBADF:
            PyErr_SetFromErrno(OSError)

    @property
    def sleeping(self):
        """Whether the context asks to be rung."""
        return df_sleeping(self.words) != 0

    @property
    def state(self):
        """The context's state word."""
        return df_state(self.words)

    @state.setter
    def state(self, uint32_t value):
        df_set_state(self.words, value)

    @property
    def heartbeat(self):
        """What `heartbeat` was last set to by its context."""
        return df_heartbeat(self.words)

    @heartbeat.setter
    def heartbeat(self, uint64_t value):
        df_beat(self.words, value)

    @property
    def blocked(self):
        """Node + 1 that waits for room while its context sleeps, 0: none."""
        return df_blocked(self.words)

    @blocked.setter
    def blocked(self, uint64_t value):
        df_set_blocked(self.words, value)


def set_timer_slack(unsigned long ns):
    """Let timers of the calling thread fire within `ns` of their time; the system's default is 50 000."""
    if df_timer_slack(ns) < 0:
        PyErr_SetFromErrno(OSError)


def ticks():
    """A counter that runs evenly, for durations only; its unit is the machine's."""
    return df_ticks()
