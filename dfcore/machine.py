"""What this machine has and allows: cores, priorities, memory, open files.

Law: every wish that the machine refuses comes back as one sentence that says why, and changes nothing; nothing here raises for a
refusal. Knows nothing of graphs. Wishes apply to the calling thread.
"""

from __future__ import annotations

import os
import pathlib
import resource
from collections.abc import Callable, Collection, Iterable

from ._bell import set_timer_slack
from ._process import lock_memory

TIMER_SLACK_NS = 1
_CGROUPS = pathlib.Path("/sys/fs/cgroup")


# ---------------------------------------------------------------------------------------------------------------- cores


def cpus(ranges: str | None = None) -> frozenset[int]:
    """The numbers of the cores that this machine has, or those that `ranges` ("0-3,8") says."""
    if ranges is None:
        ranges = pathlib.Path("/sys/devices/system/cpu/present").read_text()
    found: set[int] = set()
    for part in ranges.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def allowed_cpus() -> frozenset[int]:
    """The cores on which the calling thread may run: its mask within its cgroup."""
    return frozenset(os.sched_getaffinity(0))


def choose_cpus(wanted: Collection[int], allowed: Collection[int]) -> tuple[frozenset[int], str | None]:
    """Where a context shall run of what it `wanted`: `(cores, refusal)`; no wish or none of it allowed: all of `allowed`."""
    usable = frozenset(wanted) & frozenset(allowed)
    lost = sorted(frozenset(wanted) - usable)
    if not lost:
        return usable or frozenset(allowed), None
    places = ", ".join(map(str, sorted(allowed)))
    where = f"runs on {', '.join(map(str, sorted(usable)))}" if usable else "runs unpinned"
    return usable or frozenset(allowed), (
        f"cpu {', '.join(map(str, lost))}: needed to be in this process's affinity mask or cgroup, which allow {places}; {where}"
    )


def shared_cores(pinned: Iterable[tuple[str, frozenset[int] | None]], name: str) -> str | None:
    """Why context `name` may not spin: it needs cores on which no other context runs. `pinned` holds (name, cores or None)."""
    places = dict(pinned)
    own = places.pop(name)
    if own is None:
        return "spin_us: needed a core of its own, was not pinned; does not spin; give the context a cpu"
    for other, cores in places.items():
        if cores is not None and cores & own:
            return f"spin_us: needed a core of its own, was shared with context {other!r}; does not spin; choose another cpu"
    return None


def pin(cores: Collection[int]) -> str | None:
    """Keep the calling thread on `cores`."""
    return _refusal(f"cpu {', '.join(map(str, sorted(cores)))}", lambda: os.sched_setaffinity(0, cores), "runs unpinned")


# ------------------------------------------------------------------------------------------------------------- priority


def set_priority(priority: int) -> str | None:
    """Run the calling thread under SCHED_FIFO; the subprocesses it starts run normally."""
    soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    return _refusal(
        f"priority {priority}",
        lambda: os.sched_setscheduler(0, policy, os.sched_param(priority)),
        f"runs with normal priority; allow it with CAP_SYS_NICE or `ulimit -r {priority}` (was {soft})",
    )


def keep_in_memory() -> str | None:
    """Lock what this process touches into memory, so that no page of it is fetched from disk again."""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    limit = "unlimited" if soft == resource.RLIM_INFINITY else f"{soft // 1024} KiB"
    return _refusal("memory lock", lock_memory, f"runs unlocked; allow it with CAP_IPC_LOCK or `ulimit -l unlimited` (was {limit})")


def sharpen_timers() -> str | None:
    """Let timed waits of the calling thread end when asked for, not up to 50 us later."""
    return _refusal("timer slack", lambda: set_timer_slack(TIMER_SLACK_NS), "timers fire up to 50 us late")


def _refusal(wish: str, ask: Callable[[], object], instead: str) -> str | None:
    try:
        ask()
    except OSError as error:
        return f"{wish}: the machine refused ({error.strerror}); {instead}"
    return None


# --------------------------------------------------------------------------------------------------------------- limits


def available_memory() -> tuple[int, str]:
    """Bytes that may still be taken, and what limits them: "the machine" or the path of a cgroup."""
    fields = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    best = int(fields["MemAvailable"].split()[0]) * 1024, "the machine"
    for folder in _memory_cgroups():
        left = _left_in(folder)
        if left is not None and left < best[0]:
            best = left, f"the cgroup {folder}"
    return best


def _memory_cgroups() -> list[pathlib.Path]:
    """The cgroup folders that limit this process's memory, innermost first, for both versions of cgroups."""
    folders = []
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _CGROUPS / "memory" if controllers else _CGROUPS
        folder = root / path.lstrip("/")
        folders += [place for place in (folder, *folder.parents) if place.is_relative_to(root) and place.is_dir()]
    return folders


def _left_in(folder: pathlib.Path) -> int | None:
    """What a cgroup has left; page cache that can be given back counts as left. None: no limit."""
    for limit_file, usage_file, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            limit, usage = (folder / limit_file).read_text().strip(), int((folder / usage_file).read_text())
            fields = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except OSError:
            continue  # the other version, the root, or not ours to read
        return None if limit == "max" else int(limit) - usage + int(fields.get(cache, 0))
    return None


def room_for_files(needed: int) -> str | None:
    """Why this process may not open `needed` more files; None: it may."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd")) - 1
    if used + needed <= soft:
        return None
    return f"needed {needed} more open files, was {used} of {soft} in use; allow more with `ulimit -n {used + needed}`"


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal or a debugger; it does not end then, whatever it is told."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False  # it is gone
    return stat.rpartition(")")[2].split()[0] in "Tt"


def starved_ns(pid: int) -> int:
    """How long the first thread of a process could have run and had no core; 0 where the kernel does not say.

    Source: /proc/<pid>/schedstat, second figure (Documentation/scheduler/sched-stats.rst).
    """
    try:
        return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    except (OSError, IndexError):
        return 0
