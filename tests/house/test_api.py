"""The public names: what `dir` shows, what the README lists and what the stubs say are one."""

from __future__ import annotations

import inspect
import pathlib
import pydoc
import re
import subprocess
import sys
import types

import pytest

import dfcore
import dfcore.pipes
import sim

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
STUBS = sorted(path.stem for path in (ROOT / "dfcore").glob("*.pyi"))

METHODS = {"open", "compute", "flush", "safe", "close"}  # of a node: what they mean is said once, for all nodes
SYNONYMS = {
    *("message", "packet", "sample", "block", "stage", "actor", "task", "pin", "topic", "link", "wire", "stream", "channel"),
    *("queue", "buffer", "fifo", "tick", "trigger", "execute", "dispatch", "worker", "layout", "pipeline", "system", "config"),
    *("signal", "notify", "semaphore", "mock", "rig", "bench", "fixture", "bag"),
}


def public(module: types.ModuleType) -> set[str]:
    """The names of a package that are neither private nor modules."""
    return {name for name in dir(module) if not name.startswith("_") and not inspect.ismodule(getattr(module, name))}


def listed(heading: str) -> set[str]:
    """The names in the first column of the README's table under `heading`."""
    section = README.split(f"\n{heading}\n", 1)[1].split("\n## ", 1)[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    return {name for cell in first_cells for name in re.findall(r"`(\w+)", cell)}


@pytest.mark.parametrize(("module", "heading"), [(dfcore, "## Public names"), (sim, "## Simulated devices"), (dfcore.pipes, "## Lazy pipelines")])
def test_the_readme_lists_the_public_names(module, heading):
    """`dir` shows what the README's table lists, no more and no less."""
    assert listed(heading) == public(module)


@pytest.mark.parametrize("module", [dfcore, dfcore.pipes])
def test_every_public_thing_says_what_it_is(module):
    """Each public class and function, and each public method of the classes, has a docstring."""
    silent = []
    for name in public(module):
        thing = getattr(module, name)
        members = {f"{name}.{key}": value for key, value in vars(thing).items()} if inspect.isclass(thing) else {}
        for label, value in {name: thing, **members}.items():
            called = inspect.isroutine(value) or inspect.isclass(value) or isinstance(value, property)
            last = label.rpartition(".")[2]
            if called and not last.startswith("_") and last not in METHODS and not inspect.getdoc(value):
                silent.append(label)
    assert [] == silent


@pytest.mark.parametrize("module", [dfcore, dfcore.pipes, sim])
def test_help_shows_no_address(module):
    """No default in a public signature prints as an object at an address."""
    shown = {name: pydoc.plaintext.document(getattr(module, name), name) for name in public(module)}
    assert {} == {name: found[0] for name, text in shown.items() if (found := re.findall(r".* object at 0x.*", text))}


def test_one_word_per_concept():
    """No public name of the engine uses another word for a concept of the glossary."""
    found = set()
    for name in public(dfcore):
        thing = getattr(dfcore, name)
        for label in [name, *(vars(thing) if inspect.isclass(thing) else ())]:
            words = re.findall(r"[A-Z]?[a-z]+", label)
            if not label.startswith("_") and SYNONYMS & {word.lower() for word in words}:
                found.add(f"{name}: {label}")
    assert set() == found


@pytest.mark.parametrize("way", ["arun", "start", "running"])
def test_the_ways_to_run_take_the_same(way):
    """`run`, `arun`, `start` and `running` have one list of arguments, written out in each for `help` and for editors."""
    assert inspect.signature(dfcore.Graph.run).parameters == inspect.signature(getattr(dfcore.Graph, way)).parameters


def test_every_native_module_has_a_stub():
    """What a type checker cannot read in a native module stands in its stub."""
    native = {path.stem for path in (ROOT / "dfcore").glob("*.pyx")}
    assert native == set(STUBS) & native


def test_the_stubs_agree_with_the_modules():
    """`mypy.stubtest` finds no difference between a native module and its stub."""
    modules = [f"dfcore.{stem}" for stem in STUBS]
    command = [sys.executable, "-m", "mypy.stubtest", "--concise", "--ignore-missing-stub", *modules]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == finished.returncode, finished.stdout + finished.stderr
