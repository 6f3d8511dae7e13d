"""The worker processes of a stage: the main program of the one that starts them, and what each of them does.

Laws: one interpreter is started for a stage, by exec; it has one thread, and forks itself once per worker, so starting costs about
the same for any number of them. It runs none of the user's code. It says when a worker is gone, ends the others when it is told to
or when the parent is gone, and they die with it. A worker that is told to end finishes the call it is in; after `GRACE_S` it is
killed. Random numbers of workers differ from each other and from run to run.
"""

from __future__ import annotations

import gc
import mmap
import os
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import interpreter
from .._arena import Arena, Range
from .._process import killed_with_parent
from ..clock import real_now_ns
from ..pickles import loads
from ..pipe import pack_error, receive
from . import ringbuffer
from .note import DIED, DONE, FAILED, FULL, GONE, LEAVE, NOTE_BYTES, Note, one, written

#: How long a call may go on when its stage is given up; and how long the starting process may outlive the parent.
GRACE_S = 0.5
ORPHAN_S = 1

#: In the word of a worker: it waits for work; it has left as it was told.
WAITING, LEFT = -1, -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the processes of a stage are told. Numbers of pipes and memory files are those of all of them."""

    stage: str
    workers: int
    down: int  # read end: work, each note for one worker
    up: int  # write end
    end: int  # read end: readable when all shall end
    words: int  # memory file: per worker, the index of the item in hand
    arenas: tuple[int, ...]  # memory files: of the parent, then of each worker


def mapped(file: int) -> mmap.mmap:
    """A memory file as memory that its processes share."""
    return mmap.mmap(file, 0)


# -------------------------------------------------------------------------------------------- the process that starts workers


def main(file: int) -> None:
    """Be the process that starts the workers of a stage, or, after a fork, one of them."""
    interpreter.begin(file, ORPHAN_S)
    job: Job = receive(file)
    function: bytes = receive(file)
    os.close(file)
    for fd in (job.down, job.up, job.end, job.words, *job.arenas):
        os.set_inheritable(fd, False)
    words = memoryview(mapped(job.words)).cast("q")
    gc.freeze()  # so that workers neither look through nor copy what they all have
    pids, starter = [], os.getpid()
    for number in range(job.workers):
        pid = os.fork()
        if not pid:
            _Hand(job, number, words).serve(function, starter)
            return
        pids.append(pid)
    os.close(job.down)
    _Watch(job, words, pids).run()


class _Watch:
    """Sleeps until a worker is gone, or all shall end."""

    def __init__(self, job: Job, words: memoryview, pids: list[int]):
        self._job, self._words, self._pids = job, words, pids
        self._workers = {os.pidfd_open(pid): number for number, pid in enumerate(pids)}
        self._poll = select.poll()
        for fd in (job.end, *self._workers):
            self._poll.register(fd, select.POLLIN)
        self._until_ns = 0

    def run(self) -> None:
        """Return when all workers are gone."""
        while self._workers:
            left_ms = (self._until_ns - real_now_ns()) / 1e6 if self._until_ns else None
            if left_ms is not None and left_ms <= 0:
                self._signal(signal.SIGKILL)
                left_ms = None
            for fd, _ in self._poll.poll(left_ms):
                if fd in self._workers:
                    self._bury(fd)
                else:
                    self._end()
        self._say(Note(GONE))

    def _end(self) -> None:
        self._poll.unregister(self._job.end)
        self._signal(signal.SIGTERM)
        self._until_ns = real_now_ns() + round(GRACE_S * 1e9)

    def _signal(self, number: int) -> None:
        for pidfd in self._workers:
            signal.pidfd_send_signal(pidfd, number)

    def _bury(self, pidfd: int) -> None:
        number = self._workers.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        status = os.waitstatus_to_exitcode(os.waitpid(self._pids[number], 0)[1])
        if self._words[number] != LEFT:
            self._say(Note(DIED, worker=number, item=self._words[number], value=status))

    def _say(self, note: Note) -> None:
        try:
            note.send(self._job.up)
        except BrokenPipeError:
            pass  # the parent is gone: nobody is left to be told


# ------------------------------------------------------------------------------------------------------------------ a worker


class Silent:
    """A function whose result stays where it is."""

    def __init__(self, function: Callable[[Any], Any]):
        self._function = function

    def __call__(self, item: Any) -> None:
        self._function(item)


class _Hand:
    """One worker. States: waiting for work, working, left."""

    def __init__(self, job: Job, number: int, words: memoryview):
        self._job, self._number, self._words = job, number, words
        self._given = Range(mapped(job.arenas[0]))
        self._arena = Arena(mapped(job.arenas[1 + number]))
        self._words[number] = WAITING
        self._ending = False
        self._told = select.poll()
        self._told.register(job.end, select.POLLIN)
        self._nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._results: list[Any] = []
        self._index = self._began_ns = 0

    def serve(self, function: bytes, starter: int) -> None:
        """Work until there is leave to go, or the process that started this one is gone."""
        signal.signal(signal.SIGTERM, self._end)
        ringbuffer.on_wait = self._say_full
        if not killed_with_parent(starter):
            return
        np.random.seed(np.random.SeedSequence().generate_state(8))  # the fork left all with the same state; `random` sees to itself
        try:
            self._begin(function)
        except BrokenPipeError:
            pass  # the parent is gone: nobody is left to be told
        self._words[self._number] = LEFT

    def _end(self, number: int, frame: object) -> None:
        """Leave after the call that is under way: a read that waits for work finds that there is no more.

        A signal that went to the whole group is the parent's to answer.
        """
        if self._told.poll(0):
            self._ending = True
            os.dup2(self._nothing, self._job.down)

    def _begin(self, packed: bytes) -> None:
        try:
            function = loads(packed)
        except BaseException as error:  # noqa: BLE001 - it goes to whoever pulls
            self._fail(-1, error)
        else:
            self._loop(function)

    def _loop(self, function: Callable[[Any], Any]) -> None:
        while not self._ending:
            data = os.read(self._job.down, NOTE_BYTES)
            if not data:
                return  # the parent is gone, or all shall end
            note = one(data)
            if note.kind == LEAVE:
                return
            self._words[self._number] = note.item
            self._work(function, note)
            self._words[self._number] = WAITING

    def _work(self, function: Callable[[Any], Any], note: Note) -> None:
        self._index, self._results, self._began_ns = note.item, [], real_now_ns()
        failure = None
        try:
            for item in note.read(self._given):
                result = function(item)  # which may hand on what there is so far
                self._results.append(result)
                self._words[self._number] += 1
                if self._ending:
                    return
        except BaseException as error:  # noqa: BLE001 - it goes to whoever pulls
            failure = error
        self._hand_on_now()
        if failure is not None:
            self._fail(self._index, failure)

    def _hand_on_now(self) -> None:
        """Hand on the results that there are."""
        index, results, self._results = self._index, self._results, []
        self._index += len(results)
        self._hand_on(index, results, (real_now_ns() - self._began_ns) // max(len(results), 1))

    def _say_full(self, inode: int) -> None:
        """Before a wait for room in a ring: whoever pulls may wait for what is done, or hold what takes the room."""
        self._hand_on_now()
        self._send(FULL, inode, self._words[self._number])

    def _hand_on(self, index: int, results: list[Any], cost_ns: int) -> None:
        if not results:
            return
        try:
            self._send(DONE, results, index, cost_ns)
        except Exception as error:  # noqa: BLE001 - a user's `__reduce__` may raise anything
            if len(results) > 1:
                for number, result in enumerate(results):
                    self._hand_on(index + number, [result], cost_ns)
            else:
                text = f"{self._job.stage}: needed a result that can travel between processes, item {index} gave"
                failure = TypeError(f"{text} {type(results[0]).__name__}; return plain data.")
                failure.__cause__ = error
                self._fail(index, failure)

    def _fail(self, index: int, error: BaseException) -> None:
        if isinstance(error, StopIteration):  # whoever pulls would take it for the end
            stopped, error = error, RuntimeError(f"{self._job.stage}: needed a result, item {index} gave StopIteration; catch it.")
            error.__cause__ = stopped
        self._send(FAILED, pack_error(error), index)

    def _send(self, kind: int, content: Any, index: int, cost_ns: int = 0) -> None:
        written(kind, content, self._arena, worker=self._number, item=index, value=cost_ns).send(self._job.up)


if __name__ == "__main__":
    main(int(sys.argv[1]))
