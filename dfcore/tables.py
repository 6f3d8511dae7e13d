"""Text tables, for everything that is printed: plans, reports, graphs. Strings in, one string out."""

from __future__ import annotations

from collections.abc import Sequence


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


def _align(column: Sequence[object]) -> str:
    numbers = [cell for cell in column if cell is not None]
    return ">" if numbers and all(isinstance(cell, (int, float)) for cell in numbers) else "<"


def _line(row: Sequence[str], widths: Sequence[int], align: str) -> str:
    return "  ".join(f"{cell:{side}{width}}" for cell, width, side in zip(row, widths, align)).rstrip()
