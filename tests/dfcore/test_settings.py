"""The parameters of a run: joined to its memory, and parted from it."""

from __future__ import annotations

from dfcore.compiler import compile
from dfcore.graph import Declaration
from dfcore.memory import Memory
from dfcore.settings import RunSettings
from dfcore.sight import Sight
from tests.nodes import log, noise, scale


def test_parameters_are_joined_to_a_run_and_parted_from_it():
    """While it is under way a setting goes into its memory, and what an edge writes is read from there; afterwards neither."""
    with Declaration() as graph:
        tuned, free = scale(name="tuned"), scale(name="free")
        noise(name="tuner").to(tuned["gain"])
        noise().to(tuned).to(free).to(log())
    plan = compile(graph)
    memory, settings = Memory.create(plan, shared=False), RunSettings()
    settings.begin(plan, {node.index: graph._nodes[node.declared] for node in plan.nodes}, memory)
    assert (["gain"], None) == (list(tuned.params._taps), tuned.params._publish)
    edge = next(edge.index for edge in plan.edges if edge.name == "(program) -> free")
    before = Sight(plan, memory).words(edge).head
    free.params.gain = 3.0
    assert before + 1 == Sight(plan, memory).words(edge).head
    settings.end()
    settings.end()
    assert ({}, None) == (tuned.params._taps, free.params._publish)
    free.params.gain = 4.0
    assert before + 1 == Sight(plan, memory).words(edge).head
    memory.close()
