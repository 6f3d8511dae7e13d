"""Tables, for everything that is printed: plans, reports, graphs. Strings in, one string out: text, or HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, align: str | None = None) -> str:
    """Columns with a heading line and a rule below it, two spaces apart, without trailing blanks.

    Args:
        headers: one heading per column.
        rows: one cell per column, shown with `str`; None is an empty cell.
        align: `"<"` or `">"` for each column; by default a column is right-aligned if it holds only numbers.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    for row in cells:
        if len(row) != len(headers):
            raise ValueError(f"table: needed {len(headers)} cells in a row, was {len(row)}")
    align = align or "".join(_align(column) for column in zip(*rows)) or "<" * len(headers)
    widths = [max(map(len, column)) for column in zip(headers, *cells)]
    lines = [_line(headers, widths, align), "  ".join("-" * width for width in widths)]
    lines += [_line(row, widths, align) for row in cells]
    return "\n".join(lines)


def html(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The same table for a notebook: numbers to the right, text to the left."""
    align = ["right" if _align(column) == ">" else "left" for column in zip(*rows)] or ["left"] * len(headers)
    head = "".join(f'<th style="text-align: {side}">{escape(text)}</th>' for text, side in zip(headers, align, strict=True))
    body = "".join(f"<tr>{''.join(_html_cell(*pair) for pair in zip(row, align, strict=True))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def listed(names: Sequence[str], width: int = 48) -> str:
    """Names with commas; of more than fit into `width` the first ones, and how many there are more."""
    for shown in range(len(names), 0, -1):
        text = ", ".join([*names[:shown], *([f"… {len(names) - shown} more"] if shown < len(names) else [])])
        if len(text) <= width:
            return text
    return f"{names[0]}, … {len(names) - 1} more" if len(names) > 1 else "".join(names)


def _html_cell(cell: object, side: str) -> str:
    return f'<td style="text-align: {side}">{"" if cell is None else escape(str(cell))}</td>'


def _align(column: Sequence[object]) -> str:
    numbers = [cell for cell in column if cell is not None]
    return ">" if numbers and all(isinstance(cell, (int, float)) for cell in numbers) else "<"


def _line(row: Sequence[str], widths: Sequence[int], align: str) -> str:
    return "  ".join(f"{cell:{side}{width}}" for cell, width, side in zip(row, widths, align)).rstrip()
