"""A driver for an inertial sensor on a serial port: pyserial, a reader thread, timeouts. It knows nothing of simulation.

Frames go both ways: A5 5A, kind, size of the body, body, CRC-32 of kind, size and body. Numbers are little-endian.

    kind 1  DATA   from the sensor   u16 number, 3 x i16 rate of turn in mrad/s, 3 x i16 acceleration in 5 mm/s^2
    kind 2  SET    to the sensor     u16 rate in Hz, 0 to be silent
    kind 3  STATE  the answer to it  u16 rate in Hz, u32 how many DATA it has sent since power-on: the next one's number

Laws. What arrives whole is delivered, once and in order; nothing else is. Each DATA frame that was sent during a reading is counted
once, as good, corrupt or lost: numbers show the gaps, and the STATE before and after shows what is missing at the ends. (Numbers
wrap: behind a gap of 32768 frames or more the sum is still right, but what comes is taken for repeated.) A SET says what should be,
not what should change, so it may be sent again until it is answered.

The CRC-32 finds up to six wrong bits in a frame for certain; of heavier damage one in 2^32 passes.
"""

from __future__ import annotations

import queue
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import serial

MARK = b"\xa5\x5a"
DATA, SET, STATE = 1, 2, 3
BODIES = {DATA: struct.Struct("<H6h"), SET: struct.Struct("<H"), STATE: struct.Struct("<HI")}
HEAD, TAIL = len(MARK) + 2, 4
DATA_BYTES = HEAD + BODIES[DATA].size + TAIL
TURN_UNIT, ACCELERATION_UNIT = 0.001, 0.005  # rad/s and m/s^2 per count
ANSWER_S = 0.1  # an FTDI adapter alone keeps an answer for up to 16 ms
PATIENCE_S = 3.0  # how long a sensor may be silent, or unplugged, when it is told something
RETRY_S = 0.05  # between two attempts to open a port that is gone


class ImuError(OSError):
    """The sensor does not do what it was told."""


class State(NamedTuple):
    """What the sensor says of itself."""

    rate_hz: int
    sent: int


class Sample(NamedTuple):
    """One measurement: its number, when it came (`time.monotonic`), rate of turn in rad/s, acceleration in m/s^2."""

    number: int
    arrival_s: float
    turn: tuple[float, ...]
    acceleration: tuple[float, ...]


def pack(kind: int, *values: int) -> bytes:
    """One frame."""
    body = BODIES[kind].pack(*values)
    covered = bytes([kind, len(body)]) + body
    return MARK + covered + zlib.crc32(covered).to_bytes(TAIL, "little")


class Framer:
    """Finds frames in a stream of bytes. `rejected`: the bytes that were part of none, since somebody set it to 0."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.rejected = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The frames, kind and values, that are complete with `data`."""
        self._bytes += data
        while self._seek():
            kind, size = self._bytes[2], self._bytes[3]
            end = HEAD + size + TAIL
            if kind not in BODIES or size != BODIES[kind].size:
                self._reject(1)
            elif len(self._bytes) < end:
                return
            elif self.intact(self._bytes[2:end]):
                values = BODIES[kind].unpack(self._bytes[HEAD : HEAD + size])
                del self._bytes[:end]
                yield kind, values
            else:
                self._reject(self.cost(end))

    def intact(self, covered: bytes | bytearray) -> bool:
        """Whether the CRC at the end is that of the bytes before it."""
        return zlib.crc32(covered[:-TAIL]) == int.from_bytes(covered[-TAIL:], "little")

    def cost(self, size: int) -> int:
        """How many bytes a false frame costs: only its first, since a good frame may begin within its `size` bytes."""
        return 1

    def _seek(self) -> bool:
        """Throws away what is before the next mark; whether there is one, and the four bytes of a head."""
        at = self._bytes.find(MARK)
        if at < 0:
            at = len(self._bytes) - self._bytes.endswith(MARK[:1])
        self._reject(at)
        return len(self._bytes) >= HEAD

    def _reject(self, count: int) -> None:
        self.rejected += count
        del self._bytes[:count]


