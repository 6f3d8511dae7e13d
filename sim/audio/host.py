"""The sound cards of one world, as PortAudio's table of devices has them.

Laws: a microphone and a speaker of one name are one device. Devices keep their number; the first microphone and the first
speaker are the defaults. As in reality a device that was unplugged stays in the table, and goes when PortAudio is terminated
and initialised again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..kernel import Kernel
from ..seam import DeviceError
from .devices import Device, Microphone, Room, Speaker

if TYPE_CHECKING:
    from ..timeline import Timeline

Half = TypeVar("Half", Microphone, Speaker)
NO_DEVICE = -1
ENODEV = -19


class Row:
    """One line of the table."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.microphone: Microphone | None = None
        self.speaker: Speaker | None = None

    @property
    def plugged(self) -> bool:
        """Whether it is."""
        half = self.microphone or self.speaker
        return half is not None and half.plugged


class Host:
    """The devices of a world."""

    def __init__(self, world: Timeline) -> None:
        self.world = world
        self.kernel: Kernel = world.kernel
        self.rows: list[Row] = []
        self.default_microphone: Microphone | None = None
        self.default_speaker: Speaker | None = None
        self.last_error = (0, "")

    def microphone(self, name: str, *args: Any) -> Microphone:
        """Make one."""
        row = self._row(Microphone.what, name, lambda row: row.microphone)
        row.microphone = self._half(Microphone(self.world, name, *args), row, row.speaker)
        self.default_microphone = self.default_microphone or row.microphone
        return row.microphone

    def speaker(self, name: str, *args: Any) -> Speaker:
        """Make one."""
        row = self._row(Speaker.what, name, lambda row: row.speaker)
        row.speaker = self._half(Speaker(self.world, name, *args), row, row.microphone)
        self.default_speaker = self.default_speaker or row.speaker
        return row.speaker

    def room(self, *args: Any) -> Room:
        """Make one."""
        return Room(self.world, *args)

    def _row(self, what: str, name: Any, half: Callable[[Row], Device | None]) -> Row:
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise ValueError(f"{what} {name!r}: needed a name of printable characters, was {name!r}; programs choose the device by it")
        row = next((row for row in self.rows if row.name == name), Row(name))
        if half(row) is not None:
            raise ValueError(f"{what} {name!r}: needed a name that is free, a {what} of this world had it; choose another")
        return row

    def _half(self, made: Half, row: Row, other: Device | None) -> Half:
        """A new half of the device in `row`."""
        if other is not None:
            made.join(other)
        if row not in self.rows:
            self.rows.append(row)
        made.plan_faults()
        return made

    def blame(self, text: str) -> None:
        """Remember what a program is told about error -9999."""
        self.last_error = (ENODEV, text)

    def forbid(self, text: str) -> None:
        """End the run: the program did what would hang in reality."""
        self.kernel.fail(None, DeviceError(text))
