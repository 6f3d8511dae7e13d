"""Lay out the memory of a plan: which word lies where.

Law L2: regions of a segment do not overlap, are 64-byte aligned and sum to its size; every shared word has one writer. Therefore
one data segment per context, which only that context writes (outputs, initial records, counters), and one control segment for
the words that travel the other way (tails, leases, bells, wishes). Pure: numbers in, numbers out; `memory.py` makes them real.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .counters import EDGE_COUNTERS, NODE_COUNTERS, WRITER_COUNTERS
from .plan import (
    ContextPlan,
    EdgePlace,
    EdgePlan,
    Layout,
    NodePlan,
    OutputPlace,
    OutputPlan,
    Region,
    SegmentPlan,
)

LINE = 64  # bytes of a cache line, and of a slot header


def round_up(size: int, unit: int = LINE) -> int:
    """`size` rounded up to whole `unit`s."""
    return -(-size // unit) * unit


def stride(dtype: np.dtype[Any]) -> int:
    """Bytes from one slot to the next: header line, then the record, in whole lines."""
    return LINE + round_up(dtype.itemsize)


class Segment:
    """Regions one behind the other. States: being filled, then `frozen` into a plan."""

    def __init__(self, name: str, context: int):
        self.name, self.context, self.size = name, context, 0
        self.regions: list[Region] = []

    def add(self, name: str, size: int) -> int:
        """Reserve at least `size` bytes in whole lines and return their offset."""
        offset, size = self.size, round_up(max(size, 1))
        self.regions.append(Region(name=name, offset=offset, size=size))
        self.size += size
        return offset

    def frozen(self) -> SegmentPlan:
        """The finished segment."""
        return SegmentPlan(name=self.name, context=self.context, size=self.size, regions=tuple(self.regions))


def lay_out(
    contexts: Sequence[ContextPlan],
    nodes: Sequence[NodePlan],
    outputs: Sequence[OutputPlan],
    edges: Sequence[EdgePlan],
) -> Layout:
    """Offsets of everything. Sizes are Python integers: nothing overflows."""
    control = Segment("control", -1)
    data = [Segment(context.name, context.index) for context in contexts]
    run = control.add("run", LINE)
    lines = tuple(control.add(f"context {context.name}", LINE) for context in contexts)
    counters = tuple(data[node.context].add(f"counters of {node.name}", NODE_COUNTERS.itemsize) for node in nodes)
    output_places = tuple(_place_output(output, edges, control, data[output.context]) for output in outputs)
    edge_places = tuple(_place_edge(edge, outputs[edge.output], control, data) for edge in edges)
    turns = tuple(control.add(f"turns of {node.name}", LINE) if node.replicas > 1 else -1 for node in nodes)
    return Layout(
        segments=tuple(segment.frozen() for segment in [control, *data]),
        outputs=output_places,
        edges=edge_places,
        nodes=counters,
        contexts=lines,
        turns=turns,
        run=run,
    )


def ring_entries(depth: int) -> int:
    """Entries of an index ring that must show `depth` records: one more, and at least two (RULES 5)."""
    return max(depth + 1, 2)


def _place_output(output: OutputPlan, edges: Sequence[EdgePlan], control: Segment, data: Segment) -> OutputPlace:
    name = f"output {output.index} {output.name}"
    depths = [edges[index].depth for index in output.edges if edges[index].policy == "every"]
    entries = ring_entries(max(depths, default=1))
    step = stride(output.dtype)
    return OutputPlace(
        words=data.add(f"{name}: head, end", LINE),
        index=data.add(f"{name}: index", 4 * entries),
        entries=entries,
        slots=data.add(f"{name}: slots", step * output.slots),
        stride=step,
        want=control.add(f"{name}: want", LINE),
        spare=control.add(f"{name}: spare reader", LINE),
        arena=data.add(f"{name}: arena", output.arena) if output.arena else -1,
    )


def _place_edge(edge: EdgePlan, output: OutputPlan, control: Segment, data: Sequence[Segment]) -> EdgePlace:
    writer, reader = data[output.context], data[edge.context]
    words = index = -1
    entries = 0
    if edge.own:
        entries = ring_entries(edge.depth)
        words = writer.add(f"edge {edge.name}: head, end", LINE)
        index = writer.add(f"edge {edge.name}: index", 4 * entries)
    preload = -1
    if edge.initial:
        preload = writer.add(f"edge {edge.name}: initial", stride(output.dtype) * len(edge.initial))
    return EdgePlace(
        line=control.add(f"edge {edge.name}: reader", LINE),
        words=words,
        index=index,
        entries=entries,
        preload=preload,
        stats=reader.add(f"edge {edge.name}: counters", EDGE_COUNTERS.itemsize),
        losses=writer.add(f"edge {edge.name}: losses", WRITER_COUNTERS.itemsize),
    )
