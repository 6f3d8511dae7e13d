"""The sound cards of one world, as PortAudio's table of devices has them.

Laws: a microphone and a speaker of one name are one device. Devices keep their number; the first microphone and the first
speaker are the defaults. As in reality a device that was unplugged stays in the table, and goes when PortAudio is terminated
and initialised again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..kernel import Kernel
from ..seam import DeviceError
from .devices import Microphone, Room, Speaker

if TYPE_CHECKING:
    from ..timeline import Timeline

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
        row = self._row("microphone", name)
        if row.microphone is not None:
            raise ValueError(
                f"microphone {name!r}: needed a name that is free, a microphone of this world had it; choose another"
            )
        made = Microphone(self.world, name, *args)
        if row.speaker is not None:
            made.join(row.speaker)
        row.microphone = made
        self._keep(row, made)
        self.default_microphone = self.default_microphone or made
        return made

    def speaker(self, name: str, *args: Any) -> Speaker:
        """Make one."""
        row = self._row("speaker", name)
        if row.speaker is not None:
            raise ValueError(f"speaker {name!r}: needed a name that is free, a speaker of this world had it; choose another")
        made = Speaker(self.world, name, *args)
        if row.microphone is not None:
            made.join(row.microphone)
        row.speaker = made
        self._keep(row, made)
        self.default_speaker = self.default_speaker or made
        return made

    def room(self, *args: Any) -> Room:
        """Make one."""
        return Room(self.world, *args)

    def _row(self, what: str, name: Any) -> Row:
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise ValueError(f"{what} {name!r}: needed a name of printable characters, was {name!r}; programs choose the device by it")
        return next((row for row in self.rows if row.name == name), Row(name))

    def _keep(self, row: Row, made: Microphone | Speaker) -> None:
        if row not in self.rows:
            self.rows.append(row)
        made.plan_faults()

    def blame(self, text: str) -> None:
        """Remember what a program is told about error -9999."""
        self.last_error = (ENODEV, text)

    def forbid(self, text: str) -> None:
        """End the run: the program did what would hang in reality."""
        self.kernel.fail(None, DeviceError(text))
