"""Text tables."""

from __future__ import annotations

import pytest

from dfcore.tables import table


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
