"""Hooks whose name is nearly right: a device that has one is deaf, and nobody says so.

Law: no false alarm. A method is told only if its name begins with `on_` and is close to a hook that the device lacks, and no code of
its class speaks of it.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from difflib import get_close_matches
from types import CodeType
from typing import Any

#: What a line calls on a device, where it has it.
HOOKS = ("on_open", "on_close", "on_data", "on_settings", "on_modem")
_HEARS = ("on_receive", "on_received", "on_receive_data", "on_data_received", "on_read", "on_rx", "on_bytes")  # elsewhere
_ALIKE = 0.75  # of all letters, for a name to be close


def warn_of_misspelt(device: Any, stacklevel: int) -> None:
    """Warn of each method of `device` that seems meant as a hook."""
    own = [each for each in type(device).__mro__ if each.__module__.partition(".")[0] not in ("sim", "builtins")]
    names = {name: value for each in own for name, value in vars(each).items() if inspect.isfunction(value)}
    spoken = {name for function in names.values() for name in _spoken(function.__code__)}
    hears = next((hook for hook in ("on_line", "on_frame") if hasattr(device, hook)), "on_data")
    meant = dict.fromkeys(_HEARS, hears) | {hook: hook for hook in (*HOOKS, hears)}
    for name in sorted(names.keys() - spoken - {*HOOKS, "on_line", "on_frame"}):
        close = get_close_matches(name, meant, 1, _ALIKE) if name.startswith("on_") else []
        if close and meant[close[0]] not in names:
            kind = type(device).__name__
            text = f"device {kind}: needed hooks by their names, was {name}, which nothing calls; did you mean {meant[close[0]]}?"
            warnings.warn(text, stacklevel=stacklevel + 1)


def _spoken(code: CodeType) -> Iterator[str]:
    """The names that `code`, and what is defined inside it, speaks of, also as text."""
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _spoken(each)
        elif isinstance(each, str):
            yield each
