"""A node inside a run: its random numbers."""

from __future__ import annotations

from dfcore import STOP, Emitter, Graph, collect


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
