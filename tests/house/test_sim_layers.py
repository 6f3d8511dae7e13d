"""The floors of the simulator: a module knows only what is below it."""

from __future__ import annotations

import ast
import pathlib

import pytest

from tests.house.floors import circular

ROOT = pathlib.Path(__file__).parents[2] / "sim"
FLOORS = {
    0: "seam task order pace stacks trace heap ending",  # words of the kernel: it knows no device and no patch
    1: "kernel check",
    2: "locks watch standins",  # what waits in it
    3: "settings lane uart faults applied profiles flow tty",  # a terminal: it knows neither pyserial nor devices
    4: "files line",
    5: "waits shim aio bridge frame device wire misspelt",
    6: "generator framed given patches selecting",
    7: "direct serial timeline audio plants url",  # what stands below the real drivers; `audio` and `plants` keep house themselves
    8: "shadow world",
    9: "__init__ strategies machine",
    10: "pytest_plugin",  # only it knows pytest
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names.split()}
FILES = sorted(ROOT.rglob("*.py"))


def module(path: pathlib.Path) -> str:
    """What a file is called in the table: its name, or that of the package it is in."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imports(path: pathlib.Path) -> set[str]:
    """The other modules of the simulator that a file imports when it runs."""
    tree = ast.parse(path.read_text())
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    typing_only = {node for test in tests for node in ast.walk(test)}
    inside = len(path.relative_to(ROOT).parts)  # how many dots lead to the package itself
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in typing_only:
            if node.level == inside or (not node.level and (node.module or "").split(".")[0] == "sim"):
                rest = (node.module or "").removeprefix("sim").lstrip(".") if not node.level else node.module or ""
                found |= {rest.split(".")[0]} if rest else {alias.name for alias in node.names if alias.name in FLOOR}
        elif isinstance(node, ast.Import) and node not in typing_only:
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("sim.")}
    return found - {module(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_its_floor_and_below(path):
    """Each file has a floor, and names nothing above it."""
    assert module(path) in FLOOR, f"{path.name}: give it a floor in {__file__}"
    assert set() == {name for name in imports(path) if FLOOR.get(name, 99) > FLOOR[module(path)]}


def test_no_two_modules_need_each_other():
    """There is an order in which the modules can be read, each after all it needs."""
    assert {} == circular((module(path), imports(path)) for path in FILES)
