"""What stages are given, looked at before anything is pulled. Knows no stage."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any


class Marker:
    """What `mark` puts between items, and `on`, `until` and `batch` find again. It is compared by identity.

    Args:
        name: for messages only.
    """

    def __init__(self, name: str = "marker"):
        self.name = name

    def __repr__(self) -> str:
        return f"Marker({self.name!r})"


def function(where: str, value: Any, do: str = "the pipe comes first, the function second") -> Callable[..., Any]:
    """`value` if it can be called; `do` says what to give instead."""
    if not callable(value):
        raise TypeError(f"{where}: needed a function, was {value!r}; {do}.")
    return value  # type: ignore[no-any-return]


def count(where: str, name: str, value: Any, least: int) -> int:
    """`value` as a whole number of `least` or more."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{where}: needed a whole number for {name}, was {value!r}.") from None
    if number < least:
        raise ValueError(f"{where}: needed {name} of {least} or more, was {number}.")
    return number


def marker(where: str, value: Any) -> Any:
    """`value` if it is a marker or None, which stands for any marker."""
    if value is not None and not isinstance(value, Marker):
        raise TypeError(f"{where}: needed a Marker, was {value!r}; make one, `m = Marker()`, and pass it to `mark` too.")
    return value


def items(where: str, value: Iterable[Any]) -> Iterator[Any]:
    """An iterator over `value`."""
    try:
        return iter(value)
    except TypeError as error:
        raise TypeError(f"{where}: needed an iterable, was {type(value).__name__}; pass a list, a generator or another pipe.") from error
