"""Waiting for simulated files.

Laws: whoever waits is woken when a file is ready, when the time has come, or when a file is closed, and looks again then. Someone who
waits for n bytes is given fewer when the time is over, or when something else ends the wait: just as if each byte had been handed
over on its own.
"""

from __future__ import annotations

import errno
import os

from .files import File, TtyFile
from .kernel import Kernel
from .task import Bell

Wish = tuple[File, int, bool]  # a file, how many bytes to read are waited for, and whether it is to be written instead


def wait_for(kernel: Kernel, wishes: list[Wish], until_ns: int | None) -> list[Wish]:
    """Park until a wish (file, bytes wanted, write) holds, or the time has come; those that hold, in order.

    Someone who waits for n bytes is given fewer when the time is over, or when something else ends the wait, just as if each
    byte had been handed over on its own.
    """
    greedy = [file for file, need, _ in wishes if need > 1 and isinstance(file, TtyFile)]
    while True:
        ready = _ready(wishes)
        late = until_ns is not None and until_ns <= kernel.now
        if greedy and (ready or late):
            ready = [(file, 1, False) for file in greedy if file.readable()] or ready
        if ready or late:
            if not ready:
                poll(kernel)
            return ready
        _park(kernel, wishes, greedy, until_ns)


def _ready(wishes: list[Wish]) -> list[Wish]:
    ready = []
    for wish in wishes:
        file, need, write = wish
        if not file.open:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if file.writable() if write else file.readable(need):
            ready.append(wish)
    return ready


def _park(kernel: Kernel, wishes: list[Wish], greedy: list[TtyFile], until_ns: int | None) -> None:
    bell = Bell()
    task = kernel.holder
    stops = [file.watch(bell, need, write) for file, need, write in wishes]
    for file in greedy:
        file.tty.greedy += 1
    task.doing = "a driver"
    try:
        kernel.wait(bell, until_ns)
    finally:
        task.doing = ""
        for file in greedy:
            file.tty.greedy -= 1
        for stop in stops:
            stop()


def poll(kernel: Kernel) -> None:
    """Charge a look that found nothing, or a question to the device."""
    task = kernel.holder
    task.doing = "a driver"
    try:
        kernel.poll()
    finally:
        task.doing = ""


def drain(kernel: Kernel, file: TtyFile, until_ns: int | None) -> None:
    """Park until everything written to `file` is sent, the line is gone, or the time has come."""
    tty = file.tty
    bell = Bell()
    while not tty.hung and tty.out_waiting and not (until_ns is not None and until_ns <= kernel.now):
        watch = tty.add_watch(bell, lambda: tty.when_queued(0))
        try:
            kernel.wait(bell, until_ns)
        finally:
            tty.drop_watch(watch)
