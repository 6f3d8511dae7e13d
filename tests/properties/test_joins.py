"""The laws of delivery for the nodes that do not fire on one record of each input for every reader: `merge` and `share`."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfcore import STOP, Collector, Graph, emit, merge, share
from tests.drivers import KINDS, Driver

FEW = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MORE = settings(max_examples=25, deadline=None)
LONG = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
QUICK_KINDS, SLOW_KINDS = ("inline", "virtual"), ("threads", "processes")
assert set(KINDS) == {*QUICK_KINDS, *SLOW_KINDS}


class Takes(Collector):
    """What came, up to `most`."""

    def __init__(self, most=None, **options):
        super().__init__(**options)
        self.most = most

    def open(self):
        self.seen = []

    def compute(self, x):
        self.seen.append(x)
        return STOP if len(self.seen) == self.most else None

    def close(self):
        return self.seen


def balanced(report):
    """L5 for every edge of a run that is over."""
    for name, edge in report.edges.items():
        assert edge.written == edge.read + edge.dropped + edge.overwritten + edge.decimated + edge.unread, name


@st.composite
def inputs(draw):
    """Of each input of a merge: how many records, and the options of its edge."""
    ways = [{}, {"depth": 1}, {"depth": 3}, {"decimate": 2}, {"policy": "latest"}]
    ways += [{"on_full": "drop_new", "depth": 2}, {"on_full": "drop_oldest", "depth": 2}]
    some = draw(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(ways)), min_size=1, max_size=4))
    return [(count, options | {"initial": [-1]} if draw(st.booleans()) else options) for count, options in some]


def merge_law(kind, sources, depth, most):
    """L4 and L5 of a merge: what came of each input is a subsequence in order, nothing is doubled, and every record is counted."""
    driver = Driver(kind)
    with Graph() as graph:
        nodes = []
        for number, (count, _) in enumerate(sources):
            with driver.at(graph, f"c{number % 2}"):
                nodes.append(emit(range(1000 * number, 1000 * number + count), "i8", name=f"e{number}"))
        with driver.at(graph, "c1"):
            both = merge()
        with driver.at(graph, "c0"):
            takes = Takes(most)
    for node, (_, options) in zip(nodes, sources, strict=True):
        node.to(both, **options)
    both.to(takes, depth=depth)
    report = driver.run(graph)
    balanced(report)
    edges = [report.edges[f"e{number} -> merge" + (f".values[{number}]" if len(sources) > 1 else "")] for number in range(len(sources))]
    assert report.nodes["merge"].firings == sum(edge.read for edge in edges) == report.edges["merge -> takes"].written
    for number, (count, options) in enumerate(sources):
        mine = [x for x in takes.result if x // 1000 == number and x >= 0]
        assert sorted(set(mine)) == mine
        if most is None and set(options) <= {"depth"}:
            assert list(range(1000 * number, 1000 * number + count)) == mine
    if most is None:
        assert len(takes.result) == sum(edge.read for edge in edges)
        assert 0 == sum(edge.unread for edge in edges)
    else:
        assert most >= len(takes.result)


def share_law(kind, count, readers):
    """L4 and L5 of a share: each record reaches one reader, each reader sees its own in order, and none is lost."""
    driver = Driver(kind)
    with Graph() as graph:
        with driver.at(graph, "c0"):
            source, deal = emit(range(count), "i8"), share()
        nodes = []
        for number, (_, most) in enumerate(readers):
            with driver.at(graph, f"c{number % 2}"):
                nodes.append(Takes(most, name=f"r{number}"))
    source.to(deal)
    for node, (depth, _) in zip(nodes, readers, strict=True):
        deal.to(node, depth=depth)
    report = driver.run(graph)
    balanced(report)
    edges = [report.edges[f"share -> r{number}"] for number in range(len(readers))]
    assert [edge.read for edge in edges] == [len(node.result) for node in nodes]
    assert report.edges["emit -> share"].read == sum(edge.written for edge in edges)
    seen = [x for node in nodes for x in node.result]
    assert len(set(seen)) == len(seen)
    assert all(sorted(node.result) == node.result for node in nodes)
    assert all(edge.high_water <= depth for edge, (depth, _) in zip(edges, readers, strict=True))
    if all(most is None for _, most in readers):
        assert list(range(count)) == sorted(seen)


merges = {"sources": inputs(), "depth": st.integers(1, 4), "most": st.sampled_from([None, None, 1, 5])}
shares = {
    "count": st.integers(0, 60),
    "readers": st.lists(st.tuples(st.integers(1, 4), st.sampled_from([None, None, 1, 7])), min_size=1, max_size=4),
}


@pytest.mark.parametrize("kind", QUICK_KINDS)
@MORE
@given(**merges)
def test_a_merge_loses_nothing_and_keeps_each_order(kind, sources, depth, most):
    """L4, L5."""
    merge_law(kind, sources, depth, most)


@pytest.mark.parametrize("kind", SLOW_KINDS)
@FEW
@given(**merges)
def test_a_merge_between_contexts(kind, sources, depth, most):
    """L4, L5 with inputs and readers elsewhere."""
    merge_law(kind, sources, depth, most)


@pytest.mark.parametrize("kind", QUICK_KINDS)
@MORE
@given(**shares)
def test_a_share_gives_each_record_once(kind, count, readers):
    """L4, L5."""
    share_law(kind, count, readers)


@pytest.mark.parametrize("kind", SLOW_KINDS)
@FEW
@given(**shares)
def test_a_share_between_contexts(kind, count, readers):
    """L4, L5 with readers elsewhere."""
    share_law(kind, count, readers)


@MORE
@given(**merges)
def test_in_virtual_time_a_merge_is_the_same_every_time(sources, depth, most):
    """L7: two runs have one digest."""

    def digest():
        with Graph() as graph:
            nodes = [emit(range(count), "i8", name=f"e{number}") for number, (count, _) in enumerate(sources)]
            both, takes = merge(), Takes(most)
        for node, (_, options) in zip(nodes, sources, strict=True):
            node.to(both, **options)
        both.to(takes, depth=depth)
        return graph.run(clock="virtual").digest

    assert digest() == digest()


@pytest.mark.campaign
@pytest.mark.parametrize("kind", KINDS)
@LONG
@given(**merges)
def test_merge_campaign(kind, sources, depth, most):
    """L4, L5 over many examples."""
    merge_law(kind, sources, depth, most)


@pytest.mark.campaign
@pytest.mark.parametrize("kind", KINDS)
@LONG
@given(**shares)
def test_share_campaign(kind, count, readers):
    """L4, L5 over many examples."""
    share_law(kind, count, readers)
