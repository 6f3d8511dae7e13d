"""A state machine for Hypothesis: a port, the device at its far end, and everything that may happen between them.

Laws, checked after every step: what is read is what the device sent, but for the faults listed, and what the device hears is what
was written; no byte comes earlier than its bits take on the wire; at most 4095 bytes wait; a device sees the lines as they are set.

Subclass it for a driver of your own, and run it as Hypothesis runs any state machine::

    class DriverMachine(SerialMachine):
        faults = [Drop(byte=7)]

        def connect(self):
            self.driver = my_package.Driver(self.name)

        def disconnect(self):
            self.driver.close()

        def take(self, size):
            return self.driver.read_raw(size)

        def give(self, data):
            self.driver.write_raw(data)

    TestDriver = DriverMachine.TestCase
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import serial
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from .device import SerialDevice
from .faults import Fault, FaultSchedule, Noise, Stall, Unplug
from .profiles import Profile
from .settings import Lines
from .wire import Wire, WireToDevice
from .world import World

MOST_WAITING, MOST_QUEUED = 4095, 4096
BAUDS = (9600, 57_600, 115_200, 1_000_000)
_DATA = st.binary(min_size=1, max_size=64) | st.sampled_from((256, 1500)).map(lambda size: (bytes(range(256)) * 6)[:size])


class Peer(SerialDevice):
    """The far end: what it heard, when it was heard, and the lines it sees."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self.lines = Lines(False, False, False)

    def on_data(self, data: bytes) -> None:
        """Write down what has come."""
        self.heard.append((self.now_ns, data))

    def on_modem(self, lines: Lines) -> None:
        """Write down the lines."""
        self.lines = lines


