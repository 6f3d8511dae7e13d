"""What a session was asked for, on the command line or in the ini file.

Law: whatever cannot be meant is a usage error, before the first test runs.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from .hil import RealPort, parse

WORKER_SEED = "sim_seed"
CLOCKS = re.compile(r"virtual|wall|x(?=.*[1-9])\d*\.?\d+")


@dataclass(frozen=True)
class Options:
    """The options of a session.

    Attributes: `seed`, `clock`, `check` (run what opens a world twice), `trace_dir` (None: traces are not written), `hil` (real
    ports by name).
    """

    seed: int
    clock: str
    check: bool = False
    trace_dir: str | None = None
    hil: Mapping[str, RealPort] = field(default_factory=dict)


def add_options(parser: pytest.Parser) -> None:
    """Declare the options and their ini names."""
    group = parser.getgroup("sim", "simulated devices")
    add = group.addoption
    add("--sim-seed", metavar="N", help="seed of the session, or `random`; each test draws its own from it and its name (default 0)")
    add("--sim-clock", metavar="CLOCK", help="`virtual` (default), `wall`, or `x10` for ten times as fast as the wall")
    add(
        "--sim-check-determinism",
        action="store_true",
        default=None,
        help="run each test that opens a world twice, and fail it where the traces differ",
    )
    add("--sim-trace", metavar="DIR", help="write what happened in the worlds of each test to a file in DIR, one line of JSON per event")
    add(
        "--hil",
        metavar="NAME=PATH[,BAUD]",
        action="append",
        default=[],
        help="hardware in the loop: port NAME is the real port PATH (repeatable); the clock is the wall's",
    )
    parser.addini("sim_seed", "default of --sim-seed", default="0")
    parser.addini("sim_clock", "default of --sim-clock", default="virtual")
    parser.addini("sim_check_determinism", "default of --sim-check-determinism", type="bool", default=False)


def options_of(config: pytest.Config) -> Options:
    """The options of this session.

    Raises:
        pytest.UsageError: one of them cannot be meant.
    """
    given: Any = config.getoption
    ports = [parse(text) for text in given("hil")]
    hil = {port.name: port for port in ports}
    if len(hil) < len(ports):
        raise pytest.UsageError("--hil: needed each name once, one was given twice; leave one out")
    if hil and given("dist", "no") != "no":
        raise pytest.UsageError("--hil: needed one process, since a real port belongs to one, was pytest-xdist; leave -n out")
    handed_on = getattr(config, "workerinput", {}).get(WORKER_SEED)  # by the first process of pytest-xdist, which may have drawn it
    seed = _seed(handed_on or given("sim_seed") or config.getini("sim_seed"))
    check = given("sim_check_determinism")
    return Options(
        seed,
        _clock(given("sim_clock"), config.getini("sim_clock"), bool(hil)),
        config.getini("sim_check_determinism") if check is None else check,
        _folder(given("sim_trace")),
        hil,
    )


def _seed(text: str) -> int:
    if text == "random":
        return int.from_bytes(os.urandom(4), "little")
    if not re.fullmatch(r"\d+", text):
        raise pytest.UsageError(f"--sim-seed: needed a whole number from 0 or `random`, was {text!r}")
    return int(text)


def _clock(given: str | None, default: str, hil: bool) -> str:
    if hil and given not in (None, "wall"):
        raise pytest.UsageError(f"--hil: needed the wall's clock, since hardware has no other, was --sim-clock={given}; leave it out")
    clock = "wall" if hil else given or default
    if not CLOCKS.fullmatch(clock):
        raise pytest.UsageError(f"--sim-clock: needed `virtual`, `wall` or `x` and a number, was {clock!r}; for example x10")
    return clock


def _folder(given: str | None) -> str | None:
    if given is not None:
        try:
            os.makedirs(given, exist_ok=True)
        except OSError as error:
            raise pytest.UsageError(
                f"--sim-trace: needed a folder, or a place to make one, was {given!r} ({error.strerror}); choose another"
            ) from None
    return given


def hash_seed() -> str:
    """What orders sets of strings in this process: the value of PYTHONHASHSEED, or that it is another one each time."""
    given = os.environ.get("PYTHONHASHSEED", "random")
    return f"PYTHONHASHSEED={given}" if given != "random" and not sys.flags.ignore_environment else "PYTHONHASHSEED not set"
