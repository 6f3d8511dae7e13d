"""The floors of the house: a module knows only what is below it."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest

from tests.house.floors import circular

ROOT = pathlib.Path(__file__).parents[2]
FLOORS = {
    0: "errors clock sentinels tables counters pickles pipe _ring.h _bell.h _counters.h _firing.h _digest.h _arena.h _commons.h",
    1: "progress waiting dtypes values _scalar _record _ring _arena _commons _bell _process machine",
    2: "plan signature params declared edge node functions graph _sink _window _joins _objects _ends _parameters _onerror _turns _cell _plain _table _scheduler exposed listing blocks parts",
    3: "reading feed compiler checks wiring replicas tombstones advice loops layout memory requirements interpreter sketch notation layered svg drawing",
    4: "monitor why arguments context worker stats histogram tell aio life control sight diagnosis _driver",
    5: "settings inline inworld supervisor watcher places signals launch",
    6: "onlooker run running door top ready relays __init__",
    7: "_pull _ahead",  # what `dfcore.pipes` stands on
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names.split()}
FILES = sorted(path for pattern in ("*.py", "*.pyx", "*.pxd", "*.h") for path in (ROOT / "dfcore").glob(pattern))
NATIVE_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n#]+)|c?import[ \t]+([.\w]+))", re.MULTILINE
)
HEADER = re.compile(r"""(?:cdef extern from|#include)[ \t]+["'](\w+\.h)["']""")


def module(path: pathlib.Path) -> str:
    """What a file is called in the table of floors: headers by their whole name, the others without suffix."""
    return path.name if path.suffix == ".h" else path.stem


def local(package: str, names: list[str]) -> set[str]:
    """The modules of this package that `from package import names` needs."""
    inside = package.removeprefix("dfcore").lstrip(".") if package.startswith((".", "dfcore")) else None
    if inside is None:
        return set()
    return {inside.split(".")[0]} if inside else {name for name in names if name in FLOOR}


def python_imports(text: str) -> set[str]:
    """The modules of this package that Python text imports when it runs, at the top or inside functions."""
    found: set[str] = set()
    tree = ast.parse(text)
    typing_only = {
        node
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and "TYPE_CHECKING" in ast.dump(test.test)
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.ImportFrom):
            found |= local("." * node.level + (node.module or ""), [alias.name for alias in node.names])
        elif isinstance(node, ast.Import):
            found |= {name for alias in node.names for name in local(alias.name, [])}
    return found


def native_imports(text: str) -> set[str]:
    """The same for Cython and C: imports, cimports and headers."""
    found = set(HEADER.findall(text))
    for package, names, plain in NATIVE_IMPORT.findall(text):
        found |= local(package or plain, re.findall(r"\w+", names))
    return {name for name in found if name in FLOOR or not name.endswith(".h")}


def imports(path: pathlib.Path) -> set[str]:
    text = path.read_text()
    found = python_imports(text) if path.suffix == ".py" else native_imports(text)
    return found - {module(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_module_imports_only_from_its_floor_and_below(path):
    """Each file has a floor, and names nothing above it."""
    assert module(path) in FLOOR, f"{path.name}: give it a floor"
    above = {name for name in imports(path) if FLOOR[name] > FLOOR[module(path)]}
    assert set() == above


def test_no_two_modules_need_each_other():
    """There is an order in which the modules can be read, each after all it needs."""
    assert {} == circular((module(path), imports(path)) for path in FILES)


def test_the_table_names_no_module_that_is_gone():
    """Every module of the table exists."""
    assert FLOOR.keys() == {module(path) for path in FILES}


def test_the_engine_does_not_know_the_simulator():
    """`dfcore` never imports `sim`; `sim` imports of `dfcore` the floors 0 and 1 at most."""
    for path in FILES:
        assert not re.search(r"^\s*(from|import)\s+sim\b", path.read_text(), re.MULTILINE), path
    for path in sorted((ROOT / "sim").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names: set[str] = set()
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = local(node.module or "", [alias.name for alias in node.names])
            elif isinstance(node, ast.Import):
                names = {name for alias in node.names for name in local(alias.name, [])}
            assert {name for name in names if FLOOR.get(name, 9) > 1} == set(), path
