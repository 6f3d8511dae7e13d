"""One direction of a wire: bytes leave one after the other, at a bit rate.

Law: byte number k of a busy spell (from 1) is complete at `start + floor(k * bits * 1e9 / baud)` nanoseconds, exactly, however the
bytes were handed in and however often somebody looked. Bytes travel in bursts and nothing happens while they do: what has
arrived is computed when it is looked at, so a frame costs no event of its own.

A lane knows no device, no buffer and no clock; every call says what time it is.
"""

from __future__ import annotations

from collections import deque

SECOND_NS = 1_000_000_000


class Burst:
    """Bytes sent in one go: byte i is complete at `start_ns + (index + i + 1) * bits_ns // baud`."""

    __slots__ = ("baud", "bits_ns", "data", "index", "start_ns")

    def __init__(self, start_ns: int, index: int, data: bytes, bits_ns: int, baud: int) -> None:
        self.start_ns, self.index, self.data, self.bits_ns, self.baud = start_ns, index, data, bits_ns, baud


class Lane:
    """Bytes under way, in bursts."""

    __slots__ = ("_baud", "_bits_ns", "_bursts", "_held", "_index", "_size", "_start_ns", "paused")

    def __init__(self, bits: int = 10, baud: int = 9600) -> None:
        self._bursts: deque[Burst] = deque()
        self._start_ns = self._index = self._size = 0
        self._bits_ns, self._baud = bits * SECOND_NS, baud
        self._held = bytearray()
        self.paused = False

    def set_rate(self, bits: int, baud: int) -> None:
        """Send what is put from now on with `bits` bits per byte at `baud` bits per second."""
        if (bits * SECOND_NS, baud) != (self._bits_ns, self._baud):
            self._start_ns, self._index = self._end_ns(), 0
            self._bits_ns, self._baud = bits * SECOND_NS, baud

    def _end_ns(self) -> int:
        return self._start_ns + self._index * self._bits_ns // self._baud

    def put(self, now_ns: int, data: bytes, gap_ns: int = 0) -> None:
        """Send `data` behind what is under way, after a gap in which the line is idle."""
        if self.paused:
            self._held += data
        elif data:
            if gap_ns or self._end_ns() < now_ns:
                self._start_ns, self._index = max(now_ns, self._end_ns()) + gap_ns, 0
            self._bursts.append(Burst(self._start_ns, self._index, data, self._bits_ns, self._baud))
            self._index += len(data)
            self._size += len(data)

    def rest(self, duration_ns: int) -> None:
        """Carry nothing for so long behind what is under way."""
        self._start_ns, self._index = self._end_ns() + duration_ns, 0

    def take(self, now_ns: int) -> bytes:
        """What is complete by `now_ns`, once."""
        bursts = self._bursts
        if not bursts:
            return b""
        parts = []
        while bursts:
            burst = bursts[0]
            data = burst.data
            complete = self._complete(burst, now_ns)
            if complete < len(data):
                if complete:
                    parts.append(data[:complete])
                    burst.index += complete
                    burst.data = data[complete:]
                break
            parts.append(data)
            bursts.popleft()
        taken = b"".join(parts)
        self._size -= len(taken)
        return taken

    def when(self, count: int) -> int | None:
        """When `count` bytes will be there to `take`; None if fewer are under way."""
        for burst in self._bursts:
            size = len(burst.data)
            if count <= size:
                return burst.start_ns + (burst.index + count) * burst.bits_ns // burst.baud
            count -= size
        return None

    def first_end_ns(self) -> int | None:
        """When the first burst under way is complete; None if the lane is empty."""
        return self.when(len(self._bursts[0].data)) if self._bursts else None

    def pending(self, now_ns: int) -> int:
        """How many bytes are not complete by `now_ns`, held ones included."""
        return self._size + len(self._held) - self.complete(now_ns)

    def complete(self, now_ns: int) -> int:
        """How many bytes that are not taken yet are complete by `now_ns`."""
        count = 0
        for burst in self._bursts:
            complete = self._complete(burst, now_ns)
            count += complete
            if complete < len(burst.data):
                break
        return count

    @property
    def byte_ns(self) -> int:
        """How long a byte that is put now takes."""
        return self._bits_ns // self._baud

    @staticmethod
    def _complete(burst: Burst, now_ns: int) -> int:
        complete = ((now_ns - burst.start_ns + 1) * burst.baud - 1) // burst.bits_ns - burst.index
        return min(max(0, complete), len(burst.data))

    @property
    def size(self) -> int:
        """How many bytes are not taken yet, complete or not, held ones included."""
        return self._size + len(self._held)

    def pause(self, now_ns: int) -> None:
        """Stop after the byte that is on the wire; the others are held."""
        if not self.paused:
            self._held[:0] = self.cut(now_ns)
            self.paused = True

    def resume(self, now_ns: int) -> None:
        """Go on with what is held."""
        if self.paused:
            self.paused = False
            held = bytes(self._held)
            self._held.clear()
            self.put(now_ns, held)

    def cut(self, now_ns: int) -> bytes:
        """Take back every byte that has not begun, and return them."""
        back: list[bytes] = []
        while self._bursts:
            burst = self._bursts[-1]
            data = burst.data
            begun = min(len(data), max(0, -((burst.start_ns - now_ns) * burst.baud // burst.bits_ns) - burst.index))
            if begun == len(data):
                break
            back.append(data[begun:])
            self._go_back(burst, burst.index + begun)
            self._size -= len(data) - begun
            if begun:
                burst.data = data[:begun]
                break
            self._bursts.pop()
        return b"".join(reversed(back))

    def _go_back(self, burst: Burst, index: int) -> None:
        """Go on behind the byte before `index` of that burst's spell."""
        self._start_ns, self._index = burst.start_ns, index
        if (burst.bits_ns, burst.baud) != (self._bits_ns, self._baud):
            self._start_ns, self._index = burst.start_ns + index * burst.bits_ns // burst.baud, 0

    def clear(self) -> None:
        """Throw away everything, the byte on the wire included."""
        self._bursts.clear()
        self._held.clear()
        self._size = 0
        self._start_ns = self._index = 0
