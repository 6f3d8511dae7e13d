"""Stages that pull each other: laziness, sharing, what is iterated anew and what goes on."""

from __future__ import annotations

import itertools

import pytest

import dfcore.pipes as pl
from dfcore import SKIP
from dfcore.pipes import pipe


def test_a24_map_filter_partition():
    """A24: 25 lists, the first two and the last as computed."""
    lists = list(pl.partition(pl.filter(pl.map(range(100), lambda x: 3 * x + 1), lambda x: x % 2 == 0), 2))
    assert (25, [4, 10], [16, 22], [292, 298]) == (len(lists), lists[0], lists[1], lists[-1])


def test_a24_nothing_runs_that_was_not_pulled():
    """A24: building calls nothing; the first list of two even ones calls the function exactly four times."""
    seen = []
    lists = pipe(range(100)).map(lambda x: seen.append(x) or 3 * x + 1).filter(lambda x: x % 2 == 0).batch(2)
    assert [] == seen
    assert ([4, 10], [0, 1, 2, 3]) == (next(lists), seen)


def test_a24_a_stage_that_several_pull_is_shared():
    """A24: 1, 3, 4, 6, 7 out of one stage and two that pull it."""
    mapped = pl.map(range(100), lambda x: x + 1)
    even, odd = pl.filter(mapped, lambda x: x % 2 == 0), pl.filter(mapped, lambda x: x % 2 == 1)
    assert [1, 3, 4, 6, 7] == [next(mapped), next(odd), next(even), next(even), next(mapped)]


@pytest.mark.parametrize(("source", "second"), [([0, 1, 2], 1), (iter([0, 1, 2]), 2)], ids=["iterable", "iterator"])
def test_a24_an_iterable_starts_anew_and_an_iterator_goes_on(source, second):
    """A24: two pipes over a list both begin at its start, over an iterator they share it."""
    pipes = [pl.map(source, lambda x: x + 1) for _ in range(2)]
    assert [1, second] == [next(p) for p in pipes]


def test_the_chain_has_the_names_of_the_functions():
    """`pipe(xs).f(...)` is `f(xs, ...)` for each stage."""
    chain = pipe(range(20)).map(lambda x: [x, x]).flatten().filter(lambda x: x % 3).each(str).batch(3).take(2)
    functions = pl.take(pl.partition(pl.each(pl.filter(pl.flatten(pl.map(range(20), lambda x: [x, x])), lambda x: x % 3), str), 3), 2)
    assert [[1, 1, 2], [2, 4, 4]] == list(chain) == list(functions)


def test_a_pipe_is_an_iterator():
    """`iter` returns the pipe itself, and what has ended stays ended."""
    p = pipe([1]).map(str)
    assert p is iter(p)
    assert (["1"], [], []) == (list(p), list(p), list(p))


def test_take_pulls_no_more_than_it_hands_on():
    """The first three of an endless source, the source being left at the fourth."""
    source = itertools.count()
    assert ([0, 1, 2], 3) == (list(pipe(source).take(3)), next(source))


def test_skip_drops_an_item():
    """A function of `map` may return SKIP."""
    assert [0, 2, 4] == list(pipe(range(5)).map(lambda x: SKIP if x % 2 else x))
