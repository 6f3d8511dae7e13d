"""`--sim-check-determinism`: each test that opened a world runs twice, with its fixtures, and must do the same again.

Laws: a test that opened no world runs once, since there is nothing to compare; so does one that did not pass. What is compared is
every event, in order, of every world in virtual time that the test or a fixture of its own opened: what fixtures of a wider scope open
belongs to several tests.

Hypothesis is given one seed for both runs of a test. It may still draw other examples after the first run: it takes constants from
the modules that are imported by then, and old failures that no longer fail are gone from its database. So where two runs with examples
differ, the second is compared with a third.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from . import report
from .marks import name_of
from .options import Options
from .seeds import seed_of
from .worlds import Worlds

HEAD = "--sim-check-determinism: needed two runs alike, they part"


class Twice:
    """A plugin of its own, which is there only if the option was given."""

    def __init__(self, worlds: Worlds, options: Options) -> None:
        self._worlds, self._options = worlds, options

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run a test, and again."""
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for made in self._reports(item, nextitem):
            hook.pytest_runtest_logreport(report=made)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _reports(self, item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
        with _one_seed(seed_of(self._options.seed, name_of(item))):
            first = runtestprotocol(item, log=False, nextitem=nextitem)
            if not self._worlds.traces or not all(made.passed for made in first):
                return first
            found, second = self._again(item, nextitem)
            if found is not None and second is None and self._worlds.drawn:
                found, second = self._again(item, nextitem)
        if second is not None:
            return second
        if found is not None:
            first[1].outcome, first[1].longrepr = "failed", found
            first[1].sections.append((report.TITLE, f"again: {report.again(item, self._options)}"))
        return first

    def _again(self, item: pytest.Item, nextitem: pytest.Item | None) -> tuple[str | None, list[pytest.TestReport] | None]:
        """How another run differed from the last one, and its reports if it did not pass."""
        before = self._worlds.traces
        self._worlds.end()
        self._worlds.begin(keep=True)
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        found = _difference(before, self._worlds.traces)
        failed = [made for made in reports if not made.passed]
        if not failed:
            return found, None
        for made in failed:
            made.outcome = "failed"
            made.sections.append(("determinism", f"passed in the first run, not in the second\n{found or 'the same events'}"))
        return found, reports


@contextmanager
def _one_seed(seed: int) -> Iterator[None]:
    """Give Hypothesis this seed, as `--hypothesis-seed` does, if nobody gave it one."""
    core: Any = sys.modules.get("hypothesis.core")
    if core is None or core.global_force_seed is not None:
        yield
        return
    core.global_force_seed = seed
    try:
        yield
    finally:
        core.global_force_seed = None


def _difference(first: list[Any], second: list[Any]) -> str | None:
    """Where the traces of two runs part."""
    from sim.check import CAUSES, difference

    for number, traces in enumerate(zip(first, second), start=1):
        found = difference(*traces)
        if found is not None:
            which = "" if len(first) == len(second) == 1 else f" in world {number}"
            return f"{HEAD}{which} after\n{found}\n{CAUSES}"
    if len(first) != len(second):
        return f"{HEAD}: the first opened {len(first)} worlds, the second {len(second)}\n{CAUSES}"
    return None
