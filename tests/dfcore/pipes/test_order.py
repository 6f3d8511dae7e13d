"""order.save and order.load: what may stand between them, and what is refused."""

from __future__ import annotations

import itertools
import time

import pytest

import dfcore.pipes as pl
from dfcore.pipes import Marker, pipe
from sim import World
from tests.dfcore.pipes.busy import Pulled, uneven


def test_gaps_and_children_find_their_places():
    """A filter before and behind two flattens, through unordered threads, inside an order inside an order."""

    def several(x):
        return [10 * x + i for i in range(x % 3)]

    def odd(x):
        return x % 2 == 1

    expected = [z for x in range(1, 40, 2) for y in several(x) for z in several(y) if odd(z)]
    with World():
        p = outer = pl.order.save(range(40), 8)
        p = inner = pl.order.save(pl.thread.queue(p.filter(odd).map(several).each(uneven()), 4), 5)
        p = pl.order.load(p.flatten().map(several).thread.queue(3).flatten().each(uneven()).thread.queue(5), inner)
        assert expected == list(pl.order.load(p.filter(odd), outer))


def everything(p):
    """What a pipe hands on until its end, in at most 30 pulls, with the names of the errors in between."""
    got = []
    for _ in range(30):
        try:
            got.append(next(p))
        except StopIteration:
            return got
        except (KeyError, TypeError, ValueError) as error:
            got.append(type(error).__name__)
    return got


@pytest.mark.parametrize("maxsize", [1, 4, 100])
@pytest.mark.parametrize("stage", ["map", "filter", "each"])
def test_an_item_that_fails_leaves_a_gap(stage, maxsize):
    """The next pull goes on behind it, as it does without an order."""

    def refuse(x):
        if x % 3 == 2:
            raise KeyError(x)
        return x + 1

    saved = pl.order.save(range(8), maxsize)
    p = pl.order.load(getattr(pl, stage)(saved, refuse), saved)
    assert everything(getattr(pl, stage)(range(8), refuse)) == everything(p)


def test_an_item_that_fails_leaves_a_gap_in_all_orders_that_wait_for_it():
    """One order inside another, of which one is not loaded; items made of one."""

    def refuse(x):
        if x == 3:
            raise KeyError(x)
        return x

    outer = pl.order.save(range(3), 1)
    inner = pl.order.save(outer.map(lambda x: [2 * x, 2 * x + 1]).flatten(), 2)
    unloaded = pl.order.save(inner, 1)
    p = pl.order.load(pl.order.load(unloaded.map(refuse), inner), outer)
    assert [0, 1, 2, "KeyError", 4, 5] == everything(p)


def test_what_cannot_be_flattened_leaves_a_gap():
    """And so does an iterable that fails on the way: what came before stays."""

    def failing():
        yield 1
        raise KeyError

    saved = pl.order.save([[0], 5, failing(), [2, 3]], 1)
    assert [0, "TypeError", 1, "KeyError", 2, 3] == everything(pl.order.load(saved.flatten(), saved))


def test_a_marker_whose_function_fails_leaves_a_gap():
    """`on` between save and load."""
    m = Marker()
    saved = pl.order.save(pipe(range(4)).mark(m, every=2), 1)
    assert [0, 1, "KeyError", 2, 3, "KeyError"] == everything(pl.order.load(saved.on(m, {}.popitem), saved))


def test_markers_keep_their_places_too():
    """Marks from before order.save and marks that were put in behind it."""
    m, n = Marker("m"), Marker("n")
    seen = []
    with World():
        saved = pl.order.save(pipe(range(6)).mark(m, 3), 4)
        p = saved.mark(n, 2).each(uneven()).thread.queue(3)
        list(pl.order.load(p, saved).each(seen.append).on(m, lambda: seen.append("m")).on(n, lambda: seen.append("n")))
    assert [0, 1, "n", 2, "m", 3, "n", 4, 5, "n", "m"] == seen


def test_what_is_cut_off_is_not_waited_for():
    """`take` in between: at the end of the stream the rest comes in order."""
    with World():
        saved = pl.order.save(range(20), 10)
        found = list(pl.order.load(saved.each(uneven()).thread.queue(4).take(5), saved))
    assert (5, sorted(found)) == (len(found), found)


def test_several_loads_one_after_the_other():
    """Segments between markers, each loaded by itself."""
    m = Marker()
    saved = pl.order.save(pipe(range(6)).mark(m, 2), 3)
    assert [[0, 1], [2, 3], [4, 5]] == [list(pl.order.load(saved.until(m), saved)) for _ in range(3)]


def test_without_a_load_nobody_is_held_up():
    """Saved items are items."""
    assert list(range(20)) == list(pl.order.save(range(20), 2))


@pytest.mark.parametrize("end", ["drop", "close"])
def test_nobody_waits_for_room_in_an_order_that_is_over(end, none_left):
    """A worker that is held up at order.save ends with the pipe, closed or dropped."""
    source = Pulled(itertools.count())
    saved = pl.order.save(source, 2)
    p = pl.order.load(saved.thread.queue(3, 9), saved)
    assert 0 == next(p)
    if end == "close":
        p.close()
    else:
        del p
    none_left.join()
    assert set() == none_left.threads()
    assert source.count <= 5


def test_at_most_maxsize_are_pulled_ahead_of_load():
    """Three items came out, two more are out."""
    with World():
        source = Pulled(itertools.count())
        saved = pl.order.save(source, 2)
        p = pl.order.load(saved.thread.queue(3, 9), saved)
        assert [0, 1, 2] == [next(p) for _ in range(3)]
        time.sleep(1)
        assert 5 == source.count


@pytest.mark.parametrize(
    ("between", "text"),
    [
        (lambda p: p.batch(2), "batch: needed to stand behind order.load"),
        (lambda p: p.tee()[0], "tee: needed to stand behind order.load"),
        (lambda p: iter([next(p)]), "pipe: needed to be pulled behind order.load"),
        (lambda p: [1, 2], "order.load: needed items of this order.save"),
        (lambda p: pl.order.save([1], 3), "order.load: needed items of this order.save"),
    ],
    ids=["batch", "tee", "pulled elsewhere", "others", "another order"],
)
def test_what_loses_the_place_of_an_item_is_refused(between, text):
    """The message says which stage."""
    saved = pl.order.save(range(5), 2)
    pl_load = pl.order.load([], saved)  # from now on somebody waits for the items
    with pytest.raises(ValueError, match=text):
        list(pl.order.load(between(saved), saved))
    assert [] == list(pl_load)


def test_processes_keep_gaps_and_markers_in_their_places():
    """A filter before unordered processes, a queue behind them, and a marker every ten items."""
    m = Marker()
    p = saved = pl.order.save(pipe(range(30)).mark(m, 10), 8)
    p = p.filter(lambda x: x % 3).process.map(lambda x: 2 * x, 2, ordered=False).thread.queue(2)
    p = pl.order.load(p, saved)
    segments = [[2 * x for x in range(start, start + 10) if x % 3] for start in (0, 10, 20)]
    assert [*segments, []] == [list(p.until(m)) for _ in range(4)]
