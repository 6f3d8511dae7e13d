"""How a world ends when its threads do not want to, and what becomes of threads that fail."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import serial

import sim.ending
from sim import SimDeadlock, World
from sim.ending import MOST_REFUSALS
from sim.kernel import Kernel
from sim.stacks import Watchdog
from tests.programs import ENVIRONMENT

PORT = "/dev/ttyUSB0"


def test_a_thread_that_catches_its_end_is_reported_and_everything_restored():
    """One sentence with the name and the stack of the thread; the threads behind it still end; patches are gone."""
    before = (time.sleep, threading.Lock)
    unwound = []

    def stubborn(port):
        while True:
            try:
                port.read(1)
            except BaseException:  # noqa: BLE001, S110 - what must not hang a world
                pass

    def well_behaved():
        try:
            time.sleep(10**6)
        finally:
            unwound.append(1)

    text = f"task the stubborn one caught SystemExit {MOST_REFUSALS} times and went on; do not catch BaseException there"
    with pytest.raises(RuntimeError, match=text) as caught, World() as world:
        world.serial(PORT)
        port = serial.Serial(PORT)
        threading.Thread(target=stubborn, args=(port,), name="the stubborn one").start()
        threading.Thread(target=well_behaved).start()
        time.sleep(1)
    assert "in stubborn" in str(caught.value)
    assert not [thread for thread in threading.enumerate() if thread.name == "the stubborn one"]
    assert unwound == [1]
    assert (time.sleep, threading.Lock) == before
    with World():
        time.sleep(1)


def test_a_thread_that_only_asks_for_the_time_is_reported_too():
    """Telling the time never parks in a closing world, and still does not go on for ever."""

    def stubborn():
        while True:
            try:
                time.monotonic()
            except BaseException:  # noqa: BLE001, S110
                pass

    with pytest.raises(RuntimeError, match="caught SystemExit"), World():
        threading.Thread(target=stubborn).start()
        time.sleep(1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it ends outside its world
def test_a_thread_in_real_code_is_left_behind(monkeypatch):
    """A thread that ends its world blocked in a socket is named after a grace, and harmless when it comes back."""
    monkeypatch.setattr(sim.ending, "GRACE_S", 0.05)
    here, there = socket.socketpair()
    with here, there:

        def stuck():
            try:
                time.sleep(10**6)
            finally:
                here.recv(1)

        with pytest.raises(RuntimeError, match=r"task Thread-\d+ \(stuck\) has run real code for 0.05 s") as caught, World():
            thread = threading.Thread(target=stuck)
            thread.start()
            time.sleep(1)
        assert "here.recv(1)" in str(caught.value)
        with World():
            time.sleep(1)
        there.send(b"x")
        thread.join()


def test_an_error_of_the_block_comes_first():
    """What the block raised is raised; the thread that did not end is its context."""

    def stubborn():
        while True:
            try:
                time.sleep(1)
            except BaseException:  # noqa: BLE001, S110
                pass

    with pytest.raises(RuntimeError, match="caught SystemExit") as caught, World():
        threading.Thread(target=stubborn).start()
        raise KeyError("mine")
    assert isinstance(caught.value.__context__, KeyError)


STUBBORN = """
import threading, time
from sim import World
def more_than_stubborn():
    while True:
        try:
            stubborn()
        except BaseException:
            pass
def stubborn():
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass
try:
    with World():
        threading.Thread(target=more_than_stubborn).start()
        time.sleep(5)
except RuntimeError as error:
    print(str(error).partition(",")[0])
"""


def test_a_lost_thread_keeps_no_process_from_ending():
    """The interpreter does not wait for it."""
    done = subprocess.run([sys.executable, "-c", STUBBORN], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "world: needed every thread to end with it\n"


def test_threads_that_join_each_other_end_in_any_order():
    """A thread woken by another's end, while both are being ended, is ended once."""
    with World():
        first = threading.Thread(target=time.sleep, args=(10**6,))
        first.start()
        for _ in range(3):
            threading.Thread(target=first.join).start()
        time.sleep(1)


