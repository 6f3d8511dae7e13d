"""A real device and its simulated twin side by side: the program talks to the real one, the twin is sent the same bytes, and what
the two answer is compared.

Laws: the program gets what the real device sends, when it sends it, and nothing of the twin's. The twin hears each byte that the real
one is sent, with the same settings and lines, and takes its own time. Every byte of both is kept with the time at which it came.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

import serial

from .device import SerialDevice
from .files import TtyFile
from .pace import WallPace
from .seam import DeviceError
from .settings import Lines, Settings
from .watch import Call, Watch

if TYPE_CHECKING:
    from .line import Line
    from .timeline import Timeline

_PIECE_BYTES = 4096


class Divergence(NamedTuple):
    """A stretch in which the two answers are not the same: where it begins, what each sent there, and when both were known."""

    offset: int
    twin: bytes
    real: bytes
    t_ns: int


class Answer:
    """What one of the two has sent, and when."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._ends: list[int] = []
        self._times_ns: list[int] = []

    def add(self, data: bytes, now_ns: int) -> None:
        """More has come."""
        if data:
            self.data += data
            self._ends.append(len(self.data))
            self._times_ns.append(now_ns)

    def time_ns(self, offset: int) -> int:
        """When the byte at `offset`, or the last one before it, came; 0 if none has."""
        at = min(bisect_right(self._ends, offset), len(self._times_ns) - 1)
        return self._times_ns[at] if self._times_ns else 0


class Shadow(SerialDevice):
    """What `World.shadow` returns: the real device on the program's line, and its twin on a line of its own.

    Attributes: `twin` and `real` (an `Answer` each: `.data`, `.time_ns(offset)`), `divergences`, `line` (the program's), `twin_line`,
    `unsupported` (what the real port has not got, such as modem lines).
    """

    is_wire = True

    def __init__(self, world: Timeline, port: serial.Serial) -> None:
        self._kernel, self._port = world.kernel, port
        self._pace: WallPace = world.kernel.pace  # type: ignore[assignment]  # no world in virtual time makes one
        self.twin, self.real = Answer(), Answer()
        self.unsupported: set[str] = set()
        self._file: TtyFile | None = None
        self._to_real, self._to_twin = bytearray(), bytearray()
        self._answer: Watch | None = None  # rings when the twin has sent something
        self._room: Watch | None = None  # rings when the twin's line takes more
        self.twin_line: Line

    @property
    def divergences(self) -> list[Divergence]:
        """Where the answers differ so far, stretch by stretch. What only one of the two has sent differs too."""
        twin, real = self.twin.data, self.real.data
        found: list[list[int]] = []
        for offset in range(max(len(twin), len(real))):
            if twin[offset : offset + 1] != real[offset : offset + 1]:
                if found and found[-1][1] == offset:
                    found[-1][1] += 1
                else:
                    found.append([offset, offset + 1])
        return [self._divergence(start, stop) for start, stop in found]

    def _divergence(self, start: int, stop: int) -> Divergence:
        t_ns = max(self.twin.time_ns(start), self.real.time_ns(start))
        return Divergence(start, bytes(self.twin.data[start:stop]), bytes(self.real.data[start:stop]), t_ns)

    # what the program does -----------------------------------------------------------------------------------------------------

    def on_open(self) -> None:
        """Listen to both."""
        tty = self.twin_line.tty
        self._file = TtyFile(self._kernel, tty)
        self._answer = tty.attach(Call(lambda: tty.when_readable() if tty.rx or tty.lane_in.size else None, self._twin_answered))
        self._pace.add_reader(self._port.fileno(), self._real_answered)

    def on_close(self) -> None:
        """Listen to none."""
        if self._file is None:
            return
        self._twin_answered()
        if self._answer is not None:
            self.twin_line.tty.drop_watch(self._answer)
        self._file.close()
        self._file = self._answer = None
        self._pace.remove_reader(self._port.fileno())
        self._pace.remove_writer(self._port.fileno())

    def on_settings(self, settings: Settings) -> None:
        """Set both as the program's port is set."""
        self._port.apply_settings({name: value for name, value in settings._asdict().items() if name != "stopbits"})
        self._port.stopbits = settings.stopbits
        self.twin_line.tty.apply(settings)

    def on_modem(self, lines: Lines) -> None:
        """Drive the lines of both."""
        for name, attribute in (("rts", "rts"), ("dtr", "dtr"), ("brk", "break_condition")):
            try:
                setattr(self._port, attribute, getattr(lines, name))
            except OSError as error:
                if error.errno not in (errno.ENOTTY, errno.EINVAL):
                    raise
                self.unsupported.add(attribute)
        self.twin_line.tty.set_lines(**lines._asdict())

    def on_data(self, data: bytes) -> None:
        """Pass it on to both."""
        self._to_real += data
        self._to_twin += data
        self._write_real()
        self._write_twin()

    def _write_real(self) -> None:
        fd = self._port.fileno()
        self._pace.remove_writer(fd)
        try:
            del self._to_real[: os.write(fd, self._to_real)]
        except BlockingIOError:
            pass  # it takes more when it is writable
        except OSError as error:
            return self._gone(error)
        if self._to_real:
            self._pace.add_writer(fd, self._write_real)

    def _write_twin(self) -> None:
        tty = self.twin_line.tty
        if self._room is not None:
            tty.drop_watch(self._room)
            self._room = None
        if tty.hung:
            return
        del self._to_twin[: tty.write(bytes(self._to_twin))]
        if self._to_twin:
            self._room = tty.attach(Call(tty.when_writable, self._write_twin))

    # what the two answer -------------------------------------------------------------------------------------------------------

    def _real_answered(self) -> None:
        try:
            data = os.read(self._port.fileno(), _PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            return self._gone(error)
        if not data:
            return self._gone(OSError(errno.EIO, os.strerror(errno.EIO)))
        self.real.add(data, self._kernel.now)
        self._take_lines()
        self.send(data)

    def _take_lines(self) -> None:
        """The program sees the lines of the real device, as they were when it last sent something."""
        if "modem" in self.unsupported:
            return
        try:
            lines = {"cts": self._port.cts, "dsr": self._port.dsr, "ri": self._port.ri, "cd": self._port.cd}
        except OSError:
            self.unsupported.add("modem")
            return
        tty = self.line.tty
        changed = {name: on for name, on in lines.items() if getattr(tty, name) != on}
        if changed:
            self.set_modem(**changed)

    def _twin_answered(self) -> None:
        tty = self.twin_line.tty
        self.twin.add(tty.read(_PIECE_BYTES), self._kernel.now)
        tty.changed()

    def _gone(self, error: OSError) -> None:
        """The real device is gone, so the program's port is unplugged."""
        self._pace.remove_reader(self._port.fileno())
        self.line.log("gone", str(error))
        if self.line.plugged:
            self.line.unplug()

    def close(self) -> None:
        """Give the real port back."""
        self.on_close()
        self._port.close()


def open_real(name: str, path: Any) -> serial.Serial:
    """The real port at `path`. Raises DeviceError: it cannot be opened."""
    try:
        return serial.Serial(path, timeout=0, write_timeout=0)
    except (serial.SerialException, ValueError) as error:
        raise DeviceError(f"shadow {name!r}: needed the real port {path!r}, could not open it ({error}); is it plugged in?") from error
