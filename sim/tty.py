"""A terminal as the Linux kernel has it: what lies between a port's file number and the wire.

Laws. The input buffer holds 4095 bytes and what comes while it is full is lost and counted; the output buffer holds 4096 and the
port is writable while fewer than 256 are queued. Nothing is copied before somebody looks; whoever waits is woken at the
nanosecond at which its condition holds, never to look in vain. After an unplug every call fails as the real one does.

A terminal knows its lanes, its settings and its modem lines. It knows neither pyserial nor what device is at the other end:
that is the `line` it was made by.
"""

from __future__ import annotations

import errno
import os
import termios
from collections.abc import Callable
from typing import Any

from .kernel import Kernel
from .lane import Lane
from .settings import BOTHER, CC, IFLAG, ISPEED, OSPEED, Lines, Settings, fresh_attributes, settings_of
from .task import Bell

RX_BYTES, TX_BYTES, WRITABLE_BELOW = 4095, 4096, 256
THROTTLE_FREE, UNTHROTTLE_AT = 128, 128
BREAK_NS = 100_000_000
CLOSE_WAIT_NS = 30_000_000_000
XON, XOFF = 0x11, 0x13
_SEVEN = {bits: bytes(byte & (1 << bits) - 1 for byte in range(256)) for bits in (5, 6, 7)}


class Watch:
    """Rings `bell` when `when()`, a time in nanoseconds or None, has come. The terminal looks again whenever that may change."""

    __slots__ = ("at_ns", "bell", "entry", "when")

    def __init__(self, bell: Bell | None, when: Callable[[], int | None]) -> None:
        self.bell, self.when = bell, when
        self.entry: list[Any] | None = None
        self.at_ns: int | None = None

    def ring(self, kernel: Kernel) -> None:
        """The time has come."""
        if self.bell is not None:
            kernel.wake(self.bell)


