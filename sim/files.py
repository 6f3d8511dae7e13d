"""Simulated file numbers: from 2**20 up, never used twice in a process, so that a late `close` can hit nothing new.

Laws: a number that is not open is EBADF; closing wakes whoever waits on it. A file is a terminal or one end of a pipe.
"""

from __future__ import annotations

import errno
import itertools
import os
import select
from collections.abc import Callable
from typing import Any

from .kernel import Kernel
from .pace import WallPace
from .task import Bell
from .tty import Tty
from .watch import Watch

FIRST_FD = 1 << 20
_real_select = select.select
_numbers = itertools.count(FIRST_FD)


class File:
    """An open simulated file: what `readable`, `writable` and `watch` need to know."""

    def __init__(self, kernel: Kernel, fd: int | None = None) -> None:
        self.kernel = kernel
        self.fd = next(_numbers) if fd is None else fd
        self.nonblocking = False
        self.open = True
        self._bells: list[Bell] = []

    def readable(self, need: int = 1) -> bool:
        """Whether a read returns at once, with `need` bytes if that many are waited for."""
        raise NotImplementedError

    def writable(self) -> bool:
        """Whether a write takes something."""
        raise NotImplementedError

    def watch(self, bell: Bell | None, need: int, write: bool) -> Callable[[], None]:
        """Ring `bell` when the file may be readable (or writable); call what is returned to stop."""
        raise NotImplementedError

    def watch_always(self) -> None:
        """Let time stop wherever the file becomes readable, until it is closed."""

    def close(self) -> None:
        """Close it, and wake whoever waits."""
        self.open = False
        for bell in self._bells:
            self.kernel.wake(bell)

    def _listen(self, bell: Bell | None) -> Callable[[], None]:
        if bell is None:
            return lambda: None
        self._bells.append(bell)
        return lambda: self._bells.remove(bell)


class TtyFile(File):
    """A terminal that a program has open. `port` is the `serial.Serial` that opened it, held weakly, or None."""

    def __init__(self, kernel: Kernel, tty: Tty) -> None:
        super().__init__(kernel)
        self.tty = tty
        self.port: Any = None
        self._standing: Watch | None = None
        tty.opened(self)

    def readable(self, need: int = 1) -> bool:
        """Whether `need` bytes are there, or the line is gone."""
        tty = self.tty
        tty.settle()
        return tty.hung or len(tty.rx) >= need

    def writable(self) -> bool:
        """Whether fewer than 256 bytes are queued."""
        return self.tty.writable()

    def watch(self, bell: Bell | None, need: int, write: bool) -> Callable[[], None]:
        """Ring `bell` at the nanosecond at which it becomes readable or writable, or when it is closed."""
        tty = self.tty
        watches: list[Watch] = []
        if need:
            watches.append(tty.add_watch(bell, lambda: tty.when_readable(need)))
        if write:
            watches.append(tty.add_watch(bell, tty.when_writable))
        forget = self._listen(bell)

        def stop() -> None:
            forget()
            for watch in watches:
                tty.drop_watch(watch)

        return stop

    def watch_always(self) -> None:
        """Let time stop wherever the file becomes readable, until it is closed."""
        if self._standing is None:
            self._standing = self.tty.add_watch(None, self.tty.when_readable)
            self.tty.standing += 1

    def close(self) -> None:
        """Close it; the last file of a terminal drops its lines."""
        if self.open:
            super().close()
            if self._standing is not None:
                self.tty.drop_watch(self._standing)
                self.tty.standing -= 1
            self.tty.closed(self)


class PipeEnd(File):
    """One end of a pipe: what pyserial wakes its own reads with."""

    def __init__(self, kernel: Kernel, buffer: bytearray, other: PipeEnd | None) -> None:
        super().__init__(kernel)
        self.buffer, self.other = buffer, other

    def readable(self, need: int = 1) -> bool:
        """Whether something was written."""
        return bool(self.buffer)

    def writable(self) -> bool:
        """Always: nobody writes more than a few bytes."""
        return True

    def watch(self, bell: Bell | None, need: int, write: bool) -> Callable[[], None]:
        """Ring `bell` when something is written."""
        return self._listen(bell)

    def read(self, size: int) -> bytes:
        """What was written, up to `size` bytes."""
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def write(self, data: bytes) -> int:
        """Write, and wake the reader."""
        self.buffer += data
        if self.other is not None:
            for bell in self.other._bells:
                self.kernel.wake(bell)
        return len(data)


class RealFile(File):
    """A file of the machine, in a world whose time is that of the machine."""

    def __init__(self, kernel: Kernel, fd: int) -> None:
        if not isinstance(kernel.pace, WallPace):
            raise ValueError(  # noqa: TRY004 - it is the clock that does not fit
                f"world: needed a simulated file, was the real file {fd}; real sockets and pipes have no virtual time: "
                'use them outside the world, or open World(clock="wall")'
            )
        super().__init__(kernel, fd)
        self._pace = kernel.pace

    def readable(self, need: int = 1) -> bool:
        """Whether a read returns at once."""
        return bool(_real_select([self.fd], [], [], 0)[0])

    def writable(self) -> bool:
        """Whether a write takes something."""
        return bool(_real_select([], [self.fd], [], 0)[1])

    def watch(self, bell: Bell | None, need: int, write: bool) -> Callable[[], None]:
        """Ring `bell` when it is readable, or writable."""

        def ring() -> None:
            if bell is not None:
                self.kernel.wake(bell)

        if write:
            self._pace.add_writer(self.fd, ring)
            return lambda: self._pace.remove_writer(self.fd)
        self._pace.add_reader(self.fd, ring)
        return lambda: self._pace.remove_reader(self.fd)


class Files:
    """The open simulated files of one world, by number."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._files: dict[int, File] = {}

    def __getitem__(self, fd: int) -> File:
        try:
            return self._files[fd]
        except KeyError:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None

    def get(self, fd: int) -> File | None:
        """The file of that number, or None."""
        return self._files.get(fd)

    def any(self, fd: int) -> File:
        """The simulated file of that number, or, in a world in real time, the real one."""
        return self[fd] if fd >= FIRST_FD else RealFile(self._kernel, fd)

    def __contains__(self, fd: object) -> bool:
        return fd in self._files

    def __iter__(self) -> Any:
        return iter(list(self._files.values()))

    def open_tty(self, tty: Tty) -> TtyFile:
        """A new file on a terminal."""
        file = TtyFile(self._kernel, tty)
        self._files[file.fd] = file
        return file

    def pipe(self) -> tuple[int, int]:
        """A new pipe: the numbers of its reading and its writing end."""
        buffer = bytearray()
        reader = PipeEnd(self._kernel, buffer, None)
        writer = PipeEnd(self._kernel, buffer, reader)
        self._files[reader.fd], self._files[writer.fd] = reader, writer
        return reader.fd, writer.fd

    def close(self, fd: int) -> None:
        """Close a file. A number that is not open is ignored: it belonged to a world that is gone."""
        file = self._files.pop(fd, None)
        if file is not None:
            file.close()
