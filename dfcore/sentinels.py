"""What means something only by being itself: the two answers of `compute` that are no value, and an argument that was not given.

Singletons, also behind a pickle: they are compared with `is`.
"""

from __future__ import annotations

from typing import Any


class Sentinel:
    """A value that means something only by being itself."""

    __slots__ = ("_name",)

    def __init__(self, name: str):
        self._name = name

    def __repr__(self) -> str:
        return self._name

    def __reduce__(self) -> str:
        return self._name

    def __copy__(self) -> Sentinel:
        return self

    def __deepcopy__(self, memo: object) -> Sentinel:
        return self


#: Nothing is published.
SKIP = Sentinel("SKIP")
#: Nothing is published, and the node ends.
STOP = Sentinel("STOP")
#: An argument that was not given, where None would say something.
UNSAID: Any = Sentinel("UNSAID")
