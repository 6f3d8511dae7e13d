"""What stands below the real pyserial: the four modules that `serial.serialposix` calls, over simulated terminals.

Law: `serial.Serial` itself runs unchanged, line by line. A call about a number that is not simulated, or from a thread that is no
task of the world, goes to the real module, so that a real port in the same program stays real.

The way of a byte to the program: `SerialDevice.send`, `Line.send` (faults, a wrong rate), `Tty.receive`, which puts it on a `Lane`.
`Tty.when_readable` asks the profile when it can be read; then a `Watch` rings the bell of the task that waits in `SelectShim.select`,
and `OsShim.read` takes it through `Tty.settle`. The way back: `OsShim.write`, `Tty.write`, the other lane; when the last byte of the
burst is complete `Line` lets faults act and calls `on_data`.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import struct
import sys
import termios
import time
import weakref
from typing import TYPE_CHECKING, Any

import serial
import serial.serialposix
import serial.serialutil
import serial.tools.list_ports_linux

from . import direct
from .files import FIRST_FD, File, PipeEnd, TtyFile
from .selecting import SelectShim
from .shim import Shim
from .tty import BREAK_NS, CLOSE_WAIT_NS
from .waits import drain, poll, wait_for

if TYPE_CHECKING:
    from .world import World

LOW_LATENCY = 0x2000
_INT = struct.Struct("I")
_MODEM = (
    (termios.TIOCM_RTS, "rts"), (termios.TIOCM_DTR, "dtr"), (termios.TIOCM_CTS, "cts"),
    (termios.TIOCM_DSR, "dsr"), (termios.TIOCM_CD, "cd"), (termios.TIOCM_RI, "ri"),
)  # fmt: skip


class OsShim(Shim):
    """`os`: open, read, write, close, pipe."""

    _real = os
    _world: World

    def open(self, path: Any, flags: int, mode: int = 0o777, **keywords: Any) -> int:
        """Open a port of the world, or else a real file."""
        if not self._world.member():
            return os.open(path, flags, mode, **keywords)
        line = self._world.find(path)
        if line is None:
            try:
                return os.open(path, flags, mode, **keywords)
            except FileNotFoundError as error:
                raise FileNotFoundError(errno.ENOENT, self._world.missing(path), path) from error
        file = self._files.open_tty(line.tty)
        file.nonblocking = bool(flags & os.O_NONBLOCK)
        caller = sys._getframe(1).f_locals.get("self")
        file.port = weakref.ref(caller) if isinstance(caller, serial.SerialBase) else None
        return file.fd

    def read(self, fd: int, size: int) -> bytes:
        """Read from a simulated file, or a real one."""
        if not self._ours(fd):
            return os.read(fd, size)
        file = self._files[fd]
        if isinstance(file, PipeEnd):
            return file.read(size)
        data: bytes = self._tty(fd).read(size)
        if data or not size or self._tty(fd).hung:
            return data
        if file.nonblocking:
            poll(self._kernel)
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return self._read_blocking(file, size)

    def _read_blocking(self, file: File, size: int) -> bytes:
        """A terminal without O_NONBLOCK: VMIN and VTIME rule."""
        tty = self._tty(file.fd)
        least, tenths = tty.attributes[6][termios.VMIN], tty.attributes[6][termios.VTIME]
        until_ns = self._kernel.now + tenths * 100_000_000 if tenths and not least else None
        if not least and not tenths:
            return b""
        wait_for(self._kernel, [(file, min(max(least, 1), size), False)], until_ns)
        return tty.read(size)

    def write(self, fd: int, data: bytes) -> int:
        """Write to a simulated file, or a real one."""
        if not self._ours(fd):
            return os.write(fd, data)
        file = self._files[fd]
        if isinstance(file, PipeEnd):
            return file.write(data)
        tty = self._tty(fd)
        count = tty.write(data)
        if count or not data:
            return count
        if not file.nonblocking:
            wait_for(self._kernel, [(file, 0, True)], None)
            return tty.write(data)
        poll(self._kernel)
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def close(self, fd: int) -> None:
        """Close; the last close of a port waits, at most 30 s, until what was written is sent."""
        if not (isinstance(fd, int) and fd >= FIRST_FD):
            return os.close(fd)
        kernel = self._kernel
        if fd in self._files and self._world.member() and kernel.inside is None and not kernel.closing:
            file = self._files[fd]
            if isinstance(file, TtyFile) and len(file.tty.files) == 1:
                drain(kernel, file, kernel.now + CLOSE_WAIT_NS)
        self._files.close(fd)

    def isatty(self, fd: int) -> bool:
        """Whether it is a terminal."""
        return isinstance(self._files[fd], TtyFile) if self._ours(fd) else os.isatty(fd)

    def set_blocking(self, fd: int, blocking: bool) -> None:
        """Whether a read or write waits."""
        if not self._ours(fd):
            return os.set_blocking(fd, blocking)
        self._files[fd].nonblocking = not blocking

    def get_blocking(self, fd: int) -> bool:
        """Whether a read or write waits."""
        return not self._files[fd].nonblocking if self._ours(fd) else os.get_blocking(fd)

    def pipe(self) -> tuple[int, int]:
        """A simulated pipe for a simulated port, a real one for a real port."""
        fd = getattr(sys._getframe(1).f_locals.get("self"), "fd", None)
        return self._files.pipe() if self._ours(fd) else os.pipe()


class TermiosShim(Shim):
    """`termios`: settings, draining, flushing, break, flow."""

    _real = termios

    def tcgetattr(self, fd: int) -> list[Any]:
        """The settings of a port."""
        if not self._ours(fd):
            return termios.tcgetattr(fd)
        tty = self._tty(fd)
        tty.check(termios.error)
        return [*tty.attributes[:6], list(tty.attributes[6])]

    def tcsetattr(self, fd: int, when: int, attributes: list[Any]) -> None:
        """Change the settings of a port."""
        if not self._ours(fd):
            return termios.tcsetattr(fd, when, attributes)
        if when != termios.TCSANOW:
            self.tcdrain(fd)
        self._tty(fd).set_attributes(attributes)

    def tcdrain(self, fd: int) -> None:
        """Wait until everything is sent."""
        if not self._ours(fd):
            return termios.tcdrain(fd)
        self._tty(fd).check(termios.error)
        drain(self._kernel, self._tty_file(fd), None)
        self._tty(fd).check(termios.error)

    def tcflush(self, fd: int, queue: int) -> None:
        """Throw away what is in a buffer."""
        if not self._ours(fd):
            return termios.tcflush(fd, queue)
        self._tty(fd).flush(queue)

    def tcsendbreak(self, fd: int, duration: int) -> None:
        """Send a break: a tenth of a second, or a quarter for duration 0."""
        if not self._ours(fd):
            return termios.tcsendbreak(fd, duration)
        tty = self._tty(fd)
        tty.check(termios.error)
        tty.set_lines(brk=True)
        self._kernel.park(self._kernel.now + (BREAK_NS * ((duration + 99) // 100) if duration else 250_000_000))
        tty.check(termios.error)
        tty.set_lines(brk=False)

    def tcflow(self, fd: int, action: int) -> None:
        """Stop or start one direction."""
        if not self._ours(fd):
            return termios.tcflow(fd, action)
        tty = self._tty(fd)
        tty.check(termios.error)
        if action in (termios.TCOOFF, termios.TCOON):
            tty.flow.stop("tcflow", action == termios.TCOOFF)
        else:
            tty.flow.send(action == termios.TCIOFF)


class FcntlShim(Shim):
    """`fcntl`: ioctl, fcntl, flock."""

    _real = fcntl

    def fcntl(self, fd: int, command: int, argument: Any = 0) -> Any:
        """Flags of a file; only O_NONBLOCK means something here."""
        if not self._ours(fd):
            return fcntl.fcntl(fd, command, argument)
        file = self._files[fd]
        if command == fcntl.F_SETFL:
            file.nonblocking = bool(argument & os.O_NONBLOCK)
            return 0
        if command == fcntl.F_GETFL:
            return os.O_RDWR | (os.O_NONBLOCK if file.nonblocking else 0)
        if command in (fcntl.F_GETFD, fcntl.F_SETFD):
            return fcntl.FD_CLOEXEC if command == fcntl.F_GETFD else 0
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # a number that F_DUPFD made up would be that of another file

    def flock(self, fd: int, operation: int) -> None:
        """An exclusive lock on a port, held by one open file."""
        if not self._ours(fd):
            return fcntl.flock(fd, operation)
        file = self._files[fd]
        tty = self._tty(fd)
        if operation & fcntl.LOCK_UN:
            tty.owner = None if tty.owner is file else tty.owner
        elif tty.owner is not None and tty.owner is not file:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        else:
            tty.owner = file

    def ioctl(self, fd: int, request: int, argument: Any = 0, mutate: bool = True) -> Any:
        """Modem lines, break, counts, and the settings that have no call of their own."""
        if not self._ours(fd):
            return fcntl.ioctl(fd, request, argument, mutate)
        tty = self._tty(fd)
        tty.check()
        if request in (termios.TIOCINQ, termios.TIOCOUTQ):
            poll(self._kernel)
            return _answer(argument, tty.in_waiting if request == termios.TIOCINQ else tty.out_waiting)
        if request == termios.TIOCMGET:
            poll(self._kernel)
            return _answer(argument, sum(bit for bit, name in _MODEM if getattr(tty, name)))
        return self._set(tty, request, argument)

    def _set(self, tty: Any, request: int, argument: Any) -> Any:
        posix = serial.serialposix
        if request in (termios.TIOCMBIS, termios.TIOCMBIC, termios.TIOCMSET):
            bits = _INT.unpack(bytes(argument))[0]
            if request == termios.TIOCMSET:
                tty.set_lines(rts=bool(bits & termios.TIOCM_RTS), dtr=bool(bits & termios.TIOCM_DTR))
            else:
                on = request == termios.TIOCMBIS
                tty.set_lines(**{name: on for bit, name in _MODEM[:2] if bits & bit})
        elif request in (posix.TIOCSBRK, posix.TIOCCBRK):
            tty.set_lines(brk=request == posix.TIOCSBRK)
        elif request in (posix.TCGETS2, posix.TCSETS2):
            self._custom_baud(tty, request == posix.TCSETS2, argument)
        elif request == posix.TIOCGRS485:
            argument[:] = type(argument)("i", tty.rs485)
        elif request == posix.TIOCSRS485:
            tty.rs485 = list(argument)
        elif request == termios.TIOCGSERIAL:
            argument[4] = tty.serial_flags
        elif request == termios.TIOCSSERIAL:
            tty.serial_flags = argument[4]
            tty.receiver.set_low_latency(bool(argument[4] & LOW_LATENCY))
            tty.changed()
        else:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        return 0

    @staticmethod
    def _custom_baud(tty: Any, write: bool, argument: Any) -> None:
        attributes = [*tty.attributes[:6], list(tty.attributes[6])]
        if write:
            attributes[:4] = [flag & 0xFFFFFFFF for flag in argument[:4]]
            tty.set_attributes(attributes, custom_baud=argument[9])
        else:
            for index in range(4):
                argument[index] = attributes[index] - (1 << 32 if attributes[index] >= 1 << 31 else 0)
            argument[9] = argument[10] = tty.settings.baudrate


def _answer(argument: Any, value: int) -> Any:
    """An int as `fcntl.ioctl` gives it back: in the buffer it was given, if that can be written, else as bytes."""
    packed = _INT.pack(value)
    if isinstance(argument, bytes):
        return packed
    if isinstance(argument, int):
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
    memoryview(argument).cast("B")[: len(packed)] = packed
    return 0


class GlobShim(Shim):
    """`glob` for `list_ports`: the ports of the world are there too."""

    _real = glob
    _world: World

    def glob(self, pattern: str) -> list[str]:
        """Real files that match, and ports of the world that do."""
        real = glob.glob(pattern)
        return real + self._world.matching(pattern) if self._world.member() else real


def _describe(info: Any, device: Any) -> None:
    """What `list_ports` tells of the USB adapter that a device says it has."""
    if getattr(device, "vid", None) is not None:
        for name in ("vid", "pid", "serial_number", "manufacturer", "product"):
            setattr(info, name, getattr(device, name, None))
        info.apply_usb_info()


def patches(world: World) -> list[tuple[Any, str, Any]]:
    """What to replace, as (object, name, value), while `world` is open."""
    real_init = serial.tools.list_ports_linux.SysFS.__init__

    def init(self: Any, device: str) -> None:
        real_init(self, device)
        line = world.find(device) if world.member() else None
        if line is not None:
            self.subsystem, self.description, self.hwid = "sim", "simulated port", f"SIM {device}"
            _describe(self, line.device)

    posix = serial.serialposix
    shims = {"os": OsShim(world), "termios": TermiosShim(world), "fcntl": FcntlShim(world)}
    return [
        (serial.serialutil.Timeout, "TIME", staticmethod(time.monotonic)),  # the one put in its place; it bound the real one
        *((posix, name, shim) for name, shim in shims.items()),
        (posix, "select", SelectShim(world)),
        (direct, "_world", world),
        (direct, "_shims", shims),
        (serial.tools.list_ports_linux, "glob", GlobShim(world)),
        (serial.tools.list_ports_linux.SysFS, "__init__", init),
    ]


def close_ports(world: World) -> None:
    """Close what was left open, so that no `serial.Serial` tries to later, when its file number means nothing."""
    for file in world.files:
        port = file.port() if isinstance(file, TtyFile) and file.port is not None else None
        if port is not None and port.is_open and port.fd == file.fd:
            port.close()
        else:
            world.files.close(file.fd)