@dataclass
class Reading:
    """What came from frame number `begin` on, and what did not. `good + corrupt + lost` is what the sensor sent.

    `corrupt` are those of the missing frames that came damaged, judged by how many bytes were thrown away in the gap.
    """

    rate_hz: int
    begin: int
    samples: list[Sample] = field(default_factory=list)
    corrupt: int = 0
    lost: int = 0
    repeated: int = 0  # came once more: not delivered, not counted elsewhere

    @property
    def good(self) -> int:
        """How many samples were delivered."""
        return len(self.samples)

    @property
    def counted(self) -> int:
        """How many frames are accounted for."""
        return self.good + self.corrupt + self.lost

    @property
    def delays_s(self) -> list[float]:
        """How much later than the fastest each sample came."""
        late_s = [sample.arrival_s - sample.number / self.rate_hz for sample in self.samples]
        return [value - min(late_s) for value in late_s]

    def take(self, number: int, rejected: int, arrival_s: float, counts: tuple[int, ...]) -> None:
        """A DATA frame came, after `rejected` bytes that were part of none."""
        ahead = (number - self.begin - self.counted) % 65536
        if ahead >= 32768:
            self.repeated += 1
            return
        self.miss(ahead, rejected)
        turn = tuple(count * TURN_UNIT for count in counts[:3])
        acceleration = tuple(count * ACCELERATION_UNIT for count in counts[3:])
        self.samples.append(Sample(self.begin + self.counted, arrival_s, turn, acceleration))

    def miss(self, count: int, rejected: int) -> None:
        """`count` frames did not come, but `rejected` bytes did."""
        corrupt = min(count, round(rejected / DATA_BYTES))
        self.corrupt += corrupt
        self.lost += count - corrupt


class Imu:
    """The sensor at `port`. A reader thread runs from the construction to `close`; a port that goes away is opened again.

    Raises:
        ImuError: the sensor does not answer.
        serial.SerialException: the port cannot be opened.
    """

    framer: type[Framer] = Framer

    def __init__(self, port: str, baudrate: int = 115200) -> None:
        self.outages = 0
        self._reading: Reading | None = None
        self._states: queue.Queue[State] = queue.Queue()
        self._framer = self.framer()
        self._serial = serial.Serial(port, baudrate, timeout=1.0, write_timeout=1.0)
        self._lock = threading.Lock()  # held to write, and to close and open again
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"imu {port}", daemon=True)
        self._thread.start()
        try:
            self._sent = self._set(0).sent  # it may still be sending for somebody who went away
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the reader and closes the port. The sensor goes on as it was told."""
        self._closing.set()
        with self._lock, suppress(OSError):
            self._serial.cancel_read()
        self._thread.join()
        self._serial.close()

    def start(self, rate_hz: int = 100) -> None:
        """Has the sensor send `rate_hz` samples per second."""
        self._reading = Reading(rate_hz, self._sent)
        self._framer.rejected = 0
        self._set(rate_hz)

    def stop(self) -> Reading:
        """Has it be silent; what came since `start`, and what did not."""
        if self._reading is None:
            raise ValueError(f"imu {self._serial.port}: needed start() before stop(), was not started")
        self._sent = self._set(0).sent
        reading, self._reading = self._reading, None
        reading.miss((self._sent - reading.begin - reading.counted) % 2**32, self._framer.rejected)
        return reading

    def read_for(self, duration_s: float, rate_hz: int = 100) -> Reading:
        """What comes in `duration_s` seconds, and what does not."""
        self.start(rate_hz)
        time.sleep(duration_s)
        return self.stop()

    # telling --------------------------------------------------------------------------------------------------------------------

    def _set(self, rate_hz: int) -> State:
        """Tells the sensor its rate, again and again, until it says that it has it."""
        frame, found = pack(SET, rate_hz), "nothing"
        give_up_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_s:
            with self._lock, suppress(serial.SerialException):  # the reader thread sees it too, and opens the port again
                self._serial.write(frame)
            for state in self._answers():
                if state.rate_hz == rate_hz:
                    return state
                found = f"{state.rate_hz} Hz"
        raise ImuError(f"imu {self._serial.port}: needed an answer of {rate_hz} Hz, was {found}; check cable, baud rate and rate")

    def _answers(self) -> Iterator[State]:
        """What the sensor says of itself until it is silent for a while."""
        with suppress(queue.Empty):
            while True:
                yield self._states.get(timeout=ANSWER_S)

    # reading, in a thread of its own --------------------------------------------------------------------------------------------

    def _read(self) -> None:
        while not self._closing.is_set():
            try:
                data = self._serial.read(self._serial.in_waiting or 1)
            except OSError:  # SerialException is one, and `in_waiting` raises a plain one
                self._open_again()
            else:
                self._take(data, time.monotonic())

    def _open_again(self) -> None:
        self.outages += 1
        with self._lock:
            self._serial.close()  # a port that is plugged in again gets its old name only if nobody has the old one open
        while not self._serial.is_open and not self._closing.wait(RETRY_S):
            with self._lock, suppress(serial.SerialException):
                self._serial.open()

    def _take(self, data: bytes, arrival_s: float) -> None:
        for kind, values in self._framer.feed(data):
            if kind == STATE:
                self._states.put(State(*values))
            elif kind == DATA and self._reading is not None:
                self._reading.take(values[0], self._framer.rejected, arrival_s, values[1:])
                self._framer.rejected = 0
