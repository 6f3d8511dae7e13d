"""Simulated file numbers in the hands of any code: `os`, `fcntl` and `termios` called directly, as on a real port.

Laws: a number from 2**20 up, in a task of the world, is a simulated file; every other call goes to the real function, unchanged.
Like the other stand-ins each asks which world is open now.
"""

from __future__ import annotations

import fcntl
import os
import termios
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from .files import FIRST_FD

#: The calls whose first argument is a file number, by the module they are in.
CALLS = {
    os: ("read", "write", "close", "isatty", "set_blocking", "get_blocking"),
    fcntl: ("fcntl", "ioctl", "flock"),
    termios: ("tcgetattr", "tcsetattr", "tcdrain", "tcflush", "tcsendbreak", "tcflow"),
}
_shims: dict[str, Any] = {}  # of the open world, by the name of the module
_world: Any = None


def is_member() -> bool:
    """Whether the calling thread is a task of the open world."""
    return _world is not None and get_ident() in _world.kernel.tasks


def _standin(module: str, real: Callable[..., Any]) -> Callable[..., Any]:
    name = real.__name__

    def call(*args: Any, **keywords: Any) -> Any:
        fd = args[0] if args else keywords.get("fd")
        if not isinstance(fd, int):
            fileno = getattr(fd, "fileno", None)
            fd = fileno() if module != "os" and _world is not None and fileno is not None else -1
        if fd < FIRST_FD or not is_member():
            return real(*args, **keywords)
        return getattr(_shims[module], name)(fd, *args[1:], **keywords)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = real.__doc__
    return call


_real_open = os.open


def _open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    if dir_fd is None and is_member() and _world.find(path) is not None:
        number: int = _shims["os"].open(path, flags, mode)
        return number
    return _real_open(path, flags, mode, dir_fd=dir_fd)


#: Pairs of a real function and what stands in for it.
STANDINS: list[tuple[Any, Callable[..., Any]]] = [
    (_real_open, _open),
    *((getattr(module, name), _standin(module.__name__, getattr(module, name))) for module, names in CALLS.items() for name in names),
]
_open.__name__ = _open.__qualname__ = "open"
_open.__doc__ = os.open.__doc__
