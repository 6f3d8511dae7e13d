"""A test's seed comes from the session's seed and the test's name, and from nothing else."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from sim.pytest_plugin.seeds import seed_of, seeded_globals

SEEDS = """
@pytest.mark.parametrize("n", [1, 2])
def test_seed(world, n):
    print("seed", n, world.seed, world.rng.random(), random.random(), np.random.random())
"""


def seeds(result: pytest.RunResult) -> list[str]:
    return sorted(re.findall(r"seed \d .*", result.stdout.str()))


def test_the_seed_is_the_same_on_every_machine():
    """It is a fixed function, which these values pin down."""
    assert (seed_of(0, "tests/test_a.py::test_b"), seed_of(1, "tests/test_a.py::test_b")) == (2914277182, 1250989436)


def test_order_and_company_do_not_matter(suite):
    """A test draws the same numbers alone, first or last, whatever seeded the global generators meanwhile."""
    both = seeds(suite(SEEDS, "-s"))
    assert len(both) == 2
    assert both[0].split()[2:] != both[1].split()[2:]
    assert seeds(suite(SEEDS, "-s", "-k", "test_seed[2]")) == both[1:]
    assert seeds(suite("def test_before(world):\n    random.random()\n" + SEEDS, "-s")) == both


def test_another_session_seed_gives_other_seeds(suite):
    """`--sim-seed` changes every seed; so does the ini option."""
    first, second = seeds(suite(SEEDS, "-s", "--sim-seed=0")), seeds(suite(SEEDS, "-s", "--sim-seed=1"))
    assert not set(first) & set(second)
    assert seeds(suite(SEEDS, "-s")) == first
    assert seeds(suite(SEEDS, "-s", "-o", "sim_seed=1")) == second


def test_a_random_session_seed_is_shown_and_can_be_given(suite):
    """`--sim-seed=random` draws a number, which the header shows; with that number the seeds are the same."""
    first = suite(SEEDS, "-s", "--sim-seed=random")
    number = next(line for line in first.outlines if line.startswith("sim: seed ")).split()[2].rstrip(",")
    assert seeds(suite(SEEDS, "-s", f"--sim-seed={number}")) == seeds(first)
    assert seeds(suite(SEEDS, "-s", "--sim-seed=random")) != seeds(first)


def test_plugins_that_seed_before_the_call_do_not_matter(suite, pytester):
    """What another plugin seeds between set-up and call is seeded again."""
    before = seeds(suite(SEEDS, "-s"))
    pytester.makeconftest("import random\ndef pytest_runtest_call(item):\n    random.seed()\n")
    assert seeds(suite(SEEDS, "-s")) == before


def test_the_global_generators_are_given_back():
    """After the block `random` and NumPy's legacy generator go on where they were, also after an exception."""
    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    with pytest.raises(ZeroDivisionError), seeded_globals(2):
        random.random()
        np.random.random()
        raise ZeroDivisionError
    assert (random.random(), np.random.random()) == expected


def test_a_test_without_a_world_is_left_alone(suite):
    """The global generators are not touched for tests that use no world."""
    suite("""
random.seed(5)
expected = random.Random(5).random()

def test_own():
    assert random.random() == expected
""").assert_outcomes(passed=1)
