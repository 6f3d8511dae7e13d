"""Options, the header, traces on disk, and what the plugin costs who does not use it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib

import pytest

from sim.timeline import observers
from tests.programs import ENVIRONMENT, ROOT


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--sim-seed=-1"], "--sim-seed: needed a whole number from 0 or `random`, was '-1'"),
        (["--sim-seed=one"], "--sim-seed: needed a whole number from 0 or `random`, was 'one'"),
        (["--sim-clock=x"], "--sim-clock: needed `virtual`, `wall` or `x` and a number, was 'x'; for example x10"),
        (["-o", "sim_clock=fast"], "--sim-clock: needed `virtual`, `wall` or `x` and a number, was 'fast'; for example x10"),
        (
            ["--sim-trace=test_it.py"],
            "--sim-trace: needed a folder, or a place to make one, was 'test_it.py' (File exists); choose another",
        ),
        (["--hil", "imu"], "--hil: needed NAME=PATH or NAME=PATH,BAUD, was 'imu'; for example imu=/dev/ttyUSB0,115200"),
        (["--hil", "=/dev/null"], "--hil: needed NAME=PATH or NAME=PATH,BAUD, was '=/dev/null'; for example imu=/dev/ttyUSB0,115200"),
        (["--hil", "imu="], "--hil: needed NAME=PATH or NAME=PATH,BAUD, was 'imu='; for example imu=/dev/ttyUSB0,115200"),
        (["--hil", "imu=/dev/null,"], "--hil: needed NAME=PATH or NAME=PATH,BAUD, was 'imu=/dev/null,'; for example *"),
        (["--hil", "imu=/dev/null,0"], "--hil: needed NAME=PATH or NAME=PATH,BAUD, was 'imu=/dev/null,0'; for example *"),
        (["--hil", "imu=/dev/null,fast"], "--hil: needed NAME=PATH or NAME=PATH,BAUD, was 'imu=/dev/null,fast'; for example *"),
        (["--hil", "imu=/dev/none"], "--hil imu: needed a device, was '/dev/none', which does not exist; is it plugged in?"),
        (["--hil", "a=/dev/null", "--hil", "a=/dev/zero"], "--hil: needed each name once, one was given twice; leave one out"),
        (["--hil", "a=/dev/null", "-n2"], "--hil: needed one process, since a real port belongs to one, was pytest-xdist; leave -n out"),
        (
            ["--hil", "a=/dev/null", "--sim-clock=virtual"],
            "--hil: needed the wall's clock, since hardware has no other, was --sim-clock=virtual; leave it out",
        ),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(suite, arguments, told):
    """Said before any test runs."""
    result = suite("def test_it():\n    pass\n", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {told}"])


def test_the_header_shows_what_makes_runs_alike(suite, monkeypatch):
    """Seed, clock, PYTHONHASHSEED, and hardware."""
    monkeypatch.setenv("PYTHONHASHSEED", "5")
    suite("", "--sim-seed=3", "--sim-clock=x10").stdout.fnmatch_lines(["sim: seed 3, clock x10, PYTHONHASHSEED=5"])
    monkeypatch.delenv("PYTHONHASHSEED")
    suite("", "--hil", "imu=/dev/null,9600").stdout.fnmatch_lines(
        ["sim: seed 0, clock wall, PYTHONHASHSEED not set", "sim: hardware in the loop: imu=/dev/null,9600"]
    )


def test_traces_are_written_per_test(suite, pytester):
    """A file for each test that opened a world, with a line before each world and one for each event."""
    text = """
@pytest.mark.parametrize("name", ["a/b", "a:b"])
def test_plug(name):
    for seed in (1, 2):
        with World(seed) as world, serial.Serial(world.serial("plug").name, 9600) as s:
            s.write(b"x")

def test_none():
    pass
"""
    suite(text, "--sim-trace=traces/here").assert_outcomes(passed=3)
    files = sorted((pytester.path / "traces" / "here").iterdir())
    assert [file.name.rpartition("-")[0] for file in files] == ["test_it.py_test_plug_a_b_"] * 2
    events = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert [event["seed"] for event in events if "world" in event] == [1, 2]
    assert {"t_ns": 0, "device": "plug", "kind": "write", "hex": "78"} in events
    before = files[0].read_bytes()
    suite(text, "--sim-trace=traces/here")
    assert files[0].read_bytes() == before


def test_the_first_run_of_a_checked_test_is_written(suite, pytester):
    """With `--sim-check-determinism` as without: the worlds of one run, not of both."""
    text = "def test_plug(world):\n    world.serial('plug')\n    serial.Serial('plug').close()\n"
    written = []
    for check in ([], ["--sim-check-determinism"]):
        folder = pytester.path / f"traces{len(check)}"
        suite(text, f"--sim-trace={folder}", *check).assert_outcomes(passed=1)
        written += [file.read_bytes() for file in folder.iterdir()]
    assert len(written) == 2
    assert written[0] == written[1]


def test_nothing_is_left_when_the_session_ends(suite):
    """Nobody watches worlds any more, and no import is waited for."""
    before = list(observers), list(sys.meta_path)
    suite("def test_it(world):\n    pass\n").assert_outcomes(passed=1)
    assert (observers, sys.meta_path) == before


def test_loading_the_plugin_imports_nothing_heavy():
    """Neither NumPy, nor pyserial, nor the simulator: a session without worlds pays for none of them."""
    program = "import pytest, sim.pytest_plugin, sys; print({'numpy', 'serial', 'sim.world', 'dfcore', 'hypothesis'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_simulator_does_not_know_the_plugin():
    """No other module of `sim` imports pytest, or the plugin."""
    for path in sorted({*(ROOT / "sim").rglob("*.py")} - {*(ROOT / "sim" / "pytest_plugin").iterdir()}):
        assert not re.search(r"^\s*(from|import)\s+[._]*pytest", path.read_text(), re.MULTILINE), path


def test_a_test_case_of_unittest_is_told_about_its_world(suite):
    """As any other test."""
    result = suite("""
import unittest

class TestOld(unittest.TestCase):
    def setUp(self):
        self.world = World(4)
        self.enterContext(self.world)

    def test_old(self):
        self.fail("so")
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["seed 4, clock virtual, now 0.000000000 s", "again: pytest test_it.py::TestOld::test_old --sim-seed=0"])


def test_sim_works_without_the_plugin(pytester):
    """A session that switches the plugin off can still open worlds; its fixtures and options are gone."""
    pytester.makepyfile("def test_it():\n    from sim import World\n    with World():\n        pass\n\ndef test_no(world):\n    pass\n")
    result = pytester.runpytest_inprocess("-p", "no:sim.pytest_plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'world' not found*"])


@pytest.mark.parametrize("named", [[], ["-p", "sim.pytest_plugin"]])
def test_the_plugin_is_registered_once(pytester, monkeypatch, named):
    """Installed as the entry point of `pyproject.toml` it is there by itself; naming it too changes nothing."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    installed = pytester.mkdir("installed") / "plugin-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[pytest11]\n" + "".join(f"{name} = {place}\n" for name, place in points.items()))
    monkeypatch.setenv("PYTHONPATH", f"{installed.parent}:{ENVIRONMENT['PYTHONPATH']}")
    pytester.makeconftest('pytest_plugins = ["sim.pytest_plugin"]\n')
    pytester.makepyfile("def test_it(world, pytestconfig):\n    assert pytestconfig.pluginmanager.has_plugin('sim.pytest_plugin')\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *named)
    result.assert_outcomes(passed=1)
    assert sum(line.startswith("sim: seed") for line in result.outlines) == 1
