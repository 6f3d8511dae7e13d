"""Simulated serial ports and sound cards in virtual time, under the real pyserial and the real sounddevice.

    with World() as world:
        world.serial("/dev/ttyUSB0", MyDevice())
        port = serial.Serial("/dev/ttyUSB0", 115200, timeout=1)     # the real class, unchanged
        world.microphone("USB mic", source=sine(440))
        recorded = sounddevice.rec(48000, channels=1, blocking=True)    # the real function, unchanged

`World` is what a test opens; a device is a subclass of `SerialDevice`, or a generator function that yields `read(n)` and
`sleep(s)`. `sim.plants` is physics for devices to stand on.

A module is imported when a name of it is first asked for: pytest loads the plugin, which lies in here, in every session, and only
those that simulate something should pay for NumPy and the drivers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .audio.seam import install as _install_audio

if TYPE_CHECKING:
    from .audio.devices import Microphone as Microphone
    from .audio.devices import Room as Room
    from .audio.devices import Speaker as Speaker
    from .audio.sources import sine as sine
    from .check import RunsDiffer as RunsDiffer
    from .device import SerialDevice as SerialDevice
    from .faults import Delay as Delay
    from .faults import Drift as Drift
    from .faults import Drop as Drop
    from .faults import Duplicate as Duplicate
    from .faults import FaultSchedule as FaultSchedule
    from .faults import Flip as Flip
    from .faults import Insert as Insert
    from .faults import Jitter as Jitter
    from .faults import Noise as Noise
    from .faults import Stall as Stall
    from .faults import Unplug as Unplug
    from .faults import Xrun as Xrun
    from .frame import Frame as Frame
    from .framed import FrameDevice as FrameDevice
    from .framed import LineDevice as LineDevice
    from .generator import read as read
    from .generator import read_frame as read_frame
    from .generator import read_until as read_until
    from .generator import sleep as sleep
    from .kernel import SimDeadlock as SimDeadlock
    from .line import Line as Line
    from .profiles import cdc_acm as cdc_acm
    from .profiles import ftdi as ftdi
    from .profiles import ideal as ideal
    from .profiles import uart16550 as uart16550
    from .seam import DeviceError as DeviceError
    from .world import World as World

#: Where each name is defined. It is also what `from sim import *` brings, which does not hide pyserial behind our `serial`.
_HOMES = {
    "Delay": "faults",
    "DeviceError": "seam",
    "Drift": "faults",
    "Drop": "faults",
    "Duplicate": "faults",
    "FaultSchedule": "faults",
    "Flip": "faults",
    "Frame": "frame",
    "FrameDevice": "framed",
    "Insert": "faults",
    "Jitter": "faults",
    "Line": "line",
    "LineDevice": "framed",
    "Microphone": "audio.devices",
    "Noise": "faults",
    "Room": "audio.devices",
    "RunsDiffer": "check",
    "SerialDevice": "device",
    "SimDeadlock": "kernel",
    "Speaker": "audio.devices",
    "Stall": "faults",
    "Unplug": "faults",
    "World": "world",
    "Xrun": "faults",
    "cdc_acm": "profiles",
    "ftdi": "profiles",
    "ideal": "profiles",
    "read": "generator",
    "read_frame": "generator",
    "read_until": "generator",
    "sine": "audio.sources",
    "sleep": "generator",
    "uart16550": "profiles",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*_HOMES, *(name for name in globals() if name.startswith("__"))})


_install_audio()
