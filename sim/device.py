"""Devices at the far end of a serial line: plain callbacks, or a generator.

Laws: a hook returns at once, since time stands still while it runs; what it does later it asks for with `after` or `every`; all
randomness comes from `rng`, which depends on the world's seed and the name of the port only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

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

    Class attribute `baudrate`: the rate at which the device sends; None follows the port.
    """

    baudrate: int | None = None
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
    def line(self) -> Line:
        """The line this device is on."""
        if self._line is None:
            name = type(self).__name__
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
            raise TypeError(f"device {type(self).__name__}.send: needed bytes, was {data!r}; for one byte write bytes([value])")
        if delay_s:
            line.at(line.now_ns + delay_ns(delay_s, f"device {type(self).__name__}.send"), line.send, bytes(data))
        else:
            line.send(data)

    def after(self, delay_s: float, function: Callable[..., Any], *args: Any) -> Timer:
        """Call `function(*args)` once, `delay_s` seconds from now."""
        timer, line = Timer(), self.line
        due_ns = line.now_ns + delay_ns(delay_s, f"device {type(self).__name__}.after")
        timer._entry = line.at(due_ns, function, *args)
        return timer

    def every(self, period_s: float, function: Callable[[], Any]) -> Timer:
        """Call `function()` again and again, first after one period. The grid does not drift."""
        if not period_s > 0:
            raise ValueError(f"device {type(self).__name__}: every() needed a period above 0 s, was {period_s!r}; give seconds")
        timer, line = Timer(), self.line
        origin_ns, count = line.now_ns, 0

        def again() -> None:
            nonlocal count
            count += 1
            timer._entry = line.at(origin_ns + round(count * period_s * 1e9), tick)

        def tick() -> None:
            again()
            function()

        again()
        return timer

    def set_modem(self, **lines: bool) -> None:
        """Drive `cts`, `dsr`, `ri` or `cd`."""
        self.line.set_modem(**lines)


class Read(NamedTuple):
    """What a generator device yields to wait for bytes."""

    size: int


class Sleep(NamedTuple):
    """What a generator device yields to let time pass."""

    duration_s: float


def read(size: int) -> Read:
    """Yield it from a generator device: `data = yield read(4)` goes on when 4 bytes have come."""
    return Read(size)


def sleep(duration_s: float) -> Sleep:
    """Yield it from a generator device: `yield sleep(0.005)` goes on 5 ms later."""
    return Sleep(duration_s)


class GeneratorDevice(SerialDevice):
    """Runs a generator function of one argument, the device itself, from the first time the port is opened."""

    def __init__(self, function: Callable[[SerialDevice], Generator[Read | Sleep, Any, Any]]) -> None:
        self._function = function
        self._generator: Generator[Read | Sleep, Any, Any] | None = None
        self._buffer = bytearray()
        self._wanted: int | None = None

    def on_open(self) -> None:
        """Start the generator, the first time."""
        if self._generator is None:
            self._generator = self._function(self)
            self._resume(None)

    def on_data(self, data: bytes) -> None:
        """Keep the bytes, and go on if they were waited for."""
        self._buffer += data
        self._feed()

    def _feed(self) -> None:
        while self._wanted is not None and len(self._buffer) >= self._wanted:
            data = bytes(self._buffer[: self._wanted])
            del self._buffer[: self._wanted]
            self._wanted = None
            self._step(data)

    def _resume(self, value: bytes | None) -> None:
        self._step(value)
        self._feed()

    def _step(self, value: bytes | None) -> None:
        if self._generator is None:
            return
        try:
            request = self._generator.send(value)
        except StopIteration:
            return
        if isinstance(request, Read):
            self._wanted = request.size
        elif isinstance(request, Sleep):
            self.after(request.duration_s, self._resume, None)
        else:
            name = getattr(self._function, "__name__", "generator")
            raise TypeError(f"device {name}: needed `yield read(size)` or `yield sleep(seconds)`, was {request!r}; yield one of those")


#: What a line calls on a device, where it has it.
HOOKS = ("on_open", "on_close", "on_data", "on_settings", "on_modem")


def as_device(device: Any) -> Any:
    """The device that `World.serial` was given, in the form a line uses."""
    if device is None:
        return None
    if inspect.isclass(device):
        raise TypeError(f"device {device.__name__}: needed a device, was its class; make one: {device.__name__}()")
    if not inspect.isfunction(device):
        if not any(hasattr(device, hook) for hook in HOOKS):
            raise TypeError(f"device {device!r}: needed an object with any of {', '.join(HOOKS)}, was one with none; subclass SerialDevice")
        return device
    if not inspect.isgeneratorfunction(device):
        raise TypeError(f"device {device.__name__}: needed a generator function or an object with hooks, was a function; yield in it")
    _check_arguments(device)
    return GeneratorDevice(device)


def _check_arguments(function: Callable[..., Any]) -> None:
    """A generator function is called with its end of the line, and nothing else."""
    signature = inspect.signature(function)
    try:
        signature.bind(None)
    except TypeError:
        name, count = function.__name__, len(signature.parameters) or "none"
        raise TypeError(f"device {name}: needed a generator function of one argument (the line), was one of {count}; "
                        f"write def {name}(device):") from None
