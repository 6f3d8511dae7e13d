"""The examples are programs: each runs as it stands, in virtual time, from any folder."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from tests.programs import ENVIRONMENT

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(path for path in EXAMPLES.glob("*.py") if "__main__" in path.read_text() and "--duration" in path.read_text())


def test_the_examples_are_among_them():
    """The check itself sees the programs."""
    assert {"cartpole.py", "serial_imu.py", "audio_meter.py", "throughput.py"} <= {path.name for path in PROGRAMS}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_an_example_runs_in_virtual_time(program, tmp_path):
    """Started from a folder of its own, an example ends by itself and complains of nothing. Some are virtual unless told otherwise."""
    virtual = ["--virtual"] if "--virtual" in program.read_text() else []
    command = [sys.executable, "-W", "error", program, *virtual, "--duration", "0.1"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT)
    assert (0, "") == (finished.returncode, finished.stderr)
    assert finished.stdout
