"""Flow control of one terminal: who may send, and why not.

Laws: each direction goes on when its last reason to stop is gone. With RTS/CTS or XON/XOFF the far end is asked to stop when fewer
than 128 bytes are free in the input buffer, and to go on when at most 128 are left there; nothing is lost meanwhile.
"""

from __future__ import annotations

import termios
from typing import TYPE_CHECKING

from .kernel import Kernel
from .settings import IFLAG
from .watch import Watch

if TYPE_CHECKING:
    from .tty import Tty

XON, XOFF = 0x11, 0x13
THROTTLE_ABOVE, UNTHROTTLE_AT = 4095 - 128, 128


class Flow:
    """Why a terminal, or the device at its other end, does not send."""

    def __init__(self, tty: Tty) -> None:
        self._tty = tty
        self._stops: set[str] = set()
        self._device_stops: set[str] = set()
        self._watch: FullWatch | None = None

    @property
    def by_xoff(self) -> bool:
        """Whether XON and XOFF that the port sends are for the line and not for the device."""
        return bool(self._tty.attributes[IFLAG] & termios.IXOFF)

    @property
    def throttled(self) -> bool:
        """Whether the device was asked to stop."""
        return "throttle" in self._device_stops

    @property
    def stalled(self) -> bool:
        """Whether the line stands still."""
        return any(why.startswith("stall") for why in self._stops)

    def stop(self, why: str, on: bool) -> None:
        """Keep the port from sending for the reason `why`, or no longer."""
        (self._stops.add if on else self._stops.discard)(why)
        tty = self._tty
        for lane in tty.outward():
            (lane.pause if self._stops else lane.resume)(tty.kernel.now)
        tty.line.expect()
        tty.changed()

    def stop_device(self, why: str, on: bool) -> None:
        """Keep the other end from sending for the reason `why`, or no longer."""
        (self._device_stops.add if on else self._device_stops.discard)(why)
        lane = self._tty.lane_in
        (lane.pause if self._device_stops else lane.resume)(self._tty.kernel.now)
        self._tty.changed()

    def settings_changed(self) -> None:
        """The port was set anew."""
        tty = self._tty
        wanted = tty.settings.rtscts or self.by_xoff
        if wanted and self._watch is None:
            self._watch = FullWatch(self, tty)
            tty.attach(self._watch)
        elif not wanted and self._watch is not None:
            tty.drop_watch(self._watch)
            self._watch = None
            self.stop_device("throttle", False)
        self.lines_changed()
        if not tty.settings.xonxoff:
            self.stop("xoff", False)

    def lines_changed(self) -> None:
        """The device drives CTS, or the port heeds it, otherwise."""
        self.stop("cts", self._tty.settings.rtscts and not self._tty.cts)

    def when_full(self) -> int | None:
        """When the device has to be asked to stop; None if not soon."""
        if self.throttled:
            return None
        missing = THROTTLE_ABOVE + 1 - len(self._tty.rx)
        return self._tty.kernel.now if missing <= 0 else self._tty.receiver.when(self._tty.lane_in, missing)

    def throttle(self) -> None:
        """If the input buffer is nearly full, ask the device to stop, by RTS or by XOFF."""
        self._tty.settle()
        if len(self._tty.rx) > THROTTLE_ABOVE and not self.throttled:
            self._ask(stop=True)

    def was_read(self) -> None:
        """Something was taken out of the input buffer."""
        if self._watch is None:
            return
        if self.throttled and len(self._tty.rx) <= UNTHROTTLE_AT:
            self._ask(stop=False)
        else:
            self._tty.arm(self._watch)

    def _ask(self, stop: bool) -> None:
        if self._tty.settings.rtscts:
            self._tty.set_lines(rts=not stop)
        elif not self._tty.line.mirror:
            self.send(stop)
        self.stop_device("throttle", stop)

    def send(self, stop: bool) -> None:
        """Send XOFF or XON."""
        self._tty.transmit(bytes([XOFF if stop else XON]))


class FullWatch(Watch):
    """Throttles the other end when the input buffer is nearly full."""

    __slots__ = ("_flow",)

    def __init__(self, flow: Flow, tty: Tty) -> None:
        super().__init__(None, flow.when_full)
        self._flow = flow

    def ring(self, kernel: Kernel) -> None:
        """The time has come."""
        self._flow.throttle()
