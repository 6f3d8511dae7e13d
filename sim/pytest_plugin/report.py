"""What a failing test is told about its world: enough to see what happened, and to make it happen again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from .marks import Wanted, name_of
from .options import Options

if TYPE_CHECKING:
    from sim import World
    from sim.trace import Event

TITLE = "simulated world"
LAST_EVENTS = 30


def section(item: pytest.Item, options: Options, wanted: Wanted, world: World, count: int) -> str:
    """The text of the report's section about the last of `count` worlds."""
    return "\n".join([_head(options, wanted, world, count), *_faults(world), *_events(world), f"again: {again(item, options)}"])


def _head(options: Options, wanted: Wanted, world: World, count: int) -> str:
    which = "" if count == 1 else f"the last of {count} worlds: "
    derived = world.seed == wanted.seed and not wanted.own_seed
    whence = f" (from --sim-seed={options.seed} and the name of the test)" if derived else ""
    return f"{which}seed {world.seed}{whence}, clock {world.clock}, now {world.kernel.now / 1e9:.9f} s"


def _faults(world: World) -> list[str]:
    return [f"{name}: faults=[{', '.join(map(repr, schedule))}]" for name, schedule in world.schedules]


def _events(world: World) -> list[str]:
    events = list(joined(world.trace))
    total = world.trace.dropped + len(events)
    last = events[-LAST_EVENTS:]
    head = f"the last {len(last)} of {total} events:" if last else "no events"
    return [head, *(f"  {event}" for event in last)]


def joined(events: Iterable[Event]) -> Iterator[Event]:
    """The same events, but bytes that were read one by one at one instant, as `readline` does, are one event."""
    last: Event | None = None
    for event in events:
        if last is not None and event.kind == "read" and event[:3] == last[:3]:
            last = last._replace(data=last.data + event.data)  # type: ignore[operator]  # both are bytes
        else:
            if last is not None:
                yield last
            last = event
    if last is not None:
        yield last


def again(item: pytest.Item, options: Options) -> str:
    """The command that runs this test again, and nothing else."""
    config = item.config
    path, _, name = name_of(item).partition("::")
    path = os.path.relpath(config.rootpath / path, config.invocation_params.dir)
    words = ["pytest", shlex.quote(f"{path}::{name}"), f"--sim-seed={options.seed}"]
    if not options.hil and options.clock != config.getini("sim_clock"):
        words.append(f"--sim-clock={options.clock}")
    words += ["--sim-check-determinism"] * options.check
    words += [f"--hil {shlex.quote(str(port))}" for port in options.hil.values()]
    given = os.environ.get("PYTHONHASHSEED", "random")
    return " ".join(([f"PYTHONHASHSEED={given}"] if given != "random" else []) + words)
