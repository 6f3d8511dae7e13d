"""The report: every record accounted for, from the words of the rings alone."""

import asyncio
import json
import pickle

import numpy as np
import pytest

from dfcore import STOP, Collector, Emitter, Graph, collect, emit, router
from dfcore.compiler import compile
from dfcore.counters import EDGE_COUNTERS, NODE_COUNTERS, WRITER_COUNTERS, bucket
from dfcore.memory import Memory
from dfcore.stats import Report, report
from dfcore.tell import duration


class Source(Emitter):
    """Emits nothing here: the tests write the counters."""

    def __init__(self):
        super().__init__("f8")

    def compute(self):
        """Never called."""


class Sink(Collector):
    """Reads nothing here."""

    def compute(self, x):
        """Never called."""


class Bench:
    """A graph of one edge with its memory, whose words a test sets as the two ends would."""

    def __init__(self, **edge):
        with Graph("bench") as self.graph:
            source, sink = Source(), Sink()
        source.to(sink, **edge)
        self.plan = compile(self.graph)
        self.memory = Memory.create(self.plan, shared=False)
        place, output = self.plan.layout.edges[0], self.plan.layout.outputs[0]
        self.counters = self.memory.struct(1, place.stats, EDGE_COUNTERS)
        self.losses = self.memory.struct(1, place.losses, WRITER_COUNTERS)
        self.node = self.memory.struct(1, self.plan.layout.nodes[0], NODE_COUNTERS)
        self._reader = self.memory.words(0, place.line, 2)
        self._output = self.memory.words(1, output.words, 2)
        self._own = self.memory.words(1, place.words, 2) if place.words >= 0 else None

    def words(self, *, head, tail, taken, offered=None):
        """What the ring says."""
        self._output[:] = head, 2**64 - 1
        self._reader[:] = tail, taken
        if self._own is not None:
            self._own[0] = offered

    def report(self, **changes) -> Report:
        """The report of this state."""
        options = {"clock": "real", "seed": 1, "duration_s": 2.0, "ended": "finished", "digests": False, "tick_ns": 0.5}
        return report(self.plan, self.memory, **{**options, "contexts": {}, **changes})

    @property
    def edge(self):
        """The report of the one edge."""
        return self.report().edges["source -> sink"]


def conserved(edge) -> bool:
    """L5, as the report states it."""
    return edge.written == edge.read + edge.dropped + edge.overwritten + edge.decimated + edge.unread


def test_a_lossless_edge_at_rest():
    """What was not read is unread."""
    bench = Bench()
    bench.words(head=10, tail=7, taken=7)
    bench.counters["read"], bench.counters["high_water"] = 7, 5
    edge = bench.edge
    assert (10, 7, 0, 0, 3, 5) == (edge.written, edge.read, edge.dropped, edge.overwritten, edge.unread, edge.high_water)
    assert conserved(edge)


def test_initial_records_count_as_written():
    """Two initial records, one of them read."""
    bench = Bench(initial=[1.0, 2.0])
    bench.words(head=4, tail=0, taken=0)
    bench.counters["read"] = bench.counters["initial_taken"] = 1
    assert (6, 1, 5) == (bench.edge.written, bench.edge.read, bench.edge.unread)
    assert conserved(bench.edge)


def test_drop_new_counts_what_was_not_offered():
    """Published less offered was refused."""
    bench = Bench(on_full="drop_new", depth=3)
    bench.words(head=10, offered=6, tail=4, taken=4)
    bench.counters["read"] = 4
    assert (10, 4, 4, 2) == (bench.edge.written, bench.edge.read, bench.edge.dropped, bench.edge.unread)
    assert conserved(bench.edge)


def test_drop_oldest_counts_what_the_reader_did_not_take():
    """The tail moved further than the reader moved it."""
    bench = Bench(on_full="drop_oldest", depth=3)
    bench.words(head=10, tail=8, taken=5)
    bench.counters["read"], bench.losses["dropped"] = 5, 77
    assert (10, 5, 3, 2) == (bench.edge.written, bench.edge.read, bench.edge.dropped, bench.edge.unread)
    assert conserved(bench.edge)


