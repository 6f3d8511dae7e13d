"""The simulated cart: physics behind a serial port, in the world of the program or as a process of its own.

As a process it serves a pseudo-terminal, which any program can open as if it were a cart on a cable:

    python examples/cartpole_plant.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cartpole_frames import Frames
from cartpole_model import FORCE_LIMIT, NOISE, PERIOD_S

from sim import SerialDevice, World
from sim.plants import CartPole


class Plant(SerialDevice):
    """A cart that sends a noisy reading every 10 ms and obeys the last force it was sent.

    The pole is held at its first angle until the first force comes, as a person would hold it: so a program may take its time
    to start.
    """

    def __init__(self, theta: float) -> None:
        self.theta = theta

    def on_open(self) -> None:
        self.plant = CartPole(theta=self.theta)
        self.released_ns: int | None = None
        self.readings, self.forces = Frames("<4f"), Frames("<f")
        self.timer = self.every(PERIOD_S, self.measure)

    def on_close(self) -> None:
        self.timer.cancel()

    def on_data(self, data: bytes) -> None:
        self.forces.feed(data)
        while (values := self.forces.take()) is not None:
            if self.released_ns is None:
                self.released_ns = self.now_ns
            self.advance()  # the old force held until now
            self.plant.force = max(-FORCE_LIMIT, min(FORCE_LIMIT, values[0]))

    def advance(self) -> None:
        """Moves the cart to the present."""
        if self.released_ns is not None:
            self.plant.advance(self.now_ns - self.released_ns)

    def measure(self) -> None:
        """Sends one reading."""
        self.advance()
        self.send(self.readings.pack(*(self.plant.state + NOISE * self.rng.standard_normal(4)).tolist()))


@contextmanager
def started(theta: float, seed: int) -> Iterator[str]:
    """The port of a simulated cart in a process of its own, which ends with the block, and with this process however it ends."""
    command = [sys.executable, __file__, "--theta", str(theta), "--seed", str(seed), "--attached"]
    # A session of its own: Ctrl-C is for the controlling program, which still has its last force to send.
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with child:  # leaving closes both pipes, and waits
        port = next(iter(child.stdout or ()), "").strip()
        if not port:
            raise ChildProcessError(f"the simulated cart did not start (exit code {child.wait()})")
        yield port


def end_with_input() -> None:
    """Ends this process when its standard input closes: the other end of the pipe is gone, by will or by crash."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serves a cart until told to end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--theta", type=float, default=0.2, help="angle of the pole at the start, in rad (default 0.2)")
    parser.add_argument("--seed", type=int, default=0, help="of the sensor noise (default 0)")
    parser.add_argument("--attached", action="store_true", help="end when standard input closes")
    options = parser.parse_args()
    if options.attached:
        threading.Thread(target=end_with_input, daemon=True).start()  # outside the world: it may block for real
    with World(seed=options.seed, clock="wall") as world:
        world.serial("cartpole", Plant(options.theta))
        print(world.pty("cartpole"), flush=True)
        while True:
            time.sleep(3600)  # the world goes on meanwhile


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
