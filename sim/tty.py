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

from .flow import XOFF, XON, Flow
from .kernel import Kernel
from .lane import Lane
from .settings import BOTHER, CC, ISPEED, OSPEED, Lines, Settings, fresh_attributes, settings_of
from .task import Bell
from .watch import Watch

RX_BYTES, TX_BYTES, WRITABLE_BELOW = 4095, 4096, 256
BREAK_NS = 100_000_000
CLOSE_WAIT_NS = 30_000_000_000
_SEVEN = {bits: bytes(byte & (1 << bits) - 1 for byte in range(256)) for bits in (5, 6, 7)}


class Tty:
    """One terminal, from plug to unplug."""

    def __init__(self, kernel: Kernel, name: str, line: Any) -> None:
        self.kernel, self.name, self.line = kernel, name, line
        self.attributes = fresh_attributes()
        self.custom_baud = 0
        self.settings = settings_of(self.attributes, 0)
        device = line.device_settings(self.settings)
        self.lane_in, self.lane_out = Lane(device.bits, device.baudrate), Lane(self.settings.bits, self.settings.baudrate)
        self.receiver = line.profile.fresh()
        self.rx = bytearray()
        self.files: set[Any] = set()
        self.owner: Any = None  # the file that holds the exclusive lock
        self.hung = False
        self.rts = self.dtr = self.brk = False
        self._cts = self.dsr = self.cd = True
        self.ri = False
        self.overruns = 0
        self.rs485 = [0] * 8
        self.serial_flags = 0
        self.greedy = 0  # parked readers that take each byte as it comes
        self.refresh: Callable[[], None] | None = None  # brings settings up to date that were made elsewhere
        self.standing = 0  # watches that stay when they have rung
        self._watches: list[Watch] = []
        self.flow = Flow(self)

    # waiting -----------------------------------------------------------------------------------------------------------------

    def add_watch(self, bell: Bell | None, when: Callable[[], int | None]) -> Watch:
        """Have `bell` rung when `when()` has come."""
        return self.attach(Watch(bell, when))

    def attach(self, watch: Watch) -> Watch:
        """Look at `watch` too."""
        self._watches.append(watch)
        self.arm(watch)
        return watch

    def drop_watch(self, watch: Watch) -> None:
        """Take a watch away."""
        if watch.entry is not None:
            Kernel.cancel(watch.entry)
        if watch in self._watches:
            self._watches.remove(watch)

    def arm(self, watch: Watch) -> None:
        """Look again when `watch` has to ring."""
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
            self.arm(watch)

    def when_readable(self, need: int = 1) -> int | None:
        """When `need` bytes can be read, or the line is gone; None if not enough are under way."""
        missing = need - len(self.rx)
        return self.kernel.now if self.hung or missing <= 0 else self.receiver.when(self.lane_in, missing)

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
        data = self.receiver.take(self.lane_in, now_ns)
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
                self.flow.stop("xoff", True)
            elif byte == XON:
                self.flow.stop("xoff", False)
        return data.translate(None, bytes([XON, XOFF]))

    def writable(self) -> bool:
        """Whether the port says that it takes more."""
        return self.hung or self.lane_out.pending(self.kernel.now) < WRITABLE_BELOW

    def read(self, size: int) -> bytes:
        """Up to `size` bytes that have come; b"" if none has, or the line is gone."""
        self.settle()
        data = bytes(self.rx[:size])
        del self.rx[:size]
        self.flow.was_read()
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
            self.transmit(data)
        return len(data)

    def transmit(self, data: bytes) -> None:
        """Put bytes on the wire, behind what is queued."""
        self.lane_out.put(self.kernel.now, data)
        if self.line.mirror:
            self.receive(data)
        else:
            self.line.expect()

    def receive(self, data: bytes, gap_ns: int = 0) -> None:
        """What the other end begins to send now, or after a gap."""
        if self.refresh is not None:
            self.refresh()
        self.settle()
        if self.settings.bytesize < 8:
            data = data.translate(_SEVEN[self.settings.bytesize])
        self.lane_in.put(self.kernel.now, data, gap_ns)
        if self.settings.xonxoff:
            self._expect_flow(data)
        self.changed()

    def receive_break(self, duration_ns: int) -> None:
        """The other end holds the line at zero: one zero byte, when a character would be complete."""
        self.receive(b"\0")
        self.lane_in.rest(max(0, duration_ns - self.lane_in.byte_ns))

    def _expect_flow(self, data: bytes) -> None:
        """XON and XOFF act when they arrive, whether or not anybody looks."""
        before = self.lane_in.size - len(data)
        for position, byte in enumerate(data, 1):
            at_ns = self.receiver.when(self.lane_in, before + position) if byte in (XON, XOFF) else None
            if at_ns is not None:
                self.kernel.at(at_ns, self.settle)

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read; 0 while a parked reader takes each one as it comes."""
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
            self.flow.was_read()
        if queue in (termios.TCOFLUSH, termios.TCIOFLUSH):
            self._cut()
        self.changed()

    def _cut(self) -> None:
        held = self.lane_out.paused
        for lane in self.outward():
            lane.resume(self.kernel.now)
            lane.cut(self.kernel.now)
            if held:
                lane.pause(self.kernel.now)
        self.line.expect()

    def outward(self) -> list[Lane]:
        """The lanes that carry what the port sends: both, with a loopback plug."""
        return [self.lane_out, self.lane_in] if self.line.mirror else [self.lane_out]

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
        self.lane_out.set_rate(*self.line.rate(settings))
        self.lane_in.set_rate(*self.line.rate(self.line.device_settings(settings)))
        self.flow.settings_changed()
        self.line.tell_settings()

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
                self.flow.stop("break", self.brk)
                if self.brk and self.line.mirror:
                    self.rx += b"\0"  # what a receiver makes of a break
                    self.changed()
            self.line.tell_lines()

    @property
    def cts(self) -> bool:
        """Whether the device lets the port send; while the line is stalled it does not."""
        return self._cts and not self.flow.stalled

    @cts.setter
    def cts(self, on: bool) -> None:
        self._cts = on

    def set_modem(self, **lines: bool) -> None:
        """What the device drives: `cts`, `dsr`, `ri`, `cd`."""
        for name, on in lines.items():
            setattr(self, name, bool(on))
        self.flow.lines_changed()

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
