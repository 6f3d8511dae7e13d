"""The clocks of converters, in integers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.audio.clocking import Clock

HOUR_NS = 3_600 * 10**9


@pytest.mark.parametrize(("ppm", "frames"), [(0, 172_800_000), (50, 172_808_640), (-50, 172_791_360), (12.5, 172_802_160)])
def test_an_hour_has_exactly_its_frames(ppm, frames):
    """48 kHz, some parts per million fast or slow."""
    assert frames == Clock(48_000, ppm).first_at(HOUR_NS)


@given(st.integers(1_000, 768_000), st.integers(-100_000, 100_000), st.integers(0, 10**10))
def test_times_are_the_exact_ones_rounded_down(rate, ppm, sample):
    """No error adds up, at any distance."""
    exact = Fraction(sample * 10**9) / (rate * (1 + Fraction(ppm, 10**6)))
    assert exact // 1 == Clock(rate, ppm).time_ns(sample)


slips = st.lists(st.integers(0, 30), max_size=4, unique=True)


@given(slips, slips, st.integers(0, 40))
def test_a_time_and_the_first_sample_at_it_agree(drops, inserts, time_ms):
    """Also where samples are dropped and inserted."""
    clock = Clock(1_000)
    clock.slip(drops, inserts)
    wanted = next(sample for sample in range(-10, 100) if clock.time_ns(sample) >= time_ms * 10**6)
    assert wanted == clock.first_at(time_ms * 10**6)


@given(slips, slips)
def test_each_taken_sample_is_delivered_once_unless_it_is_dropped(drops, inserts):
    """Inserted ones are extra, in front of the sample that is named."""
    clock = Clock(1_000)
    clock.slip(drops, inserts)
    delivered = [clock.taken(sample) for sample in range(60) if sample not in clock.inserts]
    assert [sample for sample in range(50) if sample not in drops] == delivered[: 50 - len(drops)]
    assert [clock.taken(sample) for sample in range(3, 40)] == clock.taken_between(3, 40).tolist()
    assert len(inserts) == len(clock.inserts)
    assert clock.times_ns(3, 37).tolist() == [clock.time_ns(sample) for sample in range(3, 40)]
