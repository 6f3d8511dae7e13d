"""The workers of one stage: threads that share an `Ahead`.

Laws: a thread is started when there is room for an item and nobody to pull it, never more than were asked for. A thread keeps
what is ahead alive and nothing else, so that whoever pulls may go: with the last reference to the results it is closed, and the
threads end with the call they are in. A thread that is inside a source for ever holds up neither who closes nor the end of Python.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .._ahead import Ahead, Results


class Crew:
    """The workers of one stage.

    Args:
        source: what they pull, an iterator of values and tags.
        work: what each of them does, in a thread of its own: called with what is `Ahead`, it returns when there is no more.
        workers: how many there are at most.
        maxsize: how many results may wait beside the items that are worked on.
        ordered: whether results keep the order of the source.
        name: of the threads.
    Attributes:
        results: what they make, an iterator of values and tags.
    """

    def __init__(
        self, source: Iterator[Any], work: Callable[[Ahead], None], workers: int, maxsize: int, *, ordered: bool, name: str
    ):
        self._threads: list[threading.Thread] = []
        hire = partial(_hire, self._threads, work, name)
        self._ahead = Ahead(source, workers + maxsize, ordered=ordered, workers=workers, hire=hire)
        self.results = Results(self._ahead)

    def close(self) -> None:
        """End the work and wait for the calls that are under way, but not for one that is inside the source: it may never end."""
        self._ahead.close()
        for thread in self._threads:
            if thread is not threading.current_thread() and thread.ident != self._ahead.puller:
                with contextlib.suppress(RuntimeError):  # it is being started: when it is, there is nothing to do
                    thread.join()


def _hire(threads: list[threading.Thread], work: Callable[[Ahead], None], name: str, ahead: Ahead) -> None:
    thread = threading.Thread(target=work, args=(ahead,), name=f"{name} {len(threads) + 1}", daemon=True)
    threads.append(thread)
    thread.start()
