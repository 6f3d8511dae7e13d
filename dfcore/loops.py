"""Cycles and ranks of a directed graph, on numbers only.

Laws: a feedback arc is one inside a strongly connected component that may carry the first record (RULES 3); without its feedback
arcs a good graph has no cycle, and a rank is the longest path in what is left. Nothing here recurses: graphs may be deep.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

Arc = tuple[int, int]


def components(count: int, arcs: Sequence[Arc]) -> list[int]:
    """The strongly connected component of each node, `(count,)`; numbered against the direction of the arcs (Tarjan 1972)."""
    after = successors(count, arcs)
    found, low, index = [-1] * count, [0] * count, [-1] * count
    stack: list[int] = []
    counter = number = 0
    for root in range(count):
        if index[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            node, step = work.pop()
            if index[node] < 0:
                index[node] = low[node] = counter
                counter += 1
                stack.append(node)
            for place in range(step, len(after[node])):
                other = after[node][place]
                if index[other] < 0:
                    work += [(node, place), (other, 0)]
                    break
                if found[other] < 0:
                    low[node] = min(low[node], low[other])
            else:
                if low[node] == index[node]:
                    while found[node] < 0:
                        found[stack.pop()] = number
                    number += 1
    return found


def feedback(count: int, arcs: Sequence[Arc], may_start: Sequence[bool]) -> list[bool]:
    """Which arcs are feedback: inside a component, and able to deliver before their writer has fired."""
    component = components(count, arcs)
    return [starts and component[a] == component[b] for (a, b), starts in zip(arcs, may_start, strict=True)]


def cycles(count: int, arcs: Sequence[Arc]) -> list[list[int]]:
    """A shortest cycle through the first node of each component that has one: the nodes along it, each once."""
    component = components(count, arcs)
    after = successors(count, [(a, b) for a, b in arcs if component[a] == component[b]])
    seen: set[int] = set()
    found = []
    for node in range(count):
        if after[node] and component[node] not in seen:
            seen.add(component[node])
            found.append(_way_back(node, after))
    return found


def ranks(count: int, arcs: Sequence[Arc]) -> list[int]:
    """The longest path to each node, `(count,)`. The arcs must have no cycle."""
    after, waiting, rank = successors(count, arcs), [0] * count, [0] * count
    for _, b in arcs:
        waiting[b] += 1
    ready = deque(node for node in range(count) if not waiting[node])
    while ready:
        node = ready.popleft()
        for other in after[node]:
            rank[other] = max(rank[other], rank[node] + 1)
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    return rank


def successors(count: int, arcs: Sequence[Arc]) -> list[list[int]]:
    """For each node the ends of its arcs, in their order."""
    after: list[list[int]] = [[] for _ in range(count)]
    for a, b in arcs:
        after[a].append(b)
    return after


def _way_back(start: int, after: Sequence[Sequence[int]]) -> list[int]:
    """The nodes of a shortest path from `start` to itself, `start` once, at the front."""
    came_from: dict[int, int] = {}
    ready = deque([start])
    while ready:
        node = ready.popleft()
        for other in after[node]:
            if other == start:
                path = [node]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if other not in came_from:
                came_from[other] = node
                ready.append(other)
    return []
