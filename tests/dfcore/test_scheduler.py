"""The firing table: who fires, who waits without work, and how the end and the age of records travel."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dfcore import SKIP, STOP, Collector, Emitter, Graph, NodeFailed, Router, collect, emit, router

CLOCKS = ["virtual", "real"]


class Silent(Emitter):
    """Emits one record after each of `pauses_s`, and ends after one more of `last_s`."""

    def __init__(self, pauses_s, last_s):
        super().__init__("f8")
        self.pauses_s, self.last_s = pauses_s, last_s

    async def compute(self):
        if self.firing < len(self.pauses_s):
            await asyncio.sleep(self.pauses_s[self.firing])
            return float(self.firing)
        await asyncio.sleep(self.last_s)
        return STOP


class Guard(Collector):
    """Notes when it fires and when it is made safe."""

    def open(self):
        self.log = []

    def compute(self, a, b):
        self.log.append((self.now_ns, a))

    def safe(self):
        self.log.append("safe")


@pytest.mark.parametrize("policy", ["latest", "every"])
def test_a_record_that_waits_for_another_input_grows_stale(policy):
    """max_age_s: an unread record is watched too, once, and time goes on."""
    with Graph() as graph:
        a, b, guard = Silent([0.01, 0.01], 1.0), Silent([0.01], 1.0), Guard()
    a.to(guard["a"], policy=policy, max_age_s=0.1)
    b.to(guard["b"])
    report = graph.run(clock="virtual")
    assert [(10_000_000, 0.0), "safe", "safe"] == guard.log
    assert 1 == report.nodes["guard"].firings


def test_of_two_aged_inputs_the_newest_records_fire():
    """L3: a record taken to look at its age is not the one that fires when a newer one came."""
    with Graph() as graph:
        a, b, guard = Silent([0.01, 0.01, 0.01], 0.3), Silent([0.01, 0.2], 0.1), Guard()
    a.to(guard["a"], policy="latest", max_age_s=0.5, on_stale="skip")
    b.to(guard["b"], max_age_s=0.5, on_stale="skip")
    graph.run(clock="virtual")
    assert [(10_000_000, 0.0), (210_000_000, 2.0), "safe"] == guard.log


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_generator_that_nobody_reads_ends(clock):
    """RULES 21: closing travels upstream into the middle of a firing."""

    class Endless(Router):
        def compute(self, x):
            while True:
                yield x

    class Three(Collector):
        def compute(self, x):
            return STOP if self.firing == 2 else None

    with Graph() as graph:
        source, endless, three = emit([1.0], "f8"), Endless("f8"), Three()
    source.to(endless).to(three)
    report = graph.run(clock=clock)
    assert 3 == report.nodes["three"].firings
    assert (1, 0) == (report.edges["emit -> endless"].read, report.edges["emit -> endless"].unread)


@pytest.mark.parametrize("clock", CLOCKS)
def test_stop_ends_a_loop_that_always_has_a_record(clock):
    """`stop()` ends the nodes whose triggering inputs are all feedback, and what goes round is unread."""

    class Count(Router):
        def compute(self, x):
            return x + 1

    with Graph() as graph:
        count = Count("i8", cost_ns=1000)
    count.to(count, initial=[0])
    report = graph.run(0.001, clock=clock)
    edge = report.edges["count -> count"]
    assert ("duration", edge.written) == (report.ended, edge.read + 1)


def test_a_flush_that_takes_its_time_is_not_cancelled_by_stop():
    """`flush` runs to its end, also of an emitter, also when the run stops meanwhile."""

    class Late(Emitter):
        def compute(self):
            return STOP

        async def flush(self):
            await asyncio.sleep(0.5)
            return 7.0

    with Graph() as graph:
        late, out = Late("f8"), collect()
    late.to(out)
    graph.run(0.2, clock="virtual")
    assert [7.0] == list(out.records)


def test_what_a_flush_writes_into_its_output_is_published():
    """`flush` returns or yields like `compute`: nothing returned and something written is a record."""

    class Plain(Router):
        def compute(self, x):
            return SKIP

        def flush(self):
            self.output["a"] = 5

    class Generator(Plain):
        def flush(self):
            for value in (1, 2):
                self.output["a"] = value
                yield

    class Nothing(Plain):
        def flush(self):
            pass

    dtype = [("a", "i8")]
    with Graph() as graph:
        source, nodes, outs = emit([1, 2], "i8"), [Plain(dtype), Generator(dtype), Nothing(dtype)], [collect() for _ in range(3)]
    for node, out in zip(nodes, outs, strict=True):
        source.to(node).to(out)
    graph.run(clock="virtual")
    assert [[5], [1, 2], []] == [[int(r["a"]) for r in out.records] if len(out) else [] for out in outs]


def test_a_required_parameter_from_another_context_wakes_its_node():
    """The node waits for the first value of its edge, and hears of it."""
    gate = threading.Event()

    class Tuner(Emitter):
        def compute(self):
            gate.wait()
            return 3.0 if self.firing == 0 else STOP

    class Scale(Router):
        def compute(self, x, *, gain=1.0, k):
            return gain * k * x

    class Opener(Collector):
        def compute(self, x):
            gate.set()

    with Graph() as graph:
        source, scale, out, opener = emit([1.0, 2.0], "f8"), Scale("f8"), collect(), Opener()
        with graph.context("tuner", kind="thread"):
            tuner = Tuner("f8")
    source.to(scale).to(out)
    source.to(opener)
    tuner.to(scale["k"])
    graph.run()
    assert [3.0, 6.0] == list(out.records)


class Waits(Collector):
    """Blocks in its first firing until it is let go."""

    gate = threading.Event()

    def compute(self, x):
        self.gate.wait()


def busy_while_blocked(graph, gate):
    """CPU seconds of each context of a run that stands still for 0.2 s."""
    timer = threading.Timer(0.2, gate.set)
    timer.start()
    report = graph.run()
    timer.join()
    return {name: context.cpu_s for name, context in report.contexts.items()}


def test_a_context_whose_node_waits_for_another_input_sleeps():
    """L11: a record that lies unread is no news."""
    gate = threading.Event()

    class Late(Emitter):
        def compute(self):
            gate.wait()
            return STOP

    class Join(Collector):
        def compute(self, a, b):
            pass

    with Graph() as graph:
        with graph.context("one", kind="thread"):
            late = Late("f8")
        with graph.context("three", kind="thread"):
            source = emit([1.0, 2.0], "f8")
        with graph.context("two", kind="thread"):
            join = Join()
    source.to(join["a"])
    late.to(join["b"])
    assert busy_while_blocked(graph, gate)["two"] < 0.1


def test_a_context_whose_node_waits_for_room_sleeps():
    """L11: neither an unread record nor room at another output is a reason to be awake."""
    Waits.gate = gate = threading.Event()

    class Both(Router):
        def compute(self, x):
            return x, x

    with Graph() as graph:
        with graph.context("one", kind="thread"):
            source = emit([1.0] * 8, "f8")
        with graph.context("two", kind="thread"):
            both = Both(outputs={"a": "f8", "b": "f8"})
        with graph.context("three", kind="thread"):
            out, waits = collect(), Waits()
    source.to(both)
    both["a"].to(out)
    both["b"].to(waits, depth=1)
    assert busy_while_blocked(graph, gate)["two"] < 0.1


def test_what_a_node_awaits_may_be_cancelled_by_others():
    """An exception of its own: no quiet end of the node."""

    class Awaits(Router):
        async def compute(self, x):
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            return await future

    with Graph() as graph:
        source, awaits, out = emit([1.0], "f8"), Awaits("f8"), collect()
    source.to(awaits).to(out)
    with pytest.raises(NodeFailed) as caught:
        graph.run(clock="virtual")
    assert "awaits" == caught.value.node


def test_a_deadline_counts_from_ready():
    """A firing that its context held up after its record came has missed its deadline."""

    class Takes(Collector):
        def compute(self, x):
            pass

    with Graph() as graph:
        source, slow, late = emit([1.0], "f8"), Takes(cost_ns=50_000_000, name="slow"), Takes(deadline_s=0.01, name="late")
    source.to(slow)
    source.to(late)
    assert 1 == graph.run(clock="virtual").nodes["late"].deadline_misses


def test_a_generator_of_a_router_costs_once():
    """`cost_ns` is the time of a firing, and all that a router's generator yields is one firing."""

    class Three(Router):
        def compute(self, x):
            yield from (x, x, x)

    with Graph() as graph:
        source, three, out = emit([1.0, 2.0], "f8"), Three("f8", cost_ns=10_000_000), collect()
    source.to(three).to(out)
    assert 0.02 == graph.run(clock="virtual").duration_s
    assert 6 == len(out)


def test_a_node_that_writes_to_itself_and_waits_for_room_does_not_wake_itself_for_ever():
    """What a batch takes in wakes its writers only if it gave a slot back: in a loop the writer is the node itself."""

    @router("i8")
    def pairs(x, y):
        return int(x.sum() + y.sum())

    @router("i8")
    async def slow(x):
        await asyncio.sleep(0.01)
        return x

    with Graph("loop") as graph:
        loop, out = pairs(), collect()
        emit(range(12), "i8").to(loop["x"], batch=2)
        loop.to(loop["y"], initial=[1] * 8, batch=2)
        loop.to(slow(), depth=1).to(out)
    graph.run(clock="virtual")
    assert [3, 7, 11, 15] == out.records.tolist()[:4]
