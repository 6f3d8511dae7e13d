"""Stages that use threads: bounds, errors, and that all of it ends."""

from __future__ import annotations

import gc
import itertools
import os
import random
import signal
import threading
import time
import traceback
import weakref

import pytest

from dfcore._ahead import closed_gate
from dfcore._pull import applied
from dfcore.pipes import pipe
from sim import World
from tests.dfcore.pipes.busy import Busy, Pulled, uneven

ORDERED = pytest.mark.parametrize("ordered", [True, False])


@ORDERED
def test_an_error_comes_in_its_place_and_ends_the_work(ordered, none_left):
    """What was before it is handed on first if the order counts; afterwards every pull raises it; nothing more is pulled."""
    source = Pulled(itertools.count())

    def fails(x):
        if x == 5:
            raise ZeroDivisionError("at five")
        return x

    p = pipe(source).thread.map(fails, 3, 4, ordered=ordered)
    found = []
    with pytest.raises(ZeroDivisionError, match="at five") as caught:
        found.extend(iter(lambda: next(p), None))
    assert not ordered or [0, 1, 2, 3, 4] == found
    assert "fails" in [entry.name for entry in caught.traceback]
    with pytest.raises(ZeroDivisionError):
        next(p)
    none_left.join()
    assert source.count <= 6 + 3 + 4


@ORDERED
def test_an_error_of_the_source_comes_behind_its_items(ordered):
    """Also where results come as they are done, and the first items take long."""

    def source():
        yield from range(5)
        raise OSError("unplugged")

    found = []
    with World():
        p = pipe(source()).thread.map(lambda x: time.sleep(5 - x) or x, 6, 8, ordered=ordered)
        with pytest.raises(OSError, match="unplugged"):
            found.extend(iter(lambda: next(p), None))
    assert list(range(5)) == sorted(found)


def test_several_threads_pull_one_pipe(none_left):
    """Each takes its turn: none finds itself inside, nothing is lost."""
    p, found, errors = pipe(range(3000)).thread.map(lambda x: x, 3, 5), [], []

    def pull():
        try:
            found.extend(p)
        except ValueError as error:
            errors.append(error)

    pullers = [threading.Thread(target=pull) for _ in range(4)]
    for puller in pullers:
        puller.start()
    for puller in pullers:
        puller.join()
    assert ([], list(range(3000))) == (errors, sorted(found))


def test_a_worker_may_hold_several_places(none_left):
    """As one does that serves processes: it takes three items before it gives one back, and the last first."""

    def work(ahead, steps):
        ahead.hired()
        gate = closed_gate()
        while taken := list(itertools.takewhile(lambda place: place, (ahead.take(gate) for _ in range(3)))):
            for place in reversed(taken):
                ahead.put(place, applied(steps, place.item))

    p = pipe(range(9)).map(lambda x: x + 1).ahead(work, 1, 2, ordered=True, where="several")
    assert list(range(1, 10)) == list(p)


def test_a_traceback_does_not_grow(none_left):
    """Raised to many pulls, an error keeps the traceback that it came with."""
    p = pipe([0]).thread.map(lambda x: 1 // x, 1)
    lengths = set()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError) as caught:
            next(p)
        lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert 1 == len(lengths)


def test_an_error_passes_through_stages_with_threads(none_left):
    """The puller of three of them gets the error of the first."""

    def fails(x):
        raise ValueError("first")

    p = pipe(range(10)).each(fails).thread.queue(4, 8).thread.queue(4, 8).thread.map(str, 4, 8)
    with pytest.raises(ValueError, match="first"):
        list(p)


def test_a_system_exit_of_a_function_reaches_the_puller(none_left):
    """Whatever is raised in a thread is raised where it is waited for."""

    def leaves(x):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        list(pipe([1]).thread.map(leaves, 1))


