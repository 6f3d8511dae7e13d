"""Where the words of a plan lie."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dfcore import Graph, collect, emit, router
from dfcore.compiler import compile
from dfcore.layout import LINE, ring_entries, round_up, stride


@router("f8")
def half(x):
    return x / 2


@given(st.lists(st.sampled_from(["wait", "drop_new", "drop_oldest"]), min_size=1, max_size=5), st.integers(1, 40))
def test_regions_fill_their_segment_without_overlap(policies, depth):
    """L2: regions do not overlap, are aligned to lines, and sum to the size of their segment."""
    with Graph() as graph:
        source = emit([1.0], "f8")
        for policy in policies:
            target = half()
            source.to(target, on_full=policy, depth=depth, initial=[0.5])
            target.to(collect(), policy="latest")
    for segment in compile(graph).layout.segments:
        end = 0
        for region in segment.regions:
            assert (end, 0) == (region.offset, region.offset % LINE)
            end += region.size
        assert end == segment.size


@given(st.integers(0, 10_000))
def test_sizes_are_whole_lines(size):
    """A slot is a header line and a record in whole lines."""
    assert 0 <= round_up(size) - size < LINE
    assert 0 == round_up(size) % LINE


def test_a_slot_has_its_header_before_the_record():
    """DESIGN section 5: the record lies at offset 64."""
    import numpy as np

    assert 128 == stride(np.dtype("f8"))
    assert 192 == stride(np.dtype(("f8", (9,))))


def test_an_index_shows_one_more_than_the_depth():
    """RULES 5: depth + 1 entries, and at least two."""
    assert [2, 2, 3, 17] == [ring_entries(depth) for depth in (0, 1, 2, 16)]
