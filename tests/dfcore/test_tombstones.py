"""Tombstones: a record that an exception kept away keeps its place, so that joins and order survive (RULES 10)."""

from __future__ import annotations

import pytest

from dfcore import SKIP, Collector, Graph, GraphError, collect, emit, router

in_this_process = pytest.mark.parametrize("driver", ["inline", "threads", "virtual"], indirect=True)


@router("i8", on_error="skip")
def odd_only(x):
    if x % 2 == 0:
        raise ValueError(x)
    return x


@router("i8")
def skips_even(x):
    return x if x % 2 else SKIP


@router("i8")
def add(a, b):
    return 100 * a + b


def joined(driver, node, count, **edge):
    with Graph() as graph:
        with driver.at(graph, "a"):
            source, through = emit(range(count), "i8"), node
        with driver.at(graph, "b"):
            both = add(name="both")
        out = collect()
    source.to(through).to(both["a"], **edge)
    source.to(both["b"])
    both.to(out)
    return out.records.tolist(), driver.run(graph), out


def test_a_join_discards_the_set_of_a_tombstone(driver):
    """RULES 10: where x failed, the record it would have met is discarded too; all others meet their own."""
    _, report, out = joined(driver, odd_only(name="node"), 9)
    assert [100 * x + x for x in range(9) if x % 2] == out.records.tolist()
    node, pair, last = (report.edges[name] for name in ("node -> both.a", "emit -> both.b", "both -> collect"))
    assert (4, 4, 0, 5) == (node.written, node.read, node.unread, node.skipped)
    assert (9, 4, 5, 0) == (pair.written, pair.read, pair.dropped, pair.skipped)
    assert (4, 4, 0, 5) == (last.written, last.read, last.unread, last.skipped)


def test_a_plain_skip_leaves_none(driver):
    """RULES 10: a SKIP leaves no tombstone, so the k-th that is there meets the k-th."""
    _, report, out = joined(driver, skips_even(name="node"), 9)
    assert [101 * 0 + 100 * 1, 301, 502, 703] == out.records.tolist()
    assert 0 == report.edges["node -> both.a"].skipped


@pytest.mark.parametrize("depth", [1, 2])
@in_this_process
def test_tombstones_take_places_and_give_them_back(driver, depth):
    """A narrow edge full of tombstones goes on, in order."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source, node = emit(range(20), "i8"), odd_only()
        with driver.at(graph, "b"):
            out = collect()
    source.to(node, depth=depth).to(out, depth=depth)
    driver.run(graph)
    assert list(range(1, 20, 2)) == out.records.tolist()


@router("i8")
def total(x):
    return int(sum(x))


@pytest.mark.parametrize(("options", "expected"), [({"batch": 2}, [1 + 3, 5 + 7]), ({"batch": 2, "decimate": 2}, [3 + 7]), ({"window": 2}, [1, 4, 8, 12])])
@pytest.mark.parametrize("depth", [1, 16])
@in_this_process
def test_batches_pass_over_tombstones(driver, options, expected, depth):
    """RULES 10: batch and decimate count records only, and what follows them sees no tombstone."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source, node = emit(range(9), "i8"), odd_only(name="node")
        with driver.at(graph, "b"):
            out, sums = collect(), total(name="sums")
    source.to(node).to(sums, depth=depth, **options).to(out)
    report = driver.run(graph)
    assert expected == out.records.tolist()
    assert (4, 5) == (report.edges["node -> sums"].written, report.edges["node -> sums"].skipped)
    assert 0 == report.edges["sums -> collect"].skipped


def test_digest_and_written_leave_tombstones_out():
    """RULES 10: the digest of an edge with tombstones is that of its records alone."""

    def digest(node, values):
        with Graph() as graph:
            out = collect()
            emit(values, "i8").to(node).to(out)
        return graph.run(clock="virtual").edges["node -> collect"].digest

    assert digest(skips_even(name="node"), range(9)) == digest(odd_only(name="node"), range(9))


@in_this_process
def test_edges_that_lose_records_get_none(driver):
    """RULES 10: an output read by `latest` only publishes no tombstone: the newest record stays the newest."""
    with Graph() as graph, driver.at(graph, "a"):
        source, node, out = emit(range(10), "i8"), odd_only(name="node"), collect()
    source.to(node).to(out, policy="latest")
    report = driver.run(graph)
    assert 9 == out.records[-1]
    assert 0 == report.edges["node -> collect"].skipped


def test_a_lossy_edge_beside_a_lossless_one_is_refused():
    """RULES 10: tombstones have no place on an edge that loses records."""
    with Graph() as graph:
        node = odd_only(name="node")
        emit(range(10), "i8").to(node).to(collect(name="all"))
        node.to(collect(name="newest"), policy="latest")
    with pytest.raises(GraphError, match="node -> newest: needed an edge that loses nothing"):
        graph.plan()


@in_this_process
def test_a_tombstone_in_a_loop_ends_it_or_goes_round(driver):
    """A loop whose record is lost: what it would have met is discarded, and the run ends."""

    @router("i8")
    def sums(x, back):
        return x + back

    @router("i8", on_error="skip")
    def turns(x):
        if x == 3:
            raise ValueError
        return x

    with Graph() as graph, driver.at(graph, "a"):
        source, node, back, out = emit(range(6), "i8"), sums(name="node"), turns(name="back"), collect()
    source.to(node["x"])
    node.to(back).to(node["back"], initial=[0])
    node.to(out)
    driver.run(graph)
    assert [0, 1, 3] == out.records.tolist()


def test_stale_inputs_stay_out_of_the_way_of_tombstones():
    """A tombstone is no record: an input that is watched for age counts it for nothing."""

    class Guard(Collector):
        def open(self):
            self.log = []

        def compute(self, x):
            self.log.append(x)

        def safe(self):
            self.log.append("safe")

    with Graph() as graph:
        guard = Guard()
        node = odd_only(name="node")
        emit(range(6), "i8", rate_hz=10).to(node).to(guard, max_age_s=0.15)
    graph.run(clock="virtual")
    assert [1, "safe", 3, "safe", 5, "safe"] == guard.log
