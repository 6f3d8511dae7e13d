"""pyserial's own test suite, as published with version 3.5, against simulated ports in virtual time."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
import unittest
import warnings

import pytest

from sim import World

HERE = pathlib.Path(__file__).parent / "pyserial_3_5"
URLS = ("sim://loop", "/dev/ttyUSB0")


def load(path):
    """The module in `path`, under a name that no other module has."""
    spec = importlib.util.spec_from_file_location(f"pyserial_3_5_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        before = list(sys.path)
        spec.loader.exec_module(module)
        sys.path[:] = before
    return module


def suite():
    """Every (module, test id) of the suite, in the order of their names."""
    found = []
    for path in sorted(HERE.glob("test*.py")):
        module = load(path)
        names = unittest.TestLoader().loadTestsFromModule(module)
        found += [(module, test) for group in names for test in group]
    return found


TESTS = suite()


def name_of(case):
    module, test = case
    return f"{module.__name__.removeprefix('pyserial_3_5_')}.{test.id().partition('.')[2]}"


def test_the_suite_is_whole():
    """All 61 tests of the published suite were found."""
    assert len(TESTS) == 61


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("case", TESTS, ids=name_of)
def test_pyserial(case, url, capsys, monkeypatch):
    """The test passes against a simulated port; what is skipped is what the suite itself keeps for Windows."""
    monkeypatch.syspath_prepend(HERE)
    module, test = case
    module.PORT = url
    result = unittest.TestResult()
    with World() as world, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        world.serial(url.removeprefix("sim://"))
        type(test)(test._testMethodName).run(result)
    problems = [text for _, text in (*result.failures, *result.errors)]
    assert problems == []
    if result.skipped:
        assert test._testMethodName == "test_exclusive_only_true"
        pytest.skip("for Windows only, says the suite")
