"""The README and the pages behind it do what they say: commands are those that are checked, programs run."""

from __future__ import annotations

import importlib
import inspect
import os
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

from dfcore import Emitter, Graph, collect, emit
from dfcore.declared import EDGE_OPTIONS, NODE_OPTIONS
from dfcore.graph import CONTEXT_OPTIONS
from dfcore.node import METHODS
from tests.programs import ENVIRONMENT

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str, page: str = README) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def headings(path: pathlib.Path) -> list[str]:
    """What a link calls the headings of a page."""
    return [text.lower().replace(" ", "-").replace("`", "") for text in re.findall(r"^#+ (.*)", path.read_text(), re.MULTILINE)]


PROGRAMS = [
    pytest.param(path, block, id=f"{path.name}-{number}")
    for path in PAGES
    for number, block in enumerate(blocks("python", path.read_text()))
]


def test_the_two_commands_are_one_line_each():
    """One command runs the main job, one passes the tests; each makes its own virtual environment."""
    run, test = [block.strip() for block in blocks("sh")[:2]]
    assert run.startswith("python3 -m venv ")
    assert run.endswith(" examples/cartpole.py")
    assert test.startswith("python3 -m venv ")
    assert test.endswith(" -m pytest")
    assert "\n" not in run + test
    assert run.split()[3] != test.split()[3]


def test_the_check_runs_the_command_of_the_readme():
    """`.ci/run` runs the README's test command, word for word, and nothing else that installs or tests."""
    printed = subprocess.run([ROOT / ".ci" / "run", "--print"], capture_output=True, text=True, check=True).stdout
    assert blocks("sh")[1] == printed
    script = re.sub(r"^#.*$", "", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)
    assert not re.search(r"pip install|python -m pytest", script)


def test_simulated_ports_and_their_tests_have_an_extra():
    """The README's third command installs it, and it brings what `docs/testing.md` imports: pyserial, pytest and Hypothesis."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert blocks("sh")[2].endswith(" -m pip install -q '.[sim]'\n")
    brought = {re.split(r"[\[>]", requirement)[0] for extra in ("sim", "serial") for requirement in extras[extra]}
    assert {"dfcore", "pyserial", "pytest", "hypothesis"} == brought
    assert "dfcore[serial]" in extras["sim"]


@pytest.mark.parametrize(("path", "block"), PROGRAMS)
def test_the_programs_of_a_page_run(path, block, tmp_path):
    """Each Python block is a program, or a file of tests: copied out it runs, and prints what the block below it says."""
    program = tmp_path / "test_program.py"
    program.write_text(block)
    command = [sys.executable, *(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "sim.pytest_plugin"] if "def test_" in block else []), program]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT)
    assert (0, "") == (finished.returncode, finished.stderr), finished.stdout
    told = re.search(rf"{re.escape(block)}```\n+```text\n(.*?)```", path.read_text(), re.DOTALL)
    if told:
        assert told[1] == finished.stdout


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_a_page_points_to_is_there(path):
    """Every relative link and image leads to a file, and to a heading of it where it names one."""
    targets = [link.partition("#") for link in re.findall(r"\]\(([^):]+)\)", path.read_text())]
    assert [] == [file for file, _, _ in targets if not (path.parent / file).exists()]
    pages = [(path.parent / file if file else path, heading) for file, _, heading in targets if heading]
    assert [] == [heading for page, heading in pages if heading not in headings(page)]


def test_sound_has_an_extra():
    """The README's fourth command brings what the examples with sound need into the first one's environment: the extra `audio`."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    command = blocks("sh")[3]
    assert [command.split()[5]] == [re.split(r"[>]", requirement)[0] for requirement in extras["audio"]]
    assert blocks("sh")[0].split()[3] == command.split("/")[0] == ".venv"
    assert (ROOT / command.split()[-1]).exists()


TOLD = [
    (Emitter.options, NODE_OPTIONS),
    (Emitter.to, EDGE_OPTIONS),
    (Emitter, METHODS),
    (Graph.context, CONTEXT_OPTIONS),
    (Graph.run, [name for name in inspect.signature(Graph.run).parameters if name != "self"]),
]


@pytest.mark.parametrize(("told", "names"), TOLD, ids=lambda value: getattr(value, "__qualname__", ""))
def test_every_option_and_method_is_described(told, names):
    """`help()` describes each option and each method, and the page on graphs has a row for it."""
    text, page = told.__doc__, (ROOT / "docs" / "graphs.md").read_text()
    assert [] == [name for name in names if not re.search(rf"^ +(\* `)?{name}[:(]", text, re.MULTILINE)]
    assert [] == [name for name in names if not re.search(rf"^\| `{name}` \|", page, re.MULTILINE)]


@pytest.mark.parametrize("end", [emit, collect])
def test_the_programs_ends_are_described(end):
    """The page on graphs has a row for each argument, method and property of `emit` and of `collect`."""
    rows = (ROOT / "docs" / "graphs.md").read_text().split(f"\n| of `{end.__name__}` |", 1)[1].split("\n\n", 1)[0]
    public = {name for name in vars(end) if not name.startswith("_")} - set(METHODS) - {"iterable"}
    arguments = inspect.signature(end).parameters.keys() - {"options"}
    assert {"put", "end"} <= public or {"records", "missed"} <= public
    assert [] == [name for name in public | arguments if not re.search(rf"^\| `(await )?{name}[`(]", rows, re.MULTILINE)]
    assert "`put(value, timeout_s=None)`" in rows or "`for r in out`, `async for r in out`" in rows


def test_every_page_is_on_the_map():
    """The README leads to each page of `docs/`."""
    assert [] == [page.name for page in PAGES[1:] if f"](docs/{page.name})" not in README]


def test_the_picture_of_the_graph_is_what_the_code_draws(monkeypatch):
    """`docs/cartpole_graph.svg`, which the README shows, is the diagram of the graph of the example, on a machine with two CPUs."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    cartpole = importlib.import_module("cartpole")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(cartpole, "priority", lambda: cartpole.URGENT)
    assert (ROOT / "docs" / "cartpole_graph.svg").read_text() == cartpole.CartPole(cartpole.SIMULATED).diagram("svg")
