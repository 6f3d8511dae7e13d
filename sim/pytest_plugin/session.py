"""What a session keeps from test to test, and where it looks in."""

from __future__ import annotations

import sys
from collections.abc import Generator
from importlib import import_module
from typing import Any

import pytest

from . import marks, report
from .files import TraceFile
from .finder import BeforeImport
from .options import WORKER_SEED, Options, hash_seed
from .seeds import seed_globals
from .worlds import Worlds


class Session:
    """A plugin of its own, so that its state lives as long as the session.

    Attributes: `options`, `worlds`, `used` (names of real ports that tests asked for).
    """

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self.options = options
        self.worlds = Worlds()
        self.used: set[str] = set()
        self._finders = [BeforeImport("sim.world", self._observe), BeforeImport("sounddevice", _import_sim)]
        for finder in self._finders:
            finder.install()
        if "sim.world" in sys.modules:
            self._observe()

    def _observe(self) -> None:
        from sim.timeline import observers

        observers.append(self.worlds.opened)

    def pytest_unconfigure(self) -> None:
        """Watch no more."""
        for finder in self._finders:
            finder.remove()
        timeline = sys.modules.get("sim.timeline")
        if timeline is not None and self.worlds.opened in timeline.observers:
            timeline.observers.remove(self.worlds.opened)

    def pytest_report_header(self) -> list[str]:
        """What makes runs alike."""
        options = self.options
        lines = [f"sim: seed {options.seed}, clock {options.clock}, {hash_seed()}"]
        return lines + [f"sim: hardware in the loop: {', '.join(map(str, options.hil.values()))}"] * bool(options.hil)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Hand the seed on to a process of pytest-xdist."""
        node.workerinput[WORKER_SEED] = str(self.options.seed)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name real ports that nobody used: what was meant to test them tested the simulator."""
        for name in sorted(self.options.hil.keys() - self.used):
            terminalreporter.write_line(
                f"sim: no test asked for the real port {self.options.hil[name]}; is the name that of port(...)?", yellow=True
            )

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Remember its name."""
        marks.remember_name(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Watch one test."""
        folder = self.options.trace_dir
        self.worlds.begin(keep=self.options.check, file=TraceFile(folder, marks.name_of(item)) if folder else None)
        try:
            return (yield)
        finally:
            self.worlds.end()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Tell the worlds of a test from those that fixtures of a wider scope open."""
        if fixturedef.scope == "function":
            return (yield)
        with self.worlds.sharing():
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip what this session cannot do."""
        marks.check(item, self.options)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> None:
        """Seed the global random numbers once more, since other plugins seed them after the set-up."""
        if "world" in pyfuncitem.fixturenames:
            seed_globals(marks.wanted(pyfuncitem, self.options).seed)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell a failing test about its world, and what its world raised once: by its own name, whatever a driver made of it."""
        if call.excinfo is not None:
            report.hide_frames()
        made = yield
        if call.excinfo is not None and self.worlds.last is not None:
            failure = self.worlds.last.kernel.told_by(call.excinfo.value)
            crash = getattr(made.longrepr, "reprcrash", None)
            if failure is not None and crash is not None:
                crash.message = f"{type(failure).__name__}: {failure}"
        if made.failed and self.worlds.last is not None:
            text = report.section(item, self.options, marks.wanted(item, self.options), self.worlds.last, self.worlds.count)
            made.sections.append((report.TITLE, text))
        return made


def _import_sim() -> None:
    """Have sounddevice find the simulated PortAudio when it looks for one, even where a file imports it before `sim`."""
    import_module("sim")


SESSION = pytest.StashKey[Session]()
