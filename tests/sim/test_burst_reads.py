"""A read of n bytes parks once. What a program sees must be the same as if each byte had been handed over on its own."""

from __future__ import annotations

import termios
import threading
import time

import pytest
import serial
from hypothesis import example, given, settings
from hypothesis import strategies as st

import sim.selecting
from sim import SerialDevice, World

PORT = "/dev/ttyUSB0"
MS = st.integers(0, 40).map(lambda value: value / 1000)
SENDS = st.lists(st.tuples(MS, st.binary(min_size=1, max_size=12)), max_size=6)
READS = st.lists(st.tuples(st.integers(0, 15), st.sampled_from([None, 0, 0.003, 0.0105, 0.05])), min_size=1, max_size=6)
DEEDS = st.lists(
    st.tuples(MS, st.sampled_from(["in_waiting", "cancel_read", "reset_input_buffer", "stall", "unplug", "write", "close"])), max_size=5
)


def run(sends, reads, deeds, most):
    """What the reader and the other thread of a program saw, and when; `most` bytes are waited for at once."""
    seen = []
    with pytest.MonkeyPatch.context() as patch, World() as world:
        patch.setattr(sim.selecting, "MOST_WANTED", most)
        device = SerialDevice()
        line = world.serial(PORT, device)
        port = serial.Serial(PORT, 9600)

        def reader():
            for size, timeout in reads:
                try:
                    if port.timeout != timeout:
                        port.timeout = timeout
                    seen.append(("read", port.read(size), world.now_ns))
                except (serial.SerialException, TypeError) as error:
                    seen.append(("read", str(error), world.now_ns))

        def other():
            for wait_s, deed in deeds:
                time.sleep(wait_s + 0.0001)  # between two bytes, so that no tie decides
                try:
                    seen.append((deed, act(deed), world.now_ns))
                except (OSError, ValueError, TypeError, termios.error) as error:
                    seen.append((deed, str(error), world.now_ns))

        def act(deed):
            if deed == "stall":
                return line.stall(0.01)
            if deed == "unplug":
                return line.unplug()
            if deed == "write":
                return port.write(b"abc")
            value = getattr(port, deed)
            return value() if callable(value) else value

        at_s = 0.0
        for wait_s, data in sends:
            at_s += wait_s
            device.after(at_s, device.send, data)
        threads = [threading.Thread(target=reader), threading.Thread(target=other)]
        for thread in threads:
            thread.start()
        time.sleep(5)
        return seen, line.received


@settings(max_examples=150, deadline=None)
@given(SENDS, READS, DEEDS)
@example([(0, b"abcdef")], [(5, None), (5, 0.003)], [(0.003, "cancel_read")])
@example([(0, b"abcdef")], [(5, None)], [(0.003, "unplug")])
@example([(0, b"abcdef")], [(5, None)], [(0.003, "in_waiting"), (0, "reset_input_buffer")])
def test_waiting_for_many_bytes_is_waiting_for_each(sends, reads, deeds):
    """Data, counts, errors and times agree, with timeouts, cancelling, flushing, stalls, unplugging and closing in between."""
    assert run(sends, reads, deeds, 1024) == run(sends, reads, deeds, 1)
