"""A wire as plainly as can be: each byte, and the nanosecond before which it cannot be there. What `lane.py` is held to.

Law: a byte is complete when its ten bits have gone over the wire behind all that were sent before, in exact fractions of a second.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from .applied import Applied
from .faults import FaultSchedule

BITS = 10


class Wire:
    """One direction, as plainly as can be: each byte, and the nanosecond before which it cannot be there."""

    def __init__(self, faults: FaultSchedule, towards: str, baud: int) -> None:
        self._applied = Applied(faults, (), towards)  # only noise draws numbers
        self._end_ns = Fraction(0)
        self._baud = baud
        self.under_way: deque[tuple[int, int]] = deque()

    def set_baud(self, baud: int) -> None:
        """What is sent from now on goes at this rate."""
        if baud != self._baud:
            self._baud, self._end_ns = baud, Fraction(self._end_ns.__floor__())

    def send(self, data: bytes, now_ns: int) -> None:
        """Bytes leave one after the other, faults and all."""
        for gap_ns, piece in self._applied.send(data, now_ns)[0]:
            self._carry(piece, now_ns, gap_ns)

    def _carry(self, data: bytes, now_ns: int, gap_ns: int = 0) -> None:
        start_ns = max(Fraction(now_ns), self._end_ns)
        self._end_ns = Fraction(start_ns.__floor__() + gap_ns) if gap_ns else start_ns
        for byte in data:
            self._end_ns += Fraction(BITS * 10**9, self._baud)
            self.under_way.append((self._end_ns.__floor__(), byte))

    def arrived(self, now_ns: int) -> bytes:
        """What may be there by now, once."""
        out = bytearray()
        while self.under_way and self.under_way[0][0] <= now_ns:
            out.append(self.under_way.popleft()[1])
        return bytes(out)

    def cut(self) -> None:
        """The plug is pulled."""
        self.under_way.clear()
        self._end_ns = Fraction(0)


class WireToDevice(Wire):
    """The other direction: a device hears what was written in one go when its last byte is complete, and faults act there."""

    def __init__(self, faults: FaultSchedule, baud: int) -> None:
        super().__init__(faults, "device", baud)
        self._writes: deque[tuple[int, bytes]] = deque()
        self._heard: deque[tuple[int, bytes]] = deque()
        self._late_ns = 0

    def send(self, data: bytes, now_ns: int) -> None:
        """Bytes leave one after the other."""
        self._carry(data, now_ns)
        self.under_way.clear()  # nobody hears them one by one
        self._writes.append((self._end_ns.__floor__(), data))

    def arrived(self, now_ns: int) -> bytes:
        """What may have been heard by now, once."""
        out = bytearray()
        while self._writes and self._writes[0][0] <= now_ns:
            end_ns, data = self._writes.popleft()
            for gap_ns, piece in self._applied.send(data, end_ns)[0]:
                self._late_ns = max(self._late_ns, end_ns) + gap_ns
                self._heard.append((self._late_ns, piece))
        while self._heard and self._heard[0][0] <= now_ns:
            out += self._heard.popleft()[1]
        return bytes(out)

    def cut(self) -> None:
        """The plug is pulled."""
        super().cut()
        self._writes.clear()
        self._heard.clear()
        self._late_ns = 0
