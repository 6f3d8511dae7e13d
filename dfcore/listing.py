"""A graph as text: its contexts, its nodes below the parts they are in, and its edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .blocks import CONTEXT_OPTIONS
from .declared import Declared, Member
from .dtypes import describe
from .edge import input_names
from .tables import listed, table

if TYPE_CHECKING:
    from .parts import Contents

_WIDTH = 72  # of a list in a cell


def listing(graph: Contents) -> str:
    """Tables of contexts, nodes and edges; of a node also which source feeds which input."""
    books = graph._books
    contexts = [
        (context.name, *(getattr(context, option) for option in CONTEXT_OPTIONS), sum(book.context is context for book in books))
        for context in graph._contexts
    ]
    texts = [f"graph {graph.name}"]
    if contexts:
        texts.append(table(["context", *CONTEXT_OPTIONS, "nodes"], contexts))
    texts.append(table(["node", "role", "context", "inputs", "outputs"], _rows(graph)))
    if edges := graph._edges:
        texts.append(table(["edge", "options"], [(edge.name, options_text(edge.options)) for edge in edges]))
    return "\n\n".join(texts)


def options_text(options: dict[str, Any]) -> str:
    """Options as they are written in a call."""
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


def _rows(graph: Contents) -> list[tuple[str, ...]]:
    """A row for each member, and below a part the rows of its own."""
    rows = []
    for member in graph._members.members:
        if isinstance(member, Declared):
            rows.append(_node_row(member))
        else:
            rows += [_part_row(member), *_rows(member.node)]
    return rows


def _node_row(book: Declared) -> tuple[str, ...]:
    fed = [(name, book.fed_by(name)) for name in [*input_names(book), *book.signature.parameters]]
    inputs = listed([f"{name} <- {edge.source_name if edge else '?'}" for name, edge in fed if edge or name in input_names(book)], _WIDTH)
    outputs = listed([f"{name}: {_dtype_text(dtype)}" for name, dtype in book.outputs.items()], _WIDTH)
    return book.name, book.role, _context_text(book), inputs, outputs


def _part_row(part: Member) -> tuple[str, ...]:
    ends = part.node._members.exposed.values()
    inputs = listed([f"{end.label}: {end.inside}" for end in ends if "target" in end.sides], _WIDTH)
    outputs = listed([f"{end.label}: {end.inside}" for end in ends if "source" in end.sides], _WIDTH)
    return part.name, "part", _context_text(part), inputs, outputs


def _context_text(member: Member) -> str:
    return member.context.name if member.context else "inline"


def _dtype_text(dtype: Any) -> str:
    return describe(dtype) if dtype is not None else "?"
