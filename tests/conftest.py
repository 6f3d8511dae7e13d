"""What holds for every test: nothing is left behind, nothing hangs, and one program runs under every driver.

Leaks are looked for when the whole session is over; each test is looked at when it ends, so that the report can name the first
test after which a thing was there.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Iterator

import cloudpickle
import hypothesis
import numpy as np
import pytest
import scipy.linalg

from tests.contracts import jack
from tests.dfcore.pipes.busy import NoneLeft
from tests.drivers import KINDS, Driver
from tests.leaks import Leaks

pytest_plugins = ["pytester", "sim.pytest_plugin"]

TEST_LIMIT_S = 120
CAMPAIGN_LIMIT_S = 3600
STDERR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the standard error that the user sees: while a test runs, descriptor 2 is a file. Draw the same examples in every run.

    New ones are drawn by campaigns, and with `--hypothesis-profile=default`.
    """
    if config.getoption("markexpr") != "campaign" and not config.getoption("--hypothesis-profile", None):
        hypothesis.settings.register_profile("same examples", derandomize=True)
        hypothesis.settings.load_profile("same examples")
    config.stash[STDERR] = os.dup(sys.__stderr__.fileno())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give it back."""
    os.close(config.stash[STDERR])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what files of tests define travel to processes by value: these then import neither the files nor pytest."""
    for module in {item.module for item in items if isinstance(item, pytest.Function)}:
        if module.__name__ not in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.register_pickle_by_value(module)


@pytest.fixture(scope="session", autouse=True)
def database_of_jack() -> Iterator[None]:
    """Where JACK is installed, its client library makes a database as soon as a program loads PortAudio: who made it removes it."""
    there = jack.DATABASE.exists()
    yield
    if jack.DATABASE.exists() and not there:
        everybody = os.open(jack.SHARED, os.O_RDONLY)
        try:
            jack.remove_unused(everybody)
        finally:
            os.close(everybody)


@pytest.fixture(scope="session", autouse=True)
def leaks() -> Iterator[Leaks]:
    """The check of the whole suite: at its end no process, thread, shared memory or socket is there that was not at its start."""
    scipy.linalg.solve(np.eye(300), np.eye(300))  # the pools of NumPy's and SciPy's BLAS stay for the life of a process
    np.eye(300) @ np.eye(300)
    found = Leaks()
    yield found
    left = found.left()
    if left:
        pytest.fail("the suite left behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest, leaks: Leaks) -> Iterator[None]:
    """Look for leaks after each test, and end the session with every thread's stack when a test hangs."""
    limit_s = CAMPAIGN_LIMIT_S if request.node.get_closest_marker("campaign") else TEST_LIMIT_S
    faulthandler.dump_traceback_later(limit_s, exit=True, file=request.config.stash[STDERR])
    yield
    faulthandler.cancel_dump_traceback_later()
    leaks.look(request.node.nodeid)


@pytest.fixture(params=KINDS)
def driver(request: pytest.FixtureRequest) -> Driver:
    """Every driver in turn. Narrow it with `@pytest.mark.parametrize("driver", [...], indirect=True)`."""
    return Driver(request.param)


@pytest.fixture
def none_left() -> Iterator[NoneLeft]:
    """What the test started. When it is over, all of it has ended or is about to."""
    found = NoneLeft()
    yield found
    found.join()
    assert set() == found.threads()
