"""Acceptance: what arrives. A1, A4, A5, A6, A7, A9 and A13, with exact results."""

import asyncio
import time

import numpy as np
import pytest

from dfcore import STOP, Collector, Emitter, Graph, collect, emit, router, share

FRAME = [("i", "i8"), ("v", "f8", (20000,))]

lossy = pytest.mark.parametrize("driver", ["threads", "processes"], indirect=True)
real = pytest.mark.parametrize("driver", ["inline", "threads", "processes"], indirect=True)


@router("i8")
def double(x):
    return 2 * x


def chained(source, middle, end):
    source.to(middle).to(end)


def called(source, middle, end):
    end(middle(source))


def piped(source, middle, end):
    source | middle | end


@pytest.mark.parametrize("spelling", [chained, called, piped])
def test_a1_three_spellings_one_graph(driver, spelling):
    """A1: `.to`, calling and `|` build the same graph, which doubles 0..9."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(10), "i8")
        with driver.at(graph, "b"):
            middle = double()
        with driver.at(graph, "c"):
            out = collect()
    spelling(source, middle, out)
    driver.run(graph)
    assert list(range(0, 20, 2)) == out.records.tolist()
    assert ["emit -> double", "double -> collect"] == [edge.name for edge in graph.plan().edges]


def test_a4_each_reader_gets_every_record(driver):
    """A4: two readers of one output both get 0..99."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(100), "i8")
        with driver.at(graph, "b"):
            left = collect()
        with driver.at(graph, "c"):
            right = collect()
    source.to(left)
    source.to(right)
    driver.run(graph)
    assert list(range(100)) == left.records.tolist()
    assert list(range(100)) == right.records.tolist()


def test_a4_share_gives_each_record_to_one_reader(driver):
    """A4: through `share()` two readers of 0..99 have no record in common, and all of them together."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source, deal = emit(range(100), "i8"), share()
        with driver.at(graph, "b"):
            left = collect(name="left")
        with driver.at(graph, "c"):
            right = collect(name="right")
    source.to(deal)
    deal.to(left)
    deal.to(right)
    report = driver.run(graph)
    one, other = left.records.tolist(), right.records.tolist()
    assert list(range(100)) == sorted(one + other)
    assert (sorted(one), sorted(other)) == (one, other)
    assert [len(one), len(other)] == [report.edges[f"share -> {name}"].read for name in ("left", "right")]
    assert 100 == sum(edge.written for name, edge in report.edges.items() if name.startswith("share"))


@router("i8")
def blocking_30_ms(x):
    time.sleep(0.03)
    return x


@router("i8")
async def awaiting_30_ms(x):
    await asyncio.sleep(0.03)
    return x


def drain(driver, node):
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(6), "i8")
        with driver.at(graph, "b"):
            first = node(name="first")
        with driver.at(graph, "c"):
            second, out = node(name="second"), collect()
    source.to(first).to(second).to(out)
    driver.run(graph)
    return out.records.tolist()


@real
def test_a5_drain_through_nodes_that_block(driver):
    """A5: the run is over when all nodes are, not when the first is: what is in flight arrives."""
    assert list(range(6)) == drain(driver, blocking_30_ms)


def test_a5_drain_through_nodes_that_await(driver):
    """A5 with coroutines: a firing that awaits publishes before its node ends."""
    assert list(range(6)) == drain(driver, awaiting_30_ms)


class Frames(Emitter):
    """300 arrays, the k-th full of k."""

    def __init__(self):
        super().__init__(np.dtype(("f8", (100,))))

    def compute(self):
        if self.firing == 300:
            return STOP
        self.output[:] = self.firing


class Inspector(Collector):
    """What it was given: the value, whether the whole array had it, whether it could have been written."""

    def open(self):
        self.seen = []

    def compute(self, frame):
        self.seen.append((frame[0].item(), bool((frame == frame[0]).all()), frame.flags.writeable))


def test_a6_arrays_reach_the_caller_in_order_and_read_only(driver):
    """A6: an emitter elsewhere, a collector in the caller: 300 arrays in order, whole, read-only."""
    with Graph() as graph:
        with driver.at(graph, "elsewhere"):
            frames = Frames()
        inspector = Inspector()
    frames.to(inspector)
    driver.run(graph)
    assert [(float(k), True, False) for k in range(300)] == inspector.seen


def slow_reader(driver, on_full):
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(1000), "i8", name="source")
        with driver.at(graph, "b"):
            out = SlowCollector(name="slow")
    source.to(out, depth=3, on_full=on_full)
    report = driver.run(graph)
    return out.result, report.edges["source -> slow"]


class SlowCollector(Collector):
    """Takes a millisecond for each record, and brings home what it saw."""

    def open(self):
        self.seen = []

    def compute(self, x):
        time.sleep(0.001)
        self.seen.append(x)

    def close(self):
        return self.seen


@lossy
def test_a7_a_full_edge_holds_the_writer_back(driver):
    """A7, wait: 1000 in order, never more than three waiting, none lost."""
    seen, edge = slow_reader(driver, "wait")
    assert list(range(1000)) == seen
    assert edge.high_water <= 3
    assert 0 == edge.dropped


@lossy
def test_a7_dropping_is_a_choice_and_counted(driver):
    """A7, drop_new: what was received and what was dropped make 1000, in order, and something was dropped."""
    seen, edge = slow_reader(driver, "drop_new")
    assert 1000 == len(seen) + edge.dropped
    assert sorted(set(seen)) == seen
    assert 0 < edge.dropped
    assert edge.high_water <= 3


@router("i8")
def plus(a, *, b=7):
    return a + b


def test_a9_decimate_takes_the_last_of_each_two(driver):
    """A9: `decimate=2` over 0..9 delivers the odd ones, and counts the others."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(10), "i8")
        with driver.at(graph, "b"):
            out = collect()
    source.to(out, decimate=2)
    report = driver.run(graph)
    assert [1, 3, 5, 7, 9] == out.records.tolist()
    assert 5 == report.edges["emit -> collect"].decimated


def test_a9_a_parameter_that_nobody_feeds_keeps_its_default(driver):
    """A9: a parameter with default 7 and no edge is 7 at every firing."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit([1, 2, 3], "i8")
        with driver.at(graph, "b"):
            node, out = plus(), collect()
    source.to(node).to(out)
    driver.run(graph)
    assert [8, 9, 10] == out.records.tolist()


class Fill(Emitter):
    """1000 large records, the k-th full of k."""

    def __init__(self):
        super().__init__(FRAME, zero=False)

    def compute(self):
        if self.firing == 1000:
            return STOP
        record = self.output
        record.i = self.firing
        record.v[:] = self.firing


class Tear(Collector):
    """The numbers of the records it saw, and of those whose parts did not belong together."""

    def open(self):
        self.seen, self.torn = [], []

    def compute(self, record):
        self.seen.append(record.i)
        if not (record.v == record.i).all():
            self.torn.append(record.i)

    def close(self):
        return self.seen, self.torn


def large_records(driver, policy):
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = Fill()
        with driver.at(graph, "b"):
            out = Tear()
    source.to(out, policy=policy)
    driver.run(graph)
    return out.result


def test_a13_large_records_arrive_whole_and_in_order(driver):
    """A13, every: 1000 records of 160 kB from process to process, in order, none torn."""
    assert (list(range(1000)), []) == large_records(driver, "every")


def test_a13_the_newest_record_is_whole_too(driver):
    """A13, latest: strictly increasing, none torn, and the last record is not lost."""
    seen, torn = large_records(driver, "latest")
    assert sorted(set(seen)) == seen
    assert [] == torn
    assert 999 == seen[-1]
