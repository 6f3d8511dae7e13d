"""The two answers of `compute` that are no value. Singletons, also behind a pickle: they are compared with `is`."""

from __future__ import annotations


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
