"""Nodes that pass records on as they are: `merge` from any of several inputs, `share` to one of several readers.

Laws (RULES 19): they are the only nodes that do not fire on one record of each input for every reader, so what passes them depends
on time; no record is changed, lost or doubled, and its `origin_ns` stays. The firing rules are in `_joins.pyx`.
"""

from __future__ import annotations

from typing import Any

from .node import Router
from .plan import ANY, ONE


class merge(Router):
    """All records of any number of inputs, in the order in which they were published: `merge()(a, b)`.

    It fires on any input: of the records that are there it takes the one published first, of two published at the same time that
    of the input connected first, and it never waits for an input that is empty. It ends when all of them have. The inputs have one
    dtype, which is that of its output; each edge has a policy of its own. In virtual time the order is the same in every run.
    In a loop it goes on after its other inputs have ended, until a node of the loop returns STOP, or `stop()`.

    Args:
        options: options of the node, as for `Node.options`.
    """

    _fires = ANY

    def __init__(self, *sources: Any, **options: Any):
        self._refuse_sources(sources)
        super().__init__(**options)

    def compute(self, *values: Any) -> Any:
        """Called outside a run only: in a run records are copied without asking Python."""
        return values[0]


class share(Router):
    """Each record to exactly one reader, to the one with room: `share()(a)`, then `.to(...)` for each reader.

    It fires when any of its readers has room; that is the first behind the one served last, in the order of connecting. So readers
    are served in turn, and a slow one is passed over while its edge is full: with a small `depth` little waits at a slow reader
    while another has nothing to do. A reader that ends is passed over; what it had not read by then is counted `unread`. End of
    stream reaches all of them.

    Args:
        options: options of the node, as for `Node.options`.
    """

    _fires = ONE

    def __init__(self, *sources: Any, **options: Any):
        self._refuse_sources(sources)
        super().__init__(**options)

    def compute(self, value: Any) -> Any:
        """Called outside a run only: in a run records are copied without asking Python."""
        return value
