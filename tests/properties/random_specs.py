"""Random graphs, as Hypothesis strategies.

They draw from every kind of node and edge whose sequences are determined by the inputs alone. Not drawn, since time has a say: parameters
that change while running, deadlines, ages that are reached, feeding from outside, files (tests of their own). What is drawn all the same,
and compared by a weaker law: the doors of `doors.py`, and what comes from replicas without an order, which is the same as a multiset. So
that this holds further down, only nodes that keep nothing and take one record of one input are put behind those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.properties.built import DEEP
from tests.properties.doors import LOSSY
from tests.properties.spec import DTYPES, EMITTERS, FAILING, OTHER_RATE, SAME_RATE, STATELESS, Door, Part, Spec, Wire

placements = st.lists(st.integers(0, 3), min_size=2, max_size=8)
rare = st.sampled_from([1, 1, 1, 2, 3])
rarely = st.sampled_from([False, False, False, True])


@dataclass(frozen=True)
class Shape:
    """What goes together: kinds of emitters and routers; rings so deep that none fills; edges of all ratios, initial records; a loop;
    nodes that match by time."""

    emitters: tuple[str, ...] = EMITTERS
    routers: tuple[str, ...] = SAME_RATE
    deep: bool = True
    ratios: bool = False
    initial: bool = False
    loop: bool = False
    times: bool = False


STEADY = tuple(kind for kind in EMITTERS if kind != "shaky")
ALL_RATES = SAME_RATE + OTHER_RATE + FAILING
SHAPES = {
    "narrow": Shape(STEADY, deep=False),
    "loop": Shape(STEADY, loop=True),
    "rates": Shape(routers=ALL_RATES, ratios=True, initial=True),
    # what has no time of its own: items of `emit`, initial records, last words
    "times": Shape(tuple(kind for kind in EMITTERS if kind != "ready"), tuple(kind for kind in ALL_RATES if kind != "pairs"), ratios=True, times=True),
}


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Graphs of 2 to 7 nodes: of one rate with small rings, of one rate with a loop, of many rates, of many rates matched by time."""
    shape = SHAPES[draw(st.sampled_from(sorted(SHAPES)))]
    emitters = draw(st.integers(1, 3))
    parts = [emitter(draw, shape) for _ in range(emitters)]
    for _ in range(draw(st.integers(1, 4))):
        parts.append(router(draw, parts, shape))
    if shape.loop:
        close_loop(draw, parts, emitters)
    levels = tuple(draw(st.integers(0, 2)) for _ in parts) if draw(rarely) else ()
    return Spec(tuple(parts), tuple(draw(st.lists(doors(parts), max_size=2))), levels)


def emitter(draw: st.DrawFn, shape: Shape) -> Part:
    return Part(draw(st.sampled_from(shape.emitters)), draw(st.integers(0, 12)), dtype=draw(st.sampled_from(DTYPES)), waits=draw(st.booleans()))


def router(draw: st.DrawFn, parts: list[Part], shape: Shape) -> Part:
    """A node behind some of `parts`."""
    graph = Spec(tuple(parts))
    sync_ns = draw(st.integers(0, 12)) if shape.times and draw(st.booleans()) else None
    wires = [wire(draw, graph, shape, sync_ns is not None) for _ in range(draw(st.integers(1 if sync_ns is None else 2, 3)))]
    kinds = shape.routers
    if any(graph.shuffled(each.source) for each in wires):
        wires = [straight(next(each for each in wires if graph.shuffled(each.source)))]
        kinds, sync_ns = tuple(kind for kind in kinds if kind in STATELESS), None
    kind = draw(st.sampled_from(kinds))
    made = Part(kind, 0, tuple(wires), draw(st.sampled_from(DTYPES)), draw(st.booleans()), draw(st.integers(1, 3)), sync_ns=sync_ns)
    return made if alone(made) else replicated(draw, made)


def straight(wire: Wire) -> Wire:
    """An edge that makes one item of each record: of several, which go together depends on their order."""
    return replace(wire, batch=1, decimate=1, partial=False, window=None)


def alone(part: Part) -> bool:
    """Whether it keeps something between firings, or takes something that may not be replicated."""
    return part.kind not in STATELESS or part.sync_ns is not None or any(each.window or each.old for each in part.wires)


def replicated(draw: st.DrawFn, part: Part) -> Part:
    """`part`, perhaps as several."""
    replicas = draw(st.sampled_from([1, 1, 2, 3]))
    return replace(part, replicas=replicas, ordered=replicas == 1 or not draw(rarely))


def wire(draw: st.DrawFn, graph: Spec, shape: Shape, matched: bool) -> Wire:
    """An input from a part of `graph`, of a node that takes what comes, or what is about one time."""
    source, output = draw(st.sampled_from(graph.ends))
    on_full = "error" if shape.deep and draw(rarely) else "wait"  # never full
    depth = DEEP if shape.deep else draw(st.integers(1, 4))
    initial = tuple(draw(st.lists(st.integers(0, 50), max_size=3))) if shape.initial else ()
    old = not matched and graph.parts[source].replicas == 1 and draw(rarely)
    plain = Wire(source, output, depth, initial, on_full=on_full, old=old)
    if not shape.ratios:
        return plain
    decimate = draw(rare)
    if matched:
        return replace(plain, decimate=decimate)
    batch = draw(rare)
    partial = batch > 1 and draw(st.booleans())
    window = draw(st.sampled_from([None, 1, 2, 5])) if batch == 1 else None
    return replace(plain, batch=batch, decimate=decimate, partial=partial, window=window)


def doors(parts: list[Part]) -> st.SearchStrategy[Door]:
    """A door behind some outputs of `parts` that have an order."""
    graph = Spec(tuple(parts))
    ends = [key for key in graph.ends if not graph.shuffled(key[0])]
    depth = st.integers(1, 4)
    found = []
    if lossless := [key for key in ends if parts[key[0]].replicas == 1]:
        found.append(st.builds(Door, st.sampled_from(list(LOSSY)), st.tuples(st.sampled_from(lossless)), depth))
    found.append(st.builds(Door, st.just("share"), st.tuples(st.sampled_from(ends)), depth))
    for dtype in DTYPES:
        if alike := [key for key in ends if parts[key[0]].published(key[1]) == dtype]:
            sources = st.lists(st.sampled_from(alike), min_size=1, max_size=3).map(tuple)
            found.append(st.builds(Door, st.just("merge"), sources, depth))
    return st.one_of(found)


def close_loop(draw: st.DrawFn, parts: list[Part], emitters: int) -> None:
    """Feed the output of a router back to itself or to one that it descends from."""
    late = draw(st.integers(emitters, len(parts) - 1))
    early = draw(st.sampled_from(ancestors(parts, late)))
    if any(not part.ordered or part.kind in (*FAILING, "shaky") for part in parts):
        return  # a loop into which a tombstone may come is not built
    initial = tuple(draw(st.lists(st.integers(0, 50), min_size=1, max_size=3)))
    back = Wire(late, depth=DEEP, initial=initial, feedback=True)
    parts[early] = replace(parts[early], wires=(*parts[early].wires, back))


def ancestors(parts: list[Part], index: int) -> list[int]:
    """The routers from which `index` can be reached, itself included."""
    found, rest = {index}, [index]
    while rest:
        for wire in parts[rest.pop()].wires:
            if wire.source not in found and parts[wire.source].kind not in EMITTERS:
                found.add(wire.source)
                rest.append(wire.source)
    return sorted(found)
