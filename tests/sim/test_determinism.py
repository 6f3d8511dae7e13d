"""The same program with the same seed has the same trace, whatever the machine does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
import serial

from sim import SerialDevice, World
from sim.trace import Trace

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


def test_two_runs_are_the_same():
    """Hash and results of two runs agree, and another seed gives others."""
    first, second, other = scenario(1), scenario(1), scenario(2)
    assert first == second
    assert first[0] != other[0]
    assert ("/dev/ttyUSB1", "gone", 200_000_000) in first[1]


@pytest.mark.parametrize("hash_seed", ["1", "4711"])
def test_the_order_of_hashes_does_not_matter(hash_seed):
    """Another process, with another PYTHONHASHSEED, has the same trace."""
    program = f"import sys; sys.path[:0] = {sys.path!r}; from {__name__} import scenario; print(scenario(1)[0])"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    done = subprocess.run([sys.executable, "-c", program], env=environment, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == scenario(1)[0]


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
