"""Another interpreter of the same program: started by exec, with everything inherited that it needs; and how it begins.

Laws: a process is started by exec, never by forking one that may have threads (locks of others would stay taken for ever); it
inherits exactly the descriptors that it is given; it finds modules where its parent does; it leaves Ctrl-C to its parent, and
dies with it. The calling thread is the parent as far as the kernel's death signal is concerned. What it is started for is read
from the memory file by its own main program.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from . import machine
from ._process import die_with_parent
from .pipe import receive, send, send_packed

#: Signals that reach every process of a terminal or a service at once: the parent answers them for all.
GROUP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: The option of Python by which the package knows that it is not to run graphs here.
NODES_ONLY = "dfcore-nodes"

#: Libraries that would otherwise start a thread per core in every process.
_SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a process needs to know before anything else can be unpickled there. The first message of the memory file."""

    parent: int
    path: tuple[str, ...]
    argv: tuple[str, ...]
    environ: dict[str, str | None]  # what the program's environment has instead; None: nothing


# ----------------------------------------------------------------------------------------------------------- in the parent


def start(
    module: str, bodies: Iterable[bytes], fds: Iterable[int], cores: tuple[int, ...] | None = None
) -> subprocess.Popen[bytes]:
    """A new interpreter that runs `module` with the number of a memory file as its argument.

    Args:
        bodies: pickled messages, to be read from the memory file after `begin`.
        fds: descriptors that it inherits, under the same numbers.
        cores: where it shall run; None: where this thread may.
    Raises:
        OSError: the process could not be started.
    """
    file = _memory_file(bodies)
    try:
        with _placed(cores):
            return subprocess.Popen(
                [sys.executable, *_flags(), "-P", "-m", module, str(file)],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **_environment()},
                pass_fds=(file, *fds),
            )
    finally:
        os.close(file)


def _memory_file(bodies: Iterable[bytes]) -> int:
    """Not a pipe: writing it never waits for a child that is still starting, or stopped."""
    file = os.memfd_create("dfcore job", os.MFD_CLOEXEC)
    try:
        environ = {"PYTHONPATH": os.environ.get("PYTHONPATH")}
        send(file, Surroundings(parent=os.getpid(), path=_search_path(), argv=tuple(sys.argv), environ=environ))
        for body in bodies:
            send_packed(file, body)
        os.lseek(file, 0, os.SEEK_SET)
    except BaseException:
        os.close(file)
        raise
    return file


def _environment() -> dict[str, str]:
    """What a child needs before it has read its file: where modules are found here, in the same order, and no thread pools."""
    path = os.pathsep.join(_search_path())
    return {"PYTHONPATH": path, **{name: os.environ.get(name, value) for name, value in _SINGLE_THREADED.items()}}


def _search_path() -> tuple[str, ...]:
    return tuple(os.path.abspath(entry) for entry in sys.path)


def _flags() -> list[str]:
    """The parent's options that change how Python code behaves; ours; and no remark about a module that its package imports too."""
    return ["-O"] * sys.flags.optimize + ["-X", "dev"] * sys.flags.dev_mode + ["-X", NODES_ONLY, "-W", "ignore::RuntimeWarning:runpy"]


@contextmanager
def _placed(cores: tuple[int, ...] | None) -> Iterator[None]:
    """What a child inherits from the thread that starts it: its cores, and signals that wait until it can answer them."""
    before = os.sched_getaffinity(0)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP_SIGNALS)
    try:
        if cores is not None:
            machine.pin(cores)  # a refusal is reported by the child, which pins itself too
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.sched_setaffinity(0, before)


# ------------------------------------------------------------------------------------------------------------ in the child


def begin(file: int, grace_s: int) -> None:
    """Be what `start` started: leave signals to the parent, end `grace_s` seconds after it at most, look like it.

    The rest of memory file `file` is the caller's: read it, and close it.
    """
    surroundings: Surroundings = receive(file)
    _leave_signals_to_the_parent(surroundings.parent, grace_s)
    faulthandler.enable()
    _take_over(surroundings)


def _leave_signals_to_the_parent(parent: int, grace_s: int) -> None:
    """Handlers that do nothing, rather than a mask or SIG_IGN, which subprocesses would inherit."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _pass)
    if not die_with_parent(parent, grace_s):
        sys.exit(1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, GROUP_SIGNALS)


def _pass(number: int, frame: object) -> None:
    """The parent has got it too."""


def _take_over(surroundings: Surroundings) -> None:
    sys.path[:] = surroundings.path
    sys.argv[:] = surroundings.argv
    for name, value in surroundings.environ.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
