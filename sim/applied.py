"""A schedule of faults at work on one direction of a line: what becomes of each frame.

Laws: what happens is decided when a frame is sent, from indices, times and seeded numbers alone, and does not depend on the order of
the list: bits flip first, then bytes go, come twice, are inserted, and wait. Each fault that acted is told, so that it can be logged.
"""

from __future__ import annotations

import numpy as np

from .faults import Delay, Directed, Drop, Duplicate, Fault, FaultSchedule, Flip, Insert, Jitter, Noise, Piece, Placed

_ORDER = (Flip, Drop, Duplicate, Insert, Delay)


class Applied:
    """A schedule at work on one direction of a line: counts what is sent and says what becomes of it."""

    def __init__(self, schedule: FaultSchedule, rng: np.random.Generator, towards: str = "program") -> None:
        self.schedule = schedule
        faults = [fault for fault in schedule if isinstance(fault, Directed) and fault.towards == towards]
        placed = [fault for fault in faults if isinstance(fault, Placed)]
        self._placed = sorted(placed, key=lambda fault: _ORDER.index(type(fault)))  # so the order of the list does not matter
        self._noises = [fault for fault in faults if isinstance(fault, Noise)]
        self._jitters = [fault for fault in faults if isinstance(fault, Jitter)]
        self._rng = rng
        self._frame = self._byte = 0

    def send(self, data: bytes, now_ns: int) -> tuple[list[Piece], list[Fault]]:
        """What goes over the wire for the frame `data`, and the faults that acted on it."""
        frame, first = self._frame, self._byte
        self._frame, self._byte = frame + 1, first + len(data)
        acted: list[Fault] = []
        pieces: list[Piece] = [(0, data)]
        hits = [(fault, span) for fault in self._placed if (span := fault.span(frame, first, len(data))) is not None]
        if hits:
            pieces = [(0, data[at : at + 1]) for at in range(len(data))]
            for fault, (start, stop) in hits:
                fault.act(pieces, start, stop)
                acted.append(fault)
        for jitter in self._jitters:
            gap_ns = jitter.delays_us[frame % len(jitter.delays_us)] * 1000
            if gap_ns and pieces:
                pieces[0] = (pieces[0][0] + gap_ns, pieces[0][1])
                acted.append(jitter)
        for noise in self._noises:
            if noise.at_s * 1e9 <= now_ns < (noise.at_s + noise.duration_s) * 1e9:
                spoilt = [(gap_ns, self._spoil(part, noise.rate)) for gap_ns, part in pieces]
                if spoilt != pieces:
                    pieces = spoilt
                    acted.append(noise)
        return _joined(pieces), acted

    def _spoil(self, data: bytes, rate: float) -> bytes:
        return bytes(int(self._rng.integers(256)) if self._rng.random() < rate else byte for byte in data)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """The same with as few pieces as there are gaps. A gap before nothing goes to what follows."""
    joined: list[Piece] = []
    gap_ns, data = 0, b""
    for next_gap_ns, part in pieces:
        if next_gap_ns and data:
            joined.append((gap_ns, data))
            gap_ns, data = 0, b""
        gap_ns, data = gap_ns + next_gap_ns, data + part
    return [*joined, (gap_ns, data)] if data else joined
