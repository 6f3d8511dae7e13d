"""Ctrl-C, SIGTERM and SIGHUP while a run is under way.

Laws: only the main thread can take signals over, and only those that nobody else handles are taken; they wake the supervisor
even while the main thread is in native code; afterwards everything is as it was. What a signal means is the supervisor's business.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

_DEFAULTS = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}


class Signals:
    """States: taken over (from the main thread), then given back. From another thread: nothing is taken, `fd` is -1.

    Args:
        interrupted: asked in the main thread, between two bytecodes, after each signal: whether it shall raise
            KeyboardInterrupt there and then.
    """

    def __init__(self, interrupted: Callable[[], bool]):
        #: Becomes readable when a signal came.
        self.fd = -1
        self._interrupted = interrupted
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            self._take()

    def _take(self) -> None:
        self.fd, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number, default in _DEFAULTS.items():
            if signal.getsignal(number) == default:
                self._before[number] = signal.signal(number, self._note)
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def _note(self, number: int, frame: object) -> None:
        """The number is in the pipe already: the interpreter wrote it."""
        if number == signal.SIGINT and self._interrupted():
            raise KeyboardInterrupt

    def read(self) -> list[int]:
        """The signals that came since the last call and were taken, in order."""
        try:
            return [number for number in os.read(self.fd, 4096) if number in self._before]
        except BlockingIOError:
            return []

    def give_back(self) -> None:
        """Restore what was there before. From the same thread; a second time is harmless."""
        if self.fd < 0:
            return
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.fd)
        os.close(self._writer)
        self.fd = -1
