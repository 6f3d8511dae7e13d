"""A sketch as text for other programs: the DOT language of Graphviz, and Mermaid flowcharts.

Law: no name, whatever it contains, can end the text it stands in or be taken for markup.
Sources: https://graphviz.org/doc/info/lang.html, https://mermaid.js.org/syntax/flowchart.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .sketch import Arrow, Box, Sketch

_DOT_SHAPES = {"emitter": "shape=oval", "router": "shape=box, style=rounded", "collector": "shape=box"}
_MERMAID_SHAPES = {"emitter": ("([", "])"), "router": ("(", ")"), "collector": ("[", "]")}
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(text: str) -> str:
    """A text without what no document may contain: control characters and halves of surrogate pairs become �."""
    return _UNPRINTABLE.sub("�", text)


def dot(drawing: Sketch) -> str:
    """The DOT text of a sketch."""
    lines = [f"digraph {_dot_text(drawing.root.label)} {{", "  rankdir=LR", *_dot_box(drawing, drawing.root, "  ", [0])]
    lines += [f"  n{arrow.source} -> n{arrow.target}{_dot_options(arrow)}" for arrow in drawing.arrows]
    return "\n".join([*lines, "}", ""])


def mermaid(drawing: Sketch) -> str:
    """The Mermaid flowchart of a sketch."""
    lines = ["flowchart LR", *_mermaid_box(drawing, drawing.root, "  ", [0])]
    for arrow in drawing.arrows:
        label = f"|{_mermaid_text(arrow.lines)}|" if arrow.lines else ""
        lines.append(f"  n{arrow.source} {'-.->' if arrow.parameter or arrow.back else '-->'}{label} n{arrow.target}")
    return "\n".join([*lines, ""])


def _dot_box(drawing: Sketch, box: Box, indent: str, count: list[int]) -> Iterator[str]:
    for node in box.nodes:
        shape = drawing.shapes[node]
        yield f"{indent}n{node} [label={_dot_text(*shape.lines)}, {_DOT_SHAPES[shape.role]}]"
    for inner in box.boxes:
        yield f"{indent}subgraph cluster_{count[0]} {{"
        count[0] += 1
        yield f"{indent}  label={_dot_text(inner.label)}"
        yield f"{indent}  style={'dashed' if inner.kind == 'context' else 'solid'}"
        yield from _dot_box(drawing, inner, indent + "  ", count)
        yield f"{indent}}}"


def _dot_options(arrow: Arrow) -> str:
    options = [f"label={_dot_text(*arrow.lines)}"] if arrow.lines else []
    options += ["style=dashed"] if arrow.parameter else ["style=bold", "constraint=false"] if arrow.back else []
    return f" [{', '.join(options)}]" if options else ""


def _dot_text(*lines: str) -> str:
    """A quoted string; Graphviz reads entities in it, as in HTML, and escapes that begin with a backslash."""
    escaped = [printable(line).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'


def _mermaid_box(drawing: Sketch, box: Box, indent: str, count: list[int]) -> Iterator[str]:
    for node in box.nodes:
        shape = drawing.shapes[node]
        left, right = _MERMAID_SHAPES[shape.role]
        yield f"{indent}n{node}{left}{_mermaid_text(shape.lines)}{right}"
    for inner in box.boxes:
        yield f"{indent}subgraph b{count[0]}[{_mermaid_text((inner.label,))}]"
        count[0] += 1
        yield from _mermaid_box(drawing, inner, indent + "  ", count)
        yield f"{indent}end"


def _mermaid_text(lines: tuple[str, ...]) -> str:
    """A quoted string: all but letters, digits and a few signs as entities, so that nothing is read as Markdown or HTML."""
    escaped = [re.sub(r"[^\w /→…]", lambda sign: f"#{ord(sign[0])};", printable(line)) for line in lines]
    return '"' + "<br/>".join(escaped) + '"'
