"""Signals while a run is under way: noted, not lost, and given back."""

import os
import select
import signal
import threading

import pytest

from dfcore.signals import Signals

TAKEN = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def handlers():
    """The handlers as they were, which each test must leave."""
    before = {number: signal.getsignal(number) for number in TAKEN}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert {**before, signal.SIGINT: signal.default_int_handler} == {number: signal.getsignal(number) for number in TAKEN}
    signal.signal(signal.SIGINT, before[signal.SIGINT])


def test_signals_are_noted_in_order(handlers):
    """They wake whoever waits for the descriptor, and change nothing else."""
    signals = Signals(lambda: False)
    try:
        assert [] == signals.read()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
        assert [signals.fd] == select.select([signals.fd], [], [], 5)[0]
        assert [signal.SIGTERM, signal.SIGINT] == signals.read()
    finally:
        signals.give_back()


def test_an_interrupt_is_raised_only_if_wanted(handlers):
    """The second Ctrl-C may end user code that blocks."""
    answers = iter([False, True])
    signals = Signals(lambda: next(answers))
    try:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signals.give_back()


def test_what_somebody_handles_is_left_to_him(handlers):
    """A program with its own idea of SIGTERM keeps it."""
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    signals = Signals(lambda: False)
    try:
        signal.raise_signal(signal.SIGTERM)
        assert ([signal.SIGTERM], []) == (seen, signals.read())
    finally:
        signals.give_back()
        signal.signal(signal.SIGTERM, before)


def test_everything_is_given_back_once(handlers):
    """Handlers, wake-up descriptor and pipe; a second time is harmless."""
    before = set(os.listdir("/proc/self/fd"))
    signals = Signals(lambda: False)
    signals.give_back()
    signals.give_back()
    assert before == set(os.listdir("/proc/self/fd"))
    assert -1 == signal.set_wakeup_fd(-1)
    assert -1 == signals.fd


def test_another_thread_takes_nothing(handlers):
    """Only the main thread may: elsewhere Ctrl-C is the program's."""
    made = []
    thread = threading.Thread(target=lambda: made.append(Signals(lambda: False)))
    thread.start()
    thread.join()
    assert -1 == made[0].fd
    assert signal.default_int_handler is signal.getsignal(signal.SIGINT)
    made[0].give_back()
