"""The same program with the same seed has the same trace, whatever the machine does: in another process, order, or load."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import hashlib
import io
import json
import queue
import subprocess
import sys
import threading
import time

import pytest
import serial

from sim import Delay, Drift, Drop, FaultSchedule, Flip, Jitter, Noise, SerialDevice, Stall, Unplug, World, Xrun, sine
from sim.trace import Trace
from tests.programs import ENVIRONMENT, ROOT

sys.path.append(str(ROOT / "examples"))

PORTS = ("/dev/ttyUSB0", "/dev/ttyUSB1", "gps")


class Noisy(SerialDevice):
    """Sends random bytes at random times and answers what it hears."""

    def on_open(self):
        self.timer = self.after(0.001, self.tick)

    def on_close(self):
        self.timer.cancel()

    def tick(self):
        self.send(self.rng.bytes(self.rng.integers(1, 20)))
        self.timer = self.after(float(self.rng.uniform(0.0005, 0.02)), self.tick)

    def on_data(self, data):
        self.send(data[::-1], delay_s=0.001)


def scenario(seed):
    """Three readers, an unplug, timeouts, locks: the hash of the trace, and what was read."""
    results = []
    with World(seed) as world:
        lock = threading.Lock()
        lines = {name: world.serial(name, Noisy()) for name in PORTS}

        def reader(name):
            port = serial.serial_for_url(name if "/" in name else f"sim://{name}", 57600, timeout=0.013)
            try:
                for count in range(60):
                    data = port.read(7)
                    with lock:
                        results.append((name, data, world.now_ns))
                    if count % 5 == 0:
                        port.write(data)
            except serial.SerialException:
                results.append((name, "gone", world.now_ns))
            port.close()

        threads = [threading.Thread(target=reader, args=(name,)) for name in PORTS]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        lines["/dev/ttyUSB1"].unplug()
        for thread in threads:
            thread.join()
        return world.trace.hash, results


def digest(*values):
    """A hash of what a program saw."""
    return hashlib.sha256(repr(values).encode()).hexdigest()


def threads_and_ports():
    """Threads, locks, timeouts and an unplug, over three ports."""
    return digest(*scenario(1))


FAULTS = FaultSchedule(
    [Drop(frame=7), Flip(byte=300), Delay(frame=20, delay_s=0.03), Jitter([0, 300, 2000]), Noise(0.4, 0.05, 0.5), Stall(0.6, 0.1)]
)


def serial_imu():
    """The driver of an example on its twin, behind an FTDI adapter, with faults of every kind and a plug that is pulled."""
    from imu_driver import Imu
    from serial_imu import PORT, SimulatedImu

    with World(3) as world:
        world.serial(PORT, SimulatedImu(), profile="ftdi", faults=[*FAULTS, Unplug(0.8, replug_s=0.1)])
        with Imu(PORT) as imu:
            reading = imu.read_for(1.0)
        return digest(world.trace.hash, reading, imu.outages)


def cartpole_graph():
    """A graph over a serial line, its contexts as tasks of the world, with faults."""
    from cartpole import SIMULATED, CartPole
    from cartpole_plant import Plant

    with World(3) as world, contextlib.redirect_stdout(io.StringIO()):
        world.serial(SIMULATED, Plant(0.2), faults=FAULTS)
        graph = CartPole(SIMULATED)
        report = graph.run(1.0, seed=3)
        return digest(world.trace.hash, report.digest, graph.estimates.records.tobytes(), graph.log.times_ns.tobytes())


def threads_and_loops():
    """An event loop with timers, an executor, a thread pool, a queue and a port read by number, all at once."""
    seen = []

    def ask(port, count):
        port.write(bytes([count]) * 3)
        return count, port.read(3), time.monotonic_ns()

    async def ticks(name, period_s):
        for _ in range(20):
            await asyncio.sleep(period_s)
            seen.append((name, time.monotonic_ns()))

    async def main(port, gps):
        loop = asyncio.get_running_loop()
        loop.add_reader(gps.fileno(), lambda: seen.append((gps.read(100), loop.time())))
        work = [loop.run_in_executor(None, ask, port, count) for count in range(5)]
        await asyncio.gather(ticks("a", 0.01), ticks("b", 0.01), *work)
        loop.remove_reader(gps.fileno())
        return [await one for one in work]

    def consume(jobs, results):
        while (job := jobs.get()) is not None:
            time.sleep(job / 1000)
            results.put((threading.current_thread().name, job, time.monotonic_ns()))

    with World(5) as world:
        world.serial("/dev/ttyUSB0", Noisy())
        world.serial("gps", Noisy())
        jobs, results = queue.Queue(), queue.SimpleQueue()
        consumers = [threading.Thread(target=consume, args=(jobs, results), name=f"consumer {i}") for i in range(3)]
        for thread in consumers:
            thread.start()
        with serial.Serial("/dev/ttyUSB0", 57600, timeout=0.02) as port, serial.serial_for_url("sim://gps", timeout=0) as gps:
            for job in [5, 3, 8, 1, 1, 1, 9, *[None] * 3]:
                jobs.put(job)
            seen.append(asyncio.run(main(port, gps)))
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                seen.append([one.result() for one in [pool.submit(ask, port, count) for count in range(6)]])
        for thread in consumers:
            thread.join()
        while not results.empty():
            seen.append(results.get())
        return digest(world.trace.hash, seen, world.now_ns)


def another_order():
    """Tasks that are chosen by a list and not in turn."""
    seen = []
    with World(choices=[2, 0, 1, 1, 3, 0, 2, 1] * 20) as world:
        lock = threading.Lock()

        def count(name):
            for _ in range(10):
                with lock:
                    seen.append(name)

        threads = [threading.Thread(target=count, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return digest(world.trace.hash, seen)


def sound_and_serial():
    """A duplex stream with lost blocks, drift, a room and noise, whose callback wakes a thread that uses a port."""
    import numpy as np
    import sounddevice

    heard, jobs, said = [], queue.Queue(), []

    def callback(data, out, frames, times, status):
        heard.append((frames, times.inputBufferAdcTime, times.outputBufferDacTime, str(status), data.tobytes()))
        out[:] = data / 2
        jobs.put(frames)

    def talk(port):
        while (frames := jobs.get()) is not None:
            port.write(bytes([frames % 256]))
            said.append((port.read(4), time.monotonic_ns()))

    with World(7) as world:
        world.serial("/dev/ttyUSB0", Noisy(), profile="cdc_acm")
        card = world.microphone("card", source=sine(440), faults=[Xrun(block=4), Drift(30)])
        speaker = world.speaker("card", faults=[Xrun(block=9)])
        world.room(speaker, card, delay_s=0.001, noise=0.01)
        with serial.Serial("/dev/ttyUSB0", 115200, timeout=0.004) as port:
            thread = threading.Thread(target=talk, args=(port,))
            thread.start()
            with sounddevice.Stream(channels=1, blocksize=100, callback=callback):
                sounddevice.sleep(100)
            jobs.put(None)
            thread.join()
        recorded = sounddevice.playrec(np.ones((2000, 1), "float32") / 4, channels=1, blocking=True)
        return digest(world.trace.hash, heard, said, recorded.tobytes(), speaker.played.tobytes(), speaker.times_ns.tobytes())


KINDS = (threads_and_ports, serial_imu, cartpole_graph, threads_and_loops, sound_and_serial, another_order)
PROGRAMS = {one.__name__: one for one in KINDS}


def results(names=tuple(PROGRAMS)):
    """What each program saw, run in this order."""
    return {name: PROGRAMS[name]() for name in names}


@pytest.fixture(scope="module")
def here():
    """What each program saw in this process."""
    return results()


def test_two_runs_are_the_same():
    """Hash and results of two runs agree, and another seed gives others."""
    first, second, other = scenario(1), scenario(1), scenario(2)
    assert first == second
    assert first[0] != other[0]
    assert ("/dev/ttyUSB1", "gone", 200_000_000) in first[1]


def test_another_order_of_runs_changes_nothing(here):
    """No program depends on what ran before it in this process."""
    assert results(reversed(PROGRAMS)) == here


def test_another_process_changes_nothing(here):
    """Fresh processes with other string hashes, both at once, one of them in the reverse order, see the same."""

    def start(hash_seed, names):
        program = f"from {__name__} import results; import json; print(json.dumps(results({names})))"
        environment = {**ENVIRONMENT, "PYTHONHASHSEED": hash_seed}
        return subprocess.Popen([sys.executable, "-c", program], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    with start("1", list(PROGRAMS)) as one, start("4711", list(PROGRAMS)[::-1]) as other:
        outputs = [process.communicate()[0] for process in (one, other)]
    assert [json.loads(output) for output in outputs] == [here, here]


def test_another_load_changes_nothing(here):
    """A thread outside the world that takes the interpreter away, and a process that takes the core, change nothing."""
    stop, before = threading.Event(), sys.getswitchinterval()

    def spin():
        while not stop.is_set():
            sum(range(100))

    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    spinner = threading.Thread(target=spin)
    spinner.start()
    sys.setswitchinterval(1e-4)
    try:
        assert results() == here
    finally:
        sys.setswitchinterval(before)
        stop.set()
        spinner.join()
        busy.kill()
        busy.wait()


def test_a_trace_can_be_kept(tmp_path):
    """One line of JSON per event, with its time, device, kind and bytes."""
    with World() as world:
        world.serial("loop")
        with serial.serial_for_url("sim://loop", 9600, timeout=1) as port:
            port.write(b"\x01\xff")
            port.read(2)
        world.trace.save(tmp_path / "trace.jsonl")
    lines = (tmp_path / "trace.jsonl").read_text().splitlines()
    assert len(lines) == len(world.trace)
    assert '{"t_ns": 0, "device": "loop", "kind": "write", "hex": "01ff"}' in lines
    assert '{"t_ns": 2083333, "device": "loop", "kind": "read", "hex": "01ff"}' in lines


def test_the_random_numbers_of_a_device_depend_on_seed_and_name_only():
    """Other devices and their order change nothing."""

    def numbers(*names):
        with World(7) as world:
            return {name: world.serial(name).rng.integers(1 << 30) for name in names}

    assert numbers("a", "b")["b"] == numbers("b", "c", "a")["b"]
    assert len(set(numbers("a", "b", "c").values())) == 3


def test_a_long_trace_forgets_events_but_not_its_hash():
    """A trace with a limit keeps the newest events; its hash is that of all of them."""
    whole, short = Trace(), Trace(keep=10)
    for count in range(95):
        for trace in (whole, short):
            trace.add(count, "imu", "frame", bytes([count]))
    assert short.hash == whole.hash
    assert list(short) == list(whole)[-len(short) :]
    assert 10 <= len(short) < 20
    assert short.dropped + len(short) == 95


def test_a_trace_prints_as_a_summary():
    """How many events there were, also those let go, from when to when, and the beginning of the hash; iterating gives the events."""
    with World() as world:
        world.serial("imu")
        empty = repr(world.trace)
        with serial.Serial("imu", 9600) as port:
            port.write(b"x")
            port.read(1)
    assert f"<Trace, 0 events, hash {Trace().hash[:16]}>" == empty
    assert f"<Trace, 7 events from 0.000000000 s to 0.001041666 s, hash {world.trace.hash[:16]}>" == repr(world.trace)
    cut = Trace(keep=2)
    for t_ns in range(6):
        cut.add(t_ns * 1_000_000_000, "imu", "read", b"x")
    assert f"<Trace, 6 events, the last 2 from 4.000000000 s to 5.000000000 s, hash {cut.hash[:16]}>" == repr(cut)
