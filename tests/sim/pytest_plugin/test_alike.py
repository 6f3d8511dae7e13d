"""One suite does the same in one process and in two, in any order, whatever orders the sets of its process."""

from __future__ import annotations

import re

import pytest

from tests.programs import ENVIRONMENT
from tests.sim.pytest_plugin.conftest import HEAD

SUITE = (
    HEAD
    + """
import threading
import time

class Noisy(SerialDevice):
    def on_open(self):
        self.timer = self.every(0.003, self.tick)

    def on_close(self):
        self.timer.cancel()

    def tick(self):
        self.send(self.rng.bytes(random.randrange(1, 9)) + np.random.bytes(2))

def listen(name, seconds):
    with serial.Serial(name, 115200, timeout=0.01) as s:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            s.write(s.read(5))

@pytest.mark.parametrize("names", [("a",), ("b", "c"), ("d", "e", "f")])
def test_threads(port, names):
    threads = [threading.Thread(target=listen, args=(port(name, Noisy()), 0.1)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

@pytest.mark.parametrize("count", range(4))
def test_own(count):
    with World(count) as world:
        world.serial("plug", Echo(), faults=[Drop(frame=count)])
        listen("plug", 0.1)

@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.binary(min_size=1, max_size=5))
def test_examples(data):
    with World(1) as world, serial.serial_for_url(world.serial("plug").name, timeout=1) as s:
        s.write(data)
        assert s.read(len(data)) == data

def test_fails(world, port):
    port("a", Echo(), faults=[Drop(frame=0)])
    listen("a", 0.05)
    assert random.random() == world.rng.random()

@settings(derandomize=True, deadline=None, database=None)
@given(st.integers(0, 100))
def test_fails_in_an_example(n):
    with World(1) as world:
        world.serial("plug", Echo(), faults=[Drop(frame=n)])
        assert n < 50
"""
)
SHUFFLE = """
import random

def pytest_collection_modifyitems(items):
    random.Random({number}).shuffle(items)
"""


def files(pytester: pytest.Pytester, folder: str) -> dict[str, bytes]:
    """What `--sim-trace` wrote, by file."""
    return {path.name: path.read_bytes() for path in (pytester.path / folder).iterdir()}


def sections(result: pytest.RunResult) -> list[str]:
    """The sections about worlds, up to the command."""
    found = re.findall(r"^_+ (test_\w+) _+$.*?^-+ simulated world -+\n(.*?)^again: ", result.stdout.str(), re.MULTILINE | re.DOTALL)
    return sorted(map(str, found))


@pytest.fixture
def plain(pytester, monkeypatch):
    """The suite run in one process, in its order; its files and sections."""
    for name in ("PYTHONPATH", "PYTHONHASHSEED"):
        monkeypatch.setenv(name, ENVIRONMENT["PYTHONPATH"] if name == "PYTHONPATH" else "0")
    pytester.makepyfile(test_it=SUITE)
    result = run(pytester, "plain")
    return files(pytester, "plain"), sections(result)


def run(pytester, folder, *arguments):
    result = pytester.runpytest_subprocess("-p", "sim.pytest_plugin", "-p", "no:cacheprovider", f"--sim-trace={folder}", *arguments)
    result.assert_outcomes(passed=8, failed=2)
    return result


def test_two_runs_are_alike_to_the_byte(plain, pytester, monkeypatch):
    """Traces and reports, with `-n 2`, in another order and with another PYTHONHASHSEED, each alone and together."""
    traces, told = plain
    assert len(traces) == 10
    assert len(told) == 2
    pytester.makeconftest(SHUFFLE.format(number=1))
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    shuffled = run(pytester, "shuffled")
    assert (files(pytester, "shuffled"), sections(shuffled)) == plain
    pytester.makeconftest(SHUFFLE.format(number=2))
    monkeypatch.setenv("PYTHONHASHSEED", "2")
    spread = run(pytester, "spread", "-n2")
    assert (files(pytester, "spread"), sections(spread)) == plain


@pytest.mark.campaign
def test_the_names_that_a_distribution_adds_do_not_matter(plain, pytester):
    """pytest-xdist marks the names of tests by their group."""
    pytester.makepyfile(test_it=SUITE + 'pytestmark = pytest.mark.xdist_group("one")\n')
    result = run(pytester, "grouped", "-n2", "--dist=loadgroup")
    assert (files(pytester, "grouped"), sections(result)) == plain
    assert not re.search(r"^again: .*@one", result.stdout.str(), re.MULTILINE)


def test_a_random_seed_is_one_for_all_processes(pytester, monkeypatch):
    """It is drawn once, and the header shows it."""
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    pytester.makepyfile(test_it=HEAD + '@pytest.mark.parametrize("n", range(4))\ndef test_fails(world, n):\n    assert 0\n')
    result = pytester.runpytest_subprocess("-p", "sim.pytest_plugin", "-p", "no:cacheprovider", "-n2", "--sim-seed=random")
    number = re.search(r"^sim: seed (\d+),", result.stdout.str(), re.MULTILINE)[1]
    assert re.findall(r"from --sim-seed=(\d+) ", result.stdout.str()) == [number] * 4
