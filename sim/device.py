"""Devices at the far end of a serial line: plain callbacks.

Laws: a hook returns at once, since time stands still while it runs; what it does later it asks for with `after` or `every`; all
randomness comes from `rng`, which depends on the world's seed and the name of the port only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .kernel import Kernel
from .line import Line
from .pace import delay_ns
from .settings import Lines, Settings


class Timer:
    """What `after` and `every` return; `cancel()` takes it back."""

    def __init__(self) -> None:
        self._entry: list[Any] | None = None

    def cancel(self) -> None:
        """Do not call any more."""
        if self._entry is not None:
            Kernel.cancel(self._entry)
        self._entry = None


class SerialDevice:
    """Subclass it, override the hooks you need, and give an instance to `World.serial`.

    A device that waits and answers in turn is shorter as a generator function of one argument, its end of the line, which has
    `send`, `set_modem`, `now_ns` and `rng` as here. It runs from the first time that the port is opened, yields what it waits
    for, and is given to `World.serial` as it is::

        def echo(line):
            while True:
                data = yield read(4)  # goes on when 4 bytes have come
                yield sleep(0.005)  # and 5 ms later
                line.send(data)

        world.serial("/dev/ttyUSB0", echo)

    Class attributes `baudrate bytesize parity stopbits` ("N", "E", "O", "M" or "S"; the others numbers): how the device itself is
    set; None follows the port. Where the two differ each end hears what a real receiver would (see `sim.uart`), and the trace has an
    event "mismatch".

    Class attributes `vid pid serial_number manufacturer product`: of its USB adapter, for a program that looks for its port with
    `serial.tools.list_ports`; they are told if `vid` is not None.
    """

    baudrate: int | None = None
    bytesize: int | None = None
    parity: str | None = None
    stopbits: float | None = None
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None
    manufacturer: str | None = None
    product: str | None = None
    _line: Line | None = None

    def on_open(self) -> None:
        """The port was opened (by its first program)."""

    def on_close(self) -> None:
        """The port was closed (by its last program), or the plug was pulled while it was open."""

    def on_data(self, data: bytes) -> None:
        """Bytes have arrived: what the program wrote in one go, at the moment its last byte is complete."""

    def on_settings(self, settings: Settings) -> None:
        """The port has new settings: `baudrate bytesize parity stopbits rtscts xonxoff`."""

    def on_modem(self, lines: Lines) -> None:
        """The port drives its lines otherwise: `rts dtr brk`."""

    @property
    def _kind(self) -> str:
        """What messages call it."""
        return type(self).__name__

    @property
    def line(self) -> Line:
        """The line this device is on."""
        if self._line is None:
            name = self._kind
            raise RuntimeError(f"device {name}: needed a line, it was on none; give it to World.serial(name, {name}(...)) first")
        return self._line

    @property
    def now_ns(self) -> int:
        """World time, in nanoseconds."""
        return self.line.now_ns

    @property
    def rng(self) -> np.random.Generator:
        """Seeded by the world's seed and the name of the port."""
        return self.line.rng

    def send(self, data: bytes, delay_s: float = 0) -> None:
        """Send one frame to the program, behind what is still on the wire."""
        line = self.line
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"device {self._kind}.send: needed bytes, was {data!r}; for one byte write bytes([value])")
        if delay_s:
            line.at(line.now_ns + delay_ns(delay_s, f"device {self._kind}.send"), line.send, bytes(data))
        else:
            line.send(data)

    def after(self, delay_s: float, function: Callable[..., Any], *args: Any) -> Timer:
        """Call `function(*args)` once, `delay_s` seconds from now."""
        self._check_function(function, "after")
        timer, line = Timer(), self.line
        due_ns = line.now_ns + delay_ns(delay_s, f"device {self._kind}.after")
        timer._entry = line.at(due_ns, function, *args)
        return timer

    def every(self, period_s: float, function: Callable[[], Any]) -> Timer:
        """Call `function()` again and again, first after one period. The grid does not drift."""
        self._check_function(function, "every")
        if not delay_ns(period_s, f"device {self._kind}.every"):
            raise ValueError(f"device {self._kind}.every: needed a period above 0 s, was {period_s!r}; give seconds")
        timer, line = Timer(), self.line
        origin_ns, count = line.now_ns, 0

        def again() -> None:
            nonlocal count
            count += 1
            timer._entry = line.at(origin_ns + round(count * period_s * 1e9), tick)

        def tick() -> None:
            again()
            function()

        tick.__name__ = getattr(function, "__name__", "event")  # what it raises is told by this name
        again()
        return timer

    def _check_function(self, function: Any, where: str) -> None:
        if not callable(function):
            raise TypeError(f"device {self._kind}.{where}: needed a function to call, was {function!r}; give it without brackets")

    def send_break(self, duration_s: float = 0.25) -> None:
        """Hold the line at zero for so long, behind what is still on the wire: the program reads one zero byte."""
        self.line.send_break(delay_ns(duration_s, f"device {self._kind}.send_break"))

    def set_modem(self, **lines: bool) -> None:
        """Drive `cts`, `dsr`, `ri` or `cd`."""
        self.line.set_modem(**lines)
