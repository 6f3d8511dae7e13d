"""Objects through replicas in processes of their own: little memory, failures, deaths. Nothing hangs, nothing is left behind."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from dfcore import Collector, ContextDied, Emitter, Graph, NodeFailed, Router

COUNT, SIZE = 40, 3000
FITS = 4096  # bytes of an arena for one array of SIZE bytes


class Arrays(Emitter):
    """Arrays of bytes, the k-th full of k, each with its number in the metadata."""

    def compute(self):
        for number in range(COUNT):
            self.meta["number"] = number
            yield np.full(SIZE, number, "u1")


class Doubled(Router):
    """Each array twice as large in value; what `refuses` says raises."""

    def __init__(self, refuses=lambda number: False, **options):
        super().__init__(object, **options)
        self.refuses = refuses

    def compute(self, array):
        number = self.meta["number"]
        assert (array == number).all()
        if self.refuses(number):
            raise ValueError(number)
        return 2 * array


class Seen(Collector):
    """The numbers of the arrays that came whole, by what they hold and by their metadata."""

    def open(self):
        self.seen = []

    def compute(self, array):
        assert (array == array[0]).all()
        self.seen.append((int(array[0]) // 2, self.meta["number"]))

    def close(self):
        return self.seen


def through(work, there, **edge):
    """Arrays -> replicas -> who sees them. The source is in another process (`there`), and who sees them in the caller's; or the opposite."""
    with Graph() as graph:
        source, look = Arrays(object, arena_bytes=FITS), Seen()
        graph.context("work").add(work)
        graph.context("other").add(source if there else look)
    source.to(work, **edge).to(look, **edge)
    return graph, look


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("edge", [{}, pytest.param({"depth": 1}, marks=pytest.mark.campaign)], ids=str)
def test_objects_pass_through_replicas_with_memory_for_one(ordered, there, edge):
    """RULES 16, 18: writers wait for the memory of one object, on the way in and on the way out; all arrive, whole, in order."""
    graph, look = through(Doubled(replicas=3, ordered=ordered, arena_bytes=FITS), there, **edge)
    graph.run()
    numbers = [(number, number) for number in range(COUNT)]
    assert numbers == (look.result if ordered else sorted(look.result))


def test_what_replicas_refuse_leaves_its_place():
    """RULES 10: tombstones among objects of replicas; the join behind sees the pairs that are there, each of one number."""

    class Pairs(Collector):
        def open(self):
            self.seen = []

        def compute(self, array, doubled):
            self.seen.append((int(array[0]), int(doubled[0])))

        def close(self):
            return self.seen

    with Graph() as graph:
        source, look, pairs = Arrays(object, arena_bytes=16 * FITS), Seen(), Pairs()
        work = Doubled(lambda number: number % 4 == 1, replicas=3, on_error="skip")
        graph.context("work").add(work)
        graph.context("other").add(look, pairs)
    source.to(work).to(look)
    pairs(source, work)
    report = graph.run()
    expected = [number for number in range(COUNT) if number % 4 != 1]
    assert [(number, number) for number in expected] == look.result
    assert [(number, 2 * number) for number in expected] == pairs.result
    assert 10 == report.nodes["doubled"].errors


@pytest.mark.parametrize("ordered", [True, False])
def test_a_replica_that_is_killed_ends_the_run(ordered):
    """A21 for an instance: the context is named with its number, and its siblings end."""

    class Dies(Doubled):
        def compute(self, array):
            if self.meta["number"] == 11:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().compute(array)

    graph, _ = through(Dies(replicas=3, ordered=ordered), ordered)
    with pytest.raises(ContextDied, match=r"work\[\d\].*SIGKILL") as caught:
        graph.run()
    assert not ordered or "work[2]" == caught.value.context


@pytest.mark.parametrize("ordered", [True, False])
def test_an_object_of_a_replica_that_fits_no_arena_ends_the_run(ordered):
    """RULES 16: at once, by the name of the instance, with what would do."""

    class Grows(Doubled):
        def compute(self, array):
            return np.repeat(array, 2) if self.meta["number"] == 7 else array

    graph, _ = through(Grows(replicas=3, ordered=ordered, arena_bytes=FITS), ordered)
    with pytest.raises(NodeFailed, match=r"grows\[\d\].*larger arena_bytes") as caught:
        graph.run()
    assert isinstance(caught.value.__cause__, ValueError)
    assert not ordered or "grows[1]" == caught.value.node
