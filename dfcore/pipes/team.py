"""The processes of one stage as their parent sees them: one that starts the workers, and the pipes and memory they share.

Laws: everything is made here and let go here, whatever raises half-way; `end` may be called at any time, from any thread and from a
finaliser; a copy of the parent made by fork ends nothing. Memory files have no name anywhere and vanish with the processes and
the last view of a result.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import select
import threading
from contextlib import suppress
from typing import Any

from .. import interpreter
from .._arena import Arena, Range
from ..errors import ContextDied
from ..pickles import dumps
from ..pipe import pipe
from .hand import Job, mapped
from .note import GONE, LEAVE, NOTE_BYTES, WORK, Note, Notes, written

#: Address space of an arena: memory is taken only where something lies.
ARENA_BYTES = 1 << 34


class Team:
    """States: made; running, after `start`; ending (told to); over, when `reap` has returned.

    Args:
        stage: its name, for messages.
        function: what each worker does with an item, pickled.
        workers: how many.
    Attributes:
        memories: the arena of each worker.
        room: how many notes for workers may wait.
        leaving: whether the workers were told to go.
    """

    def __init__(self, stage: str, function: bytes, workers: int):
        self.workers = workers
        self.leaving = False
        self.room = 0
        self.memories: list[Range] = []
        self._stage, self._function, self._pid = stage, function, os.getpid()
        self._end = -1
        self._turn = threading.RLock()  # a finaliser may end the team in the middle of anything

    def start(self) -> None:
        """Start the processes.

        Raises:
            ContextDied: the system refused a process, a pipe or memory.
        """
        fds: list[int] = []
        try:
            self._start(fds)
        except OSError as error:
            text = f"{self._stage}: needed {self.workers} processes, the system refused: {error.strerror}."
            raise ContextDied(text, context=self._stage) from error
        finally:
            for fd in fds:
                os.close(fd)

    def _start(self, fds: list[int]) -> None:
        """What is left in `fds` is to be closed, whatever happens."""
        for ends in (pipe(os.O_DIRECT), pipe(), pipe()):
            fds += ends
        for size in (8 * self.workers, *[ARENA_BYTES] * (1 + self.workers)):
            fds.append(os.memfd_create(f"dfcore {self._stage}", os.MFD_CLOEXEC))
            os.ftruncate(fds[-1], size)
        down, self._down, self._up, up, end, ending, words, *arenas = fds
        self._arena = Arena(mapped(arenas[0]))
        self.memories = [Range(mapped(arena)) for arena in arenas[1:]]
        self.room = max(fcntl.fcntl(down, fcntl.F_GETPIPE_SZ) // NOTE_BYTES - self.workers - 1, 1)
        self._notes, self._ear = Notes(self._up), select.poll()
        self._ear.register(self._up, select.POLLIN)
        job = Job(stage=self._stage, workers=self.workers, down=down, up=up, end=end, words=words, arenas=tuple(arenas))
        inherited = (down, up, end, words, *arenas)
        self._process = interpreter.start("dfcore.pipes.hand", (dumps(job), dumps(self._function)), inherited)
        self._end, fds[:] = ending, inherited
        atexit.register(self._end_with_python)

    def send(self, items: list[Any], index: int) -> None:
        """Give items to whoever is free next. One thread at a time. Does not block while fewer than `room` notes wait.

        Raises:
            BrokenPipeError: all workers are gone.
            and whatever parts of the items raise when they cannot be pickled.
        """
        written(WORK, items, self._arena, item=index).send(self._down)

    def leave(self) -> None:
        """Let the workers go when they have done what was sent."""
        self.leaving = True
        with suppress(BrokenPipeError):  # they are gone already
            for _ in range(self.workers):
                Note(LEAVE).send(self._down)

    def says(self, within_s: float) -> bool:
        """Whether the processes say something within a while: blocks until then."""
        return bool(self._ear.poll(within_s * 1000))

    def hear(self) -> list[Note]:
        """What the processes say, at least a part of it: blocks until then. The last note is GONE."""
        try:
            return self._notes.read()
        except EOFError:
            return [Note(GONE)]  # who says so was killed, and the workers with it

    def end(self) -> None:
        """End the workers: idle ones at once, others after the call they are in, or in it after a while. Returns at once."""
        with self._turn:
            if self._end >= 0 and os.getpid() == self._pid:
                with suppress(BrokenPipeError):  # they are gone already
                    os.write(self._end, b".")

    def _end_with_python(self) -> None:
        """Before the interpreter ends: later there is no thread to reap them."""
        self.end()
        if os.getpid() == self._pid:
            self._process.wait()

    def reap(self) -> int:
        """The exit status of the process that started the workers, which are gone. Lets everything go."""
        status = self._process.wait()
        atexit.unregister(self._end_with_python)
        with self._turn:
            os.close(self._end)
            self._end = -1
        os.close(self._up)
        os.close(self._down)
        self.memories = []
        del self._arena
        return status
