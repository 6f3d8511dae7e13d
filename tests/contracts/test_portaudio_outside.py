"""Outside a world, a program that knows of `sim` gets the real PortAudio."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests.programs import ENVIRONMENT

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
PATHS = {"PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}


@pytest.mark.portaudio
def test_the_level_meter_measures_a_real_card(jack):
    """The example that measures a simulated microphone measures one of the machine, unchanged. It is silent, and real time may lose
    some of its silence."""
    command = [sys.executable, EXAMPLES / "audio_meter.py", "--device", "system", "--duration", "0.2"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **PATHS})
    assert re.fullmatch(r"( +\d\.\d\d s  rms +-inf  peak +-inf dBFS  \|-{39}(  lost .*)?\n)+intervals: \d+, .*\n", finished.stdout)
