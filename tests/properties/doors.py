"""Readers that see what time makes of a stream: what the engine has for each `Door`, and the law that holds whatever the timing.

What arrives is a subsequence, nothing is torn, every loss is counted; the newest record always arrives where it is asked for; who
shares gets each record once; a merge is an interleaving.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dfcore
from dfcore import Graph, collect
from tests.properties.spec import Door

LOSSY: dict[str, dict[str, Any]] = {
    "latest": {"policy": "latest"},
    "drop_new": {"on_full": "drop_new"},
    "drop_oldest": {"on_full": "drop_oldest"},
}
READERS = 2  # of a share


class Opened:
    """A door in an engine's graph.

    Args:
        ends: the outputs that it reads.
        place: puts a node where it runs; called with the node and its number.
    """

    def __init__(self, door: Door, graph: Graph, ends: Sequence[Any], place: Callable[[Any, int], None], name: str) -> None:
        self.door = door
        self.outs = [collect(name=f"{name}{number}") for number in range(READERS if door.kind == "share" else 1)]
        for number, out in enumerate(self.outs):
            place(out, number + 1)
        if door.kind in LOSSY:
            depth = {} if door.kind == "latest" else {"depth": door.depth}
            graph.connect(ends[0], self.outs[0], **LOSSY[door.kind], **depth)
            return
        node = getattr(dfcore, door.kind)(name=f"{name}door")
        place(node, 0)
        for end in ends:
            graph.connect(end, node, depth=door.depth)
        for out in self.outs:
            graph.connect(node, out, depth=door.depth)

    def check(self, sequences: Sequence[list[int]], plain: Callable[[Any], list[int]], report: Any) -> None:
        """The law, for what the outputs published."""
        seen = [plain(out.records) for out in self.outs]
        if self.door.kind == "share":
            assert Counter(sequences[0]) == sum(map(Counter, seen), Counter())
            assert all(is_subsequence(each, sequences[0]) for each in seen)
        elif self.door.kind == "merge":
            assert is_interleaving(seen[0], sequences)
        else:
            edge = next(edge for name, edge in report.edges.items() if name.endswith(f"-> {self.outs[0].name}"))
            lost = edge.dropped + edge.overwritten
            assert is_subsequence(seen[0], sequences[0])
            assert (len(sequences[0]), len(seen[0]), 0) == (edge.written, edge.read, edge.unread)
            assert len(sequences[0]) == len(seen[0]) + lost
            if self.door.kind != "drop_new" and sequences[0]:
                assert sequences[0][-1] == seen[0][-1]


def is_subsequence(seen: Iterable[int], whole: Iterable[int]) -> bool:
    """Whether `seen` is what is left of `whole` when some are taken away."""
    rest = iter(whole)
    return all(value in rest for value in seen)


def is_interleaving(seen: list[int], sequences: Sequence[list[int]]) -> bool:
    """Whether `seen` is all of `sequences`, each in its own order."""
    positions = {(0,) * len(sequences)}
    for value in seen:
        positions = {
            tuple(at + (which == number) for number, at in enumerate(position))
            for position in positions
            for which, sequence in enumerate(sequences)
            if position[which] < len(sequence) and sequence[position[which]] == value
        }
    return tuple(map(len, sequences)) in positions
