"""Waiting for ports by their numbers: `select`, `poll`, `epoll` and `selectors`, in virtual and in real time."""

from __future__ import annotations

import os
import select
import selectors
import subprocess
import sys
import threading
import time

import pytest
import serial

from sim import World

PORT = "/dev/ttyUSB0"


@pytest.fixture
def port():
    """A loopback port at 1000 baud: one byte each 10 ms."""
    with World() as world:
        world.serial(PORT)
        with serial.Serial(PORT, 1000, timeout=0) as port:
            port.world = world
            yield port


def test_select_wakes_with_the_first_byte_and_gives_the_objects_back(port):
    """The time is that of the byte; a timeout gives empty lists at its own."""
    assert select.select([port], [], [], 0.5) == ([], [], [])
    assert port.world.now_ns == 500_000_000
    assert select.select([], [port.fileno()], []) == ([], [port.fileno()], [])
    port.write(b"ab")
    assert select.select([port], [], []) == ([port], [], [])
    assert port.world.now_ns == 510_000_000


def test_a_wait_for_nothing_is_a_sleep(port):
    """`select` on no files passes virtual time."""
    assert select.select([], [], [], 100) == ([], [], [])
    assert port.world.now_ns == 100 * 10**9
    with pytest.raises(ValueError, match="timeout must be non-negative"):
        select.select([port], [], [], -1)


@pytest.mark.parametrize("make", [select.poll, select.epoll])
def test_poll_and_epoll_tell_events(port, make):
    """Readable, writable, gone."""
    poller = getattr(select, make.__name__)()
    poller.register(port, select.POLLIN)
    assert poller.poll(1) == []
    port.write(b"a")
    assert poller.poll() == [(port.fd, select.POLLIN)]
    poller.modify(port, select.POLLOUT)
    assert poller.poll() == [(port.fd, select.POLLOUT)]
    poller.modify(port, select.POLLIN)
    port.world.ports[PORT].unplug()
    assert poller.poll() == [(port.fd, select.POLLIN | select.POLLHUP | select.POLLERR)]
    poller.unregister(port)
    assert poller.poll(1) == []


@pytest.mark.parametrize("name", ["SelectSelector", "PollSelector", "EpollSelector", "DefaultSelector"])
def test_selectors_work(port, name):
    """Every kind, with its timeouts."""
    with getattr(selectors, name)() as selector:
        key = selector.register(port, selectors.EVENT_READ, "data")
        began_ns = port.world.now_ns
        assert selector.select(0.25) == []
        assert port.world.now_ns == began_ns + 250_000_000
        port.write(b"a")
        assert selector.select() == [(key, selectors.EVENT_READ)]
        assert port.world.now_ns == began_ns + 260_000_000


def test_real_files_alone_are_asked_for_real(port):
    """A subprocess works as ever; together with a simulated file a real one is refused."""
    done = subprocess.run([sys.executable, "-c", "print(input())"], input="hello", capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n"
    with pytest.raises(ValueError, match="real sockets and pipes have no virtual time"):
        select.select([port, 0], [], [], 1)


def test_a_world_in_real_time_waits_for_both():
    """A pipe and a port in one `select`; whichever comes first ends it, and the others go on meanwhile."""
    ticks = []
    with World(clock="wall") as world:
        world.serial(PORT)
        reader, writer = os.pipe()
        with serial.Serial(PORT, 1000, timeout=0) as port:
            thread = threading.Thread(target=lambda: [(time.sleep(0.002), ticks.append(1)) for _ in range(5)])
            thread.start()
            world.after(0.02, os.write, writer, b"x")
            assert select.select([port, reader], [], [], 60) == ([reader], [], [])
            thread.join()
            os.read(reader, 1)
            port.write(b"a")
            assert select.select([port, reader], [], [], 60) == ([port], [], [])
        os.close(reader)
        os.close(writer)
    assert ticks == [1] * 5


def test_everything_is_put_back():
    """Functions and selector classes are the real ones after the world."""
    before = (select.select, select.poll, select.epoll, selectors.EpollSelector._selector_cls)
    with World():
        assert select.select is not before[0]
    assert (select.select, select.poll, select.epoll, selectors.EpollSelector._selector_cls) == before
