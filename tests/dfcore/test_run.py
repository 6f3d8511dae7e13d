"""The door: what the program waits for in the background obeys Ctrl-C."""

from __future__ import annotations

import signal
import threading

import pytest

from dfcore import Emitter, Graph, collect, emit


def test_an_interrupt_ends_the_run_that_is_waited_for():
    """Ctrl-C in `wait` drains and closes the run of `start` before it is raised: no thread is left."""

    class Beat(Emitter):
        def compute(self):
            if self.firing == 3:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            return 1.0

    with Graph() as graph:
        beat, out = Beat("f8", rate_hz=100), collect()
    beat.to(out)
    graph.start()
    try:
        graph.wait()
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("needed KeyboardInterrupt, was none")
    assert "stopped" == graph.report.ended
    assert len(out) >= 3


@pytest.mark.parametrize("timeout_s", [1e12, float("inf")])
def test_a_program_may_wait_longer_than_the_platform_can(timeout_s):
    """`wait` and `put` with a time-out of ages are as without one."""
    with Graph() as graph:
        source, out = emit(dtype="i8"), collect()
    source.to(out)
    graph.start()
    for number in range(40):
        source.put(number, timeout_s)
    source.end()
    graph.wait(timeout_s)
    assert list(range(40)) == out.records.tolist()
