"""`World(check=True)`: the block runs twice, and must do the same again."""

from __future__ import annotations

import gc
import os
import queue
import random
import select
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import RunsDiffer, SerialDevice, SimDeadlock, World, stacks
from sim.check import difference
from sim.timeline import observers
from sim.trace import Event
from tests.programs import ENVIRONMENT


def send(world, data):
    """Let a plug see `data` at this instant, so that the trace has it."""
    with serial.serial_for_url(world.serial(f"plug{len(world.ports)}").name, timeout=1) as port:
        port.write(data)


def test_a_block_that_depends_on_its_seed_alone_passes():
    """Threads, locks, random numbers of the world, time: two runs are one, and the second is the one that counts."""
    ran = []
    with World(3, check=True) as world:
        jobs = queue.Queue()
        thread = threading.Thread(target=lambda: [send(world, world.rng.bytes(jobs.get())) for _ in range(5)])
        thread.start()
        for size in range(1, 6):
            time.sleep(0.1)
            jobs.put(size)
        thread.join()
        ran.append(time.monotonic())
    assert len(ran) == 1
    assert len(world.trace) > 20


class Numbered:
    """One of many in a set, which is ordered by address."""

    def __init__(self, number):
        self.number = number


DEEDS = {
    "random": lambda world: send(world, random.randbytes(4)),
    "numpy": lambda world: send(world, np.random.bytes(4)),
    "urandom": lambda world: send(world, os.urandom(4)),
    "address": lambda world: send(world, repr([id(thing) for thing in [Numbered(k) for k in range(5)]]).encode()),
    "pid": lambda world: send(world, repr(os.getpid()).encode()),
    "set": lambda world: send(world, bytes(thing.number for thing in {Numbered(k) for k in range(100)})),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_block_that_depends_on_something_else_is_found(deed):
    """The first event that differs is shown, of both runs, with what usually is behind it."""
    with pytest.raises(RunsDiffer, match=r"needed two runs alike, they part after\n") as found, World(check=True) as world:
        send(world, b"same")
        DEEDS[deed](world)
    text = str(found.value)
    first, second = (line for line in text.splitlines() if line.startswith("  then, "))
    assert first.startswith("  then, first run:  0.0")
    assert "plug1  write  b" in first
    assert "plug1  write  b" in second
    assert first.partition("write")[2] != second.partition("write")[2]
    assert "  event " in text
    assert "usual causes: the order of a set" in text


def test_random_numbers_seeded_inside_the_block_are_no_difference():
    """Only what nobody seeded differs."""
    with World(check=True) as world:
        random.seed(1)
        np.random.seed(1)
        send(world, random.randbytes(4) + np.random.bytes(4))


def test_the_random_numbers_of_the_program_go_on(monkeypatch):
    """The check draws none of them."""
    random.seed(4)
    expected = random.random()
    random.seed(4)
    with World(check=True):
        pass
    assert random.random() == expected


def test_an_error_of_the_block_comes_out():
    """Both runs raised it: it is the block's."""
    with pytest.raises(ZeroDivisionError), World(check=True):
        raise ZeroDivisionError


def test_a_deadlock_comes_out():
    """Also what the world itself raises."""
    with pytest.raises(SimDeadlock), World(check=True):
        threading.Event().wait()


def test_an_error_of_a_device_comes_out():
    """What a device raised while the world closed is raised by both runs."""

    class Broken(SerialDevice):
        def on_close(self):
            raise ZeroDivisionError("no")

    with pytest.raises(OSError, match="device plug: Broken.on_close"), World(check=True) as world:
        serial.serial_for_url(world.serial("plug", Broken()).name).close()


def test_runs_that_end_otherwise_differ():
    """The same events, but an error in one of them, or another end time; what the error says does not matter."""
    parent = os.getpid()
    raised = r"first run:  0\.0\d* s  ValueError: no was raised\n.*second run: 0\.0\d* s  the block ended"
    with pytest.raises(RunsDiffer, match=raised), World(check=True):
        if os.getpid() != parent:
            raise ValueError("no")
    longer = r"first run:  2\.0\d* s  the block ended\n.*second run: 1\.0\d* s  the block ended"
    with pytest.raises(RunsDiffer, match=longer), World(check=True):
        time.sleep(1 if os.getpid() == parent else 2)
    with pytest.raises(ValueError, match=str(parent)), World(check=True):
        raise ValueError(os.getpid())


def test_a_difference_keeps_the_error_of_the_block():
    """It is the cause."""
    with pytest.raises(RunsDiffer) as found, World(check=True) as world:
        send(world, os.urandom(4))
        raise ZeroDivisionError
    assert isinstance(found.value.__cause__, ZeroDivisionError)


def test_the_first_run_writes_nothing(capfd):
    """Neither through `print` nor below it."""
    parent = os.getpid()
    with World(check=True):
        print("printed")
        print("told", file=sys.stderr)
        os.write(1, b"written\n")
        if os.getpid() != parent:
            sys.stdout.flush()
    sys.stdout.flush()
    assert sorted(capfd.readouterr().out.split()) == ["printed", "written"]


def test_a_first_run_that_dies_is_told():
    """By signal or by status; the second run does not begin."""
    parent, ran = os.getpid(), []
    with pytest.raises(RuntimeError, match="its process died of SIGKILL; see what it does with check=False"), World(check=True):
        ran.append(1)
        os.kill(os.getpid(), signal.SIGKILL)
    with pytest.raises(RuntimeError, match="its process ended with status 3 before it; see"), World(check=True):
        ran.append(1)
        os._exit(3)
    assert (os.getpid(), ran) == (parent, [])


def test_a_first_run_that_dies_is_told_at_once():
    """Also while a process that it started holds on to what it had open."""
    parent = os.getpid()
    hold, release = os.pipe()
    with pytest.raises(RuntimeError, match="its process ended with status 3 before it"), World(check=True):
        if os.getpid() != parent:
            if os.fork() == 0:
                os.close(release)
                os.read(hold, 1)
                os._exit(0)
            os._exit(3)
    os.close(hold)
    os.close(release)


def test_who_stops_waiting_stops_the_first_run():
    """An exception out of a signal while the first run goes on for ever ends it."""

    class Enough(Exception):
        pass

    def stop(*_):
        raise Enough

    parent = os.getpid()
    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(Enough), World(check=True):
            if os.getpid() != parent:
                os.kill(parent, signal.SIGUSR1)
                while True:
                    time.sleep(1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    with World():
        pass


def test_an_interrupt_is_no_difference():
    """Ctrl-C in the second run comes out as it is."""
    parent = os.getpid()
    with pytest.raises(KeyboardInterrupt), World(check=True):
        if os.getpid() == parent:
            raise KeyboardInterrupt


def test_the_first_run_finalises_nothing_that_is_not_its_own(tmp_path):
    """Garbage from before the block is the parent's to collect."""
    told = tmp_path / "told"

    class Garbage:
        def __init__(self):
            self.me = self

        def __del__(self):
            with told.open("a") as file:
                file.write(f"{os.getpid()}\n")

    Garbage()
    with World(check=True):
        gc.collect()
    assert told.read_text() == f"{os.getpid()}\n"


def test_a_first_run_that_gets_stuck_is_told(monkeypatch):
    """A lock that a thread outside holds is never released in a process without that thread: its stack is shown."""
    monkeypatch.setattr(stacks, "STUCK_S", 0.2)
    lock = threading.Lock()
    stuck = r"(?s)it got stuck; see .*task main has run real code for 0.2 s.*lock.acquire"
    with lock, pytest.raises(RuntimeError, match=stuck), World(check=True):
        lock.acquire()


def test_threads_from_before_are_named():
    """They are among the causes where there are some."""
    answer = threading.Event()
    helper = threading.Thread(target=answer.wait)
    helper.start()
    try:
        with pytest.raises(RunsDiffer, match="threads from before the block"), World(check=True) as world:
            send(world, os.urandom(4))
    finally:
        answer.set()
        helper.join()


def test_only_virtual_time_can_be_checked():
    """No two runs in real time are alike."""
    with pytest.raises(ValueError, match=r"""World: check=True needed clock="virtual", was 'wall'"""):
        World(clock="wall", check=True)


def test_a_generator_cannot_hold_a_checked_world():
    """The first run would go on into whoever called it."""

    def generator():
        with World(check=True) as world:
            yield world

    async def coroutine():
        with World(check=True):
            pass

    with pytest.raises(ValueError, match=r"World\(check=True\): needed a block in an ordinary function, generator is a generator"):
        next(generator())
    with pytest.raises(ValueError, match="coroutine is a generator or coroutine"):
        coroutine().send(None)
    with World():
        pass


def test_those_who_watch_see_one_world():
    """The first run is nobody's business."""
    outlet, inlet = os.pipe()

    def tell(world):
        os.write(inlet, b"x")

    observers.append(tell)
    try:
        with World(check=True):
            pass
        assert os.read(outlet, 9) == b"x"
    finally:
        observers.remove(tell)
        os.close(outlet)
        os.close(inlet)


@settings(max_examples=5, deadline=None)
@given(st.binary(min_size=1, max_size=9))
def test_each_example_can_be_checked(data):
    """A block under `@given` is checked for each example."""
    with World(check=True) as world:
        send(world, data)


PROGRAM = """
import os, sys, time
from sim import World
parent = os.getpid()
with World(check=True):
    if os.getpid() != parent:
        with open(sys.argv[1], "w") as file:
            file.write(str(os.getpid()))
        while True:
            time.sleep(1)
"""


def test_the_first_run_does_not_outlive_its_parent(tmp_path):
    """Killed while it waits, the program leaves no process behind."""
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, fifo], env=ENVIRONMENT)
    child = os.pidfd_open(int(fifo.read_text()))
    try:
        program.kill()
        program.wait()
        assert select.select([child], [], [], 10)[0] == [child]
    finally:
        os.close(child)


def test_traces_part_where_they_first_differ():
    """The last event that both have, and the next of each; nothing for traces that are alike."""
    a, b, c = (Event(t_ns, "imu", "frame", b"x") for t_ns in (1, 2, 3))
    assert difference([a, b], [a, b]) is None
    assert difference([], []) is None
    assert difference([a, b], [a, c]) == f"  event 0 of both: {a}\n  then, first run:  {b}\n  then, second run: {c}"
    assert difference([a], []) == f"  nothing before it\n  then, first run:  {a}\n  then, second run: (no more events)"
