"""The digest: over fields only, every bit of them, in order."""

from __future__ import annotations

import numpy as np
import pytest

from dfcore._record import Format
from tests.records import STATE


def test_digest_is_over_fields_only():
    """Padding does not count, every byte of a field does."""
    form = Format.of([("a", "u1"), ("b", "f8"), ("c", "i4")])
    clean = form.pack((1, 2.0, 3))
    digest = form.hash(clean)
    for position in range(form.itemsize):
        other = bytearray(clean)
        other[position] ^= 0x80
        assert (position in [1, 2, 3, 4, 5, 6, 7, 20, 21, 22, 23]) is (digest == form.hash(bytes(other)))


@pytest.mark.parametrize("size", [*range(1, 70), 255, 256, 257, 320, 4096, 5000])
def test_digest_sees_every_bit_of_any_length(size):
    """Every tail and every lane counts, and pairs of sign bits do not cancel."""
    form = Format.of(("u1", (size,)))
    zero = bytearray(size)
    seen = {form.hash(bytes(zero))}
    positions = range(size) if size < 300 else range(0, size, 7)
    for position in positions:
        for bit in (1, 128):
            zero[position] = bit
            seen.add(form.hash(bytes(zero)))
            zero[position] = 0
    for position in range(0, size - 39, 8):
        zero[position + 7] = zero[position + 39] = 128
        seen.add(form.hash(bytes(zero)))
        zero[position + 7] = zero[position + 39] = 0
    assert 1 + 2 * len(positions) + len(range(0, size - 39, 8)) == len(seen)


def test_digest_rolls():
    """The digest depends on the number and the order of records, zero ones too."""
    form = Format.of(STATE)
    zero, one, two = (form.pack((x, 0, 0, 0)) for x in (0, 1, 2))

    def roll(*records: bytes) -> int:
        h = 0
        for data in records:
            h = form.hash(data, h)
        return h

    sequences = [(), (zero,), (zero, zero), (one, two), (two, one), (one, zero), (zero, one), (one, one)]
    assert len(sequences) == len({roll(*sequence) for sequence in sequences})


def test_digest_is_the_same_in_every_process():
    """It is stored and compared between runs: its value is fixed."""
    assert (0x53696320841EBA5C, 0xAD73BD182EE1BA2B) == (
        Format.of("4f8").hash(np.arange(4.0).tobytes()),
        Format.of("300u1").hash(bytes(range(150)) * 2),
    )
