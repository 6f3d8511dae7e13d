"""The bell: what wakes a context, and what does not."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from dfcore._bell import Bell, RunWords, set_timer_slack, ticks

FAR_S = 30.0  # a wait that should end by a stroke ends by this if the stroke is lost


@pytest.fixture
def memory() -> bytearray:
    """A control segment of two lines."""
    return bytearray(128)


@pytest.fixture
def eventfd() -> Iterator[int]:
    """A bell's file."""
    fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    yield fd
    os.close(fd)


@pytest.fixture
def bell(memory: bytearray, eventfd: int) -> Bell:
    """The wait point of a context."""
    return Bell(memory, 64, eventfd)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A user's file: its reading and its writing end."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def far() -> int:
    """A time that no test should reach."""
    return time.monotonic_ns() + int(FAR_S * 1e9)


def test_a_stroke_before_the_wait_is_not_lost(bell: Bell) -> None:
    """Whoever rings between the last look and the wait still wakes it."""
    bell.begin_sleep()
    assert bell.ring()
    assert [] == bell.wait(far())
    assert not bell.sleeping


def test_only_sleepers_are_rung(bell: Bell, eventfd: int) -> None:
    """No system call for a context that is awake, and one for several ringers."""
    assert not bell.ring()
    bell.begin_sleep()
    assert [True, False, False] == [bell.ring() for _ in range(3)]
    assert 1 == os.eventfd_read(eventfd)
    bell.begin_sleep()
    bell.end_sleep()
    assert not bell.ring()


def test_ring_always_reaches_a_context_that_is_awake(bell: Bell) -> None:
    """For stop and death: the present or the next wait ends."""
    bell.ring_always()
    assert [] == bell.wait(far())


def test_each_stroke_is_an_edge(bell: Bell) -> None:
    """The eventfd is never read, and still wakes once per stroke, not for ever."""
    for _ in range(3):
        bell.begin_sleep()
        bell.ring()
        bell.wait(far())
    start = time.monotonic_ns()
    assert [] == bell.wait(start + 1_000_000)
    assert time.monotonic_ns() - start >= 1_000_000


def test_another_thread_wakes_a_waiter(memory: bytearray, eventfd: int, bell: Bell) -> None:
    """The GIL is free while a context waits, and two Bells over one line are one bell."""
    other = Bell(memory, 64, eventfd)

    def ring() -> None:
        while not other.ring():
            os.sched_yield()

    thread = threading.Thread(target=ring)
    bell.begin_sleep()
    thread.start()
    start = time.monotonic()
    bell.wait(far())
    thread.join()
    assert time.monotonic() - start < FAR_S


def test_a_wait_ends_at_its_time_and_not_before(bell: Bell) -> None:
    """Nanoseconds, no rounding to milliseconds; a time in the past is now."""
    start = time.monotonic_ns()
    bell.wait(start + 300_000)
    assert time.monotonic_ns() >= start + 300_000
    assert [] == bell.wait(start)


def test_watched_files_are_reported_as_long_as_they_are_readable(bell: Bell, pipe: tuple[int, int]) -> None:
    """Level-triggered: what a node leaves unread wakes it again."""
    reading, writing = pipe
    bell.watch(reading)
    assert [] == bell.poll()
    os.write(writing, b"ab")
    assert [[reading], [reading]] == [bell.wait(far()), bell.poll()]
    os.read(reading, 2)
    assert [] == bell.poll()
    os.write(writing, b"c")
    bell.unwatch(reading)
    assert [] == bell.poll()


def test_the_end_of_a_file_wakes(bell: Bell) -> None:
    """A closed line is for its node to notice."""
    reading, writing = os.pipe()
    bell.watch(reading)
    os.close(writing)
    assert [reading] == bell.wait(far())
    os.close(reading)
    bell.unwatch(reading)


def test_the_own_stroke_is_not_a_file(bell: Bell, pipe: tuple[int, int]) -> None:
    """A stroke and a ready file at once: only the file is named."""
    bell.watch(pipe[0])
    os.write(pipe[1], b"x")
    bell.ring_always()
    assert [pipe[0]] == bell.wait(far())


def test_an_event_loop_can_wait_for_the_epoll(bell: Bell) -> None:
    """The epoll file is readable when something is ready."""
    other = Bell(bytearray(64), 0, bell.epoll_fd)
    assert [] == other.poll()
    bell.ring_always()
    assert [] == other.wait(far())
    assert [] == bell.poll()


