"""A port of a world for other programs: a real pseudo-terminal joined to a simulated one.

Laws: the bridge is one more program at the simulated terminal, so pace, buffers and hooks are those of every other. Its settings
are those that the client gave the real one. Nothing is polled: opening and closing come from inotify, bytes from the files
themselves, the device's bytes from the lane.

A pseudo-terminal has no modem lines, no parity and no break; those of the client do not get here.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import select
import termios
import tty as raw_terminal
from typing import Any

import serial.serialposix

from .files import TtyFile
from .kernel import Kernel
from .pace import WallPace
from .settings import BOTHER, CFLAG, IFLAG, OSPEED
from .tty import TX_BYTES, Tty
from .watch import Watch

PIECE_BYTES = 64  # what the device sends is handed over at least this often
_IN_OPEN, _IN_CLOSE = 0x20, 0x8 | 0x10
_poll = select.poll  # bound before any world replaces it


class Bridge:
    """Joins `line` to a new pseudo-terminal. `path` is what other programs open."""

    def __init__(self, kernel: Kernel, line: Any) -> None:
        pace = kernel.pace
        if not isinstance(pace, WallPace):
            raise ValueError(f'pty {line.name!r}: needed a clock that others share, was "virtual"; open World(clock="wall")')  # noqa: TRY004
        self._kernel, self._pace, self._line = kernel, pace, line
        self._master, slave = os.openpty()
        raw_terminal.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self._hang_up = _poll()
        self._hang_up.register(self._master, select.POLLHUP)
        self._inotify = _watch_opens(self.path)
        self._file: TtyFile | None = None
        self._tty: Tty | None = None
        self._watch: Watch | None = None
        self._unsent = b""
        self._attributes: list[Any] = []
        pace.add_reader(self._inotify, self._opened_or_closed)

    def close(self) -> None:
        """End it; the client sees its terminal hang up."""
        self._leave()
        self._pace.remove_reader(self._inotify)
        os.close(self._inotify)
        os.close(self._master)

    # opening and closing -----------------------------------------------------------------------------------------------------

    def _opened_or_closed(self) -> None:
        try:
            os.read(self._inotify, 4096)
        except BlockingIOError:
            return
        self._look()

    def _look(self) -> None:
        """Be open when a client is there. Inotify merges equal events, so the terminal itself is asked."""
        is_open = not self._hang_up.poll(0)
        if is_open and self._file is None:
            self._enter()
        elif not is_open and self._file is not None:
            self._read()
            self._leave()

    def _enter(self) -> None:
        tty = self._line.tty
        if tty.hung:
            return
        self._tty, self._attributes = tty, []
        tty.refresh = lambda: self._take_settings(tty)
        self._file = TtyFile(self._kernel, tty)
        self._watch = _Outgoing(self, tty)
        tty.attach(self._watch)
        self._pace.add_reader(self._master, self._readable)

    def _leave(self) -> None:
        self._pace.remove_reader(self._master)
        self._pace.remove_writer(self._master)
        if self._tty is not None and self._watch is not None:
            self._tty.refresh = None
            self._tty.drop_watch(self._watch)
        if self._file is not None:
            self._file.close()
        self._file = self._tty = self._watch = None
        self._unsent = b""

    # bytes -------------------------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        if not self._read():
            self._look()

    def _read(self) -> bool:
        """Take what the client wrote, as far as there is room on the wire. False: the client is gone."""
        tty = self._tty
        if tty is None or tty.hung:
            return False
        self._take_settings(tty)
        room = TX_BYTES - tty.out_waiting
        if room <= 0:
            self._pace.remove_reader(self._master)
            tty.attach(_Room(self, tty))
            return True
        try:
            data = os.read(self._master, room)
        except BlockingIOError:
            return True
        except OSError:  # EIO: nobody has the terminal open
            return False
        tty.write(data)
        return bool(data)

    def resume(self) -> None:
        """There is room on the wire again."""
        if self._file is not None:
            self._pace.add_reader(self._master, self._readable)

    def pump(self) -> None:
        """Hand over what the device has sent."""
        tty = self._tty
        if tty is None:
            return
        if tty.hung:
            self._leave()
            return
        self._take_settings(tty)
        if not self._unsent:
            self._unsent = tty.read(TX_BYTES)
        try:
            self._unsent = self._unsent[os.write(self._master, self._unsent) :]
        except BlockingIOError:
            pass  # the client does not read: what is left waits for the terminal to be writable
        if self._unsent:
            self._pace.add_writer(self._master, self._writable)
        tty.changed()

    def _writable(self) -> None:
        self._pace.remove_writer(self._master)
        self.pump()

    def when_pump(self) -> int | None:
        """When there is a piece to hand over."""
        tty = self._tty
        if tty is None or self._unsent:
            return None
        size = len(tty.rx) + tty.lane_in.size
        return tty.when_readable(min(PIECE_BYTES, size)) if size or tty.hung else None

    def _take_settings(self, tty: Tty) -> None:
        attributes = termios.tcgetattr(self._master)
        if attributes == self._attributes:
            return
        self._attributes = attributes
        baud = _custom_baud(self._master) if attributes[OSPEED] == BOTHER else None
        wire = [*attributes[:6], list(attributes[6])]
        wire[IFLAG] &= ~(termios.IXON | termios.IXOFF)  # the real terminal does that itself
        wire[CFLAG] &= ~termios.CRTSCTS
        tty.set_attributes(wire, custom_baud=baud)


class _Outgoing(Watch):
    """Hands over what the device sends, piece by piece."""

    __slots__ = ("_bridge",)

    def __init__(self, bridge: Bridge, tty: Tty) -> None:
        super().__init__(None, bridge.when_pump)
        self._bridge = bridge

    def ring(self, kernel: Kernel) -> None:
        """A piece is there."""
        self._bridge.pump()


class _Room(Watch):
    """Reads on once the wire has room."""

    __slots__ = ("_bridge", "_tty")

    def __init__(self, bridge: Bridge, tty: Tty) -> None:
        super().__init__(None, tty.when_writable)
        self._bridge, self._tty = bridge, tty

    def ring(self, kernel: Kernel) -> None:
        """There is room."""
        self._tty.drop_watch(self)
        self._bridge.resume()


def _custom_baud(fd: int) -> int:
    words = array.array("i", [0] * 64)
    fcntl.ioctl(fd, serial.serialposix.TCGETS2, words)
    return words[10]


def _watch_opens(path: str) -> int:
    """A file that is readable when `path` was opened or closed."""
    library = ctypes.CDLL(None, use_errno=True)
    fd = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0 or library.inotify_add_watch(fd, path.encode(), _IN_OPEN | _IN_CLOSE) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"pty: needed inotify on {path}: {os.strerror(number)}; allow more inotify instances for this user")
    return int(fd)
