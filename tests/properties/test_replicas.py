"""Replicas change no sequence: random graphs whose stateless nodes have any number of instances, against Kahn's interpreter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfcore import SKIP, Router
from tests.drivers import KINDS, Driver
from tests.properties import built
from tests.properties.random_specs import placements, specs
from tests.properties.spec import Behaviour, Part, Spec

REPLICATED = ("count", "filter", "fan", "both")  # what these publish depends on the firing alone
CONTEXT = {"inline": "inline", "threads": "thread", "processes": "process", "virtual": "process"}

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the compiler advises on depths; here they are random

counts = st.lists(st.integers(1, 4), min_size=2, max_size=5)
one_of = built.make


class Instance(Router):
    """A node that keeps nothing between firings."""

    def __init__(self, part: Part, **options: Any) -> None:
        stored = built.STORED[part.dtype]
        outputs = {"outputs": dict.fromkeys(built.NAMES, stored)} if part.outputs == 2 else {"dtype": stored}
        super().__init__(**outputs, **options)
        self.part = part

    def fire(self, values: tuple[Any, ...]) -> list[Any]:
        fired = Behaviour(self.part).fire([built.plain(value) for value in values])
        return list(built.records(self.part.dtype, fired))

    def compute(self, *values: Any, gain: int = 1) -> Any:
        return next(iter(self.fire(values)), SKIP)


class WaitingInstance(Instance):
    """The same from a coroutine that takes a while, not always the same."""

    async def compute(self, *values: Any, gain: int = 1) -> Any:
        await asyncio.sleep(self.rng.uniform() / 2000)
        return super().compute(*values)


class FanInstance(Instance):
    """Any number of records per firing."""

    def compute(self, *values: Any, gain: int = 1) -> Any:
        yield from self.fire(values)


class WaitingFanInstance(Instance):
    """The same from an async generator."""

    async def compute(self, *values: Any, gain: int = 1) -> Any:
        for record in self.fire(values):
            await asyncio.sleep(self.rng.uniform() / 2000)
            yield record


def replicated(counts: list[int]) -> Any:
    """`built.make` that gives stateless node i `counts[i]` instances (cyclic)."""

    def make(part: Part, index: int, name: str) -> Any:
        n = counts[index % len(counts)]
        if n == 1 or part.kind not in REPLICATED or any(wire.window for wire in part.wires):
            return one_of(part, index, name)
        fan, waits = part.kind == "fan", part.waits
        kind = (WaitingFanInstance if waits else FanInstance) if fan else WaitingInstance if waits else Instance
        return kind(part, name=name, gain=part.gain, replicas=n)

    return make


def same_sequences(cases: list[tuple[Spec, list[int], list[int]]], kind: str) -> None:
    """Every output has the sequence that the interpreter gives, whatever the number of instances."""
    graph, found = built.Graph("random"), []
    for number, (spec, placement, counts) in enumerate(cases):
        with mock.patch.object(built, "make", replicated(counts)):
            found.append(built.Built(replace(spec, doors=()), placement, CONTEXT[kind], graph, f"g{number}_"))
    report = Driver(kind).run(graph)
    for each in found:
        each.check(report)


@pytest.mark.parametrize("kind", ["inline", "threads", "virtual"])
@settings(max_examples=25, deadline=None)
@given(spec=specs(), placement=placements, counts=counts)
def test_l6_sequences_do_not_depend_on_replicas(kind, spec, placement, counts):
    """L6: random graphs with any number of ordered instances of their stateless nodes: the sequences of one instance."""
    same_sequences([(spec, placement, counts)], kind)


@pytest.mark.campaign
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases=st.lists(st.tuples(specs(), placements, counts), min_size=15, max_size=20))
def test_l6_replicas_campaign(kind, cases):
    """L6 with replicas over hundreds of graphs, under every driver."""
    same_sequences(cases, kind)
