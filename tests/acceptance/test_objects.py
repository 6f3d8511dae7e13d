"""Acceptance: objects and what travels beside them. A3, and A6, A13 and A20 with objects, with exact results."""

import numpy as np
import pytest

from dfcore import STOP, Collector, Emitter, Graph, NodeFailed, Router, collect, router


class Source(Emitter):
    """Objects, each with a key of its own in its metadata."""

    def __init__(self, values, name):
        super().__init__(object, name=name)
        self.values = values

    def compute(self):
        for number, value in enumerate(self.values):
            self.meta[self.name] = number
            self.meta["last"] = self.name
            yield value


class SumAndDifference(Router):
    """Two inputs, two outputs; adds a key of its own."""

    def __init__(self):
        super().__init__(outputs={"sum": object, "difference": object})

    def compute(self, a, b):
        self.meta["node"] = "both"
        return a + b, b - a


class WithMeta(Collector):
    """What came, and what came beside it."""

    def open(self):
        self.seen = []

    def compute(self, value):
        self.seen.append((value, dict(self.meta)))

    def close(self):
        return self.seen


def test_a3_two_inputs_two_outputs_and_metadata(driver):
    """A3: sum and difference of 0..4 and 10..14; meta carries both producers' keys, and of one key the later input's value."""
    with Graph() as graph:
        with driver.at(graph, "sources"):
            a, b = Source(range(5), "a"), Source(range(10, 15), "b")
        with driver.at(graph, "node"):
            node = SumAndDifference()
        with driver.at(graph, "ends"):
            sums, differences = WithMeta(name="sums"), WithMeta(name="differences")
    node(a, b)
    node["sum"].to(sums)
    node["difference"].to(differences)
    driver.run(graph)
    meta = [{"a": k, "b": k, "last": "b", "node": "both"} for k in range(5)]
    assert list(zip([10, 12, 14, 16, 18], meta, strict=True)) == sums.result
    assert list(zip([10] * 5, meta, strict=True)) == differences.result


def frames(count, size):
    """Dicts with an array each, the k-th full of k."""
    for k in range(count):
        yield {"k": k, "frame": np.full(size, k), "name": f"frame {k}"}


class Frames(Emitter):
    """A generator emitter of `frames`."""

    def __init__(self, count, size, **options):
        super().__init__(object, **options)
        self.count, self.size = count, size

    def compute(self):
        yield from frames(self.count, self.size)


class Look(Collector):
    """Whether each frame was whole and could have been written to; the numbers of those that came."""

    def open(self):
        self.seen, self.torn, self.writable = [], [], False

    def compute(self, record):
        self.seen.append(record["k"])
        frame = record["frame"]
        self.writable |= frame.flags.writeable
        if not (frame == record["k"]).all() or record["name"] != f"frame {record['k']}":
            self.torn.append(record["k"])

    def close(self):
        return self.seen, self.torn, self.writable


@router(object)
def pass_on(x):
    return x


def test_a6_arrays_reach_another_process_and_the_caller(driver):
    """A6 with objects: 300 arrays from the caller to elsewhere and home again, in order, whole; from another process read-only."""
    with Graph() as graph:
        source = Frames(300, 100)
        with driver.at(graph, "elsewhere"):
            there, node = Look(name="there"), pass_on()
        home = Look(name="home")
    source.to(there)
    source.to(node).to(home)
    driver.run(graph)
    assert [(list(range(300)), [], driver.kind != "processes")] * 2 == [there.result, home.result]


def test_a13_large_objects_arrive_whole(driver):
    """A13 with objects of 160 kB through an arena that holds 25: `every` in order, `latest` strictly increasing up to the last."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = Frames(1000, 20000, arena_bytes=4 << 20)
        with driver.at(graph, "b"):
            every = Look(name="every")
        with driver.at(graph, "c"):
            newest = Look(name="newest")
    source.to(every)
    source.to(newest, policy="latest")
    report = driver.run(graph)
    apart = driver.kind != "processes"
    seen, torn, writable = newest.result
    assert (list(range(1000)), [], apart) == every.result
    assert (sorted(set(seen)), 999, [], apart) == (seen, seen[-1], torn, writable)
    edge = report.edges["frames -> newest"]
    assert 1000 == edge.written == edge.read + edge.overwritten


class Fails(Collector):
    """Raises at item 3; tells whether it was closed."""

    def open(self):
        self.count = 0

    def compute(self, record):
        self.count += 1
        if record["k"] == 3:
            raise ValueError("item 3")

    def close(self):
        return self.count


def test_a20_an_error_among_large_objects(driver):
    """A20: an error on item 3, source of 1 MB arrays: the cause is the ValueError, the node is named, `close` ran."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = Frames(1000, 131072)
        with driver.at(graph, "b"):
            fails = Fails()
    source.to(fails)
    with pytest.raises(NodeFailed) as caught:
        driver.run(graph)
    assert isinstance(caught.value.__cause__, ValueError)
    assert ("fails", 4) == (caught.value.node, fails.result)


def test_collect_elsewhere_brings_objects_home(driver):
    """A collector in another process keeps more than the arena holds; one at home sees what passed through two processes."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = Frames(200, 1000, arena_bytes=100_000)
        with driver.at(graph, "b"):
            there, node = collect(name="there"), pass_on()
        home = collect(name="home")
    source.to(there)
    source.to(node).to(home)
    driver.run(graph)
    for out in (there, home):
        assert list(range(200)) == [record["k"] for record in out.records]
        assert all((record["frame"] == record["k"]).all() for record in out.records)


@router(object)
def count_up(x, *, limit=10):
    return STOP if x["n"] >= limit else {"n": x["n"] + 1, "array": x["array"] + 1}


def test_feedback_of_objects_runs_again(driver):
    """A loop of objects over two contexts, with an initial one: the same in the second run."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            up, out = count_up(), collect()
        with driver.at(graph, "b"):
            node = pass_on()
    up.to(node).to(up["x"], initial=[{"n": 0, "array": np.zeros(4)}])
    up.to(out)
    for _ in range(2):
        driver.run(graph)
        assert list(range(1, 11)) == [record["n"] for record in out.records]
        assert all((record["array"] == record["n"]).all() for record in out.records)
