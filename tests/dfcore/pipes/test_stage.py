"""Stages that pull each other: what the chain says, what passes through, what is refused."""

from __future__ import annotations

import itertools
import threading

import pytest

import dfcore.pipes as pl
from dfcore import SKIP
from dfcore.pipes import Marker, Pipe, pipe
from tests.dfcore.pipes.busy import Pulled


def test_the_chain_has_the_names_of_the_functions():
    """`pipe(xs).f(...)` is `f(xs, ...)` for each stage."""
    chain = pipe(range(20)).map(lambda x: [x, x]).flatten().filter(lambda x: x % 3).each(str).batch(3).take(2)
    functions = pl.take(pl.partition(pl.each(pl.filter(pl.flatten(pl.map(range(20), lambda x: [x, x])), lambda x: x % 3), str), 3), 2)
    assert [[1, 1, 2], [2, 4, 4]] == list(chain) == list(functions)


def test_a_pipe_is_an_iterator():
    """`iter` returns the pipe itself, what has ended stays ended, and `pipe` of a pipe is that pipe."""
    p = pipe([1]).map(str)
    assert p is iter(p) is pipe(p)
    assert (["1"], [], []) == (list(p), list(p), list(p))


def test_take_pulls_no_more_than_it_hands_on():
    """The first three of an endless source, which is left at the fourth; none of it for nothing."""
    source = itertools.count()
    assert ([0, 1, 2], 3) == (list(pipe(source).take(3)), next(source))
    assert [] == list(pipe(source).take(0))
    assert 4 == next(source)


def test_skip_drops_an_item():
    """A function of `map` may return SKIP."""
    assert [0, 2, 4] == list(pipe(range(5)).map(lambda x: SKIP if x % 2 else x))
    assert [0, 2, 4] == list(pipe(range(5)).thread.map(lambda x: SKIP if x % 2 else x, 2))


@pytest.mark.parametrize(("partial", "tail"), [(True, [[6]]), (False, [])])
def test_a_shorter_list_at_the_end_is_kept_or_dropped(partial, tail):
    """7 items in threes."""
    assert [[0, 1, 2], [3, 4, 5], *tail] == list(pl.partition(range(7), 3, partial=partial))


def test_an_error_leaves_a_stage_as_it_was():
    """The item is gone, those before it and behind it are not, in all stages that keep something."""

    def odd_fails(x):
        if x == 3:
            raise KeyError(x)
        return [x, x]

    p = pipe(range(6)).map(odd_fails).flatten().batch(4)
    assert [0, 0, 1, 1] == next(p)
    with pytest.raises(KeyError):
        next(p)
    assert [[2, 2, 4, 4], [5, 5]] == list(p)


@pytest.mark.parametrize("stage", ["map", "filter", "each", "thread.map"])
def test_a_function_cannot_end_a_pipe_by_stop_iteration(stage):
    """PEP 479: it is a mistake of the function, not the end of the items."""
    empty = iter(())
    p = pipe([1, 2])
    stages = {"map": p.map, "filter": p.filter, "each": p.each, "thread.map": lambda f: p.thread.map(f, 2)}
    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        list(stages[stage](lambda x: next(empty)))
    assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.parametrize("thread", [False, True])
def test_an_iterator_that_raises(thread):
    """Its items come first, then its error, with the line that raised it."""

    def source():
        yield 1
        yield 2
        raise OSError("gone")

    p = pipe(source())
    p = p.thread.map(lambda x: x, 3) if thread else p.map(lambda x: x)
    assert [1, 2] == [next(p), next(p)]
    with pytest.raises(OSError, match="gone") as caught:
        next(p)
    assert "source" in [entry.name for entry in caught.traceback]


def test_a_pipe_that_pulls_itself_is_told():
    """A source that asks the pipe over it would wait for itself."""
    pipes = []
    p = pipe(next(pipes[0]) for _ in range(3))
    pipes.append(p)
    with pytest.raises(ValueError, match="cannot pull itself"):
        next(p)


