"""What a receiver makes of characters that were framed otherwise than it is set.

Law: both ends at one rate, the sender's bits are what they are: a start bit (0), the data bits, lowest first, a parity bit or none,
and one or two stop bits (1); the next character follows at once, or the line idles at 1. The receiver waits for a 0, samples as many
bits as it is set to, and looks at one stop bit. If that is 0 it counts a framing error, delivers the character, and takes that 0
for the next start bit, as the 16550 does (TL16C550C data sheet, line status register, bit 3).

A wrong parity bit is counted and the character delivered: so does Linux without INPCK, which pyserial clears.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .settings import Settings


class Heard(NamedTuple):
    """What came out: the characters, and how many had a wrong parity bit, or no stop bit."""

    data: bytes
    parity_errors: int = 0
    framing_errors: int = 0


def heard(data: bytes, sender: Settings, receiver: Settings) -> Heard:
    """What `receiver` makes of `data`, characters of as many bits as `sender` has, sent in one go at the same rate."""
    if sender.framing == receiver.framing:
        return Heard(data)
    idle = [1] * receiver.bits
    bits = [bit for byte in data for bit in _bits_of(byte, sender)] + idle
    out, parity_errors, framing_errors = bytearray(), 0, 0
    at = 0
    while (at := _start(bits, at)) + receiver.bits <= len(bits):
        character = bits[at + 1 : at + 1 + receiver.bytesize]
        at += 1 + receiver.bytesize
        if receiver.parity != "N":
            parity_errors += bits[at] != _parity_bit(character, receiver.parity)
            at += 1
        framing_errors += bits[at] == 0
        at += bits[at]  # a stop bit that is 0 is the start bit of what follows
        out.append(sum(bit << place for place, bit in enumerate(character)))
    return Heard(bytes(out), parity_errors, framing_errors)


def _bits_of(byte: int, settings: Settings) -> Iterator[int]:
    character = [byte >> place & 1 for place in range(settings.bytesize)]
    yield 0
    yield from character
    if settings.parity != "N":
        yield _parity_bit(character, settings.parity)
    yield from [1] * settings.stopbits


def _parity_bit(character: list[int], parity: str) -> int:
    if parity in "MS":
        return int(parity == "M")
    return (sum(character) + (parity == "O")) % 2


def _start(bits: list[int], at: int) -> int:
    """Where the next 0 is, from `at` on; or beyond the end."""
    try:
        return bits.index(0, at)
    except ValueError:
        return len(bits)
