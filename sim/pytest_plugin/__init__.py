"""The pytest plugin of `sim`: worlds as fixtures, seeds that depend on a test's name alone, reports that make a failure happen again.

Law: pytest loads this in every session, and only a session with simulated devices pays for NumPy and the drivers; what needs them is
imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from .hil import Ports
from .marks import MARKERS, wanted
from .options import add_options, options_of
from .refuse import refuse_hypothesis
from .seeds import seeded_globals
from .session import SESSION, Session
from .twice import Twice

if TYPE_CHECKING:
    from sim import World


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what can be given."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check what was given, and begin to watch."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    session = config.stash[SESSION] = Session(config, options_of(config))
    config.pluginmanager.register(session, "sim.pytest_plugin.session")
    if session.options.check:
        config.pluginmanager.register(Twice(session.worlds, session.options), "sim.pytest_plugin.twice")


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """An open `sim.World`, with the seed of this test and the clock of the session, or what its marker `sim` says."""
    refuse_hypothesis(request)
    from sim import World

    want = wanted(request.node, request.config.stash[SESSION].options)
    with seeded_globals(want.seed), World(want.seed, want.clock) as world:
        yield world


@pytest.fixture
def port(request: pytest.FixtureRequest, world: World) -> Ports:
    """A function: `port(name, device)` is what to give to `serial.Serial`, simulated or, under `--hil`, real."""
    session = request.config.stash[SESSION]
    return Ports(world, session.options.hil, session.used, real_only=request.node.get_closest_marker("hil_only") is not None)


@pytest.fixture
def approx_time(world: World) -> Callable[..., Any]:
    """A function: `approx_time(t_s, sim=0.0, hil=0.02)` equals times that near, by whether time is virtual or the wall's."""

    def approx(t_s: float, *, sim: float = 0.0, hil: float = 0.02) -> Any:
        return pytest.approx(t_s, rel=0, abs=sim if world.clock == "virtual" else hil)

    return approx
