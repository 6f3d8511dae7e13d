"""Frames on a serial line: 0xAA, some float32 values little-endian, and a CRC-8 of their bytes.

A byte line has no beginning: bytes are lost, added and changed, and a reader starts in the middle. So a frame is believed only if
its checksum is right and its values are finite, and a false start costs one byte, never the frames behind it.
"""

from __future__ import annotations

import struct
from math import isfinite
from typing import Any

MARK = 0xAA


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte << 1 ^ (0x107 if byte & 0x80 else 0)
    return byte


_TABLE = bytes(_remainder(byte) for byte in range(256))


def crc8(data: bytes | bytearray) -> int:
    """CRC-8 of `data`: polynomial x^8 + x^2 + x + 1, start 0 (CRC-8/SMBUS; of b"123456789" it is 0xF4)."""
    crc = 0
    for byte in data:
        crc = _TABLE[crc ^ byte]
    return crc


class Frames:
    """Writes frames of one layout, and finds them in a stream of bytes.

    Args:
        layout: of the values, as in `struct`: "<4f" is four float32, little-endian.
    """

    def __init__(self, layout: str) -> None:
        self._values = struct.Struct(layout)
        self._bytes = bytearray()  # what came and is not yet part of a frame
        self.size = self._values.size + 2
        self.rejected = 0  # bytes thrown away on the search for a frame

    def pack(self, *values: float) -> bytes:
        """One frame with `values`."""
        body = self._values.pack(*values)
        return b"%c%b%c" % (MARK, body, crc8(body))

    def feed(self, data: bytes) -> None:
        """Takes bytes as they come, in pieces of any length."""
        self._bytes += data

    def take(self) -> tuple[float, ...] | None:
        """The values of the next good frame among the bytes fed so far, or None."""
        while self._seek_mark() and len(self._bytes) >= self.size:
            body, crc = self._bytes[1 : self.size - 1], self._bytes[self.size - 1]
            if crc8(body) == crc:
                values = self._values.unpack(body)
                # A wrong frame may have the right CRC-8, and a single NaN would stay in an observer for ever.
                if all(map(isfinite, values)):
                    del self._bytes[: self.size]
                    return values
            self._reject(1)
        return None

    def read(self, port: Any) -> tuple[float, ...] | None:
        """Reads from `port` at most to the end of one frame; its values, or None if it is not complete yet."""
        self.feed(port.read(self.size - len(self._bytes)))
        return self.take()

    def _seek_mark(self) -> bool:
        at = self._bytes.find(MARK)
        self._reject(len(self._bytes) if at < 0 else at)
        return at >= 0

    def _reject(self, count: int) -> None:
        self.rejected += count
        del self._bytes[:count]
