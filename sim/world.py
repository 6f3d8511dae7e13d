"""A world: named devices on one timeline.

Law: a name belongs to one device at a time. What a world does with time and tasks is in `timeline.py`.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .audio import seam as audio_seam
from .device import SerialDevice
from .faults import SERIAL_KINDS, Fault, FaultSchedule, schedule_for
from .given import as_device
from .line import Line
from .profiles import Profile, profile_of
from .timeline import Timeline

try:
    import serial.serialposix
except ImportError:  # a world of other devices needs no pyserial
    HAS_PYSERIAL = False
else:
    HAS_PYSERIAL = True
    from . import direct
    from . import serial as tty_shims
    from .bridge import Bridge
    from .shadow import Shadow, open_real

if TYPE_CHECKING:
    from .audio.devices import Microphone, Room, Speaker
    from .audio.host import Host

SCHEME = "sim://"


class World(Timeline):
    """Simulated devices on one virtual clock; a context manager.

    Args:
        seed: of everything random in it.
        clock: "virtual" jumps from event to event; "wall" runs with the machine's clock, "x10" ten times as fast.
        choices: whole numbers from 0, taken one by one: where more than one task can run, and before each taking of a lock, the
            next number says which one does. 0, and the end of the list, mean the one that waits longest: the ordinary run.
            `sim.strategies.schedule_choices` draws them.
        check: run the block twice, the first time in a forked process, and raise `RunsDiffer` at its end if the two traces, end times
            or errors are not the same. In its graphs, objects to a context that would be another process go as copies, as they do between
            processes.

    Attributes: `now_ns`, `rng`, `trace`, `seed`, `clock`, `choices`, `check`, `schedules` (name and `FaultSchedule` of every device there
    was).
    """

    def __init__(self, seed: int = 0, clock: str = "virtual", *, choices: Iterable[int] = (), check: bool = False) -> None:
        super().__init__(seed, clock, choices=choices, check=check)
        self.ports: dict[str, Line] = {}
        self.schedules: list[tuple[str, FaultSchedule]] = []
        self._bridges: list[Bridge] = []
        self._shadows: list[Shadow] = []
        self._sound: Host | None = None

    def _device_patches(self) -> Iterable[tuple[Any, str, Any]]:
        return [*(tty_shims.patches(self) if HAS_PYSERIAL else ()), *audio_seam.patches(self)]

    def _standins(self) -> Iterable[tuple[Any, Callable[..., Any]]]:
        return direct.STANDINS if HAS_PYSERIAL else ()

    def _close_devices(self) -> None:
        for bridge in self._bridges:
            bridge.close()
        for shadow in self._shadows:
            shadow.close()
        if HAS_PYSERIAL:
            tty_shims.close_ports(self)
        audio_seam.close_streams()

    # serial ports -----------------------------------------------------------------------------------------------------------

    def serial(self, name: str, device: Any = None, *, profile: str | Profile = "ideal", faults: Iterable[Fault] = ()) -> Line:
        """A simulated serial port: `serial.Serial(name)` opens it, whatever `name` is, and so does `sim://name`.

        Args:
            name: a path ("/dev/ttyUSB0") or a bare name ("imu").
            device: a `SerialDevice`, an object with some of its hooks, or a generator function of one argument, its end of the
                line: `def device(line): data = yield read(4); line.send(data)`, with `yield sleep(0.005)` to let time pass.
                None: a loopback plug, which sends everything back and joins RTS to CTS and DTR to DSR and CD.
            profile: when bytes that came over the wire can be read: "ideal", "uart16550", "ftdi", "cdc_acm", or a call of one
                of these functions.
            faults: a list of faults or a `FaultSchedule`: what goes wrong with what the device sends, or is sent.

        Returns:
            The line, to look at what went over it and to pull its plug.

        Raises:
            TypeError: no name; no device: a class, a function that is no generator function of one argument, an object without
                hooks.
            ValueError: the name is taken, the device is on another line, or there are faults and nothing that sends.
            ModuleNotFoundError: pyserial is not installed.
        """
        self._check_usable()
        name = self._checked(name)
        if not HAS_PYSERIAL:
            text = f"serial {name!r}: needed pyserial, was not installed; do `pip install 'dfcore[serial]'`"
            raise ModuleNotFoundError(text, name="serial")
        schedule = schedule_for(f"serial {name!r}", faults, SERIAL_KINDS)
        if schedule and device is None:
            raise ValueError(f"serial {name!r}: needed a device for faults to act on, was a loopback plug; give it one that answers")
        device = as_device(device)
        if isinstance(device, SerialDevice) and device._line is not None and device._line._world is self:
            raise ValueError(f"serial {name!r}: needed a device of its own, {device._line.name!r} has this one; make another")
        line = self.ports[name] = Line(self, name, device, profile_of(profile), schedule)
        self.schedules.append((name, schedule))
        if isinstance(device, SerialDevice):
            device._line = line
        return line

    def pty(self, name: str) -> str:
        """Let other programs open the port `name`: the path of a real terminal that leads to it.

        Raises:
            ValueError: the clock is virtual, or no such port was made.
        """
        self.check_open()
        line = self.find(name)
        if line is None:
            raise ValueError(f"pty {name!r}: needed a port of this world, was none; make it with serial({name!r}, device) first")
        bridge = Bridge(self.kernel, line)
        self._bridges.append(bridge)
        return bridge.path

    def shadow(
        self, name: str, device: Any, *, real: str, profile: str | Profile = "ideal", faults: Iterable[Fault] = ()
    ) -> Shadow:
        """A real device on the port `name`, and `device`, its twin, beside it: both are sent the same, and their answers compared.

        Args:
            name: what the program opens; it may be the name of the real port itself.
            device: the twin, as for `serial`; `profile` and `faults` are those of its line.
            real: the path of the real port.

        Returns:
            What both answered, with times, and `divergences`.

        Raises:
            ValueError: the clock is virtual, `real` is a simulated port, or as for `serial`.
            DeviceError: the real port cannot be opened.
        """
        self.check_open()
        if device is None:
            raise TypeError(f"shadow {name!r}: needed a twin, was a loopback plug; give the simulated device")
        if self.kernel.virtual:
            raise ValueError(f'shadow {name!r}: needed a clock that real hardware shares, was "virtual"; open World(clock="wall")')
        name = self._checked(name)
        if self.find(real) is not None:
            raise ValueError(f"shadow {name!r}: needed a real port, {real!r} is one of this world; give the path of a real one")
        twin_line = self.serial(f"twin of {name}", device, profile=profile, faults=faults)
        try:
            shadow = Shadow(self, open_real(name, real))
        except BaseException:
            del self.ports[twin_line.name]
            raise
        shadow.twin_line = twin_line
        self.serial(name, shadow)
        self._shadows.append(shadow)
        return shadow

    def claim(self, name: str, line: Line) -> str:
        """Give `name` to `line`; the name, without `sim://`."""
        name = self._checked(name)
        self.ports[name] = line
        return name

    def find(self, path: Any) -> Line | None:
        """The line that a path, a name or a `sim://` URL means, or None."""
        return self.ports.get(path.removeprefix(SCHEME)) if isinstance(path, str) else None

    def missing(self, path: str) -> str:
        """Why `path` cannot be opened."""
        have = ", ".join(sorted(self.ports)) or "none"
        return f"{os.strerror(2)} (ports of this world: {have}; make it with world.serial({path.removeprefix(SCHEME)!r}, device))"

    def matching(self, pattern: str) -> list[str]:
        """The names of ports that match a file pattern."""
        return sorted(name for name in self.ports if fnmatch.fnmatchcase(name, pattern))

    def free_name(self, name: str) -> str:
        """The next name of the same kind that no port has: ttyUSB0, ttyUSB1, ..."""
        stem = re.sub(r"\d+$", "", name)
        return next(f"{stem}{number}" for number in itertools.count() if f"{stem}{number}" not in {*self.ports, name})

    def _checked(self, name: Any) -> str:
        """`name` without `sim://`, if it can be that of a port and no port has it."""
        if not isinstance(name, str):
            raise TypeError(f'serial {name!r}: needed a name as text, was {type(name).__name__}; for example "/dev/ttyUSB0"')
        bare: str = name.removeprefix(SCHEME)
        if not bare or bare.endswith("/") or "\0" in bare:
            raise ValueError(f'serial {name!r}: needed a path or a bare name, was neither; for example "/dev/ttyUSB0" or "imu"')
        if bare in self.ports:
            raise ValueError(f"serial {bare!r}: needed a name that is free, a port of this world had it; choose another")
        return bare

    # sound cards ------------------------------------------------------------------------------------------------------------

    def microphone(
        self, name: str, *, source: Any, rate: int = 48000, channels: int = 1, period: int = 256, faults: Iterable[Fault] = ()
    ) -> Microphone:
        """A simulated input: sounddevice finds it by `name`, and the first one is the default.

        A microphone and a speaker of one name are one device.

        Args:
            source: what it hears: a function of time (it is given float64[n], seconds from the opening of the world, and returns
                [n] or [n, channels], full scale +-1, of these times alone), an array of such samples or of integer ones, the path
                of a WAV file, or None for silence. An array and a file begin when the world opens, and silence follows them.
            rate: samples per second; no other rate can be opened.
            channels: how many a program can have at most.
            period: frames that the card hands over at a time.
            faults: of `Xrun`, `Drift`, `Unplug`, and `Drop(frame=)` and `Insert(frame=)`, which count samples.

        Raises:
            ModuleNotFoundError: sounddevice is not installed.
            TypeError, ValueError: the name is taken, or something does not fit.
            FileNotFoundError: there is no such WAV file.
        """
        made = self._sound_cards(f"microphone {name!r}").microphone(name, source, rate, channels, period, faults)
        self.schedules.append((name, made.faults))
        return made

    def speaker(
        self, name: str, *, rate: int = 48000, channels: int = 2, period: int = 256, faults: Iterable[Fault] = ()
    ) -> Speaker:
        """A simulated output, which remembers what it played (`played`) and when (`times_ns`). As with `microphone`."""
        made = self._sound_cards(f"speaker {name!r}").speaker(name, rate, channels, period, faults)
        self.schedules.append((name, made.faults))
        return made

    def room(
        self, speaker: Speaker, microphone: Microphone, *, delay_s: float = 0.0, gain: float = 1.0, noise: float = 0.0
    ) -> Room:
        """Let `microphone` hear what `speaker` plays, besides its own source.

        Args:
            delay_s: from one to the other, besides the latencies of the streams.
            gain: of the sound on its way.
            noise: rms of white noise that the microphone hears too, seeded by the world.
        """
        return self._sound_cards("room").room(speaker, microphone, delay_s, gain, noise)

    @property
    def sound(self) -> Host:
        """The sound cards, for the PortAudio of this world."""
        return self._sound_cards("sounddevice")

    def _sound_cards(self, where: str) -> Host:
        self._check_usable()
        if self._sound is None:
            self._sound = audio_seam.host_of(self, where)
        return self._sound


if HAS_PYSERIAL and __package__ + ".url" not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.append(__package__ + ".url")
