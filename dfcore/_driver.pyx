# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""The real-time driver of one context: steps its scheduler with a fresh time, and waits while nothing is ready.

Laws: L11, an idle context sleeps until its bell, its next timer or a file; it looks once more between saying "asleep" and
sleeping, so no stroke is lost. The clock is read once per sweep. It knows nothing of nodes or edges: all it asks the scheduler is
when it wants to be called again. The GIL is released while it spins or waits.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from posix.time cimport CLOCK_MONOTONIC, itimerspec
from posix.unistd cimport close, read

from cpython.exc cimport PyErr_CheckSignals

import errno

from .errors import NodeFailed

from dfcore._bell cimport Bell, df_hear, df_now_ns, df_ring_bell_always, df_run_word, df_tell, df_ticks
from dfcore._cell cimport Cell
from dfcore._scheduler cimport Scheduler


cdef extern from "sys/timerfd.h" nogil:
    enum:
        TFD_NONBLOCK
        TFD_CLOEXEC
        TFD_TIMER_ABSTIME
    int timerfd_create(int clock, int flags)
    int timerfd_settime(int fd, int flags, const itimerspec *new, itimerspec *old)

#: The line of the run in the control segment, and the states of a run: as in `control.py`.
cdef enum:
    STATE = 0
    ZERO_NS = 1
    UNTIL_NS = 2
    WATCH = 3
    PAUSED_NS = 4
cdef enum:
    NEW = 0
    GO = 1
    STOP = 2
    ABORT = 3
cdef enum:  # what a context shall do
    END = 0
    FIRE = 1
    REST = 2

cdef int64_t ENDLESS_NS = 0x7FFFFFFFFFFFFFFF

#: What to do about a file that cannot be waited for.
WAIT_REASONS = {
    errno.EPERM: "a regular file is always readable: leave wait_for out",
    errno.EEXIST: "it is waited for already: call wait_for once for each file",
    errno.EBADF: "it is closed: keep it open until `close`",
}

#: Sweeps between two looks at signals and at who else wants the GIL, while there is always something to do.
cdef enum:
    POLITE = 256


def ticks():
    """(ticks, ns): the tick counter and CLOCK_MONOTONIC, read together."""
    return df_ticks(), df_now_ns()