class Tty:
    """One terminal, from plug to unplug."""

    def __init__(self, kernel: Kernel, name: str, line: Any) -> None:
        self.kernel, self.name, self.line = kernel, name, line
        self.attributes = fresh_attributes()
        self.custom_baud = 0
        self.settings = settings_of(self.attributes, 0)
        self.lane_in, self.lane_out = Lane(), Lane()
        self.rx = bytearray()
        self.files: set[Any] = set()
        self.owner: Any = None  # the file that holds the exclusive lock
        self.hung = False
        self.rts = self.dtr = self.brk = False
        self.cts = self.dsr = self.cd = True
        self.ri = False
        self.overruns = 0
        self.rs485 = [0] * 8
        self.serial_flags = 0
        self.greedy = 0  # parked readers that take each byte as it comes
        self.refresh: Callable[[], None] | None = None  # brings settings up to date that were made elsewhere
        self.standing = 0  # watches that stay when they have rung
        self._stops: set[str] = set()  # why the port does not send
        self._device_stops: set[str] = set()  # why the device does not send
        self._watches: list[Watch] = []
        self._throttle: Watch | None = None

    # waiting -----------------------------------------------------------------------------------------------------------------

    def add_watch(self, bell: Bell | None, when: Callable[[], int | None]) -> Watch:
        """Have `bell` rung when `when()` has come."""
        return self.attach(Watch(bell, when))

    def attach(self, watch: Watch) -> Watch:
        """Look at `watch` too."""
        self._watches.append(watch)
        self._arm(watch)
        return watch

    def drop_watch(self, watch: Watch) -> None:
        """Take a watch away."""
        if watch.entry is not None:
            Kernel.cancel(watch.entry)
        if watch in self._watches:
            self._watches.remove(watch)

    def _arm(self, watch: Watch) -> None:
        at_ns = watch.when()
        if watch.entry is not None and watch.entry[2] is not None:
            if at_ns == watch.at_ns:
                return
            Kernel.cancel(watch.entry)
        watch.entry, watch.at_ns = None, at_ns
        if at_ns is not None:
            watch.entry = self.kernel.at(at_ns, watch.ring, self.kernel)

    def changed(self) -> None:
        """Look again at every watch: lanes, buffers or lines are not what they were."""
        for watch in list(self._watches):
            self._arm(watch)

    def when_readable(self, need: int = 1) -> int | None:
        """When `need` bytes can be read, or the line is gone; None if not enough are under way."""
        missing = need - len(self.rx)
        return self.kernel.now if self.hung or missing <= 0 else self.lane_in.when(missing)

    def when_writable(self) -> int | None:
        """When fewer than 256 bytes will be queued."""
        return self.when_queued(WRITABLE_BELOW - 1)

    def when_queued(self, most: int) -> int | None:
        """When at most `most` bytes will be queued for sending; None while they do not move."""
        self.settle()
        surplus = self.lane_out.size - most
        return self.kernel.now if self.hung or surplus <= 0 else self.lane_out.when(surplus)

    # bytes -------------------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Bring both buffers to this instant."""
        now_ns = self.kernel.now
        data = self.lane_in.take(now_ns)
        if data and self.files:
            self.line.arrived(data)
            if self.settings.xonxoff:
                data = self._obey(data)
            room = RX_BYTES - len(self.rx)
            if len(data) > room:
                self.overruns += len(data) - room
                data = data[:room]
            self.rx += data
        if self.line.mirror:
            data = self.lane_out.take(now_ns)
            if data:
                self.line.reached(data)

    def _obey(self, data: bytes) -> bytes:
        for byte in data:
            if byte == XOFF:
                self.stop("xoff", True)
            elif byte == XON:
                self.stop("xoff", False)
        return data.translate(None, bytes([XON, XOFF]))

    def readable(self) -> bool:
        """Whether a read would return at once."""
        self.settle()
        return self.hung or bool(self.rx)

    def writable(self) -> bool:
        """Whether the port says that it takes more."""
        return self.hung or self.lane_out.pending(self.kernel.now) < WRITABLE_BELOW

    def read(self, size: int) -> bytes:
        """Up to `size` bytes that have come; b"" if none has, or the line is gone."""
        self.settle()
        data = bytes(self.rx[:size])
        del self.rx[:size]
        if self._throttle is not None:
            self._unthrottle()
        if data:
            self.line.log("read", data)
            if self.standing:
                self.changed()
        return data

    def write(self, data: bytes) -> int:
        """Queue what there is room for, and say how many that were."""
        self.check()
        self.settle()
        data = bytes(data[: max(0, TX_BYTES - self.lane_out.pending(self.kernel.now))])
        if data:
            self.line.log("write", data)
            if self.settings.bytesize < 8:
                data = data.translate(_SEVEN[self.settings.bytesize])
            self._transmit(data)
        return len(data)

    def _transmit(self, data: bytes) -> None:
        now_ns = self.kernel.now
        self.lane_out.put(now_ns, data)
        if self.line.mirror:
            self.receive(data)
        else:
            self.line.expect()

    def receive(self, data: bytes) -> None:
        """What the other end begins to send now."""
        if self.refresh is not None:
            self.refresh()
        self.settle()
        if self.settings.bytesize < 8:
            data = data.translate(_SEVEN[self.settings.bytesize])
        self.lane_in.put(self.kernel.now, data)
        if self.settings.xonxoff:
            self._expect_flow(data)
        self.changed()

    def _expect_flow(self, data: bytes) -> None:
        """XON and XOFF act when they arrive, whether or not anybody looks."""
        before = self.lane_in.size - len(data)
        for position, byte in enumerate(data, 1):
            at_ns = self.lane_in.when(before + position) if byte in (XON, XOFF) else None
            if at_ns is not None:
                self.kernel.at(at_ns, self.settle)

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read. None while a parked reader takes each one as it comes."""
        self.settle()
        return 0 if self.greedy else len(self.rx)

    @property
    def out_waiting(self) -> int:
        """How many bytes are not sent yet."""
        return self.lane_out.pending(self.kernel.now)

    def flush(self, queue: int) -> None:
        """Throw away what was received, what is not sent yet, or both."""
        self.check(termios.error)
        self.settle()
        if queue in (termios.TCIFLUSH, termios.TCIOFLUSH) and not self.greedy:
            self.rx.clear()
            self._unthrottle()
        if queue in (termios.TCOFLUSH, termios.TCIOFLUSH):
            self._cut()
        self.changed()

    def _cut(self) -> None:
        held = self.lane_out.paused
        for lane in self._outward():
            lane.resume(self.kernel.now)
            lane.cut(self.kernel.now)
            if held:
                lane.pause(self.kernel.now)
        self.line.expect()

    def _outward(self) -> list[Lane]:
        return [self.lane_out, self.lane_in] if self.line.mirror else [self.lane_out]

    # flow control ------------------------------------------------------------------------------------------------------------

    def stop(self, why: str, on: bool) -> None:
        """Keep the port from sending for the reason `why`, or no longer."""
        (self._stops.add if on else self._stops.discard)(why)
        now_ns = self.kernel.now
        for lane in self._outward():
            if self._stops:
                lane.pause(now_ns)
            else:
                lane.resume(now_ns)
        self.line.expect()
        self.changed()

    def stop_device(self, why: str, on: bool) -> None:
        """Keep the other end from sending for the reason `why`, or no longer."""
        (self._device_stops.add if on else self._device_stops.discard)(why)
        if self._device_stops:
            self.lane_in.pause(self.kernel.now)
        else:
            self.lane_in.resume(self.kernel.now)
        self.changed()

    def send_flow(self, stop: bool) -> None:
        """Send XOFF or XON by hand."""
        self._transmit(bytes([XOFF if stop else XON]))

    def _when_full(self) -> int | None:
        missing = RX_BYTES - THROTTLE_FREE + 1 - len(self.rx)
        return self.kernel.now if missing <= 0 else self.lane_in.when(missing)

    @property
    def throttles_by_xoff(self) -> bool:
        """Whether XON and XOFF that the port sends are for the line and not for the device."""
        return bool(self.attributes[IFLAG] & termios.IXOFF)

    def _throttled(self) -> bool:
        return "throttle" in self._device_stops

    def throttle(self) -> None:
        """If the input buffer is nearly full, ask the other end to stop, by RTS or by XOFF."""
        self.settle()
        if len(self.rx) > RX_BYTES - THROTTLE_FREE and not self._throttled():
            self._ask_device(True)

    def _unthrottle(self) -> None:
        if self._throttled() and len(self.rx) <= UNTHROTTLE_AT:
            self._ask_device(False)
        elif self._throttle is not None:
            self._arm(self._throttle)

    def _ask_device(self, stop: bool) -> None:
        if self.settings.rtscts:
            self.set_lines(rts=not stop)
        elif not self.line.mirror:
            self.send_flow(stop)
        self.stop_device("throttle", stop)

    # settings and lines ------------------------------------------------------------------------------------------------------

    def check(self, kind: type[Exception] = OSError) -> None:
        """Raise EIO, as `kind`, if the line is gone."""
        if self.hung:
            raise kind(errno.EIO, os.strerror(errno.EIO))

    def set_attributes(self, attributes: list[Any], custom_baud: int | None = None) -> None:
        """What `tcsetattr` does."""
        self.check(termios.error)
        self.settle()
        self.attributes = [*attributes[:CC], list(attributes[CC])]
        if custom_baud is not None:
            self.custom_baud = custom_baud
        if attributes[OSPEED] == BOTHER and not self.custom_baud:
            self.attributes[ISPEED] = self.attributes[OSPEED] = BOTHER
            return
        self.apply(settings_of(self.attributes, self.custom_baud))

    def apply(self, settings: Settings) -> None:
        """Take new settings to the wire, and tell the device if they are new."""
        if settings == self.settings:
            return
        if settings.baudrate <= 0:
            settings = settings._replace(baudrate=self.settings.baudrate)
        self.settings = settings
        self.lane_out.set_rate(settings.bits, settings.baudrate)
        self.lane_in.set_rate(*self.line.device_rate(settings))
        self._flow_changed()
        self.line.tell_settings()

    def _flow_changed(self) -> None:
        flow = self.settings.rtscts or self.throttles_by_xoff
        if flow and self._throttle is None:
            self._throttle = FlowWatch(self)
            self._watches.append(self._throttle)
        elif not flow and self._throttle is not None:
            self.drop_watch(self._throttle)
            self._throttle = None
            self.stop_device("throttle", False)
        self.stop("cts", self.settings.rtscts and not self.cts)
        if not self.settings.xonxoff:
            self.stop("xoff", False)

    @property
    def lines(self) -> Lines:
        """What the port drives."""
        return Lines(self.rts, self.dtr, self.brk)

    def set_lines(self, **lines: bool) -> None:
        """Drive `rts`, `dtr` or `brk`, and tell the device if one changed."""
        self.check()
        before = self.lines
        for name, on in lines.items():
            setattr(self, name, on)
        if self.lines != before:
            if self.brk != before.brk:
                self.stop("break", self.brk)
                if self.brk and self.line.mirror:
                    self.rx += b"\0"  # what a receiver makes of a break
                    self.changed()
            self.line.tell_lines()

    def set_modem(self, **lines: bool) -> None:
        """What the device drives: `cts`, `dsr`, `ri`, `cd`."""
        for name, on in lines.items():
            setattr(self, name, bool(on))
        self.stop("cts", self.settings.rtscts and not self.cts)

    # opening and closing -----------------------------------------------------------------------------------------------------

    def opened(self, file: Any) -> None:
        """A file was opened on this terminal; the first one asserts DTR and RTS."""
        self.settle()
        self.files.add(file)
        if len(self.files) == 1:
            self.rx.clear()
            self.line.tell_open()
            self.set_lines(rts=True, dtr=True)

    def closed(self, file: Any) -> None:
        """A file was closed; the last one drops DTR and RTS, and what was not read."""
        self.settle()
        self.files.discard(file)
        if self.owner is file:
            self.owner = None
        if not self.files:
            self._cut()
            self.rx.clear()
            if not self.hung:
                self.set_lines(rts=False, dtr=False, brk=False)
                self.line.tell_close()
        self.changed()

    def hang_up(self) -> None:
        """The device is gone: from here on every call fails, and whoever waits is woken."""
        self.settle()
        self.hung = True
        self.rx.clear()
        self.lane_in.clear()
        self.lane_out.clear()
        self.changed()


class FlowWatch(Watch):
    """Throttles the other end when the input buffer is nearly full."""

    __slots__ = ("_tty",)

    def __init__(self, tty: Tty) -> None:
        super().__init__(None, self._when)
        self._tty = tty

    def _when(self) -> int | None:
        return None if self._tty._throttled() else self._tty._when_full()

    def ring(self, kernel: Kernel) -> None:
        """The time has come."""
        self._tty.throttle()
