"""What a run could leave behind on this machine, looked up in /proc and /dev/shm."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import threading
import time

SHARED = pathlib.Path("/dev/shm")


def children(pid: int | str = "self") -> set[str]:
    """The child processes of a process that have not been waited for, as `process pid name`."""
    found = set()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread or child may end while it is looked at
            for child in (task / "children").read_text().split():
                found.add(f"process {child} {pathlib.Path('/proc', child, 'comm').read_text().strip()}")
    return found


def open_files(pid: str = "self") -> dict[str, str]:
    """What the descriptors of a process are of, by their numbers. Raises FileNotFoundError: there is no such process."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):  # closed since, as that of the listing is
            found[entry] = os.readlink(f"/proc/{pid}/fd/{entry}")
    return found


def descriptors() -> set[str]:
    """The open sockets and memory files of this process."""
    return {f"descriptor {entry} {target}" for entry, target in open_files().items() if target.startswith(("socket:", "/memfd:"))}


def held(folder: pathlib.Path) -> set[str]:
    """The names in a folder of files that this process or one of its children has open or mapped."""
    found: set[str] = set()
    for process in ("self", *(child.split()[1] for child in children())):
        with contextlib.suppress(OSError):  # it may end while it is looked at
            found.update(open_files(process).values())
            lines = pathlib.Path("/proc", process, "maps").read_text().splitlines()
            found.update(line.split(maxsplit=5)[-1] for line in lines)
    return {pathlib.Path(path).name for path in found if pathlib.Path(path).parent == folder}


def shared_memory(folder: pathlib.Path = SHARED) -> set[str]:
    """The files in /dev/shm that are ours: called after this package, or held by this process or a child of it. What others put
    there meanwhile is not; that nothing here makes any, so that a process that is gone has left none, `tests/house/test_seams.py`
    sees to. Nor are those of JACK servers, to which `tests/contracts/jack.py` sees."""
    names = {entry.name for entry in folder.iterdir() if not entry.name.startswith("jack")}
    ours = {name for name in names if name.startswith("dfcore")} | (held(folder) & names if names else set())
    return {f"{folder / name}" for name in ours}


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
        let_go = {thing for thing in self.first_seen if thing.startswith(f"{SHARED}/") and os.path.lexists(thing)}
        left = left_since(self.before) | let_go
        return sorted(f"{thing}, first seen after {self.first_seen.get(thing, 'the last test')}" for thing in left)
