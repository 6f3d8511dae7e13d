"""Event loops in a world: timers, threads and simulated files wake them, in virtual time."""

from __future__ import annotations

import asyncio
import re
import selectors
import threading
import time
from asyncio import SelectorEventLoop

import pytest
import serial

from sim import SimDeadlock, World

PORT = "/dev/ttyUSB0"


def test_sleeps_do_not_drift():
    """10 001 sleeps of 0.1 s end 1000.1 s later, to the nanosecond."""

    async def main():
        for _ in range(10_001):
            await asyncio.sleep(0.1)

    with World() as world:
        asyncio.run(main())
        assert world.now_ns == 1_000_100_000_000


def test_loop_and_clocks_agree():
    """The loop's time is world time; `gather` and `wait_for` keep it."""

    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(asyncio.sleep(delay) for delay in (3, 1, 2)))
        assert loop.time() == time.monotonic() == 3
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 3600)
        assert loop.time() == 3603

    with World():
        asyncio.run(main())


def test_executors_and_other_threads_wake_the_loop():
    """`to_thread` blocks a task of the world; `call_soon_threadsafe` ends a wait without end."""

    async def main():
        await asyncio.to_thread(time.sleep, 7)
        event = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Timer(3, loop.call_soon_threadsafe, (event.set,)).start()
        await event.wait()
        return time.monotonic()

    with World():
        assert asyncio.run(main()) == 10


def test_a_loop_reads_a_port_by_its_number():
    """`add_reader` is called when the first byte is complete, as pyserial-asyncio needs it."""

    async def main(port):
        loop = asyncio.get_running_loop()
        got, done = [], loop.create_future()

        def readable():
            got.append((port.read(100), loop.time()))
            if sum(len(data) for data, _ in got) == 3:
                done.set_result(got)

        loop.add_reader(port.fileno(), readable)
        try:
            return await asyncio.wait_for(done, 10)
        finally:
            loop.remove_reader(port.fileno())

    with World() as world:
        world.serial(PORT)
        with serial.Serial(PORT, 1000, timeout=0) as port:
            port.write(b"abc")
            assert asyncio.run(main(port)) == [(b"a", 0.01), (b"b", 0.02), (b"c", 0.03)]


def test_a_loop_that_never_rests_lets_time_move():
    """Turning in circles until a timer of another task has fired ends."""
    seen = []

    async def main():
        while not seen:
            await asyncio.sleep(0)

    with World() as world:
        world.after(0.01, seen.append, 1)
        asyncio.run(main())
        assert world.now_ns >= 10_000_000


def test_waiting_for_nothing_is_a_deadlock():
    """A future that nobody will set is reported, not waited for."""

    async def main():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(SimDeadlock, match="task main"), World():
        asyncio.run(main())


async def ask(event):
    await event.wait()


async def serve(event):
    await ask(event)


def test_a_deadlock_names_what_each_task_of_a_loop_awaits():
    """Under the stack of the thread, which ends in the loop, stands each pending task with the coroutines that it is in."""

    async def main():
        event = asyncio.Event()
        tasks = [asyncio.create_task(serve(event), name=f"server {number}") for number in range(2)]
        tasks.append(asyncio.create_task(asyncio.sleep(0), name="done before"))
        await asyncio.gather(*tasks)

    with pytest.raises(SimDeadlock) as failure, World() as world:
        world.spawn(asyncio.run, main())
        world.wait(world.bell())
    told = re.sub(r", line \d+", "", str(failure.value)).replace(__file__, "here")
    for number in range(2):
        assert (
            f"  asyncio task server {number}:\n"
            '    File "here", in serve\n      await ask(event)\n'
            '    File "here", in ask\n      await event.wait()\n'
        ) in told
    assert 'in main\n      await asyncio.gather(*tasks)\n' in told
    assert "done before" not in told
    assert told.index("task main") < told.index("task run-1") < told.index("asyncio task server 0") < told.index("asyncio task server 1")


def test_real_files_are_refused():
    """A socket has no virtual time; the message says so."""

    async def main():
        with pytest.raises(ValueError, match="real sockets and pipes have no virtual time"):
            asyncio.get_running_loop().add_reader(0, print)

    with World():
        asyncio.run(main())


@pytest.mark.parametrize("selector", [(), (selectors.SelectSelector(),)], ids=["alone", "with a selector"])
def test_a_loop_made_by_its_class_parks_too(selector):
    """`asyncio.SelectorEventLoop()`, by that name or by one bound before; it is an instance of what it was made by."""
    with World() as world:
        for name in (SelectorEventLoop, asyncio.SelectorEventLoop):
            loop = name(*selector)
            assert isinstance(loop, asyncio.SelectorEventLoop)
            try:
                loop.run_until_complete(asyncio.wait_for(asyncio.sleep(3), 10))
            finally:
                loop.close()
        assert world.now_ns == 6 * 10**9
    assert SelectorEventLoop is asyncio.SelectorEventLoop


def test_a_loop_of_a_thread_outside_is_real():
    """While a world is open, a thread that is none of it gets a real loop, from the class and from the policy."""
    go, made = threading.Event(), []

    def outside():
        go.wait()
        for make in (asyncio.SelectorEventLoop, asyncio.new_event_loop):
            loop = make()
            made.append(type(loop).__module__)
            loop.close()

    thread = threading.Thread(target=outside)
    thread.start()
    with World():
        go.set()
        thread.join()  # one from before the world: for real
    assert made == ["asyncio.unix_events"] * 2


def test_loops_outside_are_real():
    """After a world, `asyncio.run` runs an ordinary loop again."""

    async def main():
        return type(asyncio.get_running_loop()).__module__

    with World():
        assert asyncio.run(main()) == "sim.aio"
    assert asyncio.run(main()) == "asyncio.unix_events"


def test_a_world_is_not_opened_in_a_coroutine_of_a_real_loop():
    """Its awaits would wait for real, in a time that does not move; nothing is left patched."""

    async def program():
        with World():
            await asyncio.sleep(0.05)

    before = (time.sleep, threading.Lock)
    with pytest.raises(RuntimeError, match=r"World: needed an event loop of its own, program runs in one .*; open the world first"):
        asyncio.run(program())
    assert before == (time.sleep, threading.Lock)
