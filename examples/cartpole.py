"""Balances a pole on a cart over a serial line: sensor and motor in one pinned process, observer and controller in another.

    python examples/cartpole.py                        the simulated cart, in real time
    python examples/cartpole.py --virtual              the same graph and cart in virtual time: bit-identical, and fast
    python examples/cartpole.py --port /dev/ttyUSB0    the same nodes and a real cart

The cart sends frames with noisy readings at 100 Hz and takes frames with a force; `cartpole_plant.py` is the simulated one,
`cartpole_frames.py` the frames, `cartpole_model.py` the linear model and the gains.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

try:
    import serial
except ImportError:
    sys.exit("cartpole: needs pyserial; install it with `python -m pip install pyserial`.")

from cartpole_frames import Frames
from cartpole_model import FORCE_LIMIT, STRANGE, F, G, K, L
from cartpole_picture import draw
from cartpole_plant import Plant, started

from dfcore import SKIP, STOP, Collector, DfcoreError, Emitter, Graph, Report, Router, collect
from sim import World

STATE = [("x", "f8"), ("v", "f8"), ("theta", "f8"), ("omega", "f8")]
BAUD = 115200
FRAME_BYTES = 18  # mark, four floats, CRC-8
FALLEN = math.pi / 2  # rad: beyond the horizontal nothing is left to balance
DEADLINE_S = 0.005  # half a period, for each step on the way from a reading to its force
URGENT = 50  # before whatever else the machine does: under load a force is then late by 0.4 ms, else by up to 8 ms
SURE = 3  # one wrong frame in 256 has the right CRC-8: what is said three times is believed
SIMULATED = "sim://cartpole"


class Sensor(Emitter):
    """Readings of the cart. Its stream ends when the pole has fallen."""

    def __init__(self, port: str) -> None:
        super().__init__(STATE)
        self.port = port

    def open(self) -> None:
        self.frames, self.fallen = Frames("<4f"), 0
        # A frame takes 1.6 ms on the line: its first byte fires this node, which then waits for the rest, but not for ever.
        self.serial = serial.serial_for_url(self.port, BAUD, timeout=0.005, write_timeout=0.1)
        self.wait_for(self.serial)

    def compute(self) -> Any:
        if self.firing == 0 and self.serial.in_waiting > FRAME_BYTES:
            self.serial.reset_input_buffer()  # what came while the other context was still opening is history
            return SKIP
        readout = self.frames.read(self.serial)
        if readout is None:
            return SKIP
        self.fallen = self.fallen + 1 if abs(readout[2]) > FALLEN else 0
        return STOP if self.fallen == SURE else readout

    def close(self) -> int:
        self.serial.close()
        return self.frames.rejected


class Motor(Collector):
    """Forces to the cart, over the port that the sensor has open: both are in one context, so it is the same object."""

    def __init__(self, sensor: Sensor) -> None:
        super().__init__(deadline_s=DEADLINE_S)
        self.sensor = sensor

    def open(self) -> None:
        self.frames = Frames("<f")
        self.latency_ns = array("q")

    def compute(self, force: float) -> None:
        began_ns = time.perf_counter_ns()
        self.sensor.serial.write(self.frames.pack(force))
        # `now_ns` is the start of this firing, `origin_ns` the start of the sensor's firing that this force goes back to.
        age_ns = self.now_ns - self.header("force").origin_ns
        self.latency_ns.append(age_ns + time.perf_counter_ns() - began_ns)

    def safe(self) -> None:
        # Called before every `close`, however the run ends, and when no fresh force has come for a while.
        self.sensor.serial.write(self.frames.pack(0.0))

    def close(self) -> array[int]:
        return self.latency_ns


class Observer(Router):
    """A Kalman filter with its settled gain: goes one period on with the force, then some way towards the reading."""

    def __init__(self) -> None:
        super().__init__(STATE, deadline_s=DEADLINE_S)

    def open(self) -> None:
        self.state: Any = None
        self.strange = 0

    def compute(self, readout: Any, control: float) -> Any:
        ahead = readout.vector if self.state is None else F @ self.state + G[:, 0] * control
        surprise = readout.vector - ahead
        # A cart does not jump: such a reading is passed over, unless they all say so.
        self.strange = self.strange + 1 if surprise @ STRANGE @ surprise > 1 else 0
        if self.strange == 0:
            self.state = ahead + L @ surprise
        elif self.strange < SURE:
            self.state = ahead
        else:
            self.state, self.strange = readout.vector.copy(), 0
        return self.state


class Controller(Router):
    """State feedback (LQR). The gain is a parameter: it can be set while the graph runs."""

    def __init__(self) -> None:
        super().__init__("f8", deadline_s=DEADLINE_S)

    def compute(self, state: Any, *, gain: Any = K) -> float:
        return max(-FORCE_LIMIT, min(FORCE_LIMIT, -float(gain @ state.vector)))


class Progress(Collector):
    """A line about the state, ten times a second on a terminal, else once a second."""

    def open(self) -> None:
        self.terminal = sys.stdout.isatty()

    def compute(self, state: Any, force: float) -> None:
        if self.firing % 10 and not self.terminal:
            return
        line = f"{self.now_ns / 1e9:6.1f} s   angle {state.theta:+.3f} rad   position {state.x:+.3f} m   force {force:+6.2f} N"
        print("\r" + line if self.terminal else line, end="" if self.terminal else "\n", flush=True)

    def close(self) -> None:
        if self.terminal:
            print()


def priority() -> int | None:
    """A real-time priority, or None where this machine grants none: asking in vain would print a warning for each context."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(URGENT))
    except PermissionError:
        return None
    os.sched_setscheduler(0, *before)
    return URGENT