@cython.final
cdef class Driver:
    """Drives one scheduler. States: made; driving; done.

    Args:
        scheduler, bell: of the context.
        memory, line: the run's memory, and the offset of its line in the control segment.
        supervisor: eventfd to ring when the run has come to rest with a node that waits for room.
        spin_ns: how long to look at the rings before sleeping.
        liveness: a descriptor whose end of file means that the parent is gone; -1: none.
    Attributes:
        wakeups: how often it slept and woke.
        orphaned: the parent is gone.
    """

    cdef readonly Scheduler scheduler
    cdef readonly Bell bell
    cdef df_run_word *line
    cdef object memory
    cdef int64_t zero_ns, until_ns, spin_ns
    cdef int liveness, supervisor
    cdef dict cells                # descriptor -> cell
    cdef set unwatched             # descriptors that are not looked at for a while
    cdef int timer
    cdef uint64_t resting          # tick counter when it began to rest because the run was paused; 0: it does not
    cdef readonly uint64_t wakeups
    cdef readonly bint orphaned

    def __cinit__(self, Scheduler scheduler, Bell bell, memory, Py_ssize_t line, int supervisor, int64_t spin_ns, int liveness=-1):
        self.scheduler, self.bell, self.memory = scheduler, bell, memory.buffer(0)
        self.line = <df_run_word *>(<uintptr_t>memory.address(0) + line)
        self.supervisor, self.spin_ns, self.liveness = supervisor, spin_ns, liveness
        self.cells, self.unwatched, self.timer = {}, set(), -1

    def __dealloc__(self):
        if self.timer >= 0:
            close(self.timer)

    def watch_files(self):
        """Have the bell ring, from time 0 on, for the files that emitters wait for.

        Raises NodeFailed: a descriptor cannot be waited for.
        """
        for file, cell in self.scheduler.files():
            fd = file if isinstance(file, int) else file.fileno()
            try:
                self.bell.watch(fd)
                self.bell.unwatch(fd)  # what is readable already must not keep a context awake until the others are open
                self.cells[fd] = cell
                self.unwatched.add(fd)
            except OSError as error:
                name = (<Cell>cell).name
                reason = WAIT_REASONS.get(error.errno, "open one that can be polled")
                raise NodeFailed(f"{name}.wait_for: needed a file that can be waited for, was {file!r} ({error.strerror}); {reason}",
                                 node=name, method="open") from error
        if self.liveness >= 0:
            self.bell.watch(self.liveness)

    def unwatch_files(self):
        """The files belong to their nodes again."""
        for fd in self.cells:
            if fd not in self.unwatched:
                self.bell.unwatch(fd)
        self.cells.clear()
        self.unwatched.clear()

    cdef int _heed(self) except -1:
        """Do what the run's line says. Returns END, FIRE or REST.

        `PAUSED_NS` is read first and again last: a pause moves zero and end while it lasts, so an end that was read is the end if
        there was no pause before and after.
        """
        cdef int64_t state = df_hear(&self.line[STATE]), now_ns
        if state == ABORT or self.orphaned:
            return END
        if df_hear(&self.line[PAUSED_NS]):
            return REST
        if df_hear(&self.line[ZERO_NS]) != self.zero_ns:
            self.zero_ns, self.until_ns = df_hear(&self.line[ZERO_NS]), df_hear(&self.line[UNTIL_NS])
        if self.resting:
            self.scheduler.passed_over(df_ticks() - self.resting)
            self.resting = 0
        if self.scheduler.stopping:
            return FIRE
        if state == STOP:
            self.scheduler.stop()
        elif self.until_ns <= df_now_ns():
            if df_hear(&self.line[PAUSED_NS]) or df_hear(&self.line[UNTIL_NS]) != self.until_ns:
                return REST
            self.scheduler.stop(self.until_ns - self.zero_ns)
        return FIRE

    cdef bint _told(self) noexcept:
        """The run's line says something that was not heeded yet."""
        return df_hear(&self.line[STATE]) == ABORT or df_hear(&self.line[PAUSED_NS]) or (df_hear(&self.line[STATE]) == STOP and not self.scheduler.stopping)

    cdef int64_t _now(self) noexcept:
        """The run clock; never less than it was, for a pause begins for each context a moment after it begins."""
        return max(df_now_ns() - self.zero_ns, self.scheduler.now_ns)

    cdef int64_t _until(self, int64_t next_ns) noexcept:
        """When to be awake again on CLOCK_MONOTONIC; -1: nothing is timed."""
        if next_ns >= 0:
            next_ns += self.zero_ns
        if self.until_ns != ENDLESS_NS and not self.scheduler.stopping and (next_ns < 0 or self.until_ns < next_ns):
            return self.until_ns
        return next_ns

    cdef int _take_files(self) except -1:
        for fd in self.bell.ready_c():
            if fd == self.liveness:
                self.orphaned = True
            elif fd in self.cells and not (<Cell>self.cells[fd]).busy:
                self.scheduler.readable(self.cells[fd])
        return 0

    cdef int _tend_files(self) except -1:
        """Watch the files of those that would fire now, and no others: a file that nobody reads is readable for ever (L11)."""
        cdef Cell cell
        for fd, cell in self.cells.items():
            if cell.busy or cell.readable or cell.ended:
                if fd not in self.unwatched:
                    self.unwatched.add(fd)
                    self.bell.unwatch(fd)
            elif fd in self.unwatched:
                self.unwatched.discard(fd)
                self.bell.watch(fd)
        return 0

    cdef int _begin_rest(self) except -1:
        """The run is paused: no file wakes the context, and what time passes counts for nothing."""
        if not self.resting:
            self.resting = df_ticks()
        self.scheduler.pay(True)
        for fd in self.cells:
            if fd not in self.unwatched:
                self.unwatched.add(fd)
                self.bell.unwatch(fd)
        return 0

    cdef int _rest(self) except -1:
        """Sleep until the line of the run says something else than that it is paused."""
        self._begin_rest()
        self.bell.begin_sleep_c()
        try:
            if df_hear(&self.line[PAUSED_NS]) and df_hear(&self.line[STATE]) != ABORT:
                self.bell.wait_c(-1)
                self.wakeups += 1
        finally:
            self.bell.end_sleep_c()
        return self._take_files()

    cdef bint _spin(self, int64_t until_ns):
        """Look at the rings until something is ready (True), `spin_ns` have passed or `until_ns` has come."""
        cdef int64_t end_ns = df_now_ns() + self.spin_ns
        if 0 <= until_ns < end_ns:
            end_ns = until_ns
        while df_now_ns() < end_ns:
            if self.scheduler.poll() or self._told():
                return True
            with nogil:
                pass
        return 0 <= until_ns <= df_now_ns()

    def wait_for_start(self):
        """Sleep until the run starts. Returns whether it does; False: it was aborted before."""
        while df_hear(&self.line[STATE]) == NEW and not self.orphaned:
            self.bell.begin_sleep_c()
            if df_hear(&self.line[STATE]) == NEW:
                self.bell.wait_c(-1)
                self._take_files()
            self.bell.end_sleep_c()
        self.zero_ns, self.until_ns = df_hear(&self.line[ZERO_NS]), df_hear(&self.line[UNTIL_NS])
        return df_hear(&self.line[STATE]) != ABORT and not self.orphaned

    def starting(self):
        """For an event loop: True, the run starts; False, it was aborted before; None, sleep until a descriptor is readable."""
        self.bell.wait_c(0)
        self._take_files()
        self.bell.begin_sleep_c()
        if df_hear(&self.line[STATE]) == NEW and not self.orphaned:
            return None
        self.bell.end_sleep_c()
        self.zero_ns, self.until_ns = df_hear(&self.line[ZERO_NS]), df_hear(&self.line[UNTIL_NS])
        return df_hear(&self.line[STATE]) != ABORT and not self.orphaned

    def run(self):
        """Fire until every node has ended (returns True) or the run is aborted (False). Raises NodeFailed."""
        cdef int64_t now_ns, next_ns, until_ns
        cdef uint64_t sweeps = 0
        cdef int heed
        self._sleep_until_zero()
        while self.scheduler.remaining:
            heed = self._heed()
            if heed == END:
                return False
            if heed == REST:
                self._rest()
                continue
            now_ns = self._now()
            next_ns = self.scheduler.step(now_ns)
            sweeps += 1
            if sweeps % POLITE == 0:
                PyErr_CheckSignals()
                with nogil:
                    pass
            if next_ns == now_ns:
                if self.cells:
                    self._tend_files()
                    self.bell.wait_c(0)
                    self._take_files()
                continue
            if not self.scheduler.remaining:
                break
            until_ns = self._until(next_ns)
            if self.spin_ns and self._spin(until_ns):
                continue
            self._sleep(until_ns)
        return True

    cdef int _sleep(self, int64_t until_ns) except -1:
        cdef int64_t timeout_ns = -1
        self.bell.begin_sleep_c()
        try:
            if self.scheduler.poll() or self._told():
                return 0
            self._report_rest()
            self._tend_files()
            if until_ns >= 0:
                timeout_ns = max(until_ns - df_now_ns(), 0)
            self.bell.wait_c(timeout_ns)
            self.wakeups += 1
        finally:
            self.bell.end_sleep_c()
        return self._take_files()

    cdef void _report_rest(self) noexcept:
        """Going to sleep with a node that waits for room, or that may never fire again: the supervisor looks for a deadlock if it
        asked to (RULES 22)."""
        if df_hear(&self.line[WATCH]) and (self.scheduler.blocked() or self.scheduler.deserted()):
            df_tell(&self.line[WATCH], 0)
            df_ring_bell_always(self.supervisor)

    cdef int _sleep_until_zero(self) except -1:
        """Time 0 lies a little in the future, so that nobody's first firing is late (RULES 37)."""
        while df_now_ns() < self.zero_ns and df_hear(&self.line[STATE]) != ABORT:
            self.bell.wait_c(max(self.zero_ns - df_now_ns(), 0))
            self._take_files()
        return 0

    # -- for an event loop ----------------------------------------------------------------------------------------------------

    def timer_fd(self):
        """A descriptor that is readable at the time given to `arm`: exact, where an event loop rounds to milliseconds."""
        if self.timer < 0:
            self.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
            if self.timer < 0:
                raise OSError("timerfd_create failed")
        return self.timer

    cdef int _arm(self, int64_t until_ns) except -1:
        cdef itimerspec spec
        cdef uint64_t expired
        read(self.timer, &expired, 8)
        spec.it_interval.tv_sec = spec.it_interval.tv_nsec = 0
        if until_ns < 0:
            spec.it_value.tv_sec = spec.it_value.tv_nsec = 0
        else:
            until_ns = max(until_ns, 1)
            spec.it_value.tv_sec, spec.it_value.tv_nsec = until_ns // 1000000000, until_ns % 1000000000
        if timerfd_settime(self.timer, TFD_TIMER_ABSTIME, &spec, NULL) < 0:
            raise OSError("timerfd_settime failed")
        return 0

    def turn(self):
        """One sweep, for an event loop. Returns None: call again; True: sleep until a descriptor is readable; False: the end."""
        cdef int64_t now_ns, next_ns
        cdef int heed
        self.bell.end_sleep_c()
        heed = self._heed()
        if heed == END or not self.scheduler.remaining:
            return False
        if heed == REST:
            return self._rest_in_loop()
        self._tend_files()
        self.bell.wait_c(0)
        self._take_files()
        now_ns = self._now()
        if df_now_ns() < self.zero_ns:
            self._arm(self.zero_ns)
            return True
        next_ns = self.scheduler.step(now_ns)
        if not self.scheduler.remaining:
            return False
        if next_ns == now_ns:
            return None
        self._arm(self._until(next_ns))
        self.bell.begin_sleep_c()
        if self.scheduler.poll() or self._told():
            self.bell.end_sleep_c()
            return None
        self._report_rest()
        self._tend_files()
        self.wakeups += 1
        return True

    def _rest_in_loop(self):
        """`_rest`, for an event loop."""
        self._begin_rest()
        self.bell.wait_c(0)
        self._take_files()
        self._arm(-1)
        self.bell.begin_sleep_c()
        if not df_hear(&self.line[PAUSED_NS]) or df_hear(&self.line[STATE]) == ABORT or self.orphaned:
            self.bell.end_sleep_c()
            return None
        self.wakeups += 1
        return True
