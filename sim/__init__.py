"""Simulated serial ports in virtual time, under the real pyserial.

    with World() as world:
        world.serial("/dev/ttyUSB0", MyDevice())
        port = serial.Serial("/dev/ttyUSB0", 115200, timeout=1)     # the real class, unchanged

`World` is what a test opens; a device is a subclass of `SerialDevice`, or a generator function that yields `read(n)` and
`sleep(s)`. `sim.plants` is physics for devices to stand on.
"""

from .device import SerialDevice as SerialDevice
from .device import read as read
from .device import sleep as sleep
from .kernel import SimDeadlock as SimDeadlock
from .line import Line as Line
from .world import World as World