def test_stale_records_are_dropped():
    """Taken without a firing, because too old."""
    bench = Bench(max_age_s=1, on_stale="skip")
    bench.words(head=10, tail=10, taken=10)
    bench.counters["read"], bench.counters["stale_dropped"] = 8, 2
    assert (8, 2, 0) == (bench.edge.read, bench.edge.dropped, bench.edge.unread)
    assert conserved(bench.edge)


def test_decimated_records_have_their_own_count():
    """Every second one, and one that waits for its partner."""
    bench = Bench(decimate=2)
    bench.words(head=5, tail=5, taken=5)
    bench.counters["read"], bench.counters["decimated"] = 2, 3
    assert (2, 3, 0) == (bench.edge.read, bench.edge.decimated, bench.edge.unread)
    assert conserved(bench.edge)


def test_a_batch_that_is_not_complete_is_unread():
    """Three of four records lie in the batch's own memory."""
    bench = Bench(batch=4)
    bench.words(head=7, tail=7, taken=7)
    bench.counters["read"], bench.counters["unread_buffered"] = 4, 3
    assert (4, 3) == (bench.edge.read, bench.edge.unread)
    assert conserved(bench.edge)


@pytest.mark.parametrize(
    ("head", "tail", "read", "overwritten", "unread"), [(10, 10, 4, 6, 0), (10, 8, 4, 5, 1), (0, 0, 0, 0, 0), (1, 0, 0, 0, 1)]
)
def test_latest_overwrites_all_but_the_newest(head, tail, read, overwritten, unread):
    """The newest record is unread if it was not taken; older ones that nobody read are overwritten."""
    bench = Bench(policy="latest")
    bench.words(head=head, tail=tail, taken=read)
    bench.counters["read"] = read
    assert (overwritten, unread) == (bench.edge.overwritten, bench.edge.unread)
    assert conserved(bench.edge)


@pytest.mark.parametrize(("head", "taken", "overwritten", "unread"), [(0, 0, 0, 1), (0, 1, 0, 0), (3, 0, 3, 1), (3, 1, 2, 1)])
def test_an_initial_record_of_latest_is_overwritten_by_the_first(head, taken, overwritten, unread):
    """It is the newest record until something is published."""
    bench = Bench(policy="latest", initial=[5.0])
    bench.words(head=head, tail=0, taken=0)
    bench.counters["read"] = bench.counters["initial_taken"] = taken
    assert (overwritten, unread) == (bench.edge.overwritten, bench.edge.unread)
    assert conserved(bench.edge)


def test_a_node_is_counted_in_seconds():
    """Ticks become seconds; the rest is taken as it is."""
    bench = Bench()
    for name, value in [("firings", 4), ("errors", 1), ("deadline_misses", 2), ("overruns", 3), ("busy_ticks", 10**9)]:
        bench.node[name] = value
    node = bench.report().nodes["source"]
    assert (4, 1, 2, 3, 0.5) == (node.firings, node.errors, node.deadline_misses, node.overruns, node.busy_s)
    assert (0.0, 0.0, 0) == (node.wait_input_s, node.wait_room_s, node.duration_ns.count)


def test_contexts_say_what_is_known_of_them():
    """Inline here: this process, nothing refused."""
    known = {"inline": {"pid": 7, "cpu": (1,), "refused": ["no"], "cpu_s": 0.25, "wakeups": 3, "ns_per_tick": 1.0}}
    contexts = Bench().report(contexts=known).contexts
    assert ["inline"] == list(contexts)
    assert (7, (1,), None, 0.25, 3, ("no",)) == tuple(
        getattr(contexts["inline"], name) for name in ("pid", "cpu", "priority", "cpu_s", "wakeups", "refused")
    )


