"""Random graphs, as Hypothesis strategies."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tests.properties.built import DEEP
from tests.properties.doors import LOSSY
from tests.properties.spec import DTYPES, EMITTERS, FAILING, OTHER_RATE, SAME_RATE, STATELESS, Door, Part, Spec, Wire

placements = st.lists(st.integers(0, 3), min_size=2, max_size=8)
rare = st.sampled_from([1, 1, 1, 2, 3])
rarely = st.sampled_from([False, False, False, True])
REPLICAS = False


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Graphs of 2 to 7 nodes. One rate and small rings; or one rate, deep rings and a loop; or many rates and deep rings."""
    shape = draw(st.sampled_from(["narrow", "loop", "rates"]))
    emitters = draw(st.integers(1, 3))
    parts = [part(draw, EMITTERS, length=draw(st.integers(0, 12))) for _ in range(emitters)]
    for _ in range(draw(st.integers(1, 4))):
        wires = [wire(draw, parts, shape) for _ in range(draw(st.integers(1, 3)))]
        kinds = SAME_RATE + OTHER_RATE + FAILING if shape == "rates" else SAME_RATE
        parts.append(part(draw, kinds, wires=tuple(wires)))
    if shape == "loop":
        close_loop(draw, parts, emitters)
    return Spec(tuple(parts), tuple(draw(st.lists(doors(parts), max_size=2))), nested=draw(rarely))


def doors(parts: list[Part]) -> st.SearchStrategy[Door]:
    """A door behind some outputs of `parts`."""
    ends = Spec(tuple(parts)).ends
    depth = st.integers(1, 4)
    found = []
    if lossless := [key for key in ends if parts[key[0]].replicas == 1 and not carries(parts, key[0])]:
        found.append(st.builds(Door, st.sampled_from(list(LOSSY)), st.tuples(st.sampled_from(lossless)), depth))
    found.append(st.builds(Door, st.just("share"), st.tuples(st.sampled_from(ends)), depth))
    for dtype in DTYPES:
        if alike := [key for key in ends if parts[key[0]].dtype == dtype]:
            sources = st.lists(st.sampled_from(alike), min_size=1, max_size=3).map(tuple)
            found.append(st.builds(Door, st.just("merge"), sources, depth))
    return st.one_of(found)


def carries(parts: list[Part], index: int) -> bool:
    """Whether tombstones may come out of node `index`: they have no place on edges that lose records."""
    plain = [wire.source for wire in parts[index].wires if not wire.feedback]
    return parts[index].kind in FAILING or any(carries(parts, source) for source in plain)


def part(draw: st.DrawFn, kinds: tuple[str, ...], length: int = 0, wires: tuple[Wire, ...] = ()) -> Part:
    """A node of one of `kinds`."""
    kind, dtype = draw(st.sampled_from(kinds)), draw(st.sampled_from(DTYPES))
    if not wires:
        return Part(kind, length, dtype=dtype, waits=draw(st.booleans()))
    alone = not REPLICAS or kind not in STATELESS or any(each.window for each in wires)  # a window is kept between firings
    replicas = 1 if alone else draw(st.sampled_from([1, 1, 2, 3]))
    return Part(kind, 0, wires, dtype, draw(st.booleans()), draw(st.integers(1, 3)), replicas)


def wire(draw: st.DrawFn, parts: list[Part], shape: str) -> Wire:
    """An input from one of `parts`."""
    source = draw(st.integers(0, len(parts) - 1))
    output = draw(st.integers(0, parts[source].outputs - 1))
    if shape != "rates":
        return Wire(source, output, depth=draw(st.integers(1, 4)) if shape == "narrow" else DEEP)
    initial = tuple(draw(st.lists(st.integers(0, 50), max_size=3)))
    batch, decimate = draw(rare), draw(rare)
    partial = batch > 1 and draw(st.booleans())
    window = draw(st.sampled_from([None, 1, 2, 5])) if batch == 1 else None
    return Wire(source, output, DEEP, initial, batch, decimate, partial, window)


def close_loop(draw: st.DrawFn, parts: list[Part], emitters: int) -> None:
    """Feed the output of a router back to itself or to one that it descends from."""
    late = draw(st.integers(emitters, len(parts) - 1))
    early = draw(st.sampled_from(ancestors(parts, late)))
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
