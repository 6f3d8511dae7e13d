"""`emit` and `collect`."""

from __future__ import annotations

import numpy as np
import pytest

from dfcore import Graph, collect, emit

POINT = [("x", "f8"), ("n", "i4")]


def ran(source, out):
    """Run `source -> out` in virtual time."""
    with Graph() as graph:
        graph.add(source, out)
    source.to(out)
    graph.run(clock="virtual")
    return out


def test_records_are_one_array_of_their_own():
    """Structured, array and scalar records come home as one contiguous array."""
    points = ran(emit([(1.0, 2), (3.0, 4)], POINT), collect())
    assert [(1.0, 2), (3.0, 4)] == points.records.tolist()
    arrays = ran(emit([np.eye(2), np.ones((2, 2))], np.dtype(("f8", (2, 2)))), collect())
    assert (2, 2, 2) == arrays.records.shape
    assert [1, 2] == ran(emit([1, 2], "i8"), collect()).records.tolist()


def test_objects_are_a_list():
    """`None`, tuples and lists are data."""
    values = [None, (1, 2), [3], "text"]
    assert values == ran(emit(values), collect()).records


@pytest.mark.parametrize("keep", [1, 3, 5, 9])
def test_keep_holds_the_last(keep):
    """keep=n: the last n, in order, with their times."""
    out = ran(emit(range(5), "i8"), collect(keep))
    assert list(range(5))[-keep:] == out.records.tolist()
    assert len(out) == len(out.times_ns) == min(keep, 5)
    assert 4 == out.latest


@pytest.mark.parametrize("keep", [0, -1, True, 2.5, "3", 1 << 40])
def test_keep_is_a_number_of_records(keep):
    """A sentence, not a surprise; and no node."""
    with Graph() as graph, pytest.raises(ValueError, match="collect: needed keep as an int of 1 to 2147483647, was "):
        collect(keep)
    assert [] == graph.nodes


@pytest.mark.parametrize("iterable", [5, np.float64, np.dtype("f8"), len])
def test_what_cannot_be_played_is_refused(iterable):
    """Where it is written, and no node is made; a dtype stands behind its name."""
    with Graph() as graph, pytest.raises(TypeError, match=r"emit: needed an iterable, was .*emit\(dtype=...\)"):
        emit(iterable)
    assert [] == graph.nodes


def test_before_a_run_there_is_nothing():
    """Empty before a run, and still true: `if log:` is not a question about its length."""
    out = collect()
    assert 0 == len(out.records) == len(out)
    assert out.latest is None
    assert out


def test_an_iterable_starts_anew_in_each_run():
    """An iterable, not an iterator."""
    with Graph() as graph:
        source, out = emit([1, 2, 3], "i8"), collect()
    source.to(out)
    for _ in range(2):
        graph.run(clock="virtual")
        assert [1, 2, 3] == out.records.tolist()
