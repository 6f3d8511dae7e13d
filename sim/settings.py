"""The words of a terminal's settings: numbers of `termios` on one side, `Settings` for devices on the other.

Knows the bit masks of Linux and nothing else.
"""

from __future__ import annotations

import termios
from typing import Any, NamedTuple

IFLAG, OFLAG, CFLAG, LFLAG, ISPEED, OSPEED, CC = range(7)
BOTHER = 0o010000
CMSPAR = 0o10000000000
_SIZES = {termios.CS5: 5, termios.CS6: 6, termios.CS7: 7, termios.CS8: 8}
_BAUDS = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name.startswith("B") and name[1:].isdigit()
}


class Settings(NamedTuple):
    """How a port is set: what a device finds at the other end of its line."""

    baudrate: int
    bytesize: int
    parity: str  # "N", "E", "O", "M" or "S"
    stopbits: int
    rtscts: bool
    xonxoff: bool

    @property
    def words(self) -> str:
        """Rate and framing as data sheets have them: "9600 8N1"."""
        return f"{self.baudrate} {self.bytesize}{self.parity}{self.stopbits}"

    @property
    def bits(self) -> int:
        """Bits on the wire per byte: start, data, parity and stop bits."""
        return 1 + self.bytesize + (self.parity != "N") + self.stopbits

    @property
    def framing(self) -> tuple[int, str, int]:
        """What makes a character on the wire."""
        return self.bytesize, self.parity, self.stopbits


class Lines(NamedTuple):
    """The lines that the port drives: `rts`, `dtr`, and whether it sends a break."""

    rts: bool
    dtr: bool
    brk: bool


def fresh_attributes() -> list[Any]:
    """What `tcgetattr` gives for a terminal nobody has set: 9600 8N1, cooked, as Linux has it."""
    characters: list[Any] = [b"\x00"] * 32
    for name, value in (("VINTR", 3), ("VQUIT", 28), ("VERASE", 127), ("VKILL", 21), ("VEOF", 4), ("VSTART", 17), ("VSTOP", 19),
                        ("VSUSP", 26), ("VREPRINT", 18), ("VDISCARD", 15), ("VWERASE", 23), ("VLNEXT", 22)):
        characters[getattr(termios, name)] = bytes([value])
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    iflag = termios.ICRNL | termios.IXON
    oflag = termios.OPOST | termios.ONLCR
    cflag = termios.CS8 | termios.CREAD | termios.HUPCL | termios.CLOCAL
    lflag = termios.ISIG | termios.ICANON | termios.ECHO | termios.ECHOE | termios.ECHOK | termios.IEXTEN
    return [iflag, oflag, cflag, lflag, termios.B9600, termios.B9600, characters]


def settings_of(attributes: list[Any], custom_baud: int) -> Settings:
    """Translate what `tcsetattr` was given; `custom_baud` holds if the speed is BOTHER."""
    cflag = attributes[CFLAG]
    speed = attributes[OSPEED]
    parity = "N"
    if cflag & termios.PARENB:
        odd = bool(cflag & termios.PARODD)
        parity = ("M" if odd else "S") if cflag & CMSPAR else ("O" if odd else "E")
    return Settings(
        baudrate=custom_baud if speed == BOTHER else _BAUDS.get(speed, 9600),
        bytesize=_SIZES[cflag & termios.CSIZE],
        parity=parity,
        stopbits=2 if cflag & termios.CSTOPB else 1,
        rtscts=bool(cflag & termios.CRTSCTS),
        xonxoff=bool(attributes[IFLAG] & termios.IXON),
    )
