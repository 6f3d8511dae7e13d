# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
"""What a node does about its own exceptions: `on_error`, and which attempt of a firing is under way.

Laws: only the listed exceptions are handled, and of those never one that ends the run by itself (our own bug, Ctrl-C, the end of a
blocked call); a firing is tried at most 1 + retries times. It decides and counts; what follows is the scheduler's.
"""

cimport cython
import dis
import inspect
import traceback

from libc.stdint cimport int64_t

from .errors import InternalError, NodeFailed, Stopped

ACTIONS = {"skip": SKIP_FIRING, "retry": TRY_AGAIN, "emit": EMIT_ERROR}
GENERATORS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
YIELD = dis.opmap["YIELD_VALUE"]  # what every one of them is suspended at
NEVER = (InternalError, NodeFailed, Stopped, KeyboardInterrupt, GeneratorExit, SystemExit)


@cython.final
cdef class OnError:
    """The policy of one node. States of a firing: under way; waiting for its next attempt."""

    def __cinit__(self, declared):
        self.action, self.errors = ACTIONS[declared.on_error], declared.errors
        self.retries, self.delay_ns = declared.retries, declared.retry_delay_ns

    cdef void begin(self) noexcept:
        """A new firing."""
        self.attempt, self.waiting = 0, False

    cdef bint handles(self, error):
        """Whether this exception is one of those that the node may go on after."""
        return isinstance(error, self.errors) and not isinstance(error, NEVER)

    cdef bint may_try_again(self) noexcept:
        """Whether an attempt is left."""
        return self.action == TRY_AGAIN and self.attempt < self.retries

    cdef void wait_until(self, int64_t due_ns) noexcept:
        """There is another attempt, due then. Again, before it was begun: it is due then instead."""
        self.attempt += not self.waiting
        self.waiting, self.due_ns = True, due_ns


def forget_frames(error):
    """Let go of what the frames of an exception hold: records in hand, which nobody keeps by that."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if not _is_suspended(frame):
                _clear(frame)
        error = error.__cause__ or error.__context__


def _is_suspended(frame):
    """Whether a generator may go on from here: to clear its frame would close it, and it is somebody's."""
    return frame.f_code.co_flags & GENERATORS and frame.f_code.co_code[frame.f_lasti] == YIELD


def _clear(frame):
    try:
        frame.clear()
    except RuntimeError:
        pass  # it is still executing
