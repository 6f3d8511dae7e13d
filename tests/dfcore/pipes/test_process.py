"""Stages whose workers are processes: order, bounds, errors, ends; what arrives, and that nothing is left."""

from __future__ import annotations

import functools
import itertools
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import dfcore.pipes as pl
from dfcore import SKIP, ContextDied
from dfcore.pipes import Marker, pipe
from sim import World
from tests.leaks import children
from tests.programs import ENVIRONMENT


def processes_of(p):
    """What ends with a pipe: the workers of its last stage."""
    return p._closing


def sleepy_square(x):
    """The square, later the smaller the item is within three."""
    time.sleep((2 - x % 3) * 0.002)
    return x * x


def test_unordered_results_are_all_there_and_a_marker_is_a_fence():
    """None is lost, none comes twice; what is before a marker stays before it."""
    m, seen = Marker(), []
    p = pipe(range(20)).mark(m, every=10).process.map(sleepy_square, 3, ordered=False).on(m, lambda: seen.append(len(results)))
    results = []
    results.extend(p)
    assert [x * x for x in range(20)] == sorted(results[:10]) + sorted(results[10:])
    assert [10, 20] == [10 * len(seen[:1]), 10 * len(seen)]


def test_nothing_starts_before_it_is_pulled():
    """Neither a process nor the source; and a source without items gives none."""
    before, source = children(), iter([1])
    p = pipe(source).process.map(abs, 2)
    assert (before, [1]) == (children(), list(source))
    assert [] == list(p)


def test_no_more_is_pulled_than_was_declared():
    """After one item at most `workers + maxsize` others are out of the source; each is worked on once."""
    source = itertools.count()
    with pipe(source).process.map(abs, 2, 3) as p:
        assert [0, 1, 2] == list(itertools.islice(p, 3))
    assert next(source) <= 3 + 2 + 3


def test_arrays_arrive_read_only_and_stay():
    """Small and large ones, items and results, more of them than may be ahead, also when the stage is gone."""

    def doubled(item):
        small, large = item["arrays"]
        return [small.flags.writeable, large.flags.writeable, small * 2, large * 2]

    arrays = [(np.arange(3.0) + i, np.full((300, 500), i, np.float32)) for i in range(20)]
    with pipe({"arrays": pair} for pair in arrays).process.map(doubled, 2, 2) as p:
        results = list(p)
    assert [[False, False]] * 20 == [result[:2] for result in results]
    for (small, large), result in zip(arrays, results, strict=True):
        np.testing.assert_array_equal(small * 2, result[2])
        np.testing.assert_array_equal(large * 2, result[3])
        assert not result[2].flags.writeable and not result[3].flags.writeable


@pytest.mark.campaign
def test_random_numbers_of_workers_differ():
    """Of the global generators of NumPy and of Python."""
    numbers = list(pipe(range(40)).process.map(lambda _: (np.random.random(), random.random()), 4, 8))
    assert (40, 40) == tuple(len(set(column)) for column in zip(*numbers, strict=True))


def test_no_item_waits_for_the_next_one_of_a_source_that_has_stopped(tmp_path):
    """Cheap items travel together; but when the source stops in the middle, what there is is worked on, whether or not it is pulled."""
    fifo, had = tmp_path / "fifo", threading.Event()
    os.mkfifo(fifo)
    worked = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    def source():
        yield from range(101)
        had.wait()

    with pipe(source()).process.map(lambda x: fifo.write_text("done") and x if x == 100 else x, 1, 8) as p:
        assert list(range(100)) == [next(p) for _ in range(100)]
        assert [worked] == select.select([worked], [], [])[0]
        assert 100 == next(p)
        had.set()
        assert [] == list(p)
    os.close(worked)


def test_skip_and_each():
    """SKIP drops an item; `each` hands on the items themselves, which do not travel back."""
    items = [object() for _ in range(3)]
    known = {id(item) for item in items}
    assert [0, 4, 16] == list(pipe(range(6)).process.map(lambda x: SKIP if x % 2 else x * x, 2))
    assert known == {id(item) for item in pl.process.each(items, functools.partial(print, end="", sep=""), 1)}


# ---------------------------------------------------------------------------------------------------------------- errors


def failing_at(bad):
    """A function that raises at one item."""

    def reciprocal(x):
        return 1 / (x - bad)

    return reciprocal


