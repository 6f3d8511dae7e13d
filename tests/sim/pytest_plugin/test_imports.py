"""What the plugin does when a test file imports something."""

from __future__ import annotations

import pytest

from tests.programs import ENVIRONMENT

pytest.importorskip("sounddevice")

WITHOUT_PORTAUDIO = """
import ctypes.util

real = ctypes.util.find_library
ctypes.util.find_library = lambda name: None if name == "portaudio" else real(name)
"""
LISTEN = """
import sounddevice
from sim import World

def test_listen():
    with World() as world:
        world.microphone("USB mic", source=None)
        assert sounddevice.query_devices(0)["name"] == "USB mic"
"""


def test_sounddevice_can_be_imported_first(pytester, monkeypatch):
    """Where there is no PortAudio, a file may import sounddevice before `sim`; without the plugin that is an error."""
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    pytester.makeconftest(WITHOUT_PORTAUDIO)
    pytester.makepyfile(LISTEN)
    pytester.runpytest_subprocess("-p", "sim.pytest_plugin", "-p", "no:cacheprovider").assert_outcomes(passed=1)
    without = pytester.runpytest_subprocess("-p", "no:sim.pytest_plugin", "-p", "no:cacheprovider")
    without.assert_outcomes(errors=1)
    without.stdout.fnmatch_lines(["*PortAudio library not found*"])
