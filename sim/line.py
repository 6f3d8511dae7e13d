"""A serial line seen from the outside: the device at one end, what went over it, and the plug.

Laws: a device is told in the order in which things happen on the wire and can neither wait nor hide an error; one `send` is one
frame; `sent` and `received` are what really crossed the wire. Everything that a program can observe happens in the `Tty` at the
other end; a line that is unplugged and plugged in again gets a new one.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .applied import Applied
from .faults import Fault, FaultSchedule, Stall, Unplug
from .flow import XOFF, XON
from .kernel import Kernel
from .pace import delay_ns
from .profiles import Profile
from .settings import Settings
from .tty import Tty
from .uart import Heard, heard

if TYPE_CHECKING:
    from .world import World

AT_ONCE = (1, 10**12)
_OWN = ("baudrate", "bytesize", "parity", "stopbits")  # what a device may say about its own end
MOST_MISMATCH = 0.04  # a receiver samples the middle of its bits: it is in the wrong one at the end of a byte beyond this


class Line:
    """A simulated serial line, made by `World.serial`.

    Attributes: `name` (of the port), `device`, `profile`, `faults` (a `FaultSchedule`), `sent` (what the program sent, as far as it has
    reached the device), `received` (what has come to the program's port while it was open), `overruns` (bytes lost because nobody
    read), `parity_errors` and `framing_errors` (of characters that the port received from a device that is set otherwise).
    """

    def __init__(self, world: World, name: str, device: Any, profile: Profile, faults: FaultSchedule) -> None:
        self.name, self.device, self.profile, self.faults = name, device, profile, faults
        self.mirror = device is None
        self._world = world
        self._kernel: Kernel = world.kernel
        self._sent, self._received = bytearray(), bytearray()
        self.parity_errors = self.framing_errors = 0
        self._mismatch = ""  # of the two ends, as it was told last
        self._delivery: list[Any] | None = None
        self._plugged = True
        self._opening = False  # in `on_open`: the port is not set yet
        seed = [world.seed, zlib.crc32(name.encode())]
        self.rng = np.random.default_rng(seed)
        self._garbage = np.random.default_rng([*seed, 1])
        self._applied = Applied(faults, [*seed, 2])
        self._applied_out = Applied(faults, [*seed, 3], towards="device")
        self._late_ns = 0  # until then the device hears nothing new: it is still to hear what a fault holds up
        self.tty = Tty(self._kernel, name, self)
        for fault in sorted(faults, key=repr):  # so that the order of the list decides nothing at one instant
            self._schedule(fault)

    def __repr__(self) -> str:
        return f"<Line {self.name}, {'plugged in' if self._plugged else 'unplugged'}>"

    # what a test looks at and does ----------------------------------------------------------------------------------------------

    @property
    def sent(self) -> bytes:
        """What the program sent, as far as it has reached the device."""
        self.tty.settle()
        return bytes(self._sent)

    @property
    def received(self) -> bytes:
        """What has come to the program's port while it was open."""
        self.tty.settle()
        return bytes(self._received)

    @property
    def overruns(self) -> int:
        """Bytes lost because the input buffer, or the FIFO of the UART, was full, since the line was plugged in."""
        self.tty.settle()
        overruns: int = self.tty.overruns + self.tty.receiver.lost
        return overruns

    @property
    def plugged(self) -> bool:
        """Whether it is plugged in."""
        return self._plugged

    def unplug(self) -> None:
        """Pull the plug. Open ports fail from here on as the real ones do; the name is gone."""
        self._world.check_open()
        if not self._plugged:
            raise ValueError(f"line {self.name}: needed a line that is plugged in, it was unplugged; call replug() first")
        self._plugged = False
        self._late_ns = 0
        self.log("unplug")
        was_open = bool(self.tty.files)
        self.tty.hang_up()
        self._world.ports.pop(self.name, None)
        if was_open:
            self._hook("on_close")

    def replug(self, name: str | None = None) -> str:
        """Plug it in again, and return the name it gets.

        Without `name` that is the old one, or, while a program still has the old port open, the next free one (ttyUSB1).
        """
        self._world.check_open()
        if self._plugged:
            raise ValueError(f"line {self.name}: needed an unplugged line, it was plugged in; call unplug() first")
        if name is None:
            name = self._world.free_name(self.name) if self.tty.files else self.name
        self.name = name = self._world.claim(name, self)
        self.tty = Tty(self._kernel, name, self)
        self._plugged = True
        self.log("replug", name)
        return name

    def stall(self, duration_s: float) -> None:
        """Stop all traffic, both ways, for a while; the device drops CTS."""
        self._world.check_open()
        if not self._plugged:
            raise ValueError(f"line {self.name}: needed a line that is plugged in, it was unplugged; call replug() first")
        tty, until_ns = self.tty, self._kernel.now + delay_ns(duration_s, f"line {self.name}: stall")
        self.log("stall", str(duration_s))
        why = f"stall until {until_ns}"  # one that ends sooner does not end this one
        tty.flow.stop(why, True)
        tty.flow.stop_device(why, True)
        self._kernel.at(until_ns, self._go_on, tty, why)

    def _go_on(self, tty: Tty, why: str) -> None:
        tty.flow.stop(why, False)
        tty.flow.stop_device(why, False)
        tty.flow.lines_changed()

    def _schedule(self, fault: Fault) -> None:
        if isinstance(fault, Stall):
            self._kernel.at(round(fault.at_s * 1e9), self._stall_if_in, fault)
        elif isinstance(fault, Unplug):
            self._kernel.at(round(fault.at_s * 1e9), self._unplug_if_in, fault)

    def _stall_if_in(self, fault: Stall) -> None:
        if self._plugged:
            self.log("fault", repr(fault))
            self.stall(fault.duration_s)

    def _unplug_if_in(self, fault: Unplug) -> None:
        if not self._plugged:
            return
        self.log("fault", repr(fault))
        self.unplug()
        if fault.replug_s is not None:
            self._kernel.at(self._kernel.now + round(fault.replug_s * 1e9), self._replug_if_out)

    def _replug_if_out(self) -> None:
        if not self._plugged:
            self.replug()

    # what the terminal tells ----------------------------------------------------------------------------------------------------

    def log(self, kind: str, data: bytes | str = "") -> None:
        """Add to the trace of the world."""
        self._world.trace.add(self._kernel.now, self.name, kind, data)

    def arrived(self, data: bytes) -> None:
        """These bytes have come to the port."""
        self._received += data

    def reached(self, data: bytes) -> None:
        """These bytes have come to the device's end of the wire."""
        self._sent += data

    def expect(self) -> None:
        """The bytes on their way to the device are not what they were: look when the first burst will be there."""
        if self.mirror:
            return
        at_ns = self.tty.lane_out.first_end_ns()
        if self._delivery is not None and self._delivery[2] is not None:
            if self._delivery[0] == at_ns:
                return
            Kernel.cancel(self._delivery)
        self._delivery = None if at_ns is None else self._kernel.at(at_ns, self._deliver, self.tty)

    def _deliver(self, tty: Tty) -> None:
        data = tty.lane_out.take(self._kernel.now)
        if tty.flow.by_xoff:
            data = data.translate(None, bytes([XON, XOFF]))
        if data:
            self._meet_faults(data, tty)
        if tty is self.tty:
            self.expect()

    def _meet_faults(self, data: bytes, tty: Tty) -> None:
        """What the program sent goes on to the device as its faults have it, and no piece overtakes another."""
        now_ns = self._kernel.now
        pieces, acted = self._applied_out.send(data, now_ns)
        for fault in acted:
            self.log("fault", repr(fault))
        for gap_ns, piece in pieces:
            due_ns = max(now_ns, self._late_ns) + gap_ns
            if due_ns > now_ns:
                self._late_ns = due_ns
                self._kernel.at(due_ns, self._hear, piece, tty)
            else:
                self._hear(piece, tty)

    def _hear(self, data: bytes, tty: Tty) -> None:
        """The device hears `data`; if it is still plugged in where that was sent."""
        if tty is self.tty and self._plugged:
            port = tty.settings
            data = self._as_heard(data, port, self.device_settings(port))
            self.reached(data)
            self.log("sent", data)
            self._hook("on_data", data)

    def device_settings(self, settings: Settings) -> Settings:
        """How the device is set: its own `baudrate bytesize parity stopbits`, where it has them, else those of the port."""
        own = {name: value for name in _OWN if (value := getattr(self.device, name, None)) is not None}
        if "stopbits" in own:
            own["stopbits"] = math.ceil(own["stopbits"])  # 1.5 are 2 here, as on Linux
        return settings._replace(**own) if own else settings

    def rate(self, settings: Settings) -> tuple[int, int]:
        """Bits per byte and bits per second. A device that is itself a wire, to something real, needs no time of ours."""
        return AT_ONCE if getattr(self.device, "is_wire", False) else (settings.bits, settings.baudrate)

    def tell_open(self) -> None:
        """The port was opened. What the device sends in `on_open` leaves at this instant, but when the program has set its port."""
        self.log("open")
        self._opening = True
        try:
            self._hook("on_open")
        finally:
            self._opening = False

    def tell_close(self) -> None:
        """The port was closed by the last program that had it."""
        self.log("close")
        self._hook("on_close")

    def tell_settings(self) -> None:
        """The port has new settings."""
        self.log("settings", repr(tuple(self.tty.settings)))
        self._mismatch = ""
        self._hook("on_settings", self.tty.settings)

    def tell_lines(self) -> None:
        """The port drives its modem lines otherwise. A loopback plug joins RTS to CTS and DTR to DSR and CD."""
        lines = self.tty.lines
        self.log("lines", repr(tuple(lines)))
        if self.mirror:
            self.tty.set_modem(cts=lines.rts, dsr=lines.dtr, cd=lines.dtr)
        self._hook("on_modem", lines)

    # what the device does -------------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """The device begins to send one frame."""
        data = bytes(data)
        if self._opening:
            self._kernel.at(self._kernel.now, self.send, data)
            return
        self.log("frame", data)
        pieces, acted = self._applied.send(data, self._kernel.now)
        for fault in acted:
            self.log("fault", repr(fault))
        if self._plugged:
            for gap_ns, piece in pieces:
                port = self.tty.settings
                self.tty.receive(self._as_heard(piece, self.device_settings(port), port), gap_ns)

    def send_break(self, duration_ns: int) -> None:
        """The device holds the line at zero."""
        self.log("break", str(duration_ns))
        if self._plugged:
            self.tty.receive_break(duration_ns)

    def _as_heard(self, data: bytes, sender: Settings, receiver: Settings) -> bytes:
        """What the other end makes of `data` if the two ends are not set alike: beyond 4 % of the rate, garbage."""
        if sender is receiver:
            return data
        if abs(receiver.baudrate / sender.baudrate - 1) > MOST_MISMATCH:
            self._tell_mismatch(sender, receiver)
            return self._garbage.bytes(len(data))
        result = heard(data, sender, receiver)
        if result != Heard(data):
            self._tell_mismatch(sender, receiver)
        if receiver is self.tty.settings:
            self.parity_errors += result.parity_errors
            self.framing_errors += result.framing_errors
        return result.data

    def _tell_mismatch(self, sender: Settings, receiver: Settings) -> None:
        """Add to the trace how the two ends are set, once for each such pair."""
        device, port = (receiver, sender) if sender is self.tty.settings else (sender, receiver)
        words = f"device {device.words}, port {port.words}"
        if words != self._mismatch:
            self._mismatch = words
            self.log("mismatch", words)

    def set_modem(self, **lines: bool) -> None:
        """The device drives its modem lines."""
        unknown = lines.keys() - {"cts", "dsr", "ri", "cd"}
        if unknown:
            raise TypeError(f"line {self.name}: needed cts, dsr, ri or cd, was {', '.join(sorted(unknown))}; rename it")
        self.log("modem", repr(sorted(lines.items())))
        self.tty.set_modem(**lines)

    def at(self, time_ns: int, function: Callable[..., Any], *args: Any) -> list[Any]:
        """An event of the device."""
        return self._kernel.at(time_ns, function, *args, owner=self._owner(getattr(function, "__name__", "event")))

    @property
    def now_ns(self) -> int:
        """World time."""
        return self._kernel.now

    def _owner(self, what: str) -> str:
        kind = getattr(self.device, "_kind", type(self.device).__name__)
        return f"device {self.name}: {kind}.{what}"

    def _hook(self, name: str, *args: Any) -> None:
        hook = getattr(self.device, name, None)
        if hook is not None:
            self._kernel.call(self._owner(name), hook, *args)
