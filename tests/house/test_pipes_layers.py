"""The floors of `dfcore.pipes`, the topmost of the engine: a module knows only what is below it."""

from __future__ import annotations

import ast
import pathlib

import pytest

from tests.house.floors import circular

ROOT = pathlib.Path(__file__).parents[2] / "dfcore" / "pipes"
ENGINE = {  # what of the engine a lazy pipe may know: no graph, no node
    *("_pull", "_ahead", "errors", "sentinels", "clock", "pickles", "pipe", "launch", "places", "progress", "values", "dtypes"),
    *("interpreter", "_process", "_arena", "_commons"),
}
FLOORS = {
    0: "given limits shared crew ordering watched ringbuffer note hand team room hands",
    1: "stage",
    2: "functions thread process order marker loader",
    3: "__init__",
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names.split()}
FILES = sorted(ROOT.glob("*.py"))


def imports(path: pathlib.Path, level: int) -> set[str]:
    """The modules that a file imports by so many dots."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == level:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_module_imports_only_from_its_floor_and_below(path):
    """Each file has a floor, and names nothing above it; of the engine it names what a pipe may know."""
    assert path.stem in FLOOR, f"{path.name}: give it a floor in {__file__}"
    assert set() == {name for name in imports(path, 1) if FLOOR[name] > FLOOR[path.stem]}
    assert set() == imports(path, 2) - ENGINE


def test_no_two_modules_need_each_other():
    """There is an order in which the modules can be read, each after all it needs."""
    assert {} == circular((path.stem, imports(path, 1)) for path in FILES)


def test_the_engine_does_not_know_the_pipes():
    """Nothing of `dfcore` but the package itself imports `dfcore.pipes`."""
    for path in ROOT.parent.glob("*.py*"):
        assert not [line for line in path.read_text().splitlines() if "import" in line and "pipes" in line], path