def test_a_signal_ends_a_wait_and_its_handler_runs(bell: Bell) -> None:
    """Ctrl-C reaches a context that waits for ever."""
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert [] == bell.wait(far())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [1] == seen


def test_an_error_of_a_handler_comes_out_of_the_wait(bell: Bell) -> None:
    """KeyboardInterrupt and its like are not swallowed."""

    def handler(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(KeyboardInterrupt):
            bell.wait(far())
    finally:
        signal.signal(signal.SIGALRM, before)


def test_files_that_nobody_can_wait_for_are_refused(bell: Bell, pipe: tuple[int, int]) -> None:
    """A regular file, a file watched twice, a file never watched."""
    with open(__file__) as file, pytest.raises(PermissionError):
        bell.watch(file.fileno())
    bell.watch(pipe[0])
    with pytest.raises(FileExistsError):
        bell.watch(pipe[0])
    with pytest.raises(FileNotFoundError):
        bell.unwatch(pipe[1])


def test_a_line_must_lie_in_the_segment(eventfd: int) -> None:
    """Outside, off its words, or read-only: refused."""
    for offset, complaint in [(96, "the segment has 128"), (-64, "the segment has 128"), (4, "aligned")]:
        with pytest.raises(ValueError, match=complaint):
            Bell(bytearray(128), offset, eventfd)
    with pytest.raises(BufferError):
        Bell(bytes(64), 0, eventfd)


def test_words_of_a_context_are_its_own(memory: bytearray, bell: Bell, eventfd: int) -> None:
    """State, heartbeat and block are seen through every Bell over the line, and by no neighbour."""
    other, neighbour = Bell(memory, 64, eventfd), Bell(memory, 0, eventfd)
    bell.state, bell.heartbeat, bell.blocked = 3, 2**63, 5
    assert (3, 2**63, 5) == (other.state, other.heartbeat, other.blocked)
    assert (0, 0, 0) == (neighbour.state, neighbour.heartbeat, neighbour.blocked)


def test_a_bell_closes_its_own_file_only(memory: bytearray, eventfd: int) -> None:
    """The epoll goes with the Bell; the eventfd is its maker's."""
    before = len(os.listdir("/proc/self/fd"))
    bell = Bell(memory, 0, eventfd)
    assert before == len(os.listdir("/proc/self/fd"))
    assert bell.epoll_fd >= 0
    assert before + 1 == len(os.listdir("/proc/self/fd"))
    del bell
    assert before == len(os.listdir("/proc/self/fd"))
    os.eventfd_write(eventfd, 1)


def test_ticks_only_grow() -> None:
    """A counter for durations."""
    first = ticks()
    assert first <= ticks()


def test_timer_slack_is_per_thread() -> None:
    """Set in a thread of its own; the caller's stays."""
    get_slack = 30  # PR_GET_TIMERSLACK
    library = ctypes.CDLL(None)
    before, seen = library.prctl(get_slack, 0, 0, 0, 0), []

    def set_and_read() -> None:
        set_timer_slack(7)
        seen.append(library.prctl(get_slack, 0, 0, 0, 0))

    thread = threading.Thread(target=set_and_read)
    thread.start()
    thread.join()
    assert ([7], before) == (seen, library.prctl(get_slack, 0, 0, 0, 0))


def test_the_words_of_a_run_are_told_and_heard():
    """Two views of one line; each word by its number, and nothing beside the line."""
    memory = bytearray(192)
    ours, theirs = RunWords(memory, 64), RunWords(memory, 64)
    for number in range(8):
        ours[number] = -(1 << 63) + number
    assert [-(1 << 63) + number for number in range(8)] == [theirs[number] for number in range(8)]
    assert (bytes(64), bytes(64)) == (bytes(memory[:64]), bytes(memory[128:]))


def test_words_of_a_run_lie_in_their_memory():
    """Else ValueError, as after it was let go; a number that is none is an IndexError."""
    memory = bytearray(128)
    for offset in (-64, 65, 68, 128):
        with pytest.raises(ValueError, match=f"needed 64 aligned bytes at offset {offset} of 128"):
            RunWords(memory, offset)
    words = RunWords(memory, 64)
    for number in (-1, 8):
        with pytest.raises(IndexError, match=f"needed 0 to 7, was {number}"):
            words[number] = 1
    words.release()
    words.release()
    with pytest.raises(ValueError, match="was released"):
        words[0]
    memory.clear()  # nobody exports it any more
