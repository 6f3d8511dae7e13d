"""The buffer adaption, as a model without streams."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.audio.adaption import calls, loop_delay, steps

#: Measured: the real PortAudio 19.6 over a JACK server of 256 frames, output wired to input.
LOOP_DELAYS = {0: 256, 64: 320, 128: 384, 256: 512, 480: 736, 512: 768, 1000: 1256, 1024: 1280}


@pytest.mark.parametrize(("size", "delay"), LOOP_DELAYS.items())
def test_the_delay_of_a_loop_is_the_measured_one(size, delay):
    """Eight sizes of block over periods of 256 frames."""
    assert delay == loop_delay(size, 256)


@pytest.mark.parametrize(
    ("size", "gaps"), [(64, [0, 0, 0, 1]), (480, [2, 2, 2, 2, 2, 2, 2, 1]), (256, [1]), (512, [2]), (1024, [4])]
)
def test_callbacks_come_in_the_measured_bursts(size, gaps):
    """The periods between one callback and the next, over and over."""
    counts = calls(size, 256, 200, True, True)
    at = [period for period, count in enumerate(counts) for _ in range(count)]
    found = [later - earlier for earlier, later in pairwise(at)]
    start = next(at for at in range(len(gaps)) if found[at : at + len(gaps)] == gaps)
    assert (gaps * 20)[: 4 * len(gaps)] == found[start : start + 4 * len(gaps)]


@given(st.integers(1, 700), st.integers(1, 300), st.integers(1, 12), st.booleans())
def test_no_frame_is_lost_or_repeated(size, period, periods, duplex):
    """Frames pass in order: what a block of input holds follows what the last one held, and so with output."""
    filled, left = 0, size if duplex else 0
    heard, block, blocks, played = 0, [], [], []
    pending = [-1] * left
    for _ in range(periods):
        for take, call, give in steps(size, period, filled, left, True, duplex):
            block += range(heard, heard + take)
            heard, filled = heard + take, filled + take
            if call:
                assert size == len(block) == filled
                assert pending == []
                blocks += block
                pending, block, filled = (list(block) if duplex else []), [], 0
                left = len(pending)
            played, pending, left = played + pending[:give], pending[give:], left - give
    assert period * periods == heard
    assert list(range(len(blocks))) == blocks
    if duplex:
        assert ([-1] * size + list(range(heard)))[:heard] == played


@given(st.integers(1, 700), st.integers(1, 300), st.integers(1, 12))
def test_output_alone_is_asked_for_when_it_is_needed(size, period, periods):
    """A block is made when the one before has gone, and every period is filled."""
    counts = calls(size, period, periods, False, True)
    assert -(-periods * period // size) == sum(counts)
