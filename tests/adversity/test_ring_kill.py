"""Kill -9 at any instruction: a ring shows no torn record, none twice, none backwards, and loses no slot."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent


def kills(rounds: int, seed: int, limit_s: float) -> dict[str, int]:
    """What the killer reports; it fails when a law was broken."""
    command = [sys.executable, "-m", "tests.adversity.ring_killer", str(rounds), str(seed)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # a process that forks has one thread
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit_s, check=False)
    assert (0, "") == (result.returncode, result.stderr)
    report: dict[str, int] = json.loads(result.stdout)
    return report


def test_killed_processes_leave_a_whole_ring() -> None:
    """L4, L10: 15 writers and 15 readers killed, on one ring that goes on."""
    report = kills(30, seed=0, limit_s=100)
    assert 30 == report["kills"]
    assert report["records"] > 30
    assert report["inside a record"] > 0


@pytest.mark.campaign
def test_a_thousand_killed_processes_leave_a_whole_ring() -> None:
    """The same a thousand times."""
    assert 1000 == kills(1000, seed=1, limit_s=3000)["kills"]
