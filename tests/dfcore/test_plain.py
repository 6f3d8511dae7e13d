"""`_plain.pxd`: a plain firing does what the general code does, to everything that can be seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings

from dfcore import SKIP, STOP, Graph, NodeFailed, Record, collect, emit, router
from dfcore._table import allow_plain
from tests.properties.built import build_all
from tests.properties.test_kahn import KNOWN, cases


@contextmanager
def without_plain() -> Iterator[None]:
    """Every firing goes the general way."""
    allow_plain(False)
    try:
        yield
    finally:
        allow_plain(True)


def seen(report: Any) -> dict[str, Any]:
    """A report but for what differs between two equal runs: the machine's times and numbers."""
    facts = report.to_dict()
    del facts["contexts"]
    return facts  # type: ignore[no-any-return]


def both(make: Any) -> list[dict[str, Any]]:
    """What is seen of the graph that `make` gives, run the plain way and the general way in virtual time."""
    facts = [seen(make().run(clock="virtual"))]
    with without_plain():
        facts.append(seen(make().run(clock="virtual")))
    return facts


@settings(max_examples=40, deadline=None)
@given(case=cases)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_random_graphs_look_the_same_both_ways(case):
    """Counters, histograms, losses and digests of random graphs do not depend on the way."""
    plain, general = both(lambda: build_all([case], "inline")[0])
    assert plain == general


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", KNOWN)
def test_known_graphs_look_the_same_both_ways(case):
    """Loops, tombstones, batches, readers that leave: the graphs that once were hard."""
    plain, general = both(lambda: build_all([case], "inline")[0])
    assert plain == general


@router("i8")
def odd(x):
    return x if x % 2 else SKIP


@router("i8")
def up_to_five(x):
    return STOP if x > 5 else x


@router([("x", "f8")])
def half(self, x):
    self.output["x"] = x / 2


@router("i8")
def sum_of(x, y, *, gain=2):
    return gain * (x + y)


@router(object)
def pair(self, x):
    self.meta["x"] = x
    return (x, x)


@router(object)
def same(pair):
    return pair


@router(outputs={"low": "i8", "high": "i8"})
def split(x):
    return (x, SKIP) if x < 4 else (SKIP, x)


@pytest.mark.parametrize("chain", [[odd], [up_to_five], [half], [pair, same], [odd, up_to_five, half]], ids=lambda c: "-".join(n.__name__ for n in c))
def test_what_a_result_may_be(chain):
    """SKIP, STOP, `self.output`, objects and their metadata: what is collected and what is counted is the same."""
    kept = []

    def make() -> Graph:
        with Graph("g") as graph:
            end = emit(range(9), "i8")
            for node in chain:
                end = end.to(node())
            kept.append(end.to(collect()))
        return graph

    plain, general = both(make)
    assert plain == general
    assert list(map(str, kept[0].records)) == list(map(str, kept[1].records))
    assert kept[0].times_ns.tolist() == kept[1].times_ns.tolist()
    assert len(kept[0].records) >= 3


def test_several_ends_and_parameters():
    """A join with a parameter and initial records, a node with two outputs, an edge that takes the newest."""

    def make() -> Graph:
        with Graph("g") as graph:
            numbers, joined, parts = emit(range(9), "i8"), sum_of(gain=3), split()
            numbers.to(joined["x"], initial=[5, 6])
            numbers.to(joined["y"], policy="latest")
            joined.to(parts)
            parts["low"].to(collect())
            parts["high"].to(collect())
        return graph

    plain, general = both(make)
    assert plain == general


@pytest.mark.parametrize("returned", ["text", None, 2**70], ids=["a text", "None", "too large"])
def test_a_result_that_does_not_fit_is_the_same_error(returned):
    """A value that is no plain one is refused by the same words."""

    @router("i8")
    def wrong(x):
        return returned

    def message() -> str:
        with Graph("g") as graph:
            emit(range(3), "i8").to(wrong(name="wrong")).to(collect())
        with pytest.raises(NodeFailed) as caught:
            graph.run(clock="virtual")
        return f"{caught.value} {caught.value.__cause__}"

    plain = message()
    with without_plain():
        assert plain == message()
    assert "wrong" in plain


def test_a_kept_view_keeps_its_record():
    """L10: a record kept beyond the firing is not overwritten, and one too many is the same error."""
    kept: list[Record] = []

    def run(count: int) -> list[float]:
        kept.clear()

        @router([("x", "f8")])
        def keep(self, record):
            if len(kept) < count:
                kept.append(record)
            self.output["x"] = record["x"]

        with Graph("g") as graph:
            emit(range(40), "i8").to(half()).to(keep()).to(collect())
        graph.run(clock="virtual")
        return [record["x"] for record in kept]

    assert [0.0, 0.5] == run(2)
    with pytest.raises(NodeFailed, match="copy"):
        run(3)
