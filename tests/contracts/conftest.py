"""The published suite of pyserial is loaded by `test_pyserial_suite.py`, for each port; it is not collected on its own."""

from __future__ import annotations

import types
from collections.abc import Iterator

import pytest

from sim import World
from tests.contracts.cards import MISSING, PERIOD, RATE, Card, RealCard, SimCard, is_installed, real_sounddevice
from tests.contracts.jack import JackServer

collect_ignore_glob = ["pyserial_3_5/*"]


@pytest.fixture(scope="session")
def jack() -> Iterator[JackServer]:
    """A server for the real PortAudio. One for all tests, because a process that was a client keeps to its registry."""
    if not is_installed():
        pytest.skip(MISSING)
    try:
        server = JackServer(RATE, PERIOD)
    except RuntimeError as error:  # some containers have too little shared memory
        pytest.skip(str(error))
    yield server
    server.close()


@pytest.fixture(scope="module")
def portaudio(jack: JackServer) -> Iterator[types.ModuleType]:
    """sounddevice on the installed library, which is a client of the server."""
    sd = real_sounddevice()
    sd._initialize()
    yield sd
    sd._terminate()


@pytest.fixture(params=["sim", pytest.param("real", marks=pytest.mark.portaudio)])
def card(request: pytest.FixtureRequest) -> Iterator[Card]:
    """A sound card of each kind."""
    if request.param == "sim":
        with World() as world:
            card: Card = SimCard(world)
            yield card
            card.close()
    else:
        server = request.getfixturevalue("jack")
        server.check()
        card = RealCard(request.getfixturevalue("portaudio"), server)
        yield card
        card.close()
