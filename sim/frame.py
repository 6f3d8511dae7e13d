"""Frames of a fixed layout in a stream of bytes: a header, some fields, a check.

Law: a stream has no beginning, and bytes are lost, added and changed. A frame is believed only where header and check are right; a
false start costs one byte, never the frames behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

Check = Callable[[bytes], "int | bytes"]


class Frame:
    """One layout of frames.

    Args:
        layout: of the fields, as in `struct`: "<4f" is four float32, little-endian.
        sync: the bytes with which each frame begins.
        check: function of the bytes of the fields; what it returns follows them: bytes, always as many, or an int for one byte.

    Raises:
        ValueError: no such layout, or none with a byte in it.
        TypeError: `sync` is no bytes, or `check` no such function.
    """

    def __init__(self, layout: str, *, sync: bytes = b"", check: Check | None = None) -> None:
        self.layout, self.sync = layout, sync
        try:
            self._fields = struct.Struct(layout)
        except (struct.error, TypeError) as error:
            raise ValueError(f"Frame: needed a layout as in struct, was {layout!r} ({error}); for example \"<4f\"") from error
        if not self._fields.size:
            raise ValueError(f"Frame: needed a layout of at least one byte, was {layout!r}; for example \"<4f\"")
        if not isinstance(sync, bytes):
            raise TypeError(f"Frame {layout!r}: needed sync as bytes, was {sync!r}; for example b\"\\xaa\"")
        if check is not None and not callable(check):
            raise TypeError(f"Frame {layout!r}: needed a check that is a function of bytes, was {check!r}; or leave it out")
        self._check = check
        self.size = len(sync) + self._fields.size + len(self._check_of(bytes(self._fields.size)))

    def __repr__(self) -> str:
        sync = f", sync={self.sync!r}" if self.sync else ""
        check = f", check={getattr(self._check, '__name__', self._check)}" if self._check else ""
        return f"Frame({self.layout!r}{sync}{check})"

    def pack(self, *fields: Any) -> bytes:
        """One frame with these fields. Raises ValueError: they do not fit the layout."""
        try:
            body = self._fields.pack(*fields)
        except struct.error as error:
            raise ValueError(f"{self!r}: needed fields that fit, was {fields!r} ({error}); give one value per field") from error
        return self.sync + body + self._check_of(body)

    def cut(self, buffer: bytearray) -> tuple[tuple[Any, ...] | None, int]:
        """Take the next good frame, and what is before it, out of `buffer`: its fields, and how many bytes were skipped.

        Without a good frame that is None, and what cannot be the beginning of one is gone.
        """
        start, head, body = 0, len(self.sync), len(self.sync) + self._fields.size
        while (start := self._seek(buffer, start)) + self.size <= len(buffer):
            fields = bytes(buffer[start + head : start + body])
            if self._check_of(fields) == buffer[start + body : start + self.size]:
                del buffer[: start + self.size]
                return self._fields.unpack(fields), start
            start += 1
        del buffer[:start]
        return None, start

    def _seek(self, buffer: bytearray, start: int) -> int:
        """Where the header, or a beginning of it at the very end, comes next."""
        if not self.sync:
            return start
        found = buffer.find(self.sync, start)
        if found >= 0:
            return found
        for at in range(max(start, len(buffer) - len(self.sync) + 1), len(buffer)):
            if self.sync.startswith(buffer[at:]):
                return at
        return max(start, len(buffer))

    def _check_of(self, body: bytes) -> bytes:
        value = self._check(body) if self._check is not None else b""
        if isinstance(value, (bytes, bytearray)):
            return bytes(value)
        if not isinstance(value, int) or not 0 <= value <= 255:
            raise TypeError(f"Frame {self.layout!r}: needed a check of bytes, or of an int to 255, was {value!r}; return value.to_bytes(n)")
        return bytes([value])
