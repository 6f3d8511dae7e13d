"""Random declarations: nodes with some inputs, edges of all kinds between them, contexts. For the compiler, not to be run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from dfcore.functions import collector, emitter, router
from dfcore.graph import Declaration

KINDS = ("process", "thread")


@emitter("f8")
def source():
    return 1.0


@router("f8")
def relay(*values, gain=1.0, offset=0.0):
    return gain


@collector
def sink(*values): ...


@dataclass(frozen=True)
class Arc:
    """An edge between two nodes by their numbers; `parameter` names the parameter it feeds, if any."""

    source: int
    target: int
    parameter: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def starts(self) -> bool:
        """Whether its reader may fire before its writer has."""
        return bool(self.parameter or self.options.get("initial"))


@dataclass(frozen=True)
class Shape:
    """A declaration as data: the context of each node (-1: inline) and the arcs. Nodes without arcs in are sources, those
    without arcs out are sinks."""

    places: tuple[int, ...]
    kinds: tuple[str, ...]
    arcs: tuple[Arc, ...]

    def build(self) -> Declaration:
        """The graph."""
        triggered = {arc.target for arc in self.arcs if not arc.parameter}
        tuned = {arc.target for arc in self.arcs if arc.parameter}
        writing = {arc.source for arc in self.arcs}
        with Declaration() as graph:
            nodes = []
            for index, place in enumerate(self.places):
                reading = index in triggered or index in tuned
                make = relay if reading and (index in writing or index in tuned) else sink if reading else source
                with graph if place < 0 else graph.context(f"c{place}", kind=self.kinds[place]):
                    nodes.append(make())
                if index in tuned and index not in triggered:
                    source().to(nodes[index])  # a node fires on something
        for arc in self.arcs:
            nodes[arc.source].to(nodes[arc.target][arc.parameter or "values"], **arc.options)
        return graph


def options() -> st.SearchStrategy[dict[str, Any]]:
    """Good options of an edge."""
    initial = {"initial": st.lists(st.floats(0, 1), max_size=3).map(tuple)}
    every = st.fixed_dictionaries(
        {},
        optional={
            "depth": st.integers(1, 40),
            "on_full": st.sampled_from(["wait", "drop_new", "drop_oldest", "error"]),
            "decimate": st.integers(1, 5),
            "batch": st.integers(1, 5),
            "max_age_s": st.floats(1e-6, 10),
            **initial,
        },
    )
    latest = st.fixed_dictionaries(
        {"policy": st.just("latest")}, optional={"initial": initial["initial"].map(lambda values: values[:1])}
    )
    return every | latest


@st.composite
def shapes(draw: st.DrawFn, *, forward: bool = False) -> Shape:
    """Up to 8 nodes and 14 arcs; `forward`: only from lower to higher numbers, so that there is no cycle."""
    count = draw(st.integers(2, 8))
    kinds = tuple(draw(st.lists(st.sampled_from(KINDS), min_size=3, max_size=3)))
    places = tuple(draw(st.lists(st.integers(-1, 2), min_size=count, max_size=count)))
    arcs, fed = [], set()
    for _ in range(draw(st.integers(0, 14))):
        a, b = draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))
        if forward and a == b:
            continue
        a, b = (min(a, b), max(a, b)) if forward else (a, b)
        parameter = draw(st.sampled_from(["", "", "", "gain", "offset"]))
        if parameter and (b, parameter) in fed:
            continue
        fed.add((b, parameter))
        given = draw(options())
        if parameter:
            given = {"initial": given["initial"][:1]} if given.get("initial") else {}
        arcs.append(Arc(a, b, parameter, given))
    return Shape(places, kinds, tuple(arcs))
