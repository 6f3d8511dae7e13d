"""`window=n`: at each record the last n, contiguous, read-only, and never written again while user code holds them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfcore import Collector, Graph, GraphError, Router, collect, emit

POINT = [("x", "f8"), ("n", "i4")]


class Sees(Collector):
    """A copy of each window, with the header of the record that it ends with."""

    def __init__(self, **options):
        super().__init__(**options)

    def open(self):
        self.seen, self.heads = [], []

    def compute(self, xs):
        self.seen.append(xs.tolist() if isinstance(xs, np.ndarray) else xs)
        self.heads.append((self.header("xs").seq, self.origin_ns))

    def close(self):
        return self.seen, self.heads


def windows(items, n):
    """What a window of n shows, by slicing."""
    return [list(items[max(0, end - n) : end]) for end in range(1, len(items) + 1)]


@pytest.mark.parametrize("dtype", ["i8", object])
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 25), st.integers(1, 7), st.integers(0, 3), st.integers(1, 3))
def test_a_window_is_the_last_n_of_what_arrives(dtype, count, n, initial, decimate):
    """At each record the last n, initial records among them, of what `decimate` lets through; each is counted read once."""
    items = list(range(count + initial))
    with Graph() as graph:
        source, sees = emit(items[initial:], dtype), Sees()
    source.to(sees, window=n, initial=items[:initial], decimate=decimate)
    edge = graph.run(clock="virtual").edges["emit -> sees"]
    passed = items[decimate - 1 :: decimate]
    assert windows(passed, n) == sees.result[0]
    assert (len(items), len(passed), len(items) - len(passed)) == (edge.written, edge.read, edge.decimated)


def test_a_window_lies_in_every_kind_of_context(driver):
    """The same windows under every driver; `header` and `origin_ns` are those of the newest record."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(20), "i8")
        with driver.at(graph, "b"):
            sees = Sees()
    source.to(sees, window=3, depth=2)
    driver.run(graph)
    seen, heads = sees.result
    assert windows(range(20), 3) == seen
    assert list(range(1, 21)) == [seq for seq, _ in heads]
    assert sorted(origin for _, origin in heads) == [origin for _, origin in heads]


class Keeps(Collector):
    """Every window, not copied, or what `part` makes of it."""

    def __init__(self, part):
        self.part = part

    def open(self):
        self.kept = []

    def compute(self, xs):
        self.kept.append(self.part(xs))


@pytest.mark.parametrize("part", [lambda xs: xs, lambda xs: xs[:], lambda xs: xs[-2:], lambda xs: xs.T if len(xs) % 2 else None])
def test_a_kept_window_is_never_written_again(part):
    """L10: whatever part of a window is held, it stays as it was, and the windows after it are right."""
    with Graph() as graph:
        source, keeps = emit(range(30), "i8"), Keeps(part)
    source.to(keeps, window=4)
    graph.run(clock="virtual")
    expected = [part(np.array(xs)) for xs in windows(range(30), 4)]
    assert [None if xs is None else xs.tolist() for xs in expected] == [None if xs is None else xs.tolist() for xs in keeps.kept]


def test_windows_that_are_let_go_share_their_memory():
    """L9: nothing is allocated once the window has been everywhere, so the views come round again."""
    seen = set()

    class Looks(Collector):
        def compute(self, xs):
            if len(xs) == 3:
                seen.add(xs.__array_interface__["data"][0])

    with Graph() as graph:
        source, looks = emit(range(100), "i8"), Looks()
    source.to(looks, window=3)
    graph.run(clock="virtual")
    assert 4 == len(seen)


def test_a_window_is_read_only_and_contiguous():
    """An array of the records' own shape, which nobody may write."""
    shapes = []

    class Looks(Collector):
        def compute(self, xs):
            shapes.append((xs.shape, xs.flags.c_contiguous, xs.flags.writeable, xs.dtype))

    with Graph() as graph:
        frames, looks = emit([np.eye(2)] * 3, np.dtype(("f8", (2, 2)))), Looks()
        points, sees = emit([(1.0, 2), (3.0, 4)], POINT, name="points"), Sees()
    frames.to(looks, window=2)
    points.to(sees, window=2)
    graph.run(clock="virtual")
    assert [((k, 2, 2), True, False, np.dtype("f8")) for k in (1, 2, 2)] == shapes
    assert [[(1.0, 2)], [(1.0, 2), (3.0, 4)]] == sees.result[0]


@pytest.mark.parametrize("dtype", ["i8", object])
def test_a_stale_record_is_in_no_window(dtype):
    """A record that is too old is passed over, counted, and costs the window nothing that was in it."""
    with Graph() as graph:
        source = emit(range(8), dtype, rate_hz=10)
        with graph.context("slow", kind="thread"):
            sees = Sees(cost_ns=[0, 0, 0, 250_000_000, 0, 0, 0, 0])
    source.to(sees, window=3, max_age_s=0.12, on_stale="skip")
    edge = graph.run(clock="virtual").edges["emit -> sees"]
    fresh = [0, 1, 2, 3, 5, 6, 7]
    assert windows(fresh, 3) == sees.result[0]
    assert (8, 7, 1) == (edge.written, edge.read, edge.dropped)


def refusals(**options):
    """What the compiler says of these options of an edge into a node that takes one input."""

    class Any(Router):
        def compute(self, xs):
            return 0.0

    with Graph() as graph:
        source, node = emit([1.0], "f8"), Any("f8")
    source.to(node, **options)
    with pytest.raises(GraphError) as caught:
        graph.plan()
    return [problem.needed for problem in caught.value.problems]


def test_what_a_window_does_not_go_with():
    """Options that contradict each other are build errors, all at once, and say why."""
    assert ["either a window or a batch"] == refusals(window=3, batch=2)
    assert ['policy "every" beside window'] == refusals(window=3, policy="latest")
    assert ["batch beside partial"] == refusals(partial=True)
    assert ["partial True or False"] == refusals(partial=1.5, batch=2)
    assert ["window as an int of 1 to 2147483647"] == refusals(window=0)
    assert ["window as an int of 1 to 2147483647"] == refusals(window="3")
    assert ['policy "every" beside batch', 'policy "every" beside partial'] == refusals(batch=2, partial=True, policy="latest")


@pytest.mark.parametrize("options", [{"window": 3}, {"batch": 2}])
def test_collect_keeps_single_records(options):
    """What it keeps is records of one dtype, so it takes no windows and no batches."""
    with Graph() as graph:
        source, out = emit([1.0], "f8"), collect()
    source.to(out, **options)
    with pytest.raises(GraphError, match="single records into `collect`"):
        graph.plan()
