"""A24 to A29 of the semantics: lazy pipelines. What takes time runs in a world, so that "everything has settled" is an instant."""

from __future__ import annotations

import itertools
import time

import pytest

import dfcore.pipes as pl
from dfcore.pipes import Marker, pipe
from sim import World
from tests.dfcore.pipes.busy import Busy, Pulled, uneven


def test_a24_map_filter_partition():
    """25 lists, the first two and the last as computed."""
    lists = list(pl.partition(pl.filter(pl.map(range(100), lambda x: 3 * x + 1), lambda x: x % 2 == 0), 2))
    assert (25, [4, 10], [16, 22], [292, 298]) == (len(lists), lists[0], lists[1], lists[-1])


def test_a24_nothing_runs_that_was_not_pulled():
    """Building calls nothing; the first list of two even ones calls the function exactly four times."""
    seen = []
    lists = pipe(range(100)).map(lambda x: seen.append(x) or 3 * x + 1).filter(lambda x: x % 2 == 0).batch(2)
    assert [] == seen
    assert ([4, 10], [0, 1, 2, 3]) == (next(lists), seen)


def test_a24_a_stage_that_several_pull_is_shared():
    """1, 3, 4, 6, 7 out of one stage and two that pull it."""
    mapped = pl.map(range(100), lambda x: x + 1)
    even, odd = pl.filter(mapped, lambda x: x % 2 == 0), pl.filter(mapped, lambda x: x % 2 == 1)
    assert [1, 3, 4, 6, 7] == [next(mapped), next(odd), next(even), next(even), next(mapped)]


@pytest.mark.parametrize(("source", "second"), [([0, 1, 2], 1), (iter([0, 1, 2]), 2)], ids=["iterable", "iterator"])
def test_a24_an_iterable_starts_anew_and_an_iterator_goes_on(source, second):
    """Two pipes over a list both begin at its start, over an iterator they share it."""
    pipes = [pl.map(source, lambda x: x + 1) for _ in range(2)]
    assert [1, second] == [next(p) for p in pipes]


def test_a25_a_queue_pulls_ahead_as_far_as_it_says(none_left):
    """4 workers, maxsize 8, one item pulled: 13 items, and when the queue is dropped no more, and no thread is left."""
    with World():
        source = Pulled(itertools.count())
        queue = pl.thread.queue(source, workers=4, maxsize=8)
        time.sleep(1)
        assert 0 == source.count
        first = next(queue)
        time.sleep(1)
        assert (0, 13) == (first, source.count)
        del queue
        time.sleep(1)
        assert (13, set()) == (source.count, none_left.threads())


def test_a25_threads_go_with_the_last_reference(none_left):
    """The same in real time: who joins the threads after the queue was dropped need not wait for another item."""
    queue = pl.thread.queue(itertools.count(), workers=4, maxsize=8)
    next(queue)
    assert none_left.threads()
    del queue
    none_left.join()
    assert set() == none_left.threads()


def test_a25_a_mutex_lets_one_thread_at_a_time_into_a_generator():
    """16 workers over a generator of 1000 items: all arrive, and nobody finds the generator executing."""

    def numbers():
        for i in range(1000):
            yield 2 * i + 2

    assert 1_001_000 == sum(pl.thread.map(pl.thread.mutex(numbers()), lambda x: x, workers=16))
    assert 1_001_000 == sum(pl.thread.queue(pl.map(pl.thread.mutex(numbers()), lambda x: x), workers=16))


def test_a26_threads_keep_the_order():
    """The thread half: 1 + x over range(100)."""
    assert list(range(1, 101)) == list(pl.thread.map(range(100), lambda x: 1 + x, workers=4, maxsize=8))


def test_a28_segments_between_markers():
    """[1], [1, 2], [1, 2, 3] ...; the call after the last says that the stream has ended."""
    p, marker = pl.marker.insert_periodic([range(i + 1) for i in range(5)], n=1, after=True)
    p = pl.map(pl.flatten(p), lambda x: x + 1)
    segments = [pl.marker.until(p, marker=marker) for _ in range(6)]
    assert [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5], []] == [list(segment) for segment in segments]
    assert 5 * ["marker"] + ["stream"] == [segment.ended for segment in segments]


@pytest.mark.parametrize("workers", [1, 4])
def test_a28_a_marker_is_a_fence_at_unordered_workers(workers):
    """The same segments, as sets, through unordered workers that take uneven times."""
    with World():
        m = Marker()
        lists = pipe([range(i + 1) for i in range(8)]).mark(m).flatten()
        p = lists.thread.map(uneven(lambda x: x + 1), workers, 8, ordered=False)
        segments = [set(p.until(m)) for _ in range(9)]
        assert [set(range(1, i + 2)) for i in range(8)] + [set()] == segments


def test_a28_a_marker_before_each_list():
    """after=False: each list comes behind its marker."""
    seen: list[object] = []
    m = Marker()
    list(pipe([[0], [0, 1]]).mark(m, after=False).on(m, lambda: seen.append("marker")).flatten().each(seen.append))
    assert ["marker", 0, "marker", 0, 1] == seen


@pytest.mark.parametrize("save", [False, True], ids=["ordered map", "order.save and load"])
@pytest.mark.parametrize("inside", ["nothing", "filter", "flatten"])
def test_a29_order_survives_workers_of_uneven_speed(save, inside):
    """8 workers, 50 items: in order, with a filter or a flatten inside, and never more than 8 in flight."""
    busy = Busy()
    stages = {
        "nothing": lambda p: p,
        "filter": lambda p: p.filter(lambda x: x % 2 == 0),
        "flatten": lambda p: p.map(lambda x: [x] * (x % 3)).flatten(),
    }
    expected = list(stages[inside](pipe(range(50))))
    with World():
        p = saved = pl.order.save(range(50), maxsize=8)
        if save:
            p = pl.order.load(stages[inside](pl.thread.queue(pl.each(p, busy(uneven())), workers=8, maxsize=8)), saved)
        else:
            p = stages[inside](pipe(range(50)).thread.each(busy(uneven()), 8, 8))
        assert expected == list(p)
    assert 8 == busy.most


def test_a29_at_most_maxsize_are_out_between_save_and_load():
    """Who pulls the ninth waits until the first is through, however many workers there are."""
    out = Busy()
    with World():
        p = saved = pl.order.save(range(50), maxsize=8)
        p = pl.each(p, lambda x: out.enter())
        p = pl.thread.queue(pl.each(p, uneven()), workers=20, maxsize=50)
        assert list(range(50)) == list(pl.each(pl.order.load(p, saved), lambda x: out.leave()))
    assert 8 == out.most
