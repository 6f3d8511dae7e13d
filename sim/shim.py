"""A module seen through a world."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from .files import FIRST_FD, TtyFile
from .tty import Tty

if TYPE_CHECKING:
    from .timeline import Timeline


class Shim:
    """A module seen through a world: names not defined here are those of the real module."""

    _real: Any

    def __init__(self, world: Timeline) -> None:
        self._world = world
        self._kernel = world.kernel
        self._files = world.files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def _ours(self, fd: Any) -> bool:
        return isinstance(fd, int) and fd >= FIRST_FD and self._world.member()

    def _tty_file(self, fd: int) -> TtyFile:
        file = self._files[fd]
        if not isinstance(file, TtyFile):
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        return file

    def _tty(self, fd: int) -> Tty:
        return self._tty_file(fd).tty
