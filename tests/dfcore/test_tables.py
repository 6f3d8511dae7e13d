"""Text tables."""

from __future__ import annotations

import pytest

from dfcore.tables import html, listed, table


def test_columns_are_as_wide_as_their_cells():
    """Numbers are right-aligned, text left; None is an empty cell; no trailing blanks."""
    expected = ["name    n", "----  ---", "a       1", "bcd   234", "e"]
    assert expected == table(["name", "n"], [["a", 1], ["bcd", 234], ["e", None]]).splitlines()


def test_the_alignment_can_be_given():
    """`align` holds one sign per column."""
    assert ["a  bb", "-  --", "x  1", "y  23"] == table(["a", "bb"], [["x", 1], ["y", 23]], align="<<").splitlines()


def test_a_table_may_be_empty():
    """Without rows there is the heading."""
    assert "a  b\n-  -" == table(["a", "b"], [])


def test_a_short_row_is_an_error():
    """Every row has one cell per heading."""
    with pytest.raises(ValueError, match="needed 2 cells in a row, was 1"):
        table(["a", "b"], [["x"]])


def test_a_table_in_html_escapes_its_cells():
    """Numbers stand to the right; no cell is taken for markup; None is an empty cell."""
    expected = (
        '<table><thead><tr><th style="text-align: left">a</th><th style="text-align: right">n</th></tr></thead><tbody>'
        '<tr><td style="text-align: left">&lt;b&gt;</td><td style="text-align: right">1</td></tr>'
        '<tr><td style="text-align: left"></td><td style="text-align: right">2</td></tr></tbody></table>'
    )
    assert expected == html(["a", "n"], [["<b>", 1], [None, 2]])
    assert "<th" in html(["a"], [])


def test_long_lists_are_cut_where_the_width_ends():
    """The first names and the number of the others, at least one name."""
    names = [f"values[{index}]" for index in range(12)]
    assert ", ".join(names[:3]) == listed(names[:3])
    assert "values[0], values[1], values[2], … 9 more" == listed(names)
    assert "values[0], … 11 more" == listed(names, 5)
    assert ("a very long name", "") == (listed(["a very long name"], 5), listed([]))
