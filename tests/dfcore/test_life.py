"""Opening and closing the nodes of one context."""

from __future__ import annotations

import pytest

from dfcore import Collector, Emitter, Graph, NodeFailed
from dfcore.compiler import compile
from dfcore.life import Life, needs_loop, run_now


class Noted(Emitter):
    """Notes what is called, and may fail at it."""

    def __init__(self, notes, name, fails=()):
        super().__init__("f8", name=name)
        self.notes, self.fails = notes, fails

    def call(self, method):
        self.notes.append((self.name, method))
        if method in self.fails:
            raise ValueError(method)
        return f"{method} of {self.name}"

    def compute(self):
        return 0.0

    def open(self):
        self.call("open")

    def safe(self):
        return self.call("safe")

    def close(self):
        return self.call("close")


def life(notes, **fails):
    """The life of the nodes a, b and c."""
    with Graph() as graph:
        nodes = [Noted(notes, name, fails.get(name, ())) for name in "abc"]
    return Life(compile(graph), dict(enumerate(nodes)), range(3))


def test_open_in_order_and_close_in_reverse_each_after_safe():
    """API section 2: open in order of creation, safe before every close, close in reverse."""
    notes = []
    nodes = life(notes)
    run_now(nodes.open())
    run_now(nodes.close())
    opened = [(name, "open") for name in "abc"]
    assert opened + [(name, method) for name in "cba" for method in ("safe", "close")] == notes
    assert {index: f"close of {name}" for index, name in enumerate("abc")} == nodes.results


def test_a_failing_open_leaves_only_those_before_to_close():
    """close runs if open returned."""
    notes = []
    nodes = life(notes, b=("open",))
    with pytest.raises(NodeFailed) as error:
        run_now(nodes.open())
    run_now(nodes.close())
    assert ("b", "open") == (error.value.node, error.value.method)
    assert [("a", "open"), ("b", "open"), ("a", "safe"), ("a", "close")] == notes


def test_failures_of_closing_are_kept_and_stop_nobody():
    """L8: one that fails does not keep the others from closing, and what safe returned is no result."""
    notes = []
    nodes = life(notes, c=("close",), a=("safe",))
    run_now(nodes.open())
    run_now(nodes.close())
    assert [("c", "close"), ("a", "safe")] == [(failure.node, failure.method) for failure in nodes.failures]
    assert {1: "close of b", 0: "close of a"} == nodes.results


def test_only_coroutines_need_a_loop():
    """A context without `async def` runs without an event loop."""

    class Later(Collector):
        async def compute(self, x):
            """Nothing."""

    with Graph() as graph:
        source, sink = Noted([], "a"), Later()
    source.to(sink)
    plan = compile(graph)
    assert not needs_loop(plan, {0: source})
    assert needs_loop(plan, {1: sink})


def test_what_waits_cannot_be_run_at_once():
    """`run_now` is for coroutines that never wait: one that does is an error, not a hang."""

    class Wait:
        def __await__(self):
            yield

    async def wait():
        await Wait()

    with pytest.raises(RuntimeError, match="without waiting"):
        run_now(wait())