def test_leaving_the_block_waits_for_calls_that_are_under_way():
    """After `with` no function of the pipe runs any more, and the pipe says that it is closed."""
    busy = Busy()
    with World():
        with pipe(itertools.count()).thread.map(busy(uneven()), 4, 4).thread.map(busy(uneven()), 2) as p:
            next(p)
        assert (6, 0) == (busy.most, busy.now)
        with pytest.raises(ValueError, match="was closed"):
            next(p)


def test_an_error_in_the_block_ends_the_workers(none_left):
    """The block raises its own error."""
    with pytest.raises(LookupError), pipe(itertools.count()).thread.map(str, 3) as p:
        next(p)
        raise LookupError


@pytest.mark.parametrize("end", ["drop", "close"])
def test_a_source_that_never_yields_can_be_abandoned(end, none_left):
    """Nobody waits for it, and of all threads only the one that is inside it stays, until it comes out."""
    arrived, leave, inside = threading.Event(), threading.Event(), []

    def never():
        yield 1
        inside.append(threading.current_thread())
        arrived.set()
        leave.wait()

    p = pipe(never()).thread.queue(4, 8).batch(1).flatten().thread.map(str, 4, 8).thread.map(str, 2)
    assert "1" == next(p)
    assert arrived.wait(10)
    if end == "close":
        p.close()
    del p
    for thread in none_left.threads() - set(inside):
        thread.join(10)
    assert set(inside) == none_left.threads()
    leave.set()


def test_ctrl_c_in_the_puller(none_left):
    """It is raised where the puller waits; the pipe goes on from there, and nothing is lost."""
    release, main = threading.Event(), threading.main_thread().ident

    def interrupts(x):
        if x == 0:
            signal.pthread_kill(main, signal.SIGINT)
        release.wait()
        return x

    p = pipe(range(20)).thread.map(interrupts, 2, 2)
    with pytest.raises(KeyboardInterrupt):
        next(p)
    release.set()
    assert list(range(20)) == list(p)


def test_a_fork_has_no_workers(none_left):
    """Who pulls there is told, instead of waiting for ever; the pipe goes on where it was made."""
    p = pipe(range(5)).thread.map(str, 2, 2)
    assert "0" == next(p)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            list(p)
        except RuntimeError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as answer:
        assert "needed the process that made it, was a fork" in answer.read()
    os.waitpid(child, 0)
    assert ["1", "2", "3", "4"] == list(p)


def test_threads_are_started_as_they_are_needed(none_left):
    """Two items need no more than two of 50 threads, and a pipe that is not pulled needs none."""
    names = set()
    p = pipe([1, 2]).thread.map(lambda x: names.add(threading.current_thread().name), 50)
    assert set() == none_left.threads()
    list(p)
    assert 1 <= len(names) <= 2


@ORDERED
def test_cheap_calls_do_not_wake_all_workers(ordered):
    """Once it is known that there is nothing left to do for the second, one does them all."""
    names = []
    with World():
        list(pipe(range(200)).thread.map(lambda x: names.append(threading.current_thread().name), 4, 8, ordered=ordered))
    assert 1 == len(set(names[100:]))


@ORDERED
def test_a_call_that_waits_for_the_next_one_is_helped(ordered, none_left):
    """Also behind hundreds of cheap ones, wherever in the window, when the puller sleeps and no other worker was woken."""
    begun = [threading.Event() for _ in range(2001)]
    wait = set(itertools.accumulate(random.Random(1).choices(range(3, 60), k=60)))

    def waits(x):
        begun[x].set()
        if x in wait:
            begun[x + 1].wait()
        return x

    assert list(range(2000)) == sorted(pipe(range(2000)).thread.map(waits, 4, 8, ordered=ordered))


@ORDERED
def test_all_workers_help_behind_cheap_calls_while_the_puller_is_away(ordered):
    """The puller has its items and does something else; the next ones take a second each."""
    busy = Busy()
    with World():
        p = pipe(itertools.count()).thread.map(busy(lambda x: x < 100 or time.sleep(1)), 4, 8, ordered=ordered)
        for _ in range(100):
            next(p)
        time.sleep(0.5)
        assert 4 == busy.now
        p.close()


