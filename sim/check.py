"""Two runs of one block, compared: does it do the same again?

Laws: the first run happens in a forked process, from the very state in which the second one begins, and nothing of it is left here;
what it writes to the standard streams goes nowhere. Whatever becomes of that process is told. What must not matter is changed in
it: where objects lie in memory, and the state of the global random generators.

A block that runs twice acts twice on the world outside: on files, sockets and other processes.
"""

from __future__ import annotations

import ctypes
import gc
import inspect
import os
import pickle
import random
import select
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterable
from itertools import zip_longest
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from .seam import DfcoreError
from .trace import Event

_PR_SET_PDEATHSIG = 1

CAUSES = """\
usual causes: the order of a set or of what a set was made into (PYTHONHASHSEED), id() or hash() of objects, random numbers that are
not seeded inside the block, os.urandom, uuid, secrets, real time or a date, files, sockets and other processes, what an earlier
run left in globals"""
THREADS = ", threads from before the block: none of them runs in the process of the first run"


SUSPENDED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class RunsDiffer(DfcoreError, RuntimeError):
    """Two runs of one program with one seed were not the same. The message shows the first events that differ."""


def difference(first: Iterable[Event], second: Iterable[Event]) -> str | None:
    """Where two traces part, in a few lines: the last event that they share, and the first that they do not. None: they are alike."""
    before = None
    for number, (one, other) in enumerate(zip_longest(first, second)):
        if one != other:
            shared = f"event {number - 1} of both: {before}" if before is not None else "nothing before it"
            return f"  {shared}\n  then, first run:  {one or '(no more events)'}\n  then, second run: {other or '(no more events)'}"
        before = one
    return None


class Rehearsal:
    """The first of two runs. Making one forks: in the child `here` is true, and the parent waits until the child has told its run.

    Raises:
        RuntimeError: the process of the first run died, or got stuck.
    """

    def __init__(self) -> None:
        self.threads = threading.active_count() > 1
        outlet, self._inlet = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: a child that hangs is told
            child = os.fork()
        self.here = child == 0
        if self.here:
            os.close(outlet)
            _isolate()
            _perturb()
            return
        os.close(self._inlet)
        try:
            self._first = _told(child, outlet)
        finally:
            os.close(outlet)

    def over(self, events: Iterable[Event], now_ns: int, error: BaseException | None) -> None:
        """The block has ended: in the child tell it, which ends the process; in the parent compare.

        Raises:
            RunsDiffer: the second run was not the same as the first.
        """
        if self.here:
            self._send({"events": [tuple(event) for event in events], "end": (now_ns, _name(error)), "text": _end(now_ns, error)})
        elif not isinstance(error, KeyboardInterrupt):
            self._compare(events, now_ns, error)

    def stuck(self, text: str) -> NoReturn:
        """The run has got stuck: say where, and end this process."""
        self._send({"stuck": text})

    def _send(self, message: dict[str, Any]) -> NoReturn:
        try:
            with os.fdopen(self._inlet, "wb") as file:
                pickle.dump(message, file)
        finally:
            os._exit(0)

    def _compare(self, events: Iterable[Event], now_ns: int, error: BaseException | None) -> None:
        found = difference((Event(*fields) for fields in self._first["events"]), events)
        if found is None and (now_ns, _name(error)) != self._first["end"]:
            found = f"  all events\n  then, first run:  {self._first['text']}\n  then, second run: {_end(now_ns, error)}"
        if found is not None:
            causes = CAUSES + (THREADS if self.threads else "")
            raise RunsDiffer(f"World(check=True): needed two runs alike, they part after\n{found}\n{causes}") from error


def check_caller(frame: FrameType) -> None:
    """Raise if the block might end elsewhere than it begins: a process that runs it would do what comes between."""
    if frame.f_code.co_flags & SUSPENDED:
        raise ValueError(
            f"World(check=True): needed a block in an ordinary function, {frame.f_code.co_name} is a generator or coroutine; "
            "in pytest, use the fixture `world` and --sim-check-determinism"
        )


def _name(error: BaseException | None) -> str | None:
    return None if error is None else type(error).__name__


def _end(now_ns: int, error: BaseException | None) -> str:
    how = "the block ended" if error is None else "".join(traceback.format_exception_only(error)).strip() + " was raised"
    return f"{now_ns / 1e9:.9f} s  {how}"


def _told(child: int, outlet: int) -> dict[str, Any]:
    """What the child sends before it ends. It does not outlive this call."""
    parts = []
    died = os.pidfd_open(child)
    poll = select.poll()
    poll.register(outlet, select.POLLIN)
    poll.register(died, select.POLLIN)
    try:  # the end of the file alone would not do: what the child started may still hold the other end
        while any(number == outlet for number, _ in poll.poll()) and (part := os.read(outlet, 1 << 16)):
            parts.append(part)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(died)
        _, status = os.waitpid(child, 0)
    return _message(b"".join(parts), os.waitstatus_to_exitcode(status))


def _message(data: bytes, code: int) -> dict[str, Any]:
    where = "World(check=True): needed a first run that reaches the end of the block"
    if not data or code:
        how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with status {code} before it"
        raise RuntimeError(f"{where}, its process {how}; see what it does with check=False")
    message: dict[str, Any] = pickle.loads(data)
    if "stuck" in message:
        raise RuntimeError(f"{where}, it got stuck; see what it does with check=False\n{message['stuck']}")
    return message


def _isolate() -> None:
    """Let this process end with its parent, write nowhere, and not finalise what the parent will finalise."""
    gc.freeze()
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in {0, 1, 2, *_numbers(sys.stdout, sys.stderr)}:
        os.dup2(nowhere, number)
    os.close(nowhere)


def _numbers(*streams: Any) -> Iterable[int]:
    for stream in streams:
        try:
            yield stream.fileno()
        except (AttributeError, OSError, ValueError):  # none, in memory, or closed: nothing leaves this process through it
            continue


def _perturb() -> None:
    """Fill the holes in the heap and make new ones, in no order, so that new objects lie elsewhere; and seed what nobody seeded."""
    chance = random.Random()
    sizes = range(1, 480, 16)  # one per size class of the allocator
    _kept[:] = [bytes(size) for size in sizes for _ in range(400)]
    blocks = [bytes(size) for size in sizes for _ in range(200)]
    chance.shuffle(blocks)
    _kept.extend(blocks[::2])
    random.seed()
    np.random.seed()


_kept: list[bytes] = []
