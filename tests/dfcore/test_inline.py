"""Virtual time without a world, and how its failures are told."""

from __future__ import annotations

import pytest

from dfcore import Collector, Graph, NodeFailed, emit


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_the_first_failure_in_time_has_the_others(clock):
    """Always NodeFailed: the first one raised, what `close` raised after it in `.others`."""

    class Fails(Collector):
        def compute(self, x):
            raise ValueError("one")

        def close(self):
            raise KeyError("two")

    with Graph() as graph:
        source, fails = emit([1.0], "f8"), Fails()
    source.to(fails)
    with pytest.raises(NodeFailed) as caught:
        graph.run(clock=clock)
    assert ("compute", ["close"]) == (caught.value.method, [other.method for other in caught.value.others])
    assert "failed" == graph.report.ended