def test_an_exception_comes_in_the_place_of_its_item():
    """After the results before it, with its traceback in the worker; then every pull raises it, and the workers are gone."""
    p = pipe(range(20)).process.map(failing_at(5), 2)
    results = []
    with pytest.raises(ZeroDivisionError) as caught:
        results.extend(p)
    assert 5 == len(results)
    assert "in reciprocal" in caught.value.__notes__[0]
    assert "process.map, worker " in caught.value.__notes__[0] and ", item 5:" in caught.value.__notes__[0]
    with pytest.raises(ZeroDivisionError):
        next(p)
    p.close()
    assert set() == {name for name in children() if "python" in name}


def test_a_stop_iteration_of_a_function_is_no_end():
    """Nothing is lost in silence: it is an error, as in any other stage."""
    with pytest.raises(RuntimeError, match="process.map: needed a result, item 0 gave StopIteration") as caught:
        list(pipe(range(3)).process.map(lambda x: next(iter(())), 1))
    assert isinstance(caught.value.__cause__, StopIteration)


class Locked:
    """Cannot travel."""

    def __reduce__(self):
        raise TypeError("stays here")


@pytest.mark.parametrize(
    ("items", "f", "told"),
    [
        ([0, 1, Locked(), 3], str, "process.map: needed items that can travel between processes, item 2 was Locked"),
        (range(4), lambda x: threading.Lock() if x == 2 else x, "process.map: needed a result that can travel between processes, item 2 gave lock"),
    ],
    ids=["item", "result"],
)
def test_what_cannot_travel_is_named(items, f, told):
    """The stage, the item and its type; what came before is handed on."""
    results = []
    with pytest.raises(TypeError) as caught, pipe(items).process.map(f, 2) as p:
        results.extend(p)
    assert (2, told) == (len(results), str(caught.value).split(";")[0])
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_function_that_cannot_travel_is_named_at_once():
    """Before anything is pulled."""
    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"^process.map: needed a function that can travel into another process, was <function"):
        pipe(range(3)).process.map(lambda x: lock, 2)


class Fragile:
    """Travels, but does not arrive."""

    def __init__(self, value):
        self.value = value

    def __call__(self, x):
        """Never called."""

    def __reduce__(self):
        return _broken, (self.value,)


def _broken(value):
    raise LookupError(f"cannot be made again: {value}")


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("items", "f", "where"),
    [
        (range(3), Fragile(1), "when its function was loaded"),
        ([0, Fragile(1), 2], str, "item 1"),
        (range(3), lambda x: Fragile(x) if x == 1 else x, "when the result of item 1 was loaded"),
    ],
    ids=["function", "item", "result"],
)
def test_what_does_not_arrive_raises(items, f, where):
    """Whatever its parts raise when they are loaded, with a note that says where that was."""
    with pytest.raises(LookupError, match="cannot be made again: 1") as caught, pipe(items).process.map(f, 1) as p:
        list(p)
    assert where in caught.value.__notes__[0]


@pytest.mark.campaign
def test_an_exception_of_the_source_comes_after_its_items():
    """It is raised to whoever pulls, and the workers end."""

    def source():
        yield from range(3)
        raise OSError("unplugged")

    results = []
    with pytest.raises(OSError, match="unplugged"), pipe(source()).process.map(abs, 2) as p:
        results.extend(p)
    assert [0, 1, 2] == results


@pytest.mark.parametrize(
    ("arguments", "error"),
    [((3, 2), TypeError), ((abs, 0), ValueError), ((abs, 1.5), TypeError), ((abs, 1, 0), ValueError)],
    ids=["no function", "no workers", "half a worker", "no room"],
)
def test_bad_arguments_are_refused_at_once(arguments, error):
    """Nothing starts."""
    with pytest.raises(error, match=r"^process.map: needed"):
        pl.process.map(range(3), *arguments)


def test_a_world_is_refused():
    """Other processes are not simulated."""
    with World(), pytest.raises(RuntimeError, match="process.map: needed real time, was pulled inside a World"):
        next(pipe(range(3)).process.map(abs, 1))


# ------------------------------------------------------------------------------------------------------------------ ends


def die(how):
    """A function that ends its process at item 3."""

    def f(x):
        if x == 3:
            how()
        return x

    return f


@pytest.mark.parametrize(
    ("ordered", "how", "signal_number", "status"),
    [
        pytest.param(True, lambda: os.kill(os.getpid(), signal.SIGKILL), signal.SIGKILL, None, id="killed"),
        pytest.param(False, lambda: os._exit(0), None, 0, id="exit 0", marks=pytest.mark.campaign),
    ],
)
def test_a_worker_that_dies_is_an_error(how, signal_number, status, ordered):
    """It names the item in hand and how the process ended; nothing hangs, no process is left."""
    with pytest.raises(ContextDied) as caught, pipe(itertools.count()).process.map(die(how), 2, ordered=ordered) as p:
        list(p)
    assert (3, signal_number, status) == (caught.value.seq, caught.value.signal, caught.value.status)


