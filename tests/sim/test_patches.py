"""Unmodified blocking code in a world: it parks, in virtual time, and only there."""

from __future__ import annotations

import concurrent.futures
import queue
import sys
import threading
import time
import types
from time import monotonic as bound_monotonic
from time import sleep as bound_sleep

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import World


def test_names_bound_by_import_are_replaced_and_put_back():
    """`from time import sleep` sleeps virtual time inside, and is the real one afterwards."""
    before = (bound_sleep, bound_monotonic)
    with World():
        bound_sleep(100)
        assert bound_monotonic() == 100
        assert bound_sleep is not before[0]
    assert (bound_sleep, bound_monotonic) == before


@pytest.mark.parametrize("name", ["time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns"])
def test_every_clock_tells_world_time(name):
    """All clocks show the same time, which begins at 0."""
    with World():
        time.sleep(12.5)
        value = getattr(time, name)()
        assert value == (12_500_000_000 if name.endswith("_ns") else 12.5)


def test_clocks_by_number_tell_world_time_too():
    """`clock_gettime` of wall clocks is the world's; processor time stays real."""
    with World():
        time.sleep(12.5)
        assert time.clock_gettime(time.CLOCK_MONOTONIC) == 12.5
        assert time.clock_gettime_ns(time.CLOCK_REALTIME) == 12_500_000_000
        assert time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) != 12.5
    assert time.clock_gettime(time.CLOCK_MONOTONIC) != 12.5


def test_dates_tell_world_time():
    """What tells of now when it is given no time; given one, it is as ever."""
    with World():
        time.sleep(86_412.5)
        assert time.gmtime()[:6] == (1970, 1, 2, 0, 0, 12)
        assert time.localtime() == time.localtime(86_412)
        assert time.ctime() == time.ctime(86_412)
        assert time.gmtime(0).tm_year == 1970
    assert time.gmtime().tm_year > 1970
    assert time.ctime(None) == time.ctime()


def test_bad_sleeps_are_what_they_are_in_reality():
    """Negative and not a number raise the same exceptions."""
    with World():
        with pytest.raises(ValueError, match="non-negative"):
            time.sleep(-1)
        with pytest.raises(TypeError):
            time.sleep("1")


SHORTEST = {
    "sleep": lambda lock, thread: time.sleep(1e-12),
    "lock": lambda lock, thread: lock.acquire(timeout=1e-12),
    "event": lambda lock, thread: threading.Event().wait(1e-12),
    "join": lambda lock, thread: thread.join(1e-12),
}


@pytest.mark.parametrize("wait", SHORTEST.values(), ids=SHORTEST)
def test_the_shortest_wait_takes_a_nanosecond(wait):
    """A timeout above 0 is never rounded to none: who waits for what is left of its time, again and again, gets there."""
    with World() as world:
        lock, thread = threading.Lock(), threading.Thread(target=time.sleep, args=(1,))
        lock.acquire()
        thread.start()
        wait(lock, thread)
        assert world.now_ns == 1


def test_only_tasks_of_the_world_are_affected():
    """A thread started before sees real time, real locks and real sleep."""
    begin, done = threading.Lock(), threading.Lock()
    begin.acquire()
    done.acquire()
    seen = {}

    def outside():
        begin.acquire()
        seen["clock"] = time.monotonic()
        seen["lock"] = type(threading.Lock())
        time.sleep(0.001)
        done.release()

    thread = threading.Thread(target=outside)
    thread.start()
    real_lock = type(done)
    with World():
        time.sleep(5)
        began = time.monotonic()
        begin.release()
        thread.join()
        assert time.monotonic() == began
        assert done.acquire(timeout=5)
    assert seen["clock"] > 5
    assert seen["lock"] is real_lock


def test_locks_exclude_and_are_fair():
    """Waiters get a lock in the order in which they came."""
    order = []
    with World():
        lock = threading.Lock()

        def worker(index):
            time.sleep(index)
            with lock:
                order.append((index, time.monotonic()))
                time.sleep(10)

        threads = [threading.Thread(target=worker, args=(index,)) for index in range(4)]
        for thread in reversed(threads):
            thread.start()
        for thread in threads:
            thread.join()
    assert order == [(0, 0), (1, 10), (2, 20), (3, 30)]


def test_lock_timeouts_are_exact():
    """`acquire` with a timeout gives up at that nanosecond; without waiting, at once."""
    with World() as world:
        lock = threading.Lock()
        lock.acquire()
        assert lock.acquire(timeout=1.5) is False
        assert world.now_ns == 1_500_000_000
        assert lock.acquire(blocking=False) is False
        lock.release()
        assert lock.acquire(timeout=1) is True
        with pytest.raises(ValueError, match="non-blocking"):
            lock.acquire(False, 1)


def test_rlocks_conditions_events_semaphores_and_barriers():
    """What is built of locks follows."""
    log = []
    with World():
        condition, event, barrier = threading.Condition(), threading.Event(), threading.Barrier(3)
        semaphore = threading.BoundedSemaphore(2)
        ready = []

        def waiter(index):
            with condition:
                assert condition.wait_for(lambda: index in ready, timeout=100)
            event.wait()
            barrier.wait()
            with semaphore:
                time.sleep(1)
            log.append(time.monotonic())

        threads = [threading.Thread(target=waiter, args=(index,)) for index in range(3)]
        for thread in threads:
            thread.start()
        for index in range(3):
            time.sleep(1)
            with condition, condition:
                ready.append(index)
                condition.notify_all()
        time.sleep(1)
        event.set()
        for thread in threads:
            thread.join()
    assert log == [5, 5, 6]


