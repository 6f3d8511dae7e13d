"""`--sim-check-determinism`: who opens a world runs twice, and must do the same again."""

from __future__ import annotations

import hypothesis.core
import pytest

SEND = """
import os

def send(world, data):
    with serial.serial_for_url(world.serial(f"plug{len(world.ports)}").name, timeout=1) as port:
        port.write(data)
"""


@pytest.fixture
def checked(suite):
    """A function: run this text with the check."""
    return lambda text, *arguments: suite(SEND + text, "--sim-check-determinism", *arguments)


def test_who_opens_a_world_runs_twice(checked):
    """With its fixtures; who opens none runs once; both are reported once."""
    result = checked(
        """
ran = []

@pytest.fixture
def driver(world):
    ran.append("up")
    yield
    ran.append("down")

def test_world(driver):
    ran.append("world")

def test_own():
    ran.append("own")
    with World():
        pass

def test_none():
    ran.append("none")
    assert ran == ["up", "world", "down"] * 2 + ["own"] * 2 + ["none"]
""",
        "-v",
    )
    result.assert_outcomes(passed=3)
    assert sum("PASSED" in line for line in result.outlines) == 3


def test_a_difference_fails_the_test_and_shows_where(checked):
    """The first event that differs, of both runs, and what both had before."""
    result = checked("""
def test_same(world):
    send(world, world.rng.bytes(4) + random.randbytes(4) + np.random.bytes(4))

def test_other(world):
    send(world, b"same")
    send(world, os.urandom(4))
    send(world, b"more")
""")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "--sim-check-determinism: needed two runs alike, they part after",
            "  event 8 of both: 0.004166666 s  plug1  settings  *",
            "  then, first run:  0.004166666 s  plug1  write  b*",
            "  then, second run: 0.004166666 s  plug1  write  b*",
            "usual causes: *",
        ]
    )
    assert "again: pytest test_it.py::test_other --sim-seed=0 --sim-check-determinism" in result.outlines


def test_a_world_among_several_is_named(checked):
    """Each world of a test is compared with the same one of the other run; so is their number."""
    result = checked("""
runs = []

def test_second():
    for seed in (1, 2):
        with World(seed) as world:
            send(world, b"same" if seed == 1 else os.urandom(4))

def test_number():
    runs.append(1)
    for _ in runs:
        with World():
            pass
""")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*they part in world 2 after", "*they part: the first opened 1 worlds, the second 2"])


def test_who_fails_the_second_time_is_reported_so(checked):
    """The reports are those of the run that failed, and say so."""
    result = checked("""
runs = []

def test_once(world):
    runs.append(1)
    assert len(runs) == 1
""")
    result.assert_outcomes(failed=1)
    told = ["*assert 2 == 1*", "*determinism*", "passed in the first run, not in the second", "the same events"]
    result.stdout.fnmatch_lines(told)


def test_who_does_not_pass_runs_once(checked):
    """A failure, a skip and an expected failure are reported as they are."""
    result = checked("""
runs = []

def test_fails(world):
    runs.append("fails")
    assert 0

def test_skips(world):
    runs.append("skips")
    pytest.skip("no")

@pytest.mark.xfail
def test_xfails(world):
    runs.append("xfails")
    assert 0

def test_count():
    assert runs == ["fails", "skips", "xfails"]
""")
    result.assert_outcomes(failed=1, skipped=1, xfailed=1, passed=1)
    assert "determinism" not in "".join(line for line in result.outlines if not line.startswith(("again", "SIM", "test_")))


def test_real_time_is_not_compared(checked):
    """Worlds on the wall's clock never do the same twice."""
    checked("""
@pytest.mark.sim(clock="x1000")
def test_fast(world):
    send(world, os.urandom(4))
""").assert_outcomes(passed=1)


def test_examples_are_the_same_in_both_runs(checked):
    """Hypothesis draws them from one seed, also from the data it draws as it goes; what differs within them is found."""
    result = checked("""
@settings(deadline=None)
@given(st.data(), st.integers())
def test_same(data, n):
    with World(1) as world:
        send(world, b"%d %d" % (n, data.draw(st.integers())))

class TestMethods:
    @settings(max_examples=10, deadline=None)
    @given(st.integers())
    def test_other(self, n):
        with World(1) as world:
            send(world, os.urandom(4))
""")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*they part in world 1 after"])
    assert hypothesis.core.global_force_seed is None


def test_state_machines_are_given_one_seed_too(checked):
    """As a test case, and run by a test."""
    result = checked("""
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = World(1).__enter__()

    def teardown(self):
        self.world.__exit__(None, None, None)

    @rule(data=st.binary(max_size=3))
    def write(self, data):
        send(self.world, data)

TestMachine = Machine.TestCase
TestMachine.settings = settings(deadline=None, max_examples=5, stateful_step_count=5)

def test_machine():
    run_state_machine_as_test(Machine, settings=TestMachine.settings)
""")
    result.assert_outcomes(passed=2)


def test_a_failure_that_was_mended_is_no_difference(suite, pytester):
    """Hypothesis forgets old failures once they pass, so the first run after the mending has examples that no other has."""
    text = """
@settings(deadline=None)
@given(st.integers())
def test_small(n):
    with World(1) as world:
        send(world, b"%d" % n)
        assert n < LIMIT
"""
    suite((SEND + text).replace("LIMIT", "1000")).assert_outcomes(failed=1)
    suite((SEND + text).replace("LIMIT", "1 << 200"), "--sim-check-determinism").assert_outcomes(passed=1)


def test_the_ini_file_can_ask_for_it(suite):
    """As `sim_check_determinism = true`."""
    result = suite(SEND + "def test_it(world):\n    send(world, os.urandom(4))\n", "-o", "sim_check_determinism=true")
    result.assert_outcomes(failed=1)


def test_a_world_that_tests_share_is_not_compared(checked):
    """What happens in it depends on all of them: each runs once, whether or not the fixture ends with it."""
    checked("""
ran = []

@pytest.fixture(scope="module")
def shared():
    with World(9) as world:
        yield world

def test_one(shared):
    ran.append(1)
    send(shared, b"one")

def test_two(shared):
    ran.append(2)
    send(shared, b"two")

def test_count():
    assert ran == [1, 2]
""").assert_outcomes(passed=3)


def test_a_world_that_a_fixture_of_several_tests_opened_and_closed_is_not_compared(checked):
    """It is there in the first run only; the test's own world is compared."""
    checked("""
ran = []

@pytest.fixture(scope="module")
def measured():
    with World(9) as world:
        send(world, b"once")
        return world.trace.hash

def test_one(measured):
    ran.append(1)
    with World(9) as world:
        send(world, b"once")
    assert world.trace.hash == measured

def test_count():
    assert ran == [1, 1]
""").assert_outcomes(passed=2)


def test_constants_of_a_module_imported_in_the_first_run_are_no_difference(checked, pytester):
    """Hypothesis draws constants of imported modules, so its second run may differ from the first, but not from a third."""
    pytester.makepyfile(helper="NUMBERS = [" + ", ".join(str(918_273 * k) for k in range(1, 50)) + "]")
    checked("""
runs = []

@settings(deadline=None, max_examples=90)
@given(st.integers())
def test_late(n):
    runs.append(n)
    if len(runs) == 30:
        import helper
    with World(1) as world:
        send(world, b"%d" % n)

def test_count():
    assert len(runs) == 270
""").assert_outcomes(passed=2)
