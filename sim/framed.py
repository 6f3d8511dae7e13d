"""Devices that speak in lines, or in frames.

Law: however the bytes arrive, in pieces or many at once, each line and each good frame is told once, whole and in order; what could
not be made sense of is skipped and counted.
"""

from __future__ import annotations

from typing import Any

from .device import SerialDevice
from .frame import Frame

_ENDS = frozenset(b"\r\n")
MOST_LINE_BYTES = 65_536  # without a terminator; then it is no line


class LineDevice(SerialDevice):
    """A device that speaks in lines of text: override `on_line`, call `send_line`. Each line ends in `terminator`, b"\\n" unless you
    set it. A program that writes b"V?\\r\\n" needs a device whose `terminator` is b"\\r\\n": with b"\\n" the line heard is "V?\\r".

    Class attributes: `terminator`, both ways (a line that holds another line end is told in the trace, once, as "terminator");
    `encoding` (bytes that are none of it are told as U+FFFD).
    Attribute `skipped`: bytes of lines without an end that were thrown away.
    """

    terminator: bytes = b"\n"
    encoding: str = "utf-8"
    skipped = 0
    _pending = b""
    _ends_told = False

    def on_line(self, line: str) -> None:
        """A line has arrived, without its terminator."""

    def send_line(self, line: str, delay_s: float = 0) -> None:
        """Send a line; the terminator is added."""
        if not isinstance(line, str):
            raise TypeError(f"device {type(self).__name__}.send_line: needed text, was {line!r}; for bytes use send()")
        self.send(line.encode(self.encoding) + self.terminator, delay_s)

    def on_data(self, data: bytes) -> None:
        """Tell the lines that are complete."""
        *lines, self._pending = (self._pending + data).split(self.terminator)
        if not self._ends_told:
            self._look_for_ends([*lines, self._pending.removesuffix(self.terminator[:-1])])
        for line in lines:
            self.on_line(line.decode(self.encoding, "replace"))
        if len(self._pending) > MOST_LINE_BYTES:
            self.skipped += len(self._pending)
            self._pending = b""

    def _look_for_ends(self, lines: list[bytes]) -> None:
        """If a line holds the end of a line, as other devices have it, say so once."""
        for line in lines:
            if set(line) & _ENDS and set(self.terminator) <= _ENDS:
                self._ends_told = True
                self.line.log("terminator", f"the device's lines end in {self.terminator!r}, it heard {line[:20]!r}")
                return


class FrameDevice(SerialDevice):
    """A device that speaks in frames: say how they look, override `on_frame`, call `send_frame`.

    Class attributes: `hears`, the `Frame` of what the program sends, and `sends`, that of what the device sends; None: it does not.
    Attribute `skipped`: bytes that were part of no good frame.
    """

    hears: Frame | None = None
    sends: Frame | None = None
    skipped = 0
    _pending: bytearray | None = None

    def on_frame(self, *fields: Any) -> None:
        """A good frame has arrived, with these fields."""

    def send_frame(self, *fields: Any, delay_s: float = 0) -> None:
        """Send a frame with these fields."""
        if self.sends is None:
            name = type(self).__name__
            raise RuntimeError(f'device {name}.send_frame: needed the look of a frame, was none; set sends = Frame("<4f", ...) in {name}')
        self.send(self.sends.pack(*fields), delay_s)

    def on_data(self, data: bytes) -> None:
        """Tell the frames that are complete."""
        if self.hears is None:
            self.skipped += len(data)
            return
        if self._pending is None:
            self._pending = bytearray()
        self._pending += data
        while True:
            fields, skipped = self.hears.cut(self._pending)
            self.skipped += skipped
            if fields is None:
                return
            self.on_frame(*fields)
