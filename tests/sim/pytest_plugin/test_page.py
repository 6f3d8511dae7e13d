"""The page about testing shows what a failing test shows."""

from __future__ import annotations

import re

from tests.house.test_readme import ROOT, blocks

PAGE = (ROOT / "docs" / "testing.md").read_text()


def section(pytester, number: int) -> str:
    """What the failing test of that number on the page is told about its world."""
    pytester.makepyfile(test_thermometer=blocks("python", PAGE)[0] + blocks("py", PAGE)[number])
    result = pytester.runpytest_inprocess("-p", "sim.pytest_plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    return re.search(r"^-+ simulated world -+\n(.*?^again: .*?\n)", result.stdout.str(), re.MULTILINE | re.DOTALL)[1]


def test_the_report_on_the_page_is_the_real_one(pytester):
    """The test that fails there fails here, with the same section, line by line."""
    assert section(pytester, 0) == blocks("text", PAGE)[0]


def test_the_example_that_hypothesis_finds_is_the_one_on_the_page(pytester):
    """It shrinks to that schedule."""
    assert blocks("text", PAGE)[1] in section(pytester, 1)


def test_the_page_names_every_option_and_marker(pytester):
    """What `--help` and `--markers` list of the plugin has a row in its tables."""
    told = pytester.runpytest_inprocess("-p", "sim.pytest_plugin", "--help").stdout.str()
    options = {name for name in re.findall(r"^  (--[\w-]+)", told, re.MULTILINE) if name.startswith(("--sim", "--hil"))}
    inis = set(re.findall(r"^  (sim_\w+) ", told, re.MULTILINE))
    listed = pytester.runpytest_inprocess("-p", "sim.pytest_plugin", "--markers").stdout.str()
    markers = {name for name in re.findall(r"^@pytest.mark.(\w+)", listed, re.MULTILINE) if "sim" in name or "hil" in name}
    assert (len(options), len(inis), len(markers)) == (5, 3, 3)
    cells = re.findall(r"`(--[\w-]+|\w+)", "".join(line for line in PAGE.splitlines() if line.startswith("|")))
    assert options | inis | markers <= set(cells)
