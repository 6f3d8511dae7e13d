"""What a failing test is told about its world: enough to see what happened, and to make it happen again."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest

from .marks import Wanted, name_of
from .options import Options

if TYPE_CHECKING:
    from sim import World
    from sim.trace import Event

TITLE = "simulated world"
LAST_LINES = 30
TOLD_ONCE = ("mismatch", "terminator")  # events that say why all that follows goes wrong
SHOWN = ("sim.machine", "sim.plants", "sim.pytest_plugin")  # whose frames say something to who wrote the test


def hide_frames() -> None:
    """Have pytest leave the inside of `sim` out of stacks, unless it is given `--full-trace`."""
    for name, module in list(sys.modules.items()):
        if name.startswith("sim.") and not name.startswith(SHOWN):
            vars(module)["__tracebackhide__"] = True


def section(item: pytest.Item, options: Options, wanted: Wanted, world: World, count: int) -> str:
    """The text of the report's section about the last of `count` worlds."""
    return "\n".join([_head(options, wanted, world, count), *_faults(world), *_events(world, options), f"again: {again(item, options)}"])


def _head(options: Options, wanted: Wanted, world: World, count: int) -> str:
    which = "" if count == 1 else f"the last of {count} worlds: "
    derived = world.seed == wanted.seed and not wanted.own_seed
    whence = f" (from --sim-seed={options.seed} and the name of the test)" if derived else ""
    choices = f", choices {list(world.choices)}" if world.choices else ""
    return f"{which}seed {world.seed}{whence}, clock {world.clock}{choices}, now {world.kernel.now / 1e9:.9f} s"


def _faults(world: World) -> list[str]:
    return [f"{name}: faults=[{', '.join(map(repr, schedule))}]" for name, schedule in world.schedules]


def _events(world: World, options: Options) -> list[str]:
    lines = list(joined(world.trace))
    last = lines[-LAST_LINES:]
    if not last:
        return ["no events"]
    count, total = sum(line.events for line in last), world.trace.dropped + len(world.trace)
    where = f"all of them are in {options.trace_dir}" if options.trace_dir else "--sim-trace=DIR writes all of them to a file"
    head = f"the last {count} of {total} events" + (f" ({where})" if count < total else "")
    earlier = [f"earlier: {line}" for line in lines[:-LAST_LINES] if line.event.kind in TOLD_ONCE]
    return [*earlier, f"{head}:", *(f"  {line}" for line in last)]


class Line(NamedTuple):
    """One event, or `events` reads of one device that followed each other, the last of them at `until_ns`."""

    event: Event
    until_ns: int
    events: int = 1

    def __str__(self) -> str:
        more = f" until {self.until_ns / 1e9:.9f} s" if self.until_ns > self.event.t_ns else ""
        return f"{self.event}{more}"


def joined(events: Iterable[Event]) -> Iterator[Line]:
    """The same events; but what was read of each device while nothing else happened, as `readline` does byte by byte, is one line."""
    reads: dict[str, Line] = {}
    for event in events:
        if event.kind != "read":
            yield from reads.values()
            reads.clear()
            yield Line(event, event.t_ns)
        elif event.device in reads:
            first, _, before = reads[event.device]
            first = first._replace(data=first.data + event.data)  # type: ignore[operator]  # both are bytes
            reads[event.device] = Line(first, event.t_ns, before + 1)
        else:
            reads[event.device] = Line(event, event.t_ns)
    yield from reads.values()


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