def test_an_event_that_never_comes_times_out():
    """`wait` says so, at its time."""
    with World() as world:
        assert threading.Event().wait(2.5) is False
        assert world.now_ns == 2_500_000_000


def test_a_timer_fires_and_is_joined():
    """`threading.Timer` is a thread that waits."""
    seen = []
    with World():
        timer = threading.Timer(3, lambda: seen.append(time.monotonic()))
        timer.start()
        cancelled = threading.Timer(2, seen.append, ("never",))
        cancelled.start()
        cancelled.cancel()
        timer.join()
    assert seen == [3]


def test_joins_wait_and_give_up():
    """`join` with a timeout returns while the thread lives; `is_alive` says so."""
    with World() as world:
        thread = threading.Thread(target=time.sleep, args=(5,))
        thread.start()
        thread.join(2)
        assert (thread.is_alive(), world.now_ns) == (True, 2 * 10**9)
        thread.join()
        assert (thread.is_alive(), world.now_ns) == (False, 5 * 10**9)


@pytest.mark.parametrize("kind", [queue.Queue, queue.LifoQueue, queue.SimpleQueue])
def test_queues_block_and_time_out(kind):
    """A `get` waits for a `put`, and Empty comes at its time."""
    with World() as world:
        items = getattr(queue, kind.__name__)()
        threading.Timer(1, items.put, ("x",)).start()
        assert items.get(timeout=5) == "x"
        assert world.now_ns == 10**9
        with pytest.raises(queue.Empty):
            items.get(timeout=0.5)
        assert world.now_ns == 1_500_000_000


def test_a_full_queue_holds_its_writer_back():
    """`put` waits until there is room."""
    with World() as world:
        items = queue.Queue(1)
        items.put(1)
        threading.Timer(4, items.get).start()
        items.put(2)
        assert world.now_ns == 4 * 10**9


def test_executors_run_in_virtual_time():
    """Work runs side by side, results come in order, and work that submits work does not hang."""
    with World() as world, concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda s: (time.sleep(s), s)[1], [3, 1, 2, 2])) == [3, 1, 2, 2]
        assert world.now_ns == 3 * 10**9

        def outer():
            with concurrent.futures.ThreadPoolExecutor(1) as inner:
                return inner.submit(time.sleep, 1).result(timeout=10)

        pool.submit(outer).result()
        done, waiting = concurrent.futures.wait([pool.submit(time.sleep, s) for s in (1, 50)], timeout=10)
        assert (len(done), len(waiting)) == (1, 1)


def test_what_was_made_in_a_world_can_be_used_after_it():
    """A lock and a queue outlive their world as ordinary ones."""
    with World():
        lock, items = threading.Lock(), queue.Queue()
        items.put(1)
    with lock:
        assert items.get() == 1
    with pytest.raises(queue.Empty):
        items.get(timeout=0.001)


def test_sleeping_for_no_time_lets_others_run():
    """`sleep(0)` passes the baton on without moving time, and a loop of it is not for ever."""
    order = []
    with World() as world:

        def other():
            order.append("other")

        thread = threading.Thread(target=lambda: (time.sleep(0), other()))
        thread.start()
        time.sleep(0)
        order.append("main")
        assert world.now_ns == 0
        world.after(0.001, order.append, "event")
        while "event" not in order:
            time.sleep(0)
    assert order == ["other", "main", "event"]


@settings(max_examples=3, deadline=60_000)
@given(st.integers(1, 1000))
def test_hypothesis_sees_real_time(seconds):
    """A deadline of one real minute holds although hours pass in the world."""
    with World() as world:
        time.sleep(3600 * seconds)
        assert world.now_ns == 3600 * seconds * 10**9


def test_runners_wait_for_real_through_conditions_and_queues():
    """Between two tests pytest-xdist waits for the next in a task of a world that a fixture holds open."""

    def wait():
        condition = threading.Condition()
        with condition:
            return condition.wait(0.001)

    def get():
        with pytest.raises(queue.Empty):
            queue.Queue().get(timeout=0.001)

    runner = {"__name__": "execnet.gateway", "threading": threading, "queue": queue, "pytest": pytest}
    with World() as world:
        for function in (wait, get):
            types.FunctionType(function.__code__, runner)()
        assert 0 == world.now_ns
        wait()
        assert 1_000_000 == world.now_ns


def test_a_module_imported_in_one_world_finds_the_next(tmp_path, monkeypatch):
    """What it bound by `from time import sleep` there sleeps in the world that is open when it is called."""
    (tmp_path / "imported_in_a_world.py").write_text("from select import select\nfrom threading import Lock\nfrom time import sleep\n")
    monkeypatch.syspath_prepend(tmp_path)
    with World():
        import imported_in_a_world as module

        module.sleep(5)
    began = time.monotonic()
    module.sleep(0)
    assert type(module.Lock()) is type(threading.Lock())
    with World() as world:
        module.sleep(7)
        module.select([], [], [], 1)
        assert world.now_ns == 8 * 10**9
        assert type(module.Lock()) is type(threading.Lock())
    assert time.monotonic() - began < 5
    monkeypatch.delitem(sys.modules, "imported_in_a_world")
