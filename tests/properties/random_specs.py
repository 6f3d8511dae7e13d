"""Random graphs, as Hypothesis strategies."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.properties.built import DEEP
from tests.properties.spec import DTYPES, EMITTERS, OTHER_RATE, SAME_RATE, Part, Spec, Wire

placements = st.lists(st.integers(0, 3), min_size=2, max_size=8)
rare = st.sampled_from([1, 1, 1, 2, 3])


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Graphs of 2 to 7 nodes. One rate and small rings; or one rate, deep rings and a loop; or many rates and deep rings."""
    shape = draw(st.sampled_from(["narrow", "loop", "rates"]))
    emitters = draw(st.integers(1, 3))
    parts = [part(draw, EMITTERS, length=draw(st.integers(0, 12))) for _ in range(emitters)]
    for _ in range(draw(st.integers(1, 4))):
        wires = [wire(draw, parts, shape) for _ in range(draw(st.integers(1, 3)))]
        parts.append(part(draw, SAME_RATE + OTHER_RATE if shape == "rates" else SAME_RATE, wires=tuple(wires)))
    if shape == "loop":
        close_loop(draw, parts, emitters)
    return Spec(tuple(parts))


def part(draw: st.DrawFn, kinds: tuple[str, ...], length: int = 0, wires: tuple[Wire, ...] = ()) -> Part:
    """A node of one of `kinds`."""
    kind, dtype = draw(st.sampled_from(kinds)), draw(st.sampled_from(DTYPES))
    return Part(kind, length, wires, dtype, waits=draw(st.booleans()), gain=draw(st.integers(1, 3)) if wires else 1)


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
    before = parts[early]
    parts[early] = Part(before.kind, 0, (*before.wires, back), before.dtype, before.waits, before.gain)


def ancestors(parts: list[Part], index: int) -> list[int]:
    """The routers from which `index` can be reached, itself included."""
    found, rest = {index}, [index]
    while rest:
        for wire in parts[rest.pop()].wires:
            if wire.source not in found and parts[wire.source].kind not in EMITTERS:
                found.add(wire.source)
                rest.append(wire.source)
    return sorted(found)
