"""The markers `sim`, `sim_only` and `hil_only`."""

from __future__ import annotations

import pytest


def test_a_marker_gives_seed_and_clock(suite):
    """The nearest marker wins, keyword by keyword; `--strict-markers` knows all of them."""
    suite("""
pytestmark = pytest.mark.sim(seed=5, clock="x1000")

def test_module(world):
    assert (world.seed, world.clock) == (5, "x1000")

@pytest.mark.sim(seed=6)
def test_own(world):
    assert (world.seed, world.clock) == (6, "x1000")

@pytest.mark.sim_only
def test_sim_only(world):
    pass
""").assert_outcomes(passed=3)


def test_a_seed_of_a_marker_is_not_mixed(suite):
    """It is the seed of the world, whatever the session's."""
    suite("@pytest.mark.sim(seed=7)\ndef test_seed(world):\n    assert world.seed == 7\n", "--sim-seed=3").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ("sim(sede=1)", "marker sim: needed seed= or clock=, was sede=; did you mean seed=?"),
        ("sim(colour=1)", "marker sim: needed seed= or clock=, was colour=; leave it out"),
        ("sim(1)", "marker sim: needed seed= and clock= by name, was 1; write sim(seed=1)"),
        ("sim(seed='1')", "marker sim: needed a seed that is a whole number from 0, was '1'; for example sim(seed=1)"),
        ("sim(seed=-1)", "marker sim: needed a seed that is a whole number from 0, was -1; for example sim(seed=1)"),
        ("sim(seed=True)", "marker sim: needed a seed that is a whole number from 0, was True; for example sim(seed=1)"),
        ("sim(clock='real')", "marker sim: needed a clock 'virtual', 'wall' or 'x' and a number, was 'real'; for example 'x10'"),
        ("sim(clock='x0')", "marker sim: needed a clock 'virtual', 'wall' or 'x' and a number, was 'x0'; for example 'x10'"),
        ("sim(clock=10)", "marker sim: needed a clock 'virtual', 'wall' or 'x' and a number, was 10; for example 'x10'"),
        ("sim_only('why')", "marker sim_only: needed no arguments, there were some; leave them out"),
        ("hil_only(why='')", "marker hil_only: needed no arguments, there were some; leave them out"),
    ],
)
def test_a_marker_that_cannot_be_meant_fails_its_test(suite, marker, told):
    """The test fails at set-up and says what is wrong, whether or not it uses a world; others run."""
    result = suite(f"@pytest.mark.{marker}\ndef test_bad():\n    pass\n\ndef test_good(world):\n    pass\n")
    result.assert_outcomes(errors=1, passed=1)
    assert told in result.outlines


def test_without_hardware_its_tests_are_skipped(suite):
    """`hil_only` says what to give."""
    result = suite("@pytest.mark.hil_only\ndef test_real(port):\n    pass\n", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*hil_only: needs hardware; give --hil NAME=PATH"])
