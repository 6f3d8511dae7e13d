"""`with graph.running():` when things go wrong."""

from __future__ import annotations

import pytest

from dfcore import Graph, collect, collector, emit


def test_what_the_body_raised_comes_first_and_names_the_failure_of_the_run():
    """Both are seen: the failure of the run as a note."""

    @collector
    def broken(value):
        raise ValueError("no")

    with Graph() as graph:
        source, reader, out = emit([1], "i8"), broken(), collect()
    source.to(reader)
    source.to(out)
    with pytest.raises(KeyError) as caught, graph.running():
        graph._run.seen.over.wait()
        raise KeyError("body")
    assert ["and the run of graph graph has failed: NodeFailed: broken: compute raised ValueError: no"] == [
        note.partition(" (firing")[0] for note in caught.value.__notes__
    ]
    assert "failed" == graph.report.ended