def test_a_function_that_waits_runs_in_all_workers():
    """8 calls of a second each take a second with 8 workers; so do functions of the stages before a queue."""
    for make in (lambda p: p.thread.map(lambda x: time.sleep(1), 8), lambda p: p.map(lambda x: time.sleep(1)).thread.queue(8)):
        with World() as world:
            assert 8 == len(list(make(pipe(range(8)))))
            assert 1_000_000_000 == world.now_ns


def test_behind_a_mutex_the_stages_before_it_run_one_at_a_time():
    """The function before the mutex is never in two threads at once, the one behind it is."""
    before, behind = Busy(), Busy()
    with World():
        list(pipe(range(20)).each(before(uneven())).thread.mutex().each(behind(uneven())).thread.queue(4))
    assert before.most == 1 < behind.most


@ORDERED
def test_dropped_items_count_until_they_are_passed(ordered):
    """A filter that drops all does not let the workers run away: 1 of 40 items is asked for, 4 + 8 are out."""
    with World():
        source = Pulled(itertools.count())
        p = pipe(source).filter(lambda x: x == 0).thread.map(lambda x: x, 4, 8, ordered=ordered)
        assert 0 == next(p)
        time.sleep(1)
        assert 13 == source.count


@ORDERED
def test_what_was_handed_on_is_let_go(ordered, none_left):
    """Neither the workers nor the pipe keep an item that the puller has had."""

    class Item:
        pass

    p = pipe(Item() for _ in range(3)).thread.map(lambda x: x, 2, ordered=ordered)
    item = weakref.ref(next(p))
    list(p)
    gc.collect()
    assert item() is None


def test_a_pipe_that_has_failed_is_let_go(none_left):
    """Nothing keeps it, or its source, when its error is forgotten."""

    class Source:
        def __iter__(self):
            return iter(range(3))

    def pulled(source):
        with pytest.raises(ZeroDivisionError):
            list(pipe(x for x in source).thread.map(lambda x: 1 // x, 2))
        return weakref.ref(source)

    source = pulled(Source())
    none_left.join()
    gc.collect()
    assert source() is None


def test_a_closed_upstream_pipe_ends_those_behind_it(none_left):
    """Who pulls a pipe whose workers were ended elsewhere is told."""
    first = pipe(itertools.count()).thread.map(str, 2)
    second = first.map(str)
    next(second)
    first.close()
    with pytest.raises(ValueError, match="was closed"):
        next(second)


@pytest.mark.parametrize("behind", [lambda p: p, lambda p: p.batch(2), lambda p: p.thread.queue(1), lambda p: p.tee(1)[0]])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_function_that_pulls_the_pipe_of_its_own_workers_is_told(behind, workers, none_left):
    """Itself or a stage behind it: it would wait for itself, whether somebody else pulls at that moment or not."""
    box = []
    p = pipe(range(9)).thread.map(lambda x: next(box[0]), workers)
    last = behind(p)
    box.append(last)
    with pytest.raises(ValueError, match="cannot pull itself"):
        next(last)
    box.clear()
    last.close()
    none_left.join()


def test_a_source_that_pulls_the_pipe_of_its_processes_is_told(none_left):
    """What is before a stage of processes runs in a thread of its own, which works for it."""
    box = []
    with pipe(range(9)).map(lambda x: next(box[0])).process.map(abs, 1) as p:
        box.append(p)
        with pytest.raises(ValueError, match="cannot pull itself"):
            next(p)
        box.clear()
    none_left.join()


def test_a_function_of_workers_may_pull_another_pipe(none_left):
    """Also one before it, and one with workers."""
    others = pipe(range(100)).thread.map(abs, 2)
    with pipe(range(10)).thread.map(lambda x: next(others) * 0 + x, 2) as p:
        assert list(range(10)) == list(p)
    others.close()
    none_left.join()
