"""Markers: where they come out, who sees them, what they cut."""

from __future__ import annotations

import threading

import pytest

import dfcore.pipes as pl
from dfcore.pipes import Marker, pipe


def seen(p, *markers):
    """The items of a pipe with the names of the markers between them."""
    found = []
    p = p.each(found.append)
    for marker in markers:
        p = p.on(marker, lambda marker=marker: found.append(marker.name))
    list(p)
    return found


def test_users_and_functions_do_not_see_markers():
    """They are in none of the results."""
    marked = pipe(range(4)).mark(Marker()).map(lambda x: x + 1).filter(lambda x: x != 2)
    assert [1, 3, 4] == list(marked)


@pytest.mark.parametrize(("after", "found"), [(True, [0, 1, "m", 2, 3, "m", 4]), (False, [0, "m", 1, 2, "m", 3, 4])])
def test_every_so_many_items(after, found):
    """Behind, or before, each second one."""
    m = Marker("m")
    assert found == seen(pipe(range(5)).mark(m, every=2, after=after), m)


def test_markers_do_not_count_as_items():
    """A second marker every two items, and `take`, count the items only."""
    m, n = Marker("m"), Marker("n")
    assert [0, "m", 1, "n", "m", 2, "m", 3] == seen(pipe(range(9)).mark(m).mark(n, 2).take(4), m, n)


def test_a_marker_in_a_list_comes_behind_it():
    """Unless it is the one that ends it."""
    m, n = Marker("m"), Marker("n")
    marked = pipe(range(6)).mark(m, 2).mark(n, 3)
    assert [[0, 1, 2, 3], "m", "n", "m", [4, 5], "n", "m"] == seen(marked.batch(4), m, n)
    marked = pipe(range(6)).mark(m, 2).mark(n, 3)
    assert [[0, 1, 2], "m", "n", [3, 4, 5], "m", "n", "m"] == seen(marked.batch(4, split_on=n), m, n)


@pytest.mark.parametrize(("partial", "lists"), [(True, [[0, 1], [2, 3], [4, 5]]), (False, [])])
def test_lists_that_a_marker_ends_early_are_partial(partial, lists):
    """They are dropped where only whole ones are wanted; the marker is not."""
    m = Marker("m")
    found = seen(pipe(range(6)).mark(m, 2).batch(4, split_on=m, partial=partial), m)
    assert (lists, ["m"] * 3) == ([x for x in found if x != "m"], [x for x in found if x == "m"])


def test_on_and_until_without_a_marker_mean_any():
    """Segments between whatever markers there are."""
    m, n = Marker(), Marker()
    count = []
    p = pl.marker.on(pipe(range(4)).mark(m, 2).mark(n, 4), lambda: count.append(1))
    assert [[0, 1], [2, 3], [], []] == [list(pl.marker.until(p)) for _ in range(4)]
    assert 3 == len(count)


def test_until_takes_nothing_from_behind_the_marker():
    """What comes next belongs to whoever pulls next, and a segment that has ended stays ended."""
    p, marker = pl.marker.insert_periodic(range(3))
    segment = pl.marker.until(p, marker)
    assert ([0], [], "marker") == (list(segment), list(segment), segment.ended)
    assert 1 == next(p)
    going_on = p.until(marker)
    assert None is going_on.ended


def test_a_marker_is_seen_in_the_thread_that_pulls_it(none_left):
    """The function of `on` before a stage with threads runs in one of these, behind it in the puller's."""
    m, where = Marker(), []
    p = pipe(range(2)).mark(m, 2).on(m, lambda: where.append(threading.current_thread())).thread.map(str, 1)
    list(p.on(m, lambda: where.append(threading.current_thread())))
    assert (False, True) == tuple(thread is threading.current_thread() for thread in where)


def test_markers_pass_through_both_branches_of_tee():
    """Each of them has its own segments."""
    m = Marker()
    a, b = pipe(range(2)).mark(m).tee()
    assert ([0], [0], [1], [1]) == (list(a.until(m)), list(b.until(m)), list(b.until(m)), list(a.until(m)))
