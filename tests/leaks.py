"""What a run could leave behind on this machine, looked up in /proc and /dev/shm."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import threading
import time


def children(pid: int | str = "self") -> set[str]:
    """The child processes of a process that have not been waited for, as `process pid name`."""
    found = set()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread or child may end while it is looked at
            for child in (task / "children").read_text().split():
                found.add(f"process {child} {pathlib.Path('/proc', child, 'comm').read_text().strip()}")
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
    """The entries of this user in /dev/shm, but those of JACK servers, which may be another's: `tests/contracts/jack.py` sees to
    its own."""
    found = set()
    for entry in os.scandir("/dev/shm"):
        with contextlib.suppress(OSError):
            if entry.stat(follow_symlinks=False).st_uid == os.getuid() and not entry.name.startswith("jack"):
                found.add(f"/dev/shm/{entry.name}")
    return found


def threads() -> set[str]:
    """The threads of this process. Those that Python does not know have no identity of their own: a pool of the linear algebra
    ends before a fork, and begins again with the next product."""
    known = {thread.native_id: thread.name for thread in threading.enumerate()}
    tasks = {int(task) for task in os.listdir("/proc/self/task")}
    strangers = {f"thread that Python does not know, number {number}" for number in range(len(tasks - known.keys()))}
    return strangers | {f"thread {task} {known[task]}" for task in tasks & known.keys()}


def present() -> set[str]:
    """Everything that a run could leave behind and that is here now."""
    return children() | descriptors() | shared_memory() | threads()


def left_since(before: set[str], limit_s: float = 2.0) -> set[str]:
    """What is here now and was not `before`. A thread that was joined is gone for Python a moment before it is gone for the
    kernel, so what goes by itself within `limit_s` is not left."""
    until_s = time.monotonic() + limit_s
    while (left := present() - before) and time.monotonic() < until_s:
        time.sleep(0.001)
    return left


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
        left = left_since(self.before)
        return sorted(f"{thing}, first seen after {self.first_seen.get(thing, 'the last test')}" for thing in left)