def test_a_thread_that_raises_is_printed_as_always_and_named_in_a_deadlock(capsys):
    """`threading.excepthook` hears of it, as outside a world; whoever then waits for ever is told what may be the cause."""
    heard = []
    before, threading.excepthook = threading.excepthook, lambda args: heard.append(args.exc_type)
    try:
        with pytest.raises(SimDeadlock, match="thread reader was ended by KeyError: 'gone'"), World():
            ready = threading.Event()

            def reader():
                raise KeyError("gone")

            threading.Thread(target=reader, name="reader").start()
            ready.wait()
    finally:
        threading.excepthook = before
    assert heard == [KeyError]


def test_the_watchdog_sees_a_task_in_a_socket(capsys):
    """A blocking `recv` of a real socket keeps the baton: its stack says where."""
    here, there = socket.socketpair()

    class Heard(Watchdog):
        def _say(self, task):
            super()._say(task)
            there.send(b"x")

    kernel = Kernel()
    kernel.enter()
    watchdog = Heard(kernel, stuck_s=0.01)
    with here, there:
        assert here.recv(1) == b"x"
        watchdog.close()
    kernel.close()
    text = capsys.readouterr().err
    assert "sim: task main has run real code for 0.01 s without a call that the world knows" in text
    assert "here.recv(1)" in text


def test_nothing_stays_open():
    """A world that ended badly has given back its file numbers."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), World(clock="x100") as world:
            world.serial(PORT)
            serial.Serial(PORT)
            world.pty(PORT)
            _ = 1 / 0
    assert len(os.listdir("/proc/self/fd")) == before


class Alarm(Exception):
    """What a handler raises, as those of test runners do."""


@pytest.fixture
def alarm():
    """A function that has the handler of a signal raise what it is given, in the main thread, and returns when that has happened."""
    raised = []

    def handler(*_):
        if not raised:
            raised.append(1)
            raise wanted[0]

    def send(kind=Alarm):
        wanted[:] = [kind]
        while not raised:  # a signal that comes just before a thread waits does not wake it
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            os.sched_yield()

    wanted = []
    before = signal.signal(signal.SIGUSR1, handler)
    yield send
    signal.signal(signal.SIGUSR1, before)


def test_what_a_signal_raises_in_a_parked_main_task_is_raised_at_its_turn(alarm):
    """It comes while another task has the baton, and waits until that gives it away; then the world ends as after any error."""
    threads = threading.active_count()
    running = []

    def other():
        time.sleep(1)
        alarm()
        while True:
            running.append(1)
            time.monotonic()
            running.pop()
            time.sleep(0.001)

    with pytest.raises(Alarm), World() as world:
        threading.Thread(target=other).start()
        try:
            time.sleep(10**6)
        finally:
            assert not running
    assert world.now_ns < 10**15
    assert threading.active_count() == threads


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it ends outside its world
@pytest.mark.parametrize("kind", [Alarm, KeyboardInterrupt])
def test_a_signal_ends_a_world_whose_baton_is_stuck(monkeypatch, alarm, kind, capsys):
    """After a grace who sits in real code is left behind, by name; Ctrl-C stays what it is, so that it ends the session."""
    monkeypatch.setattr(sim.ending, "GRACE_S", 0.05)
    here, there = socket.socketpair()
    with here, there:

        def stuck():
            alarm(kind)
            here.recv(1)

        thread = threading.Thread(target=stuck)
        with pytest.raises(RuntimeError if kind is Alarm else kind) as caught, World():
            thread.start()
            time.sleep(10**6)
        told = str(caught.value) if kind is Alarm else capsys.readouterr().err
        assert "(stuck) has run real code for 0.05 s" in told
        with World() as world:
            time.sleep(1)
        assert world.now_ns == 10**9
        there.send(b"x")
        thread.join()


def test_a_forked_process_is_in_no_world():
    """There time is real, no thread of the world exists, and leaving the block does nothing; here nothing changes."""
    outlet, inlet = os.pipe()
    before = time.sleep
    child = -1
    with World() as world:
        threading.Thread(target=time.sleep, args=(10**6,)).start()
        time.sleep(1)
        child = os.fork()
        if child == 0:
            os.write(inlet, b"%d %d" % (world.member(), time.monotonic() < 2))
        else:
            time.sleep(1)
    if child == 0:
        os.write(inlet, b" left %d" % (time.sleep is before))
        os._exit(0)
    os.close(inlet)
    _, status = os.waitpid(child, 0)
    with os.fdopen(outlet, "rb") as file:
        assert file.read() == b"0 0 left 1"
    assert status == 0
    assert world.now_ns == 2 * 10**9
