"""Where a world from a fixture cannot be what was meant."""

from __future__ import annotations

import sys

import pytest

ADVICE = """\
{name}: needed a world for each example, was the fixture `{fixture}`, which is made once for all of them; open a World in the body:

    @given(...)
    def {name}(...):
        with World(seed=1) as world:
            world.serial("/dev/ttyUSB0", device)
            ...
"""


def refuse_hypothesis(request: pytest.FixtureRequest) -> None:
    """Fail the set-up of a Hypothesis test: all its examples would run in one world, each where the last one stopped."""
    hypothesis = sys.modules.get("hypothesis")
    if hypothesis is not None and hypothesis.is_hypothesis_test(getattr(request.node, "obj", None)):
        fixture = "port" if "port" in request.node.fixturenames else "world"
        pytest.fail(ADVICE.format(name=request.node.originalname, fixture=fixture), pytrace=False)