@pytest.mark.campaign
def test_the_death_of_the_process_that_starts_workers_is_an_error():
    """It takes the workers with it."""
    with pytest.raises(ContextDied, match="the process that starts its workers"), pipe(range(9)).process.map(
        lambda x: os.kill(os.getppid(), signal.SIGKILL) or time.sleep(60), 2
    ) as p:
        list(p)


def test_a_stage_that_is_dropped_ends_its_workers():
    """Those that wait at once, one that never returns from a call a little later; the source is left alone."""
    before, source = children(), itertools.count()
    p = pipe(source).process.map(lambda x: x if x < 3 else time.sleep(60), 2)
    assert [0, 1, 2] == [next(p) for _ in range(3)]
    threads = processes_of(p)._work._threads
    del p
    for thread in threads:
        thread.join()
    assert before == children()
    left = next(source)
    assert [left + 1] == [next(source)]


@pytest.mark.campaign
def test_a_source_that_never_yields_again_does_not_hold_up_the_end():
    """Leaving the block ends the processes; the thread that is inside the source goes when that returns."""
    stuck = threading.Event()

    def source():
        yield 1
        stuck.wait()

    before = children()
    with pipe(source()).process.map(abs, 2) as p:
        assert 1 == next(p)
        threads = processes_of(p)._work._threads
    assert before == children()
    stuck.set()
    for thread in threads:
        thread.join()


@pytest.mark.campaign
def test_a_copy_of_the_process_made_by_fork_cannot_pull():
    """It says so; the stage of the parent is not disturbed."""
    with pipe(range(50)).process.map(abs, 2) as p:
        assert 0 == next(p)
        pid = os.fork()
        if not pid:
            try:
                list(p)
            except RuntimeError:
                os._exit(17)
            os._exit(1)
        assert 17 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert list(range(1, 50)) == list(p)


LEFT_AT_EXIT = """
import atexit, os, pathlib
atexit.register(lambda: print(pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text()))

import dfcore.pipes as pl

p = pl.process.map(range(1000), abs, 2, 8)
next(p)
"""


def test_a_program_that_ends_first_reaps_its_workers(tmp_path):
    """Before the functions run that it registered before it imported pipes, and in silence."""
    program = tmp_path / "program.py"
    program.write_text(LEFT_AT_EXIT)
    command = [sys.executable, "-X", "dev", program]
    told = subprocess.run(command, env=ENVIRONMENT, text=True, capture_output=True, check=True)
    assert ("\n", "") == (told.stdout, told.stderr)


def test_a_signal_to_the_whole_group_ends_no_worker():
    """SIGTERM is the parent's to answer; what a worker has in hand is not lost."""
    signalled = pipe(range(10)).process.map(lambda x: os.kill(os.getpid(), signal.SIGTERM) or x, 1)
    assert list(range(10)) == list(signalled)


@pytest.mark.parametrize("nth", [1, 2], ids=["listener", "feeder"])
def test_a_thread_that_the_system_refuses_ends_the_processes(nth, monkeypatch):
    """The error is raised to whoever pulls, and no process is left."""
    started, start, before = itertools.count(1), threading.Thread.start, children()

    def refused(thread):
        if next(started) == nth:
            raise RuntimeError("can't start new thread")
        start(thread)

    p = pipe(range(3)).process.map(abs, 1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            next(p)
    p.close()
    assert set() == children() - before


PROGRAM = """
import os, signal, sys, time
import dfcore.pipes as pl

def f(x):
    if x == 2:
        print(*sorted(open("/proc/%d/task/%d/children" % (os.getppid(), os.getppid())).read().split()), flush=True)
    if x >= 2:
        time.sleep(60)
    return x

for x in pl.process.map(range(100), f, 2):
    pass
"""


@pytest.mark.parametrize("number", [pytest.param(signal.SIGKILL, marks=pytest.mark.campaign), signal.SIGINT])
def test_workers_end_with_the_program(number, tmp_path):
    """Killed, or interrupted by Ctrl-C in the middle of a call: within a second no worker is there. No `__main__` guard is needed."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True, process_group=0
    )
    workers = [os.pidfd_open(int(pid)) for pid in process.stdout.readline().split()]
    assert 2 == len(workers)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.kill()
    for pidfd in workers:
        _wait(pidfd)
        os.close(pidfd)
    _, told = process.communicate()
    if number == signal.SIGINT:
        assert (-signal.SIGINT, 1) == (process.returncode, told.count("KeyboardInterrupt"))


def _wait(pidfd):
    """Until the process is gone."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll()
