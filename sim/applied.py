"""A schedule of faults at work on one direction of a line: what becomes of each frame.

Laws: what happens is decided when a frame is sent, from indices, times and seeded numbers alone, and does not depend on the order of
the list: noise and flips first, then bytes go, come twice, are inserted, and wait. Noise draws for each byte sent, whatever becomes of
it, from numbers of its own. Each fault that acted is told, so that it can be logged.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from .faults import Delay, Directed, Drop, Duplicate, Fault, FaultSchedule, Flip, Insert, Jitter, Noise, Piece, Placed

_ORDER = (Flip, Drop, Duplicate, Insert, Delay)


class Applied:
    """A schedule at work on one direction of a line: counts what is sent and says what becomes of it."""

    def __init__(self, schedule: FaultSchedule, seed: Sequence[int], towards: str = "program") -> None:
        self.schedule = schedule
        faults = sorted((fault for fault in schedule if isinstance(fault, Directed) and fault.towards == towards), key=repr)
        placed = [fault for fault in faults if isinstance(fault, Placed)]
        self._placed = sorted(placed, key=lambda fault: _ORDER.index(type(fault)))
        noises = [fault for fault in faults if isinstance(fault, Noise)]
        self._noises = [(noise, _rng(seed, noise, noises[:place].count(noise))) for place, noise in enumerate(noises)]
        self._jitters = [fault for fault in faults if isinstance(fault, Jitter)]
        self._frame = self._byte = 0

    def send(self, data: bytes, now_ns: int) -> tuple[list[Piece], list[Fault]]:
        """What goes over the wire for the frame `data`, and the faults that acted on it."""
        frame, first = self._frame, self._byte
        self._frame, self._byte = frame + 1, first + len(data)
        acted: list[Fault] = []
        for noise, rng in self._noises:
            if noise.at_s * 1e9 <= now_ns < (noise.at_s + noise.duration_s) * 1e9:
                before, data = data, _spoilt(data, noise.rate, rng)
                if data != before:
                    acted.append(noise)
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
        return _joined(pieces), acted


def _rng(seed: Sequence[int], noise: Noise, nth: int) -> np.random.Generator:
    """The numbers of one noise, the `nth` of those that are equal: no other fault draws from them."""
    return np.random.default_rng([*seed, zlib.crc32(repr(noise).encode()), nth])


def _spoilt(data: bytes, rate: float, rng: np.random.Generator) -> bytes:
    """Each byte is another with probability `rate`. Two numbers are drawn for each, so that no byte moves what becomes of the next."""
    return bytes(byte ^ int(rng.integers(1, 256)) * int(rng.random() < rate) for byte in data)


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
