"""What a simulated world costs: a hand-over between tasks, its opening, pyserial's own suite, and the cart-pole over plain pyserial."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time
from collections.abc import Callable

import serial

from sim import World, pace

from .figure import Figure

ROOT = pathlib.Path(__file__).parents[1]
SUITE = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "tests/contracts/test_pyserial_suite.py"]
HAND_OVERS, WORLDS, VIRTUAL_S = 20_000, 200, 10


def _wall_s(began_ns: int) -> float:
    return (time.monotonic_ns() - began_ns) / 1e9


def hand_over_us() -> float:
    """Two tasks ring each other's bell in turn: microseconds of wall time per hand-over."""
    with World() as world:
        ping, pong = world.bell(), world.bell()

        def other() -> None:
            for _ in range(HAND_OVERS // 2):
                world.wait(ping)
                world.wake(pong)

        world.spawn(other)
        began_ns = pace._monotonic_ns()
        for _ in range(HAND_OVERS // 2):
            world.wake(ping)
            world.wait(pong)
        return (pace._monotonic_ns() - began_ns) / HAND_OVERS / 1e3


def world_ms() -> float:
    """Milliseconds to open and leave a world with one port."""
    began_ns = time.monotonic_ns()
    for _ in range(WORLDS):
        with World() as world:
            world.serial("port")
    return _wall_s(began_ns) / WORLDS * 1e3


def suite_s() -> float:
    """Seconds of the whole suite of pyserial 3.5 against both kinds of name, the start of Python and pytest included."""
    began_ns = time.monotonic_ns()
    subprocess.run([sys.executable, *SUITE], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return _wall_s(began_ns)


def cart_pole_s() -> float:
    """Seconds for ten virtual ones: a program of plain pyserial reads each measurement, sends a force, and keeps the pole up."""
    sys.path.insert(0, str(ROOT / "examples"))
    from cartpole_frames import Frames
    from cartpole_model import K
    from cartpole_plant import Plant

    plant = Plant(0.2)
    began_ns = time.monotonic_ns()
    with World(seed=1) as world:
        world.serial("/dev/ttyUSB0", plant)
        readings, forces = Frames("<4f"), Frames("<f")
        with serial.Serial("/dev/ttyUSB0", 115_200) as port:
            while world.now_ns < VIRTUAL_S * 10**9:
                state = readings.read(port)
                if state is not None:
                    port.write(forces.pack(-float(sum(gain * value for gain, value in zip(K, state, strict=True)))))
    seconds = _wall_s(began_ns)
    if abs(plant.plant.state[2]) > 0.2:
        raise RuntimeError(f"cart-pole: needed the pole up after {VIRTUAL_S} s, its angle was {plant.plant.state[2]:.3f} rad")
    return seconds


def measure(repeat: int) -> list[Figure]:
    """Every figure, `repeat` values each."""

    def values(function: Callable[[], float]) -> tuple[float, ...]:
        return tuple(function() for _ in range(repeat))

    return [
        Figure("hand-over", "us", values(hand_over_us), 10.0, note="between two tasks of a world, on one CPU"),
        Figure("world", "ms", values(world_ms), note="to open and leave one with a port"),
        Figure("pyserial's suite", "s", values(suite_s), 2.0, note="122 tests, with the start of Python and pytest"),
        Figure("cart-pole", "s", values(cart_pole_s), 0.15, note="10 virtual s over plain pyserial"),
    ]
