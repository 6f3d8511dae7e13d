"""Which of several runnable tasks runs next: the one that waits longest, or what a list of choices says.

Laws: a list is part of a run's identity: the same list, the same run. No list, zeros, and the end of a list all mean first in,
first out, so taking a number away or making it smaller is a step towards the ordinary run. That is what lets a list shrink.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral


class Order:
    """Hands out one choice at a time. `taken` counts those that were asked for."""

    def __init__(self, choices: Iterable[int] = ()) -> None:
        self.choices = _checked(choices)
        self.taken = 0

    def next(self, count: int) -> int:
        """The place, from 0, of the one to choose among `count`; a number too large goes round."""
        at = self.taken
        self.taken = at + 1
        return self.choices[at] % count if at < len(self.choices) else 0


def _checked(choices: Iterable[int]) -> tuple[int, ...]:
    if isinstance(choices, (str, bytes)) or not isinstance(choices, Iterable):
        raise TypeError(f"World: needed choices as a list of whole numbers, was {choices!r}; for example [0, 1]")
    values = tuple(choices)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
            raise ValueError(f"World: needed choices of whole numbers from 0, was {value!r} among them; 0 is first in, first out")
    return tuple(map(int, values))
