"""L6, the main promise: random graphs of all kinds of nodes and edges give, under every placement and driver, the sequences of an
interpreter that knows no engine."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.drivers import KINDS, Driver
from tests.properties.built import Case, build_all
from tests.properties.random_specs import placements, specs
from tests.properties.spec import Part, Spec, Wire

CONTEXT = {"inline": "inline", "threads": "thread", "processes": "process", "virtual": "process"}
AT_ONCE = 25  # graphs in one run: with processes, a start takes longer than all of them

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning"
)  # the compiler advises on depths and paces; here they are random

cases = st.tuples(specs(), placements)


def same_sequences(drawn: list[Case], kind: str) -> None:
    """The engine gives what the interpreter gives, record for record, and its doors keep their laws."""
    graph, built = build_all(drawn, CONTEXT[kind])
    report = Driver(kind).run(graph)
    for each in built:
        each.check(report)


LOOP = Spec((Part("values", 9), Part("mix", wires=(Wire(0, depth=512), Wire(2, depth=512, initial=(5,), feedback=True))),
             Part("count", wires=(Wire(1, depth=512),))))  # fmt: skip
RATES = Spec((Part("generator", 12), Part("fan", wires=(Wire(0, depth=512),)), Part("split", wires=(Wire(1, depth=512, batch=2),)),
              Part("mix", wires=(Wire(2, 0, depth=512), Wire(0, depth=512, decimate=2)))))  # fmt: skip
# A reader that left while others stay: the emitter that waited for its room goes on.
LEFT = Spec((Part("values", 7), Part("values", 0), Part("generator", 7), Part("mix", wires=(Wire(2, depth=3), Wire(1, depth=3))),
             Part("count", wires=(Wire(0, depth=3), Wire(2, depth=1)))))  # fmt: skip
# A generator that is asked between two of its yields, while more records come.
ASKED = Spec((Part("values", 7), Part("values", 4), Part("fan", wires=(Wire(0, depth=512, initial=(0, 0, 0)),))))
# A tombstone behind a full batch, while the other input has no batch yet.
BEHIND = Spec((Part("generator", 10, waits=True), Part("breaks", wires=(Wire(0, depth=512),), gain=2),
               Part("count", wires=(Wire(0, depth=512, batch=3, partial=True), Wire(1, depth=512, batch=2)))))  # fmt: skip
KNOWN: list[Case] = [(LOOP, [1, 2, 3]), (RATES, [1, 2, 3]), (LEFT, [0, 0, 0, 0, 1]), (ASKED, [0, 0]), (BEHIND, [0, 0])]


@pytest.mark.parametrize("kind", ["inline", "threads", "virtual"])
@settings(max_examples=25, deadline=None)
@given(case=cases)
@example(case=KNOWN[0])
@example(case=KNOWN[1])
@example(case=KNOWN[2])
@example(case=KNOWN[3])
@example(case=KNOWN[4])
def test_l6_sequences_do_not_depend_on_placement_or_driver(kind, case):
    """L6: random graphs under random placements, inline, in threads and in virtual time: the sequences of Kahn's interpreter."""
    same_sequences([case], kind)


@settings(max_examples=1, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.lists(cases, min_size=1, max_size=AT_ONCE))
@example(drawn=KNOWN)
def test_l6_sequences_do_not_depend_on_processes(drawn):
    """L6 over processes, many graphs in one run."""
    same_sequences(drawn, "processes")


@pytest.mark.campaign
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.lists(cases, min_size=AT_ONCE - 5, max_size=AT_ONCE))
def test_l6_campaign(kind, drawn):
    """L6 over more than a thousand graphs, under every driver."""
    same_sequences(drawn, kind)
