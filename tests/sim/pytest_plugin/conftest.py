"""Small suites that run under the plugin."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis  # noqa: F401 - what is imported here stays imported from one small suite to the next
import pytest

import sim.world  # noqa: F401

HEAD = """\
import random
import numpy as np
import pytest
import serial
from hypothesis import given, settings, strategies as st
from sim import Drop, FaultSchedule, SerialDevice, World

class Echo(SerialDevice):
    def on_data(self, data):
        self.send(data)

"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """A function: run a file of tests, whose head imports what tests need, with these arguments."""

    def run(text: str, *arguments: str, name: str = "test_it") -> pytest.RunResult:
        pytester.makepyfile(**{name: HEAD + text})
        return pytester.runpytest_inprocess("-p", "sim.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers", *arguments)

    return run
