"""What can be given as a device: an object with hooks, or a generator function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .generator import GeneratorDevice
from .misspelt import HOOKS, warn_of_misspelt


def as_device(device: Any) -> Any:
    """The device that `World.serial` was given, in the form a line uses."""
    if device is None:
        return None
    if inspect.isclass(device):
        raise TypeError(f"device {device.__name__}: needed a device, was its class; make one: {device.__name__}()")
    if inspect.isgenerator(device):
        name = device.__name__
        raise TypeError(f"device {name}: needed the generator function itself, was a call of it; give it without brackets: {name}")
    if not inspect.isfunction(device):
        _check_settings(device)
        if not any(hasattr(device, hook) for hook in HOOKS):
            raise TypeError(f"device {device!r}: needed an object with any of {', '.join(HOOKS)}, was one with none; subclass SerialDevice")
        _check_hooks(device)
        warn_of_misspelt(device, stacklevel=3)
        return device
    if not inspect.isgeneratorfunction(device):
        raise TypeError(f"device {device.__name__}: needed a generator function or an object with hooks, was a function; yield in it")
    _check_arguments(device)
    return GeneratorDevice(device)


def _check_hooks(device: Any) -> None:
    """A hook is called and returns: the body of a coroutine or a generator would never run."""
    for name in (*HOOKS, "on_line", "on_frame"):
        hook = getattr(device, name, None)
        if inspect.iscoroutinefunction(hook) or inspect.isgeneratorfunction(hook) or inspect.isasyncgenfunction(hook):
            kind, found = type(device).__name__, "a generator function" if inspect.isgeneratorfunction(hook) else "an async one"
            raise TypeError(f"device {kind}: needed {name} to be an ordinary function, was {found}; to wait, use after(), or write the "
                            "whole device as a generator")


def _check_arguments(function: Callable[..., Any]) -> None:
    """A generator function is called with its end of the line, and nothing else."""
    signature = inspect.signature(function)
    try:
        signature.bind(None)
    except TypeError:
        name, count = function.__name__, len(signature.parameters) or "none"
        raise TypeError(f"device {name}: needed a generator function of one argument (the line), was one of {count}; "
                        f"write def {name}(device):") from None


#: What a device may say about its own end of the line, and what is possible there.
_SETTINGS: dict[str, Callable[[Any], bool]] = {
    "baudrate": lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0,
    "bytesize": lambda value: value in (5, 6, 7, 8),
    "parity": lambda value: value in ("N", "E", "O", "M", "S"),
    "stopbits": lambda value: value in (1, 1.5, 2),
}


def _check_settings(device: Any) -> None:
    for name, possible in _SETTINGS.items():
        value = getattr(device, name, None)
        if value is not None and not possible(value):
            kind = type(device).__name__
            raise ValueError(f"device {kind}: needed a {name} that a serial port can have, was {value!r}; None follows the port")
