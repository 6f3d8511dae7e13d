"""Markers: what a test says about the world it needs.

Law: a marker that cannot be meant fails the tests it is on, and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

import pytest

from .options import CLOCKS, Options
from .seeds import seed_of

MARKERS = (
    "sim(seed=N, clock='virtual'): seed and clock of the fixture `world` in this test",
    "sim_only: needs faults or virtual time; skipped when --hil is given",
    "hil_only: needs hardware; skipped unless --hil is given",
)
NAME = pytest.StashKey[str]()


@dataclass(frozen=True)
class Wanted:
    """Seed and clock of the world of a test, and whether the test names the seed itself."""

    seed: int
    clock: str
    own_seed: bool


def remember_name(item: pytest.Item) -> None:
    """Remember the name of a test as it is collected: pytest-xdist may add to it later."""
    item.stash[NAME] = item.nodeid


def name_of(item: pytest.Item) -> str:
    """The name of a test: its node id."""
    return item.stash.get(NAME, item.nodeid)


def wanted(item: pytest.Item, options: Options) -> Wanted:
    """What the markers of a test and the options of the session make together."""
    given = _given(item)
    clock = "wall" if options.hil else given.get("clock", options.clock)
    return Wanted(given.get("seed", seed_of(options.seed, name_of(item))), clock, "seed" in given)


def _given(item: pytest.Item) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for mark in reversed([*item.iter_markers("sim")]):  # the nearest one last
        given.update(_checked(mark))
    return given


def _checked(mark: pytest.Mark) -> dict[str, Any]:
    if mark.args:
        _refuse(f"needed seed= and clock= by name, was {', '.join(map(repr, mark.args))}; write sim(seed=1)")
    for name in mark.kwargs.keys() - {"seed", "clock"}:
        close = get_close_matches(name, ["seed", "clock"])
        _refuse(f"needed seed= or clock=, was {name}=" + (f"; did you mean {close[0]}=?" if close else "; leave it out"))
    seed, clock = mark.kwargs.get("seed", 0), mark.kwargs.get("clock", "virtual")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        _refuse(f"needed a seed that is a whole number from 0, was {seed!r}; for example sim(seed=1)")
    if not isinstance(clock, str) or not CLOCKS.fullmatch(clock):
        _refuse(f"needed a clock 'virtual', 'wall' or 'x' and a number, was {clock!r}; for example 'x10'")
    return dict(mark.kwargs)


def _refuse(text: str) -> NoReturn:
    pytest.fail(f"marker sim: {text}", pytrace=False)


def check(item: pytest.Item, options: Options) -> None:
    """Fail or skip a test that is about to be set up, if its markers say so."""
    for name in ("sim_only", "hil_only"):
        mark = item.get_closest_marker(name)
        if mark is not None and (mark.args or mark.kwargs):
            pytest.fail(f"marker {name}: needed no arguments, there were some; leave them out", pytrace=False)
    clock = _given(item).get("clock", "wall")
    if options.hil:
        if item.get_closest_marker("sim_only"):
            pytest.skip("sim_only: needs faults or virtual time, and --hil was given")
        if clock != "wall":
            pytest.skip(f"sim(clock={clock!r}): needs that clock, and hardware (--hil) has the wall's")
    elif item.get_closest_marker("hil_only"):
        pytest.skip("hil_only: needs hardware; give --hil NAME=PATH")