def test_digests_are_sixteen_digits_and_told_apart():
    """None where they were not computed; the run's depends on every edge's."""
    bench = Bench()
    assert (None, None) == (bench.report().digest, bench.edge.digest)
    first = bench.report(digests=True)
    bench.counters["digest"] = 0xABC
    second = bench.report(digests=True)
    assert "0000000000000abc" == second.edges["source -> sink"].digest
    assert 16 == len(first.digest) == len(second.digest)
    assert first.digest != second.digest


def test_a_misspelt_name_is_helped():
    """KeyError with the near name."""
    with pytest.raises(KeyError, match="did you mean `source -> sink`"):
        Bench().report().edges["source -> sank"]


def test_a_report_is_plain_data():
    """As JSON, as a pickle, and frozen."""
    found = Bench().report(digests=True)
    again = json.loads(json.dumps(found.to_dict()))
    assert found.to_dict() == again
    assert found == pickle.loads(pickle.dumps(found))
    assert {"count", "min", "max", "mean", "p50", "p90", "p99"} == set(again["nodes"]["source"]["duration_ns"])
    with pytest.raises(AttributeError):
        found.seed = 2


def test_the_memory_is_only_read():
    """A report changes nothing in a run."""
    bench = Bench()
    bench.words(head=3, tail=1, taken=1)
    before = [bytes(bench.memory.buffer(index)) for index in range(2)]
    bench.report(digests=True)
    assert before == [bytes(bench.memory.buffer(index)) for index in range(2)]


def test_the_text_shows_what_says_something():
    """Headline, one table per kind, columns of zeros left out, refusals at the end."""
    bench = Bench()
    bench.words(head=3, tail=3, taken=3)
    bench.counters["read"] = 3
    bench.node["firings"] = 3
    bench.node["duration"]["buckets"][bucket(1500)] = 1
    for name in ("count", "min", "max", "sum"):
        bench.node["duration"][name] = 1 if name == "count" else 1500
    text = str(bench.report(contexts={"inline": {"pid": 7, "refused": ("cpu 9: needed more",)}}))
    lines = text.splitlines()
    assert "bench: finished after 2.000 s (clock real, seed 1)" == lines[0]
    assert ["node", "firings", "lasts", "p50", "p99"] == lines[2].split()
    assert ["source", "3", "1.50", "us", "1.50", "us"] == lines[4].split()
    assert "edge            written  read" in text
    assert "dropped" not in text
    assert "context inline: cpu 9: needed more" == lines[-1]


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [(0, "0"), (7, "7 ns"), (999.4, "999 ns"), (999.6, "1.00 us"), (12_345, "12.3 us"), (999_600, "1.00 ms"), (2.5e9, "2.50 s")],
)
def test_times_have_three_digits_and_a_unit(value_ns, text):
    """Units are chosen so that a person reads them at a glance."""
    assert text == duration(value_ns)


def test_counters_of_a_report_are_numbers_of_python():
    """No NumPy scalar reaches the user."""
    bench = Bench()
    kinds = {type(value) for value in (bench.edge.written, bench.edge.read, bench.report().nodes["sink"].firings)}
    assert {int} == kinds
    assert not isinstance(bench.edge.written, np.integer)


def test_repr_is_one_line():
    """At a prompt a report says what it is of; its tables are for `print`."""
    assert "<report of bench: finished after 2.000 s, 2 nodes, 1 edge>" == repr(Bench().report())


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_node_that_waits_to_the_end_has_waited(clock):
    """What never came to be shows: the wait for an input and for room counts up to the end, and unread records as high water."""

    @router("i8")
    def add(a, b):
        return a + b

    class Never(Emitter):
        def __init__(self):
            super().__init__("i8")

        async def compute(self):
            await asyncio.sleep(0.2)
            return STOP

    with Graph("stuck") as graph:
        numbers, never, both = emit(range(100), "i8", name="numbers"), Never(), add()
    numbers.to(both["a"], depth=4)
    never.to(both["b"])
    both.to(collect())
    report = graph.run(clock=clock)
    assert report.nodes["add"].wait_input_s > 0.19
    assert report.nodes["numbers"].wait_room_s > 0.19
    assert 4 == report.edges["numbers -> add.a"].high_water
