"""What tests of pipes count and wait with. Times are those of a world."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any


class Pulled:
    """An iterator that counts what was pulled."""

    def __init__(self, items: Iterable[Any]):
        self._items, self.count = iter(items), 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.count += 1
        return next(self._items)


class Busy:
    """Counts how many are inside: `now`, and `most` at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = self.most = 0

    def enter(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def leave(self) -> None:
        with self._lock:
            self.now -= 1

    def __call__(self, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """`f`, counted."""

        def counted(x: Any) -> Any:
            self.enter()
            try:
                return f(x)
            finally:
                self.leave()

        return counted


def uneven(f: Callable[[Any], Any] = lambda x: x) -> Callable[[Any], Any]:
    """`f`, each call of which takes another time, up to a second."""

    def slow(x: Any) -> Any:
        time.sleep(random.Random(repr(x)).random())
        return f(x)

    return slow


class NoneLeft:
    """The threads that were not there when the test began."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    def threads(self) -> set[threading.Thread]:
        return set(threading.enumerate()) - self._before

    def join(self) -> None:
        """Wait until all of them have ended. They do so by themselves."""
        for thread in self.threads():
            thread._started.wait(10)  # type: ignore[attr-defined]  # one that is being started cannot be joined
            thread.join(10)
