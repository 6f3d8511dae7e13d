"""Hardware in the loop: ports that are real in this session, and the fixture function that hides the difference.

Laws: a test that asks for `port(name)` gets a string for `serial.Serial` and cannot tell what is behind it. What only a simulated
port can do is skipped on a real one, with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim import World
    from sim.faults import Fault
    from sim.profiles import Profile

SCHEME = "sim://"


@dataclass(frozen=True)
class RealPort:
    """A port of this session that is real: its name in the tests, where it is, and its rate if that was given."""

    name: str
    path: str
    baudrate: int | None = None

    def __str__(self) -> str:
        return f"{self.name}={self.path}" + (f",{self.baudrate}" if self.baudrate else "")


def parse(text: str) -> RealPort:
    """The port that `NAME=PATH[,BAUD]` means.

    Raises:
        pytest.UsageError: it has another form, or there is no such device.
    """
    name, _, rest = text.partition("=")
    path, comma, baud = rest.partition(",")
    if not name or not path or (comma and not (baud.isdecimal() and int(baud))):
        raise pytest.UsageError(f"--hil: needed NAME=PATH or NAME=PATH,BAUD, was {text!r}; for example imu=/dev/ttyUSB0,115200")
    if "://" not in path and not os.path.exists(path):
        raise pytest.UsageError(f"--hil {name}: needed a device, was {path!r}, which does not exist; is it plugged in?")
    return RealPort(name.removeprefix(SCHEME), path, int(baud) if baud else None)


class Ports:
    """The fixture `port`: call it for a port to open. `used` collects the names of the real ones that were asked for."""

    def __init__(self, world: World, hil: Mapping[str, RealPort], used: set[str], *, real_only: bool = False) -> None:
        self._world, self._hil, self._used, self._real_only = world, hil, used, real_only

    def __repr__(self) -> str:
        return f"<Ports, real: {', '.join(map(str, self._hil.values())) or 'none'}>"

    def __call__(
        self, name: str, device: Any = None, *, profile: str | Profile = "ideal", faults: Iterable[Fault] = ()
    ) -> str:
        """What to give to `serial.Serial`: the name of a simulated port made here, or the path of the real one.

        Args:
            name: a bare name ("imu"), which `--hil imu=/dev/ttyUSB0` makes real.
            device, profile, faults: of the simulated port, as in `World.serial`. A real port has a device of its own; with faults
                the test is skipped there.

        Raises:
            TypeError, ValueError: as `World.serial`.
        """
        real = self._hil.get(name.removeprefix(SCHEME)) if isinstance(name, str) else None  # `World.serial` refuses it
        faults = tuple(faults)
        if real is not None:
            self._used.add(real.name)
            if faults:
                pytest.skip(f"port {real.name!r}: faults need a simulated port, and this one is real (--hil {real})")
            return real.path
        if self._real_only:
            pytest.skip(f"port {name!r}: hil_only needs a real port, and there is none of this name; give --hil {name}=PATH")
        return self._world.serial(name, device, profile=profile, faults=faults).name

    def baudrate(self, name: str, default: int) -> int:
        """The rate that `--hil NAME=PATH,BAUD` gives for this port, or the default."""
        real = self._hil.get(name.removeprefix(SCHEME))
        return default if real is None or real.baudrate is None else real.baudrate
