"""A sketch as an SVG picture, without any other program.

Laws: everything lies inside the view box; the picture brings its own background, light or dark, so that it can be read anywhere; it
has no identifiers and its style reaches nothing else, so that several can stand in one page; the same sketch gives the same text.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from html import escape

from .layered import BELOW, FOOT, SIDE, TITLE, TRACK_GAP, TURN, Item, arrange, box, columns, common, sides
from .notation import printable
from .sketch import Arrow, Box, Shape, Sketch

_CHARACTER, _LINE, _SMALL = 7.3, 16.0, 0.9  # of the letters: width, height; and of the smaller ones beside them
_MARGIN, _HEAD, _PORT = 12.0, 7.0, 11.0
#: Colours by what they are for, light and dark: paper, ink, faint, box, and the three roles.
_LIGHT = ("#ffffff", "#1f2328", "#59636e", "#f6f8fa", "#dafbe1", "#ddf4ff", "#fff1e5")
_DARK = ("#0d1117", "#e6edf3", "#9198a1", "#161b22", "#12351d", "#0c2d4d", "#43270f")
_COLOURS = """\
.dfcore-graph .paper {{ fill: {0}; }}
.dfcore-graph text, .dfcore-graph .head {{ fill: {1}; }} .dfcore-graph .edge {{ stroke: {1}; }}
.dfcore-graph .small {{ fill: {2}; stroke: {0}; }} .dfcore-graph .box {{ fill: {3}; stroke: {2}; }}
.dfcore-graph .emitter {{ fill: {4}; }} .dfcore-graph .router {{ fill: {5}; }} .dfcore-graph .collector {{ fill: {6}; }}"""
_STYLE = """\
.dfcore-graph text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.dfcore-graph .small { font-size: 10.8px; stroke-width: 3px; paint-order: stroke; }
.dfcore-graph .box { fill-opacity: 0.6; } .dfcore-graph .context { stroke-dasharray: 5 4; }
.dfcore-graph .emitter { stroke: #2da44e; } .dfcore-graph .router { stroke: #218bff; } .dfcore-graph .collector { stroke: #e16f24; }
.dfcore-graph .edge { fill: none; stroke-width: 1.3px; } .dfcore-graph .parameter { stroke-dasharray: 2 3; }
.dfcore-graph .edge.back { stroke: #bf3989; stroke-dasharray: 7 3; } .dfcore-graph .head.back { fill: #bf3989; }"""
_SHEET = f"{_COLOURS.format(*_LIGHT)}\n{_STYLE}\n@media (prefers-color-scheme: dark) {{\n{_COLOURS.format(*_DARK)}\n}}"


def svg(drawing: Sketch) -> str:
    """The SVG text of a sketch."""
    name = printable(drawing.root.label)
    if drawing.shapes:
        return _Picture(drawing).text(name)
    return _document(name, _width(f"{name}: no nodes") + 4 * _MARGIN, 3 * _MARGIN, [_text(_MARGIN, _MARGIN, f"{name}: no nodes", "small")])


class _Picture:
    """A sketch with the place of everything."""

    def __init__(self, drawing: Sketch):
        self.drawing = drawing
        self.root = box()
        self.boxes: list[tuple[Item, Box]] = []
        self.nodes: dict[int, Item] = {}
        self.tracks: dict[int, Item] = {}
        self._fill(self.root, drawing.root)
        self._add_tracks()
        arrange(self.root)
        titles = [_width(plan.label) * _SMALL + 2 * FOOT for _, plan in self.boxes]
        self.columns = columns(self._widths(), [item for item, _ in self.boxes], titles)
        self.ports = self._ports()

    def text(self, name: str) -> str:
        """The document."""
        body = [self._box(*each) for each in self.boxes] + [self._label(index) for index in sorted(self.tracks)]
        body += [self._arrow(index) for index in range(len(self.drawing.arrows))]
        body += [self._title(*each) for each in self.boxes] + [self._node(index) for index in self.nodes]
        right = self.columns[-1][1] + TURN + SIDE * max((sides(item, "last") for item, _ in self.boxes), default=0)
        return _document(name, right + 2 * _MARGIN, self.root.height + 2 * _MARGIN, body)

    # -- places -------------------------------------------------------------------------------------------------------------

    def _fill(self, item: Item, plan: Box) -> None:
        for node in plan.nodes:
            shape = self.drawing.shapes[node]
            ends = max(sum(arrow.source == node for arrow in self.drawing.arrows),
                       sum(arrow.target == node for arrow in self.drawing.arrows))  # fmt: skip
            height = max(len(shape.lines) * _LINE + 14, ends * _PORT + 8)
            self.nodes[node] = Item(2 * shape.layer, 2 * shape.layer, height, height / 2)
            item.put(self.nodes[node])
        for inner in plan.boxes:
            place = box()
            self.boxes.append((place, inner))
            layers = [2 * self.drawing.shapes[node].layer for node in inner.all_nodes()]
            place.first, place.last = min(layers), max(layers)
            item.put(place)
            self._fill(place, inner)

    def _add_tracks(self) -> None:
        arrows = list(enumerate(self.drawing.arrows))
        labelled = {2 * self._layer(arrow.source) + 1 for _, arrow in arrows if arrow.lines and not arrow.back}
        for index, arrow in sorted(arrows, key=lambda pair: abs(self._layer(pair[1].source) - self._layer(pair[1].target))):
            source, target = self.nodes[arrow.source], self.nodes[arrow.target]
            first, last = (target.first, source.last) if arrow.back else (source.last + 1, target.first - 1)
            if first < last or arrow.back or first in labelled:
                line = len(arrow.lines) * _LINE * _SMALL + 1
                track = self.tracks[index] = Item(first, last, line + BELOW, line, TRACK_GAP, arrow.back)
                common(source, target).put(track)
                if not arrow.back:
                    _link(source, track)
                    _link(track, target)
            else:
                _link(source, target)

    def _layer(self, node: int) -> int:
        return self.drawing.shapes[node].layer

    def _widths(self) -> list[float]:
        widths = [0.0] * (self.root.last + 1)
        for index, item in self.nodes.items():
            widths[item.first] = max(widths[item.first], _node_width(self.drawing.shapes[index]))
        for index, item in self.tracks.items():
            needed = max(map(_width, self.drawing.arrows[index].lines), default=0.0) * _SMALL + 8
            widths[item.first] = max(widths[item.first], needed)
        return widths

    def _ports(self) -> dict[tuple[int, str], float]:
        """Where each arrow leaves its source and reaches its target, `(arrow, side) -> y`: in the order of where they come from.

        Those that lead back come last, the widest turn first, so that they lie in one another.
        """
        meeting: dict[tuple[int, str], list[tuple[bool, float, int]]] = defaultdict(list)
        for index, arrow in enumerate(self.drawing.arrows):
            ways = {"source": (arrow.source, arrow.target), "target": (arrow.target, arrow.source)}
            for side, (here, there) in ways.items():
                way = self.tracks.get(index, self.nodes[there])
                y = way.y + way.line
                meeting[here, side].append((arrow.back, -y if arrow.back else y, index))
        ports = {}
        for (node, side), arrows in meeting.items():
            middle = self.nodes[node].y + self.nodes[node].line
            for place, (*_, index) in enumerate(sorted(arrows)):
                ports[index, side] = middle + (place - (len(arrows) - 1) / 2) * _PORT
        return ports

    # -- drawing ------------------------------------------------------------------------------------------------------------

    def _edges_of(self, index: int) -> tuple[float, float, float, float]:
        """Left and right edge of a node, then of its column."""
        left, right = self.columns[self.nodes[index].first]
        half = _node_width(self.drawing.shapes[index]) / 2
        middle = (left + right) / 2
        return middle - half, middle + half, left, right

    def _box(self, item: Item, plan: Box) -> str:
        left = self.columns[item.first][0] - SIDE * sides(item, "first")
        right = self.columns[item.last][1] + SIDE * sides(item, "last")
        return _rect(left, item.y, right - left, item.height, 8, f"box {plan.kind}")

    def _title(self, item: Item, plan: Box) -> str:
        left = self.columns[item.first][0] - SIDE * sides(item, "first")
        return _text(left + 10, item.y + TITLE - 8, plan.label, "small")

    def _node(self, index: int) -> str:
        shape, item = self.drawing.shapes[index], self.nodes[index]
        left, right, *_ = self._edges_of(index)
        radius = {"emitter": 15, "router": 6}.get(shape.role, 0)
        parts = [f"<g><title>{escape(printable(shape.name))}</title>", _rect(left, item.y, right - left, item.height, radius, shape.role)]
        top = item.y + item.line - (len(shape.lines) - 1) * _LINE / 2 + 4
        for place, line in enumerate(shape.lines):
            parts.append(_text((left + right) / 2, top + place * _LINE, line, "", anchor="middle"))
        return "".join([*parts, "</g>"])

    def _arrow(self, index: int) -> str:
        arrow = self.drawing.arrows[index]
        from_y, to_y = self.ports[index, "source"], self.ports[index, "target"]
        _, start, _, leave = self._edges_of(arrow.source)
        stop, _, arrive, _ = self._edges_of(arrow.target)
        points = [(start, from_y), (leave, from_y), *self._way(index, arrow), (arrive - _HEAD, to_y), (stop - _HEAD, to_y)]
        kinds = " ".join(kind for kind in ("parameter", "back") if getattr(arrow, kind))
        head = f"{_at(stop, to_y)} {_at(stop - _HEAD, to_y - 3.5)} {_at(stop - _HEAD, to_y + 3.5)}"
        turn = 0.75 * TURN if arrow.back else 0.0
        return (f'<g><title>{escape(printable(arrow.name))}</title><path class="edge {kinds}" d="{_path(points, turn)}"/>'
                f'<polygon class="head {kinds}" points="{head}"/></g>')  # fmt: skip

    def _way(self, index: int, arrow: Arrow) -> list[tuple[float, float]]:
        """The ends of its track, as it is passed."""
        track = self.tracks.get(index)
        if track is None:
            return []
        ends = [(self.columns[track.first][0], track.y + track.line), (self.columns[track.last][1], track.y + track.line)]
        return ends[::-1] if arrow.back else ends

    def _label(self, index: int) -> str:
        track, lines = self.tracks[index], self.drawing.arrows[index].lines
        left, right = self.columns[track.first]
        bottom = track.y + track.line - 4
        return "".join(
            _text((left + right) / 2, bottom - (len(lines) - 1 - place) * _LINE * _SMALL, line, "small", anchor="middle")
            for place, line in enumerate(lines)
        )


def _document(name: str, width: float, height: float, body: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="dfcore-graph" {size} role="img">'
    paper = '<rect class="paper" width="100%" height="100%" rx="6"/>'
    return "\n".join([head, f"<title>{escape(name)}</title>", f"<style>\n{_SHEET}\n</style>", paper, *body, "</svg>", ""])


def _link(one: Item, two: Item) -> None:
    one.near.append(two)
    two.near.append(one)


def _width(text: str) -> float:
    """Of a text in letters of one width; those of East Asia take two places, marks above others none."""
    places = sum(0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    return places * _CHARACTER


def _node_width(shape: Shape) -> float:
    return max(map(_width, shape.lines)) + 24


def _at(x: float, y: float) -> str:
    return f"{x + _MARGIN:.1f},{y + _MARGIN:.1f}"


def _path(points: Sequence[tuple[float, float]], turn: float) -> str:
    """Level lines between each pair of points, curves from one to the next; `turn`: how far a line goes on before it turns back."""
    parts = [f"M{_at(*points[0])} L{_at(*points[1])}"]
    for place in range(2, len(points), 2):
        (x, y), (to_x, to_y) = points[place - 1], points[place]
        reach = turn or (to_x - x) / 2
        sign = -1 if turn and place > 2 else 1
        back = -sign if turn else 1
        parts.append(f"C{_at(x + reach * sign, y)} {_at(to_x - reach * back, to_y)} {_at(to_x, to_y)} L{_at(*points[place + 1])}")
    return " ".join(parts)


def _rect(left: float, top: float, width: float, height: float, radius: float, kind: str) -> str:
    return (f'<rect class="{kind}" x="{left + _MARGIN:.1f}" y="{top + _MARGIN:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{radius:g}"/>')  # fmt: skip


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x + _MARGIN:.1f}" y="{y + _MARGIN:.1f}" text-anchor="{anchor}">{escape(printable(text))}</text>'
