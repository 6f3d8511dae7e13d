"""Waiters: woken, never polled."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dfcore.waiting import Waiters
from sim import World


def test_what_is_there_is_not_waited_for():
    """`ready` is asked first."""
    assert Waiters().wait(lambda: True)
    asyncio.run(asyncio.wait_for(Waiters().until(lambda: True), 5))


def test_a_time_out_is_no_wake_up():
    """False, and nobody is left in the queue."""
    waiters = Waiters()
    assert not waiters.wait(lambda: False, 0)
    assert not waiters._wakers


@pytest.mark.parametrize("timeout_s", [1e12, float("inf")])
def test_a_time_out_may_be_longer_than_the_platform_can_wait(timeout_s):
    """It is as if there were none: who waits is woken."""
    waiters, answers = Waiters(), iter([False, False, True])

    def ready():
        found = next(answers)
        waiters.wake()
        return found

    assert waiters.wait(ready, timeout_s)


def test_a_change_between_two_looks_is_seen():
    """Who asks to be woken looks once more before waiting."""
    answers = iter([False, True])
    assert Waiters().wait(lambda: next(answers))


def test_all_who_wait_are_woken():
    """Threads and coroutines, by one call."""
    waiters, done = Waiters(), []

    def thread():
        done.append(waiters.wait(lambda: bool(done) or here.is_set()))

    async def tasks():
        await asyncio.gather(*(waiters.until(here.is_set) for _ in range(3)))
        done.append("tasks")

    here = threading.Event()
    threads = [threading.Thread(target=thread), threading.Thread(target=lambda: asyncio.run(tasks()))]
    for each in threads:
        each.start()
    here.set()
    while any(each.is_alive() for each in threads):
        waiters.wake()
        threads[0].join(0.01)
        threads[1].join(0.01)
    assert {True, "tasks"} == set(done)
    assert not waiters._wakers


def test_a_waiter_that_gave_up_is_forgotten():
    """A task that was cancelled is not woken later, nor is one whose loop is gone."""
    waiters = Waiters()

    async def give_up():
        await asyncio.wait([asyncio.ensure_future(waiters.until(lambda: False))], timeout=0)

    asyncio.run(give_up())
    assert not waiters._wakers
    waiters.wake()


def test_a_task_of_a_world_parks_there():
    """Its time-out is in the world's time, and costs none of ours."""
    with World() as world:
        waiters, seen = Waiters(), []
        world.after(5, lambda: (seen.append(True), waiters.wake()))
        assert not waiters.wait(lambda: bool(seen), 3)
        assert 3_000_000_000 == world.now_ns
        assert waiters.wait(lambda: bool(seen), 60)
        assert 5_000_000_000 == world.now_ns
