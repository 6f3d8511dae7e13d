"""Where the things of a picture stand: columns from left to right, boxes that hold what is theirs, lines that pass between.

Laws: no two things that are drawn cover each other, except a box and what is in it; a line leaves its column before it turns, so it
crosses no node; the same input gives the same places.

Nodes stand in the column of their layer; between two of these is one for labels. A line that passes columns, or has a label, gets
a track: a strip of its own in all columns that it passes, in the innermost box that holds both its ends. What stands in one box is
put in an order, and each thing as far up as what is above it in its columns allows. The order follows the means of the places of
the neighbours (Sugiyama, Tagawa and Toda 1981), the best of some rounds is kept, and then things move towards their neighbours as
far as there is room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

NODE_GAP, TRACK_GAP, TURN, SIDE = 16.0, 6.0, 24.0, 22.0
TITLE, FOOT = 24.0, 12.0
BELOW = 4.0  # of a track: what is below its line
_FIRST_LINE = 40.0  # the most that a first thing is lowered to be level with others
_ROUNDS, _TRIES, _MOVES, _LEAST_GAIN = 12, 1000, 24, 1e-6


@dataclass(eq=False, slots=True)
class Item:
    """A thing with a place: a node, a track or a box. `top` is in its box, `line` from its top to where lines meet it."""

    first: int  # columns
    last: int
    height: float = 0.0
    line: float = 0.0
    gap: float = NODE_GAP
    last_of_all: bool = False  # below what is in its box: lines that lead back
    order: float = 0.0
    top: float = 0.0
    inner: list[Item] = field(default_factory=list)
    outer: Item | None = None
    near: list[Item] = field(default_factory=list)  # what lines lead to

    @property
    def y(self) -> float:
        """The upper edge in the picture."""
        return self.top if self.outer is None else self.outer.y + (TITLE if self.outer.outer else 0.0) + self.top

    def around(self) -> list[Item]:
        """Itself and the boxes it is in, innermost first."""
        found = [self]
        while found[-1].outer is not None:
            found.append(found[-1].outer)
        return found

    def leaves(self) -> Iterator[Item]:
        """The nodes and tracks in it, at any depth."""
        if not self.inner:
            yield self
        for item in self.inner:
            yield from item.leaves()

    def put(self, item: Item) -> None:
        """Take an item in, below the others."""
        item.outer, item.order = self, len(self.inner)
        self.inner.append(item)
        for box in self.around():
            box.first, box.last = min(box.first, item.first), max(box.last, item.last)


def box() -> Item:
    """A box with nothing in it."""
    return Item(first=1 << 30, last=-1)


def common(one: Item, two: Item) -> Item:
    """The innermost box that holds both."""
    boxes = one.around()[1:]
    return next(item for item in two.around()[1:] if item in boxes)


def arrange(root: Item) -> None:
    """Give everything in a box its place."""
    best, orders = float("inf"), {}
    boxes = [item for item in _all(root) if item.inner]
    for _ in range(_ROUNDS):
        _stack(root)
        cost = _cost(root)
        if cost < best:
            best, orders = cost, {item: item.order for each in boxes for item in each.inner}
        for each in boxes:
            wishes = {item: item.y + item.line + _wish(item) for item in each.inner}
            for place, item in enumerate(sorted(each.inner, key=lambda item: (item.last_of_all, wishes[item], item.order))):
                item.order = place
    for item, order in orders.items():
        item.order = order
    _improve(root, boxes, best)
    for turn in range(_MOVES):
        for each in boxes:
            _straighten(each, downwards=turn % 2 == 1)


def columns(widths: Sequence[float], boxes: Iterable[Item], titles: Iterable[float]) -> list[tuple[float, float]]:
    """Left and right edge of each column, so that the sides of boxes have room between them, and titles in their boxes."""
    widths, boxes = list(widths), list(boxes)
    before = [max((sides(item, "first") for item in boxes if item.first == column), default=0) for column in range(len(widths))]
    after = [max((sides(item, "last") for item in boxes if item.last == column), default=0) for column in range(len(widths))]
    places = _side_by_side(widths, before, after)
    for item, title in zip(boxes, titles, strict=True):
        width = places[item.last][1] - places[item.first][0] + SIDE * (sides(item, "first") + sides(item, "last"))
        widths[item.last] += max(0.0, title - width)
        places = _side_by_side(widths, before, after)
    return places


def _side_by_side(widths: Sequence[float], before: Sequence[int], after: Sequence[int]) -> list[tuple[float, float]]:
    places, x = [], 0.0
    for width, sides_before, sides_after in zip(widths, before, after, strict=True):
        x += TURN + SIDE * sides_before
        places.append((x, x + width))
        x += width + SIDE * sides_after
    return places


def sides(item: Item, end: str) -> int:
    """How many boxes have a side between a column and the outer side of a box that begins or ends there."""
    same = [inner for inner in item.inner if inner.inner and getattr(inner, end) == getattr(item, end)]
    return 1 + max((sides(inner, end) for inner in same), default=0)


def _all(item: Item) -> Iterator[Item]:
    yield item
    for inner in item.inner:
        yield from _all(inner)


def _stack(item: Item) -> None:
    """Put what is in a box as far up as the order allows, and give the box its height."""
    lowest = dict.fromkeys(range(item.first, item.last + 1), 0.0)
    first_line = min(_FIRST_LINE, max((inner.line for inner in item.inner if not inner.inner), default=0.0))
    height = 0.0
    for inner in _in_order(item):
        if inner.inner:
            _stack(inner)
        inner.top = max(lowest[column] for column in range(inner.first, inner.last + 1))
        if not inner.top and not inner.inner:
            inner.top = max(0.0, first_line - inner.line)
        height = max(height, inner.top + inner.height)
        for column in range(inner.first, inner.last + 1):
            lowest[column] = inner.top + inner.height + inner.gap
    item.height = height + (TITLE + FOOT if item.outer is not None else 0.0)
    item.line = item.height / 2


def _improve(root: Item, boxes: Sequence[Item], best: float) -> None:
    """Try single things elsewhere in the order of their box, as long as that makes the picture better; of large pictures a part."""
    moves = ((each, item) for each in boxes for item in list(each.inner) if not item.last_of_all)
    tries = 0
    for each, item in moves:
        if tries > _TRIES:
            break
        others = [other for other in _in_order(each) if other is not item and not other.last_of_all]
        kept = item.order
        for item.order in [other.order + side for other in others for side in (-0.5, 0.5)]:
            tries += 1
            _stack(root)
            cost = _cost(root)
            if cost < best - _LEAST_GAIN:
                best, kept = cost, item.order
        item.order = kept
        for place, other in enumerate(_in_order(each)):
            other.order = place
    _stack(root)


def _in_order(item: Item) -> list[Item]:
    return sorted(item.inner, key=lambda inner: inner.order)


def _wish(item: Item) -> float:
    """How far down an item would go to be level with what lines lead to."""
    outside = [(leaf, near) for leaf in item.leaves() for near in leaf.near if item not in near.around()]
    if not outside:
        return 0.0
    return sum(near.y + near.line - leaf.y - leaf.line for leaf, near in outside) / len(outside)


def _cost(root: Item) -> float:
    """The ups and downs of all lines together."""
    return sum(abs(near.y + near.line - leaf.y - leaf.line) for leaf in root.leaves() for near in leaf.near)


def _straighten(item: Item, downwards: bool) -> None:
    """Move what is in a box towards its neighbours, as far as there is room."""
    inner = _in_order(item)[:: -1 if downwards else 1]
    room = item.height - (TITLE + FOOT if item.outer is not None else 0.0)
    for each in inner:
        beside = [other for other in inner if other is not each and other.first <= each.last and each.first <= other.last]
        above = max((other.top + other.height + other.gap for other in beside if other.order < each.order), default=0.0)
        below = min((other.top - each.gap for other in beside if other.order > each.order), default=room) - each.height
        each.top = max(above, min(below, each.top + _wish(each)))
