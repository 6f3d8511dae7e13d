"""What holds for every test: nothing is left behind, nothing hangs, and one program runs under every driver.

Leaks are looked for when the whole session is over; each test is looked at when it ends, so that the report can name the first
test after which a thing was there.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import pathlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

TEST_LIMIT_S = 120
CAMPAIGN_LIMIT_S = 3600
KINDS = ("inline", "threads", "processes", "virtual")


# ---------------------------------------------------------------------------------------------------------------- leaks


def children() -> set[str]:
    """The child processes of this process that have not been waited for, as `pid name`."""
    found = set()
    for task in pathlib.Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                found.add(f"process {pid} {pathlib.Path('/proc', pid, 'comm').read_text().strip()}")
    return found


def descriptors() -> set[str]:
    """The open sockets and memory files of this process."""
    found = set()
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{entry}")
            if target.startswith(("socket:", "/memfd:")):
                found.add(f"descriptor {entry} {target}")
    return found


def shared_memory() -> set[str]:
    """The entries of this user in /dev/shm."""
    found = set()
    for entry in os.scandir("/dev/shm"):
        with contextlib.suppress(OSError):
            if entry.stat(follow_symlinks=False).st_uid == os.getuid():
                found.add(f"/dev/shm/{entry.name}")
    return found


def threads() -> set[str]:
    """The threads of this process, those that Python does not know included."""
    known = {thread.native_id: thread.name for thread in threading.enumerate()}
    return {f"thread {task} {known.get(int(task), '(not a Python thread)')}" for task in os.listdir("/proc/self/task")}


def present() -> set[str]:
    """Everything that a run could leave behind and that is here now."""
    return children() | descriptors() | shared_memory() | threads()


class Leaks:
    """What was there at the start, and after which test each later thing was first seen."""

    def __init__(self) -> None:
        self.before = present()
        self.first_seen: dict[str, str] = {}

    def look(self, test: str) -> None:
        """Remember `test` for what is new."""
        for thing in present() - self.before:
            self.first_seen.setdefault(thing, test)

    def left(self) -> list[str]:
        """What is here and was not at the start, each with the test after which it was first seen."""
        gc.collect()
        return sorted(f"{thing}, first seen after {self.first_seen.get(thing, 'the last test')}" for thing in present() - self.before)


@pytest.fixture(scope="session", autouse=True)
def leaks() -> Iterator[Leaks]:
    """The check of the whole suite: at its end no process, thread, shared memory or socket is there that was not at its start."""
    found = Leaks()
    yield found
    left = found.left()
    if left:
        pytest.fail("the suite left behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest, leaks: Leaks) -> Iterator[None]:
    """Look for leaks after each test, and end the session with every thread's stack when a test hangs."""
    limit_s = CAMPAIGN_LIMIT_S if request.node.get_closest_marker("campaign") else TEST_LIMIT_S
    faulthandler.dump_traceback_later(limit_s, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()
    leaks.look(request.node.nodeid)


# -------------------------------------------------------------------------------------------------------------- drivers


class Driver:
    """One way to run a program: where its contexts are, and on which clock.

    `kind` is "inline" (no contexts, real time), "threads", "processes" or "virtual" (contexts in the plan, one process, a clock
    that jumps).
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def at(self, graph: Any, name: str) -> Any:
        """The context `name` of `graph` under this driver, for `with`; inline, the graph's own block goes on."""
        if self.kind == "inline":
            return contextlib.nullcontext()
        return graph.context(name, kind="thread" if self.kind == "threads" else "process")

    def run(self, graph: Any, duration_s: float | None = None, **options: Any) -> Any:
        """The report of a run of `graph` under this driver."""
        if self.kind == "virtual":
            options["clock"] = "virtual"
        return graph.run(duration_s, **options)

    def __repr__(self) -> str:
        return self.kind


@pytest.fixture(params=KINDS)
def driver(request: pytest.FixtureRequest) -> Driver:
    """Every driver in turn. Narrow it with `@pytest.mark.parametrize("driver", [...], indirect=True)`."""
    return Driver(request.param)
