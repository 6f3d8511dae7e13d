"""The laws of delivery for the nodes that do not fire on one record of each input for every reader: `merge` and `share`."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfcore import Graph, emit, merge, share
from tests.drivers import KINDS, Driver
from tests.nodes import Takes

ONCE = settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MORE = settings(max_examples=25, deadline=None)
LONG = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
QUICK_KINDS, SLOW_KINDS = ("inline", "virtual"), ("threads", "processes")
assert set(KINDS) == {*QUICK_KINDS, *SLOW_KINDS}


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


def build_merge(driver, graph, name, sources, depth, most):
    """Emitters, the merge of them, and its reader, in two contexts."""
    nodes = []
    for number, (count, _) in enumerate(sources):
        with driver.at(graph, f"c{number % 2}"):
            nodes.append(emit(range(1000 * number, 1000 * number + count), "i8", name=f"{name}e{number}"))
    with driver.at(graph, "c1"):
        both = merge(name=f"{name}merge")
    with driver.at(graph, "c0"):
        takes = Takes(most, name=f"{name}takes")
    for node, (_, options) in zip(nodes, sources, strict=True):
        node.to(both, **options)
    both.to(takes, depth=depth)
    return takes


def check_merge(takes, report, name, sources, depth, most):
    """L4 and L5 of a merge: what came of each input is a subsequence in order, nothing is doubled, and every record is counted."""
    *edges, behind = [edge for end, edge in report.edges.items() if end.startswith(name)]
    assert report.nodes[f"{name}merge"].firings == sum(edge.read for edge in edges) == behind.written
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


def build_share(driver, graph, name, count, readers):
    """An emitter, a share, and its readers, in two contexts."""
    with driver.at(graph, "c0"):
        source, deal = emit(range(count), "i8", name=f"{name}emit"), share(name=f"{name}share")
    nodes = []
    for number, (_, most) in enumerate(readers):
        with driver.at(graph, f"c{number % 2}"):
            nodes.append(Takes(most, name=f"{name}r{number}"))
    source.to(deal)
    for node, (depth, _) in zip(nodes, readers, strict=True):
        deal.to(node, depth=depth)
    return nodes


def check_share(nodes, report, name, count, readers):
    """L4 and L5 of a share: each record reaches one reader, each reader sees its own in order, and none is lost."""
    before, *edges = [edge for end, edge in report.edges.items() if end.startswith(name)]
    assert [edge.read for edge in edges] == [len(node.result) for node in nodes]
    assert before.read == sum(edge.written for edge in edges)
    seen = [x for node in nodes for x in node.result]
    assert len(set(seen)) == len(seen)
    assert all(sorted(node.result) == node.result for node in nodes)
    assert all(edge.high_water <= depth for edge, (depth, _) in zip(edges, readers, strict=True))
    if all(most is None for _, most in readers):
        assert list(range(count)) == sorted(seen)


def law(kind, build, check, cases):
    """A run of all `cases` in one graph: each is right, and every edge balances."""
    driver = Driver(kind)
    with Graph() as graph:
        built = [build(driver, graph, f"g{number}_", **case) for number, case in enumerate(cases)]
    report = driver.run(graph)
    balanced(report)
    for number, (nodes, case) in enumerate(zip(built, cases, strict=True)):
        check(nodes, report, f"g{number}_", **case)


merges = st.fixed_dictionaries(
    {"sources": inputs(), "depth": st.integers(1, 4), "most": st.sampled_from([None, None, 1, 5])}
)
shares = st.fixed_dictionaries(
    {
        "count": st.integers(0, 60),
        "readers": st.lists(st.tuples(st.integers(1, 4), st.sampled_from([None, None, 1, 7])), min_size=1, max_size=4),
    }
)


def many(cases):
    """Several in one graph, so that they cost one start of processes."""
    return st.lists(cases, min_size=5, max_size=5)


@pytest.mark.parametrize("kind", QUICK_KINDS)
@MORE
@given(merges)
def test_a_merge_loses_nothing_and_keeps_each_order(kind, case):
    """L4, L5."""
    law(kind, build_merge, check_merge, [case])


@pytest.mark.parametrize("kind", SLOW_KINDS)
@ONCE
@given(many(merges))
def test_a_merge_between_contexts(kind, cases):
    """L4, L5 with inputs and readers elsewhere."""
    law(kind, build_merge, check_merge, cases)


@pytest.mark.parametrize("kind", QUICK_KINDS)
@MORE
@given(shares)
def test_a_share_gives_each_record_once(kind, case):
    """L4, L5."""
    law(kind, build_share, check_share, [case])


@pytest.mark.parametrize("kind", SLOW_KINDS)
@ONCE
@given(many(shares))
def test_a_share_between_contexts(kind, cases):
    """L4, L5 with readers elsewhere."""
    law(kind, build_share, check_share, cases)


@MORE
@given(merges)
def test_in_virtual_time_a_merge_is_the_same_every_time(case):
    """L7: two runs have one digest."""
    digests = set()
    for _ in range(2):
        with Graph() as graph:
            build_merge(Driver("virtual"), graph, "", **case)
        digests.add(graph.run(clock="virtual").digest)
    assert 1 == len(digests)


@pytest.mark.campaign
@pytest.mark.parametrize("kind", KINDS)
@LONG
@given(many(merges))
def test_merge_campaign(kind, cases):
    """L4, L5 over many examples."""
    law(kind, build_merge, check_merge, cases)


@pytest.mark.campaign
@pytest.mark.parametrize("kind", KINDS)
@LONG
@given(many(shares))
def test_share_campaign(kind, cases):
    """L4, L5 over many examples."""
    law(kind, build_share, check_share, cases)