class CartPole(Graph):
    """The control loop around the cart at `port`."""

    def __init__(self, port: str) -> None:
        super().__init__("cartpole")
        cpus = sorted(os.sched_getaffinity(0))  # on a machine with one, both contexts share it
        urgent = priority()
        with self.context("io", cpu=cpus[0], priority=urgent):
            self.sensor = Sensor(port)
            self.motor = Motor(self.sensor)
            self.log, self.forces = collect().options(name="log"), collect().options(name="forces")
        with self.context("control", cpu=cpus[-1], priority=urgent):
            self.observer, self.controller = Observer(), Controller()
            self.estimates = collect().options(name="estimates")
        self.progress = Progress()  # no context: it runs in the process that prints

        self.sensor.to(self.log)
        # Control wants the newest reading and the newest force: an old one is worth less than none.
        self.sensor.to(self.observer["readout"], policy="latest")
        self.observer.to(self.controller).to(self.observer["control"], initial=[0.0])
        self.controller.to(self.motor, policy="latest", max_age_s=0.05)
        self.observer.to(self.estimates)
        self.controller.to(self.forces)
        # One of ten is enough to look at, and a slow terminal must not hold up the controller.
        self.observer.to(self.progress["state"], decimate=10, on_full="drop_oldest")
        self.controller.to(self.progress["force"], decimate=10, on_full="drop_oldest")


def number(low: float, high: float) -> Any:
    """A converter for argparse: a finite float from `low` to `high`."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"needed a number from {low:g} to {high:g}, was {text!r}")
        return value

    return convert


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the list of options."""

    def error(self, message: str) -> Any:
        self.exit(2, f"cartpole: {message}; see --help.\n")


def arguments(words: list[str] | None) -> argparse.Namespace:
    """The command line, checked."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--virtual", action="store_true", help="virtual time: the same records every time, as fast as possible")
    where.add_argument("--port", help="a real cart at this serial port, for example /dev/ttyUSB0")
    parser.add_argument("--duration", type=number(0.1, 86400), default=10.0, metavar="S", help="length of the run (default 10)")
    parser.add_argument("--theta", type=number(-1.5, 1.5), default=0.2, metavar="RAD", help="angle at the start (default 0.2)")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated sensor noise (default 0)")
    parser.add_argument("--png", type=Path, default=Path("cartpole.png"), metavar="PATH", help="the picture (default cartpole.png)")
    parser.add_argument("--no-png", action="store_true", help="no picture")
    options = parser.parse_args(words)
    if options.seed < 0:
        parser.error(f"argument --seed: needed a number from 0, was {options.seed}")
    if not options.no_png and not options.png.resolve().parent.is_dir():
        parser.error(f"argument --png: needed a path in a folder that exists, was {str(options.png)!r}")
    if options.port and "://" not in options.port and not os.path.exists(options.port):
        parser.error(f"argument --port: needed a serial port, was {options.port!r}, which does not exist")
    return options


@contextmanager
def cart(options: argparse.Namespace) -> Iterator[str]:
    """The port of the cart that `options` ask for; a simulated cart ends with the block."""
    if options.port:
        yield options.port
    elif options.virtual:
        with World(seed=options.seed) as world:
            world.serial(SIMULATED, Plant(options.theta))
            yield SIMULATED
    else:
        with started(options.theta, options.seed) as port:
            yield port


def summary(graph: CartPole, report: Report, wall_s: float) -> None:
    """Prints what the run was like."""
    print(report)
    latency_ms = np.array(graph.motor.result or ()) / 1e6
    if len(latency_ms):
        p50, p99 = np.percentile(latency_ms, [50, 99])
        print(f"sensor to force: p50 {p50:.3f} ms, p99 {p99:.3f} ms, {len(latency_ms)} forces")
    print(f"deadline misses: {sum(node.deadline_misses for node in report.nodes.values())}")
    if report.digest is not None:
        print(f"digest: {report.digest}")
        print(f"{report.duration_s:g} s in {wall_s:.3f} s: {report.duration_s / wall_s:.0f} times faster than real time")


def verdict(graph: CartPole, report: Report) -> str | None:
    """Why the run was no success, as one sentence, or None."""
    if not len(graph.log):
        return f"no frame came from {graph.sensor.port} in {report.duration_s:g} s; check the cable and {BAUD} baud"
    if report.ended == "finished":  # the sensor ended its stream: nothing else does
        return f"the pole fell, {graph.log.times_ns[-1] / 1e9:.2f} s after the start"
    return None


def main(words: list[str] | None = None) -> int:
    """Runs the example; 0 if the pole stood to the end."""
    options = arguments(words)
    interrupted, began_s = False, time.perf_counter()
    try:
        with cart(options) as port:
            graph = CartPole(port)
            try:
                graph.run(options.duration, seed=options.seed)
            except KeyboardInterrupt:  # the graph has drained and closed: there is a report
                interrupted = True
    except (DfcoreError, OSError) as error:
        print(f"cartpole at {options.port or 'the simulated port'}: {error}", file=sys.stderr)
        return 1
    wall_s = time.perf_counter() - began_s
    if graph.report is None:  # interrupted before it began
        return 130
    report = graph.report
    summary(graph, report, wall_s)
    if not options.no_png:
        print(draw(graph, options.png))
    if problem := verdict(graph, report):
        print(f"cartpole: {problem}.", file=sys.stderr)
        return 1
    return 130 if interrupted else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