class SerialMachine(RuleBasedStateMachine):
    """Rules write, read, device_send, advance, unplug, replug, set_rts, set_baud; the laws of the module are its invariants.

    Class attributes: `name`, `baudrate`, `profile`, `faults` (by byte or frame, or jitter), `seed`. A subclass may put its driver
    in place of the plain port with `connect`, `disconnect`, `take` and `give`, and add rules and invariants. In them: `world`,
    `line`, `peer` (the device), `port`.
    """

    name = "/dev/ttyUSB0"
    baudrate = 115_200
    profile: str | Profile = "ideal"
    faults: Iterable[Fault] = ()
    seed = 0

    def __init__(self) -> None:
        super().__init__()
        schedule = FaultSchedule(self.faults)
        for fault in schedule:
            if isinstance(fault, (Noise, Stall, Unplug)):
                raise ValueError(f"SerialMachine: needed faults by byte or frame, was {fault!r}; the machine has rules for the others")  # noqa: TRY004 - it is the fault that does not fit
        self.world = World(seed=self.seed)
        self.world.__enter__()
        self.peer = Peer()
        self.line = self.world.serial(self.name, self.peer, profile=self.profile, faults=schedule)
        self.plugged = True
        self.rts = True
        self._inward, self._outward = Wire(schedule, "program", self.baudrate), WireToDevice(schedule, self.baudrate)
        self._waiting, self._owed = bytearray(), bytearray()
        self._seen = 0
        self.connect()

    def teardown(self) -> None:
        """Leave the world."""
        try:
            if self.plugged:
                self.disconnect()
        finally:
            self.world.__exit__(None, None, None)

    # what a driver replaces --------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Open the port."""
        self.port = serial.Serial(self.name, self.baudrate, timeout=0)

    def disconnect(self) -> None:
        """Close the port."""
        self.port.close()

    def take(self, size: int) -> bytes:
        """Read up to `size` bytes that are there, without waiting."""
        data: bytes = self.port.read(size)
        return data

    def give(self, data: bytes) -> None:
        """Write all of `data`."""
        self.port.write(data)

    # rules -------------------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.plugged)
    @rule(data=_DATA)
    def write(self, data: bytes) -> None:
        """The program writes, if there is room for it all: so one write is one frame."""
        if self.line.tty.out_waiting + len(data) <= MOST_QUEUED:
            self._outward.send(data, self.world.now_ns)
            self.give(data)

    @precondition(lambda self: self.plugged)
    @rule(size=st.integers(1, 5000))
    def read(self, size: int) -> None:
        """The program reads: what has come, in order, and nothing else."""
        time.sleep(1e-6)  # so that few looks at the clock cost no time now
        self._look()
        least = min(size, len(self._waiting)) if self._exact else 0
        data = self.take(size)
        self._look()
        assert data == bytes(self._waiting[: len(data)]), "what was read is not what was sent"
        assert len(data) >= least, "a read gave less than there was"
        del self._waiting[: len(data)]

    @rule(data=_DATA)
    def device_send(self, data: bytes) -> None:
        """The device sends one frame."""
        under_way = len(self._waiting) + len(self._inward.under_way)
        if self._exact or under_way + 2 * len(data) <= MOST_WAITING:
            self._inward.send(data, self.world.now_ns)
            self.peer.send(data)
            if not self.plugged:
                self._inward.cut()

    @rule(ms=st.integers(1, 400))
    def advance(self, ms: int) -> None:
        """Time passes."""
        time.sleep(ms / 1000)

    @precondition(lambda self: self.plugged)
    @rule()
    def unplug(self) -> None:
        """The plug is pulled: everything under way is lost."""
        self._look()
        self._outward.arrived(self.world.now_ns)
        self.line.unplug()
        self.disconnect()
        self.plugged = False
        for wire in (self._inward, self._outward):
            wire.cut()
        self._waiting.clear()
        self._owed.clear()
        self._seen = len(self.peer.heard)

    @precondition(lambda self: not self.plugged)
    @rule()
    def replug(self) -> None:
        """It is plugged in again, and the program connects anew."""
        self.line.replug(self.name)
        self.plugged = self.rts = True
        self.connect()

    @precondition(lambda self: self.plugged)
    @rule(on=st.booleans())
    def set_rts(self, on: bool) -> None:
        """The program drives RTS."""
        self.port.rts = self.rts = on

    @precondition(lambda self: self.plugged)
    @rule(baud=st.sampled_from(BAUDS))
    def set_baud(self, baud: int) -> None:
        """The program changes the rate, and the device follows: what is on the wire keeps its pace."""
        self.port.baudrate = self.baudrate = baud
        self._inward.set_baud(baud)
        self._outward.set_baud(baud)

    # laws --------------------------------------------------------------------------------------------------------------------

    @property
    def _exact(self) -> bool:
        """Whether each byte can be read at the very nanosecond at which it is complete."""
        return self.line.profile.name == "ideal"

    def _look(self) -> None:
        """Bring the model to this instant: what finds 4095 bytes waiting is lost."""
        room = MOST_WAITING - len(self._waiting)
        self._waiting += self._inward.arrived(self.world.now_ns)[:room]

    @invariant()
    def the_buffer_is_as_full_as_it_can_be(self) -> None:
        """No byte is there before its time, and never more than 4095."""
        if self.plugged:
            self._look()
            waiting = self.port.in_waiting
            self._look()  # asking may have cost a microsecond
            assert waiting <= MOST_WAITING, "more bytes wait than the buffer holds"
            assert waiting <= len(self._waiting), "a byte was there before its bits had gone over the wire"

    @invariant()
    def the_device_hears_what_was_written(self) -> None:
        """In order, but for the faults, and not before its time."""
        for at_ns, data in self.peer.heard[self._seen :]:
            self._owed += self._outward.arrived(at_ns)
            assert data == bytes(self._owed[: len(data)]), "what the device heard is not what was written, or was heard too early"
            del self._owed[: len(data)]
        self._seen = len(self.peer.heard)

    @invariant()
    def the_device_sees_the_lines(self) -> None:
        """RTS is as the program set it, and nothing is while nobody is there."""
        if self.plugged:
            assert self.peer.lines.rts == self.rts, "the device does not see RTS as it was set"
