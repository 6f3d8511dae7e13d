"""A node inside a run: its random numbers, and what its code gets wrong."""

from __future__ import annotations

import pytest

from dfcore import STOP, Emitter, Graph, NodeFailed, Router, collect, emit


def test_what_open_draws_is_not_drawn_again():
    """`rng` is keyed by (seed, name, firing), and `open` is no firing."""
    drawn = []

    class Noise(Emitter):
        def open(self):
            drawn.append(self.rng.uniform())

        def compute(self):
            drawn.append(self.rng.uniform())
            return drawn[-1] if self.firing < 2 else STOP

    with Graph() as graph:
        noise, out = Noise("f8"), collect()
    noise.to(out)
    for _ in range(2):
        graph.run(clock="virtual", seed=3)
    assert drawn[:4] == drawn[4:]
    assert 4 == len(set(drawn[:4]))


class Assigns(Router):
    def __init__(self, what):
        super().__init__([("t", "f8"), ("gain", "f8")])
        self.what = what

    def compute(self, value):
        self.what(self)
        return (0.0, 0.0)


@pytest.mark.parametrize(("what", "says"), [
    (lambda self: setattr(self, "output", 3.0), r"Assigns.output: .*; return the value, or write `self.output\[...\] = value`; give an attribute of your own"),
    (lambda self: setattr(self, "meta", {}), r'Assigns.meta: .*; write `self.meta\["key"\] = value` or `self.meta.update\(...\)`; give an attribute of your own'),
    (lambda self: setattr(self, "now_ns", 0), r"Assigns.now_ns: needed a name of its own, was `now_ns`, which every node has; rename it"),
    (lambda self: setattr(self.output, "gian", 1.0), r"`output` has the fields t, gain, not `gian` \(did you mean `gain`\?\)"),
    (lambda self: self.output.gian, r"has no attribute 'gian' .*; `output` has the fields t, gain, not `gian` \(did you mean `gain`\?\)"),
])  # fmt: skip
def test_a_wrong_name_says_what_to_write(what, says):
    """Names that every node has are not assigned to; fields that are not there are told with those that are."""
    with Graph() as graph:
        source, node = emit([1], "i8"), Assigns(what)
    source.to(node).to(collect())
    with pytest.raises(NodeFailed, match=says):
        graph.run()