def test_a_pipe_that_pulls_its_sibling_of_a_tee_is_told():
    """Both are the same pull of what is before the tee; the branches go on behind it."""
    box = []
    a, b = pipe(range(4)).map(lambda x: next(box[0]) if x == 2 and box else x).tee(2)
    box.append(b)
    assert [0, 1] == [next(a), next(a)]
    with pytest.raises(ValueError, match="cannot pull itself"):
        next(a)
    assert [3] == list(a)
    assert [0, 1, 3] == list(b)


def test_several_threads_may_pull_one_pipe():
    """Each item goes to exactly one of four threads, over a generator and stages that keep something."""
    p = pipe(i for i in range(2000)).map(lambda x: [x]).flatten().batch(2).flatten()
    found = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda mine=mine: mine.extend(p)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(range(2000)) == sorted(itertools.chain.from_iterable(found))
    assert all(mine == sorted(mine) for mine in found)


def test_tee_hands_every_item_to_each():
    """Whoever is first pulls; a branch that was dropped keeps nothing back."""
    source = Pulled(range(4))
    a, b, c = pl.tee(source, 3)
    del c
    assert ([0, 1], [0, 1], 2) == ([next(a), next(a)], [next(b), next(b)], source.count)
    assert ([2, 3], [2, 3]) == (list(b), list(a))


def test_branches_feed_threads_of_their_own():
    """Two stages with threads behind one generator: both get all of it, in order."""
    a, b = pipe(i for i in range(200)).tee()
    sums = a.thread.map(lambda x: x + 1, 3), b.thread.map(lambda x: -x, 3)
    assert (list(range(1, 201)), [-i for i in range(200)]) == tuple(map(list, sums))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: pipe(3), TypeError, "pipe: needed an iterable, was int"),
        (lambda: pipe([1]).map(3), TypeError, "map: needed a function, was 3"),
        (lambda: pl.map(str, [1]), TypeError, "pipe: needed an iterable, was type"),
        (lambda: pipe([1]).batch(0), ValueError, "batch: needed n of 1 or more, was 0"),
        (lambda: pipe([1]).batch(1.5), TypeError, "batch: needed a whole number for n, was 1.5"),
        (lambda: pipe([1]).take(-1), ValueError, "take: needed n of 0 or more, was -1"),
        (lambda: pipe([1]).tee(0), ValueError, "tee: needed n of 1 or more, was 0"),
        (lambda: pipe([1]).ratelimit(0), ValueError, "ratelimit: needed a rate in Hz above 0, was 0"),
        (lambda: pipe([1]).ratelimit(float("nan")), ValueError, "was nan"),
        (lambda: pipe([1]).thread.map(str, 0), ValueError, "thread.map: needed workers of 1 or more, was 0"),
        (lambda: pipe([1]).thread.queue(1, 0), ValueError, "thread.queue: needed maxsize of 1 or more, was 0"),
        (lambda: pipe([1]).mark("m"), TypeError, "mark: needed a Marker, was 'm'"),
        (lambda: pipe([1]).mark(None), TypeError, "mark: needed a Marker, was None"),
        (lambda: pipe([1]).mark(Marker(), 0), ValueError, "mark: needed every of 1 or more, was 0"),
        (lambda: pipe([1]).until(3), TypeError, "until: needed a Marker, was 3"),
        (lambda: pl.order.load([1], [1]), TypeError, "order.load: needed what order.save returned"),
        (lambda: pl.order.save([1], 0), ValueError, "order.save: needed maxsize of 1 or more"),
        (lambda: list(pipe([1, 2]).flatten()), TypeError, "flatten: needed items to iterate over, was int"),
    ],
)
def test_bad_arguments_are_named(make, error, text):
    """The stage, what it needed and what it was given, before anything is pulled."""
    with pytest.raises(error, match=text):
        make()


def test_functions_return_pipes():
    """Each stage can be followed by any other, whichever way it was made."""
    assert isinstance(pl.thread.mutex(pl.map([1], str)), Pipe)
