"""Starting one process context: its nodes in a memory file, its interpreter with everything inherited that it needs.

Laws: a process is started by exec, never by fork alone (locks of other threads would stay taken for ever); it inherits exactly
the descriptors of its job; nodes travel together, once. What cannot travel is found before anything starts, and named. The
calling thread is the parent as far as the kernel's death signal is concerned: it must outlive the child.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from . import machine
from .errors import GraphError, Problem
from .pickles import dumps
from .pipe import send, send_packed
from .plan import NodePlan, Plan
from .worker import GROUP_SIGNALS, Job, Surroundings

#: Libraries that would otherwise start a thread per core in every context.
_SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


# -------------------------------------------------------------------------------------------------------------- pickling


def pack(job: Job) -> tuple[bytes, bytes]:
    """The job and its nodes, each in one pickle: what the nodes of a context share stays shared.

    Raises:
        GraphError: a node cannot travel; each problem names node, attribute and reason.
    """
    try:
        return dumps(dataclasses.replace(job, nodes={})), dumps(job.nodes)
    except Exception as error:
        raise GraphError(_culprits(job.plan, job.context, job.nodes, error)) from error


def _culprits(plan: Plan, context: int, nodes: Mapping[int, Any], error: Exception) -> list[Problem]:
    place = plan.contexts[context].name
    found = []
    for index, node in nodes.items():
        attributes = [(name, value) for name, value in vars(node).items() if value is not getattr(node, "_declared", None)]
        reasons = [(name, reason) for name, value in attributes if (reason := _reason(value)) is not None]
        if not reasons and (reason := _reason(node)) is not None:
            reasons = [(None, reason)]
        found += [_problem(plan.nodes[index], name, place, reason) for name, reason in reasons]
    return found or [_problem(plan.nodes[next(iter(nodes))], None, place, error)]


def _reason(value: Any) -> Exception | None:
    """Why `value` cannot travel; None: it can."""
    try:
        dumps(value)
    except Exception as error:  # noqa: BLE001 - a user's `__reduce__` may raise anything
        return error
    return None


def _problem(node: NodePlan, attribute: str | None, context: str, reason: Exception) -> Problem:
    return Problem(
        code="unpicklable",
        where=node.name if attribute is None else f"{node.name}.{attribute}",
        needed=f"something that can travel into the process of context {context!r}",
        found=f"{type(reason).__name__}: {reason}",
        do="make it in `open`, or run the node inline or in a context with kind='thread'",
        file=node.file,
        line=node.line,
    )


# -------------------------------------------------------------------------------------------------------------- starting


def start(job: Job, packed: tuple[bytes, bytes], up: int, alive: int) -> subprocess.Popen[bytes]:
    """A new interpreter that does `job`.

    Args:
        packed: what `pack` made of the job.
        up: end of the pipe on which the child answers.
        alive: end of a pipe whose other end this process holds open as long as it lives.
    Raises:
        OSError: the process could not be started.
    """
    file = _job_file(packed, up, alive)
    try:
        with _placed(job.cores):
            return subprocess.Popen(
                [sys.executable, *_flags(), "-P", "-m", "dfcore.context", str(file)],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **_environment()},
                pass_fds=(file, up, alive, *job.memory_fds, *job.eventfds),
            )
    finally:
        os.close(file)


def _job_file(packed: tuple[bytes, bytes], up: int, alive: int) -> int:
    """A memory file rather than a pipe: writing it never waits for a child that is still starting, or stopped."""
    file = os.memfd_create("dfcore job", os.MFD_CLOEXEC)
    try:
        surroundings = Surroundings(
            parent=os.getpid(),
            path=_search_path(),
            argv=tuple(sys.argv),
            environ={"PYTHONPATH": os.environ.get("PYTHONPATH")},
            up=up,
            alive=alive,
        )
        send(file, surroundings)
        for body in packed:
            send_packed(file, body)
        os.lseek(file, 0, os.SEEK_SET)
    except BaseException:
        os.close(file)
        raise
    return file


def _environment() -> dict[str, str]:
    """What a child needs before it has read its job: where modules are found here, in the same order, and no thread pools."""
    path = os.pathsep.join(_search_path())
    return {"PYTHONPATH": path, **{name: os.environ.get(name, value) for name, value in _SINGLE_THREADED.items()}}


def _search_path() -> tuple[str, ...]:
    return tuple(os.path.abspath(entry) for entry in sys.path)


def _flags() -> list[str]:
    """The parent's options that change how Python code behaves; and no remark about a module that its package imports too."""
    return ["-O"] * sys.flags.optimize + ["-X", "dev"] * sys.flags.dev_mode + ["-W", "ignore::RuntimeWarning:runpy"]


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
