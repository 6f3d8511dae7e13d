"""Reads an inertial sensor for some seconds and says how well it came: rate, delay, and what was lost or damaged on the way.

    python examples/serial_imu.py                        a simulated sensor, in virtual time
    python examples/serial_imu.py --latency-ms 1         the same behind an adapter that was set up well
    python examples/serial_imu.py --port /dev/ttyUSB0    a real one, with the same driver

`imu_driver.py` is the driver, which knows nothing of simulation; `SimulatedImu` here is the twin of the sensor.
`tests/examples/test_serial_imu.py` tests the one on the other.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import serial
except ImportError:
    sys.exit("serial_imu: needs pyserial; install it with `python -m pip install pyserial`.")

from imu_driver import ACCELERATION_UNIT, DATA, SET, STATE, TURN_UNIT, Framer, Imu, Reading, pack

from sim import SerialDevice, World, ftdi

PORT = "/dev/ttyUSB0"
GRAVITY = 9.81
RATES_HZ = (0, 10, 50, 100, 200)
TURN_NOISE, ACCELERATION_NOISE = 0.003, 0.03  # rad/s and m/s^2, standard deviations


class Body:
    """Something that turns at `turn` rad/s about a fixed axis through it; at time 0 its z axis points up."""

    def __init__(self, turn: tuple[float, float, float] = (0.3, 0.0, 0.1)) -> None:
        self.turn = np.array(turn)
        self._rate = float(np.linalg.norm(self.turn))
        self._axis = self.turn / (self._rate or 1.0)

    def upward(self, time_s: float) -> NDArray[np.float64]:
        """The direction of up as the body sees it: it turns the other way round (Rodrigues 1840)."""
        angle, axis = -self._rate * time_s, self._axis
        up: NDArray[np.float64] = np.array([0.0, 0.0, 1.0])
        across, along = np.cross(axis, up), axis * (axis @ up)
        return up * math.cos(angle) + across * math.sin(angle) + along * (1 - math.cos(angle))


class SimulatedImu(SerialDevice):
    """The sensor's twin. It has a supply of its own: unplugging its line neither stops nor resets it.

    Attributes: `rate_hz`, `count` (DATA frames sent so far; the first one's number may be chosen), `frames` (the last ones).
    """

    baudrate = 115200

    def __init__(self, body: Body | None = None, count: int = 0) -> None:
        self.body = body or Body()
        self.rate_hz, self.count = 0, count
        self.frames: list[bytes] = []
        self._framer = Framer()
        self._timer: Any = None

    def on_data(self, data: bytes) -> None:
        for kind, values in self._framer.feed(data):
            if kind == SET:
                self._set(values[0])

    def _set(self, rate_hz: int) -> None:
        if rate_hz in RATES_HZ and rate_hz != self.rate_hz:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self.every(1 / rate_hz, self._measure) if rate_hz else None
            self.rate_hz = rate_hz
        self.send(pack(STATE, self.rate_hz, self.count))

    def _measure(self) -> None:
        turn = self.body.turn + TURN_NOISE * self.rng.standard_normal(3)
        acceleration = GRAVITY * self.body.upward(self.now_ns / 1e9) + ACCELERATION_NOISE * self.rng.standard_normal(3)
        counts = np.rint(np.concatenate([turn / TURN_UNIT, acceleration / ACCELERATION_UNIT])).clip(-32768, 32767)
        frame = pack(DATA, self.count % 65536, *map(int, counts))
        self.frames.append(frame)
        self.count += 1
        self.send(frame)


def summary(reading: Reading, outages: int) -> str:
    """What the reading was like, in three lines."""
    counts = f"{reading.lost} lost, {reading.corrupt} corrupt, {reading.repeated} repeated, {outages} outages"
    lines = [f"{reading.good} samples: {counts}"]
    if reading.good > 1:
        first, last = reading.samples[0], reading.samples[-1]
        rate_hz = (last.number - first.number) / (last.arrival_s - first.arrival_s)
        p50, p99 = np.percentile(np.array(reading.delays_s) * 1e3, [50, 99])
        lines.append(f"{rate_hz:.1f} Hz; behind the fastest: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        turn = np.mean([sample.turn for sample in reading.samples], axis=0)
        lines.append("mean rate of turn: " + ", ".join(f"{value:+.3f}" for value in turn) + " rad/s")
    return "\n".join(lines)


@contextmanager
def sensor(options: argparse.Namespace) -> Iterator[str]:
    """The port of the sensor that `options` ask for; a simulated one ends with the block."""
    if options.port:
        yield options.port
    else:
        with World(seed=options.seed) as world:
            world.serial(PORT, SimulatedImu(), profile=ftdi(options.latency_ms))
            yield PORT


def arguments(words: list[str] | None) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", help="a real sensor at this serial port, for example /dev/ttyUSB0")
    parser.add_argument("--duration", type=float, default=10.0, metavar="S", help="length of the reading (default 10)")
    parser.add_argument("--rate", type=int, default=100, metavar="HZ", help="samples per second (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated noise (default 0)")
    parser.add_argument("--latency-ms", type=int, default=16, metavar="MS", help="of the simulated adapter (default 16)")
    options = parser.parse_args(words)
    if not 0 < options.duration < math.inf:
        parser.error(f"argument --duration: needed seconds above 0, was {options.duration:g}")
    if not 1 <= options.rate <= 65535:
        parser.error(f"argument --rate: needed a rate of 1 to 65535 Hz, was {options.rate}")
    if not 1 <= options.latency_ms <= 255:
        parser.error(f"argument --latency-ms: needed 1 to 255, was {options.latency_ms}")
    if options.seed < 0:
        parser.error(f"argument --seed: needed a number from 0, was {options.seed}")
    return options


def main(words: list[str] | None = None) -> int:
    """Runs the example; 0 if every sample came."""
    options = arguments(words)
    try:
        with sensor(options) as port, Imu(port) as imu:
            reading = imu.read_for(options.duration, options.rate)
            print(summary(reading, imu.outages))
    except (serial.SerialException, OSError) as error:
        print(f"serial_imu: {error}", file=sys.stderr)
        return 1
    return 1 if reading.lost or reading.corrupt else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
