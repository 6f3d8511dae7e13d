"""Cycles and ranks, on small graphs whose answer is plain."""

from __future__ import annotations

from dfcore.loops import components, cycles, feedback, ranks


def test_components_are_what_reaches_each_other():
    """Numbered against the direction of the arcs, so that a writer's number is never below its reader's."""
    arcs = [(0, 1), (1, 2), (2, 1), (2, 3), (3, 3)]
    found = components(5, arcs)
    assert found[1] == found[2]
    assert 4 == len(set(found))
    assert all(found[a] >= found[b] for a, b in arcs)


def test_feedback_is_inside_a_component_and_may_start():
    """An initial record on the way into a cycle, or outside of any, makes no feedback; all arcs of a cycle may be."""
    arcs = [(0, 1), (1, 2), (2, 1), (2, 3)]
    assert [False, False, True, False] == feedback(4, arcs, [True, False, True, True])
    assert [False, True, True, False] == feedback(4, arcs, [False, True, True, False])


def test_a_cycle_is_shown_by_its_shortest_way():
    """One for each component that has one, from its first node."""
    arcs = [(0, 1), (1, 2), (2, 3), (3, 0), (2, 0), (5, 6), (6, 5), (7, 7), (4, 0)]
    assert [[0, 1, 2], [5, 6], [7]] == cycles(8, arcs)
    assert [] == cycles(3, [(0, 1), (1, 2), (0, 2)])


def test_the_rank_is_the_longest_path():
    """Not the shortest."""
    assert [0, 1, 2, 3, 0] == ranks(5, [(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)])


def test_long_chains_do_not_recurse():
    """A chain and a ring of 50 000 nodes."""
    count = 50_000
    chain = [(index, index + 1) for index in range(count - 1)]
    assert list(range(count)) == ranks(count, chain)
    assert [list(range(count))] == cycles(count, [*chain, (count - 1, 0)])
