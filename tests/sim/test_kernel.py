"""The kernel: one baton, one order, and what ends a world."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import weakref

import pytest
import serial

import sim.kernel
from sim import DeviceError, SerialDevice, SimDeadlock, World
from sim.kernel import COLLECT_EVERY, FREE_POLLS, FULL_EVERY, POLL_NS, Kernel
from sim.pace import _monotonic_ns
from sim.stacks import Watchdog


def test_time_jumps_and_costs_nothing():
    """A thousand virtual hours pass, which this test could not wait for, and the clock shows them exactly."""
    with World() as world:
        time.sleep(3_600_000)
        assert world.now_ns == 3_600_000 * 10**9


def test_events_of_an_instant_run_before_the_tasks_they_wake():
    """All events due run first, as inserted; then the woken tasks, first in first out; then the quiet function."""
    log = []
    with World() as world:
        bells = [world.bell() for _ in range(3)]

        def sleeper(index):
            world.wait(bells[index])
            log.append(f"task {index}")

        def quiet(now_ns):
            if now_ns == 10**9 and "quiet" not in log:
                log.append("quiet")
            return None, None

        for index in range(3):
            world.spawn(sleeper, index)
        for index in (2, 0, 1):
            world.after(1, lambda index=index: (log.append(f"event {index}"), world.wake(bells[index])))
        world.when_quiet(quiet)
        time.sleep(2)
        world.when_quiet(None)
    assert log == ["event 2", "event 0", "event 1", "task 2", "task 0", "task 1", "quiet"]


def test_equal_times_keep_the_order_of_insertion():
    """A hundred events at one instant happen as they were asked for."""
    seen = []
    with World() as world:
        for index in range(100):
            world.after(0.5, seen.append, index)
        time.sleep(1)
    assert seen == list(range(100))


def test_a_bell_rung_early_is_not_lost():
    """A bell rung while nobody waits makes the next wait return at once, and only that one."""
    with World() as world:
        bell = world.bell()
        world.wake(bell)
        assert world.wait(bell) is True
        assert world.wait(bell, world.now_ns + 5) is False
        assert world.now_ns == 5


def test_the_quiet_function_rings_one_bell_at_a_time():
    """`(bell, None)` wakes that task, which runs before the function is asked again; `(None, t)` is asked again at t."""
    asked, ran = [], []
    with World() as world:
        bell = world.bell()

        def context():
            while True:
                world.wait(bell)
                ran.append((world.now_ns, len(asked)))

        def quiet(now_ns):
            asked.append(now_ns)
            if len(ran) < now_ns // 100:
                return bell, None
            return None, (now_ns // 100 + 1) * 100

        world.spawn(context)
        world.when_quiet(quiet)
        world.wait(world.bell(), 350)
        world.when_quiet(None)
    assert ran == [(100, 2), (200, 4), (300, 6)]


def test_polls_are_free_at_first_and_then_move_time():
    """The first 64 looks at the clock since a task parked cost nothing, each later one 1 us; parking renews them."""
    with World() as world:
        for _ in range(FREE_POLLS):
            time.monotonic()
        assert world.now_ns == 0
        time.monotonic()
        assert world.now_ns == POLL_NS
        time.sleep(1)
        time.monotonic()
        assert world.now_ns == 10**9 + POLL_NS


def test_a_busy_wait_sees_what_others_do():
    """A task that polls in a loop lets events and other tasks run."""
    seen = []
    with World() as world:
        world.after(0.001, seen.append, "event")
        thread = threading.Thread(target=lambda: (time.sleep(0.002), seen.append("task")))
        thread.start()
        while len(seen) < 2:
            time.monotonic()
        assert world.now_ns >= 2_000_000
    assert seen == ["event", "task"]


def test_everybody_waiting_for_ever_is_a_deadlock_with_every_stack():
    """The main task gets SimDeadlock, which shows where each task stands."""

    def stand_still():
        threading.Event().wait()

    with pytest.raises(SimDeadlock) as caught, World():
        threading.Thread(target=stand_still, name="the other one").start()
        threading.Lock().acquire()
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    text = str(caught.value)
    assert "task main (parked)" in text
    assert "task the other one (parked)" in text
    assert "in stand_still" in text
    assert "/_pytest/" not in text


def test_leaving_ends_every_thread_and_restores_every_patch():
    """Threads that wait, sleep or never began are gone, and the modules are as they were; also after an exception."""
    before = (time.sleep, time.monotonic, threading.Lock, threading.Thread.join, threading.excepthook)
    affinity, collecting = os.sched_getaffinity(0), gc.isenabled()
    threads = set(threading.enumerate())
    unwound = []

    def worker():
        try:
            time.sleep(10**6)
        finally:
            unwound.append(1)

    with pytest.raises(KeyError), World():
        for _ in range(5):
            threading.Thread(target=worker).start()
        raise KeyError
    assert unwound == [1] * 5
    assert set(threading.enumerate()) == threads
    assert (time.sleep, time.monotonic, threading.Lock, threading.Thread.join, threading.excepthook) == before
    assert (os.sched_getaffinity(0), gc.isenabled()) == (affinity, collecting)


def test_a_task_that_sleeps_while_it_unwinds_is_ended_too():
    """Waiting in a `finally` block of a closing world raises again instead of hanging."""

    def stubborn():
        try:
            time.sleep(10**6)
        finally:
            time.sleep(10**6)

    with World():
        threading.Thread(target=stubborn).start()
        time.sleep(1)


def test_what_a_spawned_task_raises_ends_the_run_in_the_main_task():
    """The main task is woken with the very exception."""

    def broken():
        time.sleep(1)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"), World() as world:
        world.spawn(broken)
        time.sleep(100)


def test_run_returns_the_result_or_raises():
    """`run` is a call in a task of its own."""
    with World() as world:
        assert world.run(lambda a, b: (time.sleep(1), a + b)[1], 2, 3) == 5
        with pytest.raises(ZeroDivisionError):
            world.run(lambda: 1 / 0)
        with pytest.raises(SystemExit, match="3"):
            world.run(sys.exit, 3)


def test_a_failure_of_a_test_in_another_task_is_one():
    """`pytest.fail` raises no Exception: it comes out of `run`, out of the main task, and out of what a device raised."""
    with pytest.raises(pytest.fail.Exception, match="in run"), World() as world:
        world.run(pytest.fail, "in run")
    with pytest.raises(pytest.fail.Exception, match="in spawn"), World() as world:
        world.spawn(pytest.fail, "in spawn")
        time.sleep(1)
    with pytest.raises(DeviceError, match="event function: .* \\(in an event\\)"), World() as world:
        world.after(1, pytest.fail, "in an event")
        world.spawn(time.sleep, 2)  # it parks last, so the event runs in its thread
        time.sleep(3)


def test_worlds_do_not_nest_and_are_used_once():
    """A second open world, and a world used again, are errors that say so."""
    with World() as world, pytest.raises(RuntimeError, match="worlds do not nest: use that one"), World():
        pass
    with pytest.raises(RuntimeError, match="closed"), world:
        pass
    with pytest.raises(RuntimeError, match="needed an open world"):
        world.spawn(print)


def test_a_world_that_fails_to_open_leaves_nothing(monkeypatch):
    """An error while the patches are put in takes them out again, and another world can be opened."""
    before = (time.sleep, threading.Lock, os.sched_getaffinity(0), gc.isenabled())
    monkeypatch.setattr("sim.timeline.install_selectors", None)
    with pytest.raises(TypeError), World():
        pass
    assert (time.sleep, threading.Lock, os.sched_getaffinity(0), gc.isenabled()) == before
    monkeypatch.undo()
    with World():
        time.sleep(1)


def test_an_event_cannot_wait():
    """What runs as an event has no task to park: it is told so, by name."""
    with pytest.raises(OSError, match="event sleep.*after") as caught, World() as world:
        world.after(1, time.sleep, 1)
        time.sleep(5)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_an_interrupted_task_raises_where_it_is_parked():
    """`interrupt` raises out of the call in which the task waits."""
    caught = []
    with World() as world:

        def waiter():
            try:
                time.sleep(100)
            except InterruptedError:
                caught.append(world.now_ns)

        task = world.spawn(waiter)
        time.sleep(1)
        world.interrupt(task, InterruptedError())
        time.sleep(1)
    assert caught == [10**9]


def test_events_see_world_time_whoever_runs_them():
    """An event that falls due while a task ends is still an event of the world."""
    seen = []
    with World() as world:
        world.after(1, lambda: seen.append(time.monotonic()))
        world.spawn(world.wait, world.bell(), 10**9 - 1)
        world.wait(world.bell(), 2 * 10**9)
    assert seen == [1]


def test_waits_that_never_came_to_their_end_are_forgotten():
    """A long timeout taken back a hundred thousand times leaves no hundred thousand events."""
    with World() as world:
        bell = world.bell()
        for _ in range(100_000):
            world.after(0, world.wake, bell)
            assert world.wait(bell, world.now_ns + 10**15)
        assert len(world.kernel._heap) <= 2 * COLLECT_EVERY


def test_old_cycles_are_collected_too(monkeypatch):
    """The garbage collector is off in a world, but not for good: what lived long and is a cycle goes, however long a world is open."""
    monkeypatch.setattr(sim.kernel, "COLLECT_EVERY", 10)

    class Cycle:
        def __init__(self):
            self.me = self

    with World():
        cycle = Cycle()
        gone = weakref.ref(cycle)
        gc.collect()  # it is old from here on
        del cycle
        for _ in range(10 * FULL_EVERY - 1):
            time.sleep(0.001)
        assert gone() is not None
        time.sleep(0.001)
        assert gone() is None


def test_a_thread_outside_may_ring_a_bell_of_a_world_in_real_time():
    """`wake` from a thread that is no task wakes a world that sleeps."""
    started, go = threading.Lock(), threading.Lock()
    started.acquire()
    go.acquire()
    box = {}

    def outside():
        started.release()
        go.acquire()
        box["world"].wake(box["bell"])

    thread = threading.Thread(target=outside)
    thread.start()
    started.acquire()
    with World(clock="wall") as world:
        box.update(world=world, bell=world.bell())
        go.release()
        assert world.wait(box["bell"]) is True
    thread.join()


@pytest.mark.parametrize("clock", ["virtual", "wall", "x20"])
def test_the_order_of_events_is_the_same_under_every_clock(clock):
    """Three periodic tasks interleave in the same order; only the waiting differs."""
    log, began_ns, bells = [], [], []
    with World(clock=clock) as world:

        def periodic(name, period_ns, bell):
            world.wait(bell)
            for count in range(1, 4):
                world.wait(world.bell(), began_ns[0] + count * period_ns)
                log.append(name)

        for name, period_ns in (("a", 4_000_000), ("b", 6_000_000), ("c", 9_000_000)):
            bells.append(world.bell())
            world.spawn(periodic, name, period_ns, bells[-1])
        began_ns.append(world.now_ns)
        for bell in bells:
            world.wake(bell)
        world.wait(world.bell(), began_ns[0] + 40_000_000)
    assert "".join(log) == "abacbacbc"


@pytest.mark.parametrize("clock", ["", "real", "x", "x0", "x-1", "xinf", "10"])
def test_an_unknown_clock_is_refused(clock):
    """The message shows the three kinds."""
    with pytest.raises(ValueError, match='"virtual", "wall" or "x"'):
        World(clock=clock)


def test_the_watchdog_shows_who_keeps_the_baton(capsys):
    """A task that runs real code too long is named, once, with its stack."""
    said = threading.Lock()
    said.acquire()

    class Heard(Watchdog):
        def _say(self, task):
            super()._say(task)
            said.release()

    kernel = Kernel()
    kernel.enter()
    watchdog = Heard(kernel, stuck_s=0.01)
    said.acquire()
    watchdog.close()
    kernel.close()
    text = capsys.readouterr().err
    assert "task main has run real code for 0.01 s" in text
    assert "test_the_watchdog_shows" in text


def test_a_wall_clock_waits_for_real():
    """50 ms of a wall world take at least that, and of an x10 world a tenth."""
    for clock, least_ns in (("wall", 50_000_000), ("x10", 5_000_000)):
        with World(clock=clock):
            began_ns = _monotonic_ns()
            time.sleep(0.05)
            assert _monotonic_ns() - began_ns >= least_ns


def test_a_finaliser_that_waits_is_refused_between_two_tasks(monkeypatch):
    """It may run wherever cycles are collected: where a task has just parked it cannot park again, and harms nobody by trying."""
    monkeypatch.setattr("sim.kernel.COLLECT_EVERY", 1)
    refused = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: refused.append(str(args.exc_value)))

    class Cycle:
        def __init__(self):
            self.me = self

        def __del__(self):
            time.sleep(0.5)

    with World() as world:
        thread = threading.Thread(target=lambda: [time.sleep(0.1) for _ in range(20)])
        thread.start()
        Cycle()
        for _ in range(10):
            time.sleep(0.1)
        assert world.now_ns == 10**9
        thread.join()
    assert [text.partition(":")[0] for text in refused] == ["a finaliser"]


def test_a_port_in_a_cycle_is_closed_without_waiting(monkeypatch):
    """The last close of a port waits until all is sent; a finaliser cannot."""
    monkeypatch.setattr("sim.kernel.COLLECT_EVERY", 1)
    with World() as world:
        line = world.serial("/dev/ttyUSB0", SerialDevice())
        port = serial.Serial("/dev/ttyUSB0", 50)
        port.write(bytes(200))
        port.me = port
        del port
        time.sleep(0.1)
        assert world.now_ns == 10**8
        assert not line.tty.files


def test_a_world_opens_where_it_may_not_choose_its_processor(monkeypatch):
    """As in some containers: it is only slower there."""

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    with World() as world:
        time.sleep(1)
    assert world.now_ns == 10**9
