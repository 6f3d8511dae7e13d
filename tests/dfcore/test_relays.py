"""`merge` and `share`: records pass as they are, from any input, to one reader."""

from __future__ import annotations

import asyncio
import itertools

import numpy as np
import pytest

from dfcore import SKIP, STOP, Collector, Emitter, Graph, GraphError, Router, collect, emit, merge, router, share
from tests.nodes import Takes

POINT = [("x", "f8"), ("n", "i4")]


class Timed(Emitter):
    """The k-th of `values` at `times_ms[k]`, with an origin of its own."""

    def __init__(self, values, times_ms, dtype="i8", **options):
        super().__init__(dtype, **options)
        self.values, self.times_ms = values, times_ms

    async def compute(self):
        for value, at_ms in zip(self.values, self.times_ms, strict=True):
            await asyncio.sleep((at_ms * 1_000_000 - self.now_ns) / 1e9)
            yield value


class Sees(Collector):
    """What came, when, and which time it is about."""

    def open(self):
        self.seen = []

    def compute(self, x):
        header = self.header("x")
        self.seen.append((x, header.seq, header.origin_ns, header.publish_ns))

    def close(self):
        return self.seen


def merged(sources, reader=None, room=16, **options):
    """A virtual run of `sources` through one merge; what its reader saw, and the report."""
    with Graph() as graph:
        graph.add(*sources)
        both, out = merge(), reader or collect()
    for source in sources:
        source.to(both, **options)
    both.to(out, depth=room)
    return out, graph.run(clock="virtual")


def test_merge_is_in_order_of_arrival_and_ties_go_to_the_first_input():
    """RULES 19: the head published first, of two published together that of the lower input."""
    a = emit(range(8), "i8", rate_hz=10, name="a")
    b = emit(range(100, 104), "i8", rate_hz=5, name="b")
    out, report = merged([b, a])
    assert [100, 0, 1, 101, 2, 3, 102, 4, 5, 103, 6, 7] == out.records.tolist()
    assert 12 == report.nodes["merge"].firings


def test_merge_does_not_wait_for_the_other_and_ends_when_all_have():
    """A record goes on though other inputs are empty; the end comes with that of the last."""
    a = Timed([1, 2, 3], [1, 2, 3], name="a")
    b = Timed([10], [500], name="b")
    empty = emit([], "i8", name="empty")
    sees, _ = merged([a, b, empty], Sees())
    assert [1, 2, 3, 10] == [x for x, *_ in sees.result]
    assert [1_000_000, 2_000_000, 3_000_000, 500_000_000] == [publish for *_, publish in sees.result]


def test_merge_keeps_the_time_of_the_record():
    """`origin_ns` is that of the record that passes, whatever waits at other inputs."""

    class Late(Emitter):
        def compute(self):
            if self.firing == 3:
                return STOP
            self.origin_ns = 7 + self.firing
            return self.firing

    sees, _ = merged([Late("i8"), emit([5], "i8")], Sees())
    assert {0: 7, 1: 8, 2: 9} == {x: origin for x, _, origin, _ in sees.result if x < 3}


@pytest.mark.parametrize(
    ("dtype", "values"),
    [(POINT, [(1.0, 2), (3.0, 4)]), (np.dtype(("f8", (2,))), [[1.0, 2.0], [3.0, 4.0]]), (object, [None, {"a": 1}]), ("i8", [1, 2])],
)
def test_relays_pass_every_kind_of_record(dtype, values):
    """Records, arrays, scalars and objects arrive as they were; the dtype is that of the inputs."""
    with Graph() as graph:
        sources = [emit(values, dtype, name=name) for name in "ab"]
        both, deal, outs = merge(), share(), [collect(name=name) for name in ("left", "right")]
    both(*sources).to(deal)
    for out in outs:
        deal.to(out)
    graph.run(clock="virtual")
    assert sources[0].dtype == both.dtype == deal.dtype
    plain = [list(out.records) if dtype is object else [item.tolist() for item in out.records] for out in outs]
    assert sorted(map(repr, values * 2)) == sorted(map(repr, plain[0] + plain[1]))
    assert [2, 2] == [len(items) for items in plain]


def test_merge_takes_inputs_of_every_policy():
    """Each edge has its own policy, initial records come first, decimation is counted; nothing is taken that is not passed on."""
    with Graph() as graph:
        fast = emit(range(40), "i8", rate_hz=1000, name="fast")
        tens = emit(range(100, 140), "i8", rate_hz=1000, name="tens")
        many = emit(range(200, 240), "i8", rate_hz=1000, name="many")
        with graph.context("slow", kind="thread"):
            both, out = merge(cost_ns=3_000_000), collect()
    fast.to(both, policy="latest", initial=[-1])
    tens.to(both, depth=2, on_full="drop_oldest")
    many.to(both, decimate=4, initial=[-2, -3])
    both.to(out)
    report = graph.run(clock="virtual")
    for edge in report.edges.values():
        assert edge.written == edge.read + edge.dropped + edge.overwritten + edge.decimated + edge.unread
        assert 0 == edge.unread
    assert report.nodes["merge"].firings == sum(edge.read for name, edge in report.edges.items() if "-> merge" in name)
    for low, high in ((-1, 40), (100, 140), (200, 240)):
        mine = [x for x in out.records.tolist() if low <= x < high]
        assert sorted(set(mine)) == mine
    assert {39, 139} <= set(out.records.tolist())


@pytest.mark.parametrize(
    "options", [{"policy": "latest"}, {"on_full": "drop_oldest", "depth": 1}, {"on_full": "drop_new", "depth": 1}, {}]
)
def test_what_a_merge_had_in_hand_when_nobody_read_on_is_unread(options):
    """L5: a merge whose reader ends leaves what it had looked at unread, exactly."""

    class One(Collector):
        def compute(self, x):
            return STOP

    sources = [emit(range(k, k + 3), "i8", rate_hz=10, name=f"e{k}") for k in range(3)]
    _, report = merged(sources, One(cost_ns=1_000_000), 1, **options)
    for name, edge in report.edges.items():
        assert edge.written == edge.read + edge.dropped + edge.overwritten + edge.decimated + edge.unread, name
    assert (1, 0, 0) == tuple(report.edges[f"e{k} -> merge.values[{k}]"].read for k in range(3))
    assert (0, 1, 1) == tuple(report.edges[f"e{k} -> merge.values[{k}]"].unread for k in range(3))


def dealt(count, readers, depth=16, **options):
    """A virtual run of 0 .. count - 1 through one share: what each reader saw, and the report."""
    with Graph() as graph:
        source, deal = emit(range(count), "i8"), share()
        for reader in readers:
            graph.context(reader.name, kind="thread").add(reader)
    source.to(deal)
    for reader in readers:
        deal.to(reader, depth=depth, **options)
    return graph.run(clock="virtual")


def test_share_serves_in_turn_and_passes_over_who_has_no_room():
    """RULES 19: the first with room behind the one served last."""
    readers = [Takes(name="a"), Takes(name="b"), Takes(name="c")]
    dealt(9, readers)
    assert [[0, 3, 6], [1, 4, 7], [2, 5, 8]] == [reader.result for reader in readers]
    readers = [Takes(name="a"), Takes(name="slow", cost_ns=1_000_000_000), Takes(name="c")]
    report = dealt(50, readers, depth=1)
    assert [1, 2] == [len(reader.result) for reader in readers[1:2]] + [report.edges["share -> slow"].high_water + 1]
    assert list(range(50)) == sorted(x for reader in readers for x in reader.result)


def test_share_goes_on_when_a_reader_leaves_and_ends_when_all_have():
    """RULES 21: what a reader left behind is `unread`; when nobody reads, the writer ends."""
    readers = [Takes(2, name="a"), Takes(name="b")]
    report = dealt(30, readers)
    assert 2 == len(readers[0].result)
    left = report.edges["share -> a"]
    assert 30 == 2 + left.unread + len(readers[1].result)
    assert left.written == left.read + left.unread
    with Graph() as graph:
        source, deal, readers = emit(itertools.count(), "i8"), share(), [Takes(3, name="a"), Takes(5, name="b")]
    source.to(deal)
    for reader in readers:
        deal.to(reader, depth=1)
    graph.run(clock="virtual")
    assert [3, 5] == [len(reader.result) for reader in readers]


def test_share_with_options_on_its_edges():
    """Behind it an edge is an edge: batches, windows, decimation and initial records."""
    readers = [Takes(name="a"), Takes(name="b")]
    report = dealt(8, readers, batch=2, initial=[-1, -2])
    assert [[-1, -2, 0, 2, 4, 6], [-1, -2, 1, 3, 5, 7]] == [reader.result for reader in readers]
    assert (6, 6) == (report.edges["share -> a"].written, report.edges["share -> a"].read)


def test_a_share_that_nobody_reads_lets_records_go():
    """Like any output without readers."""
    with Graph() as graph:
        source, deal = emit(range(5), "i8"), share()
    source.to(deal)
    assert 5 == graph.run(clock="virtual").nodes["share"].firings


@router("i8")
def halved(x):
    """Collatz, as a list of work: what is at 1 has come to its end."""
    return SKIP if x == 1 else x // 2 if x % 2 == 0 else 3 * x + 1


def test_a_merge_is_the_way_into_a_loop():
    """It goes on round the loop when what came from outside has ended; `stop` ends it, though the loop never does."""
    with Graph() as graph:
        source, both, step, out = emit([6, 5, 1], "i8", rate_hz=1000), merge(), halved(), collect()
    both(source)
    both.to(step).to(out)
    graph.connect(step, both, initial=[3])
    report = graph.run(1.0, clock="virtual")
    path = {6: [3, 10, 5, 16, 8, 4, 2, 1], 5: [16, 8, 4, 2, 1], 1: [], 3: [10, 5, 16, 8, 4, 2, 1]}
    assert sorted(x for start in (6, 5, 1, 3) for x in path[start]) == sorted(out.records.tolist())
    assert "duration" == report.ended
    assert np.dtype("i8") == both.dtype


def problems(build):
    """What the compiler says of the graph that `build` makes."""
    with Graph() as graph:
        build(graph)
    with pytest.raises(GraphError) as caught:
        graph.plan()
    return [str(problem) for problem in caught.value.problems]


def different(graph):
    a, b, both = emit([1], "i8", name="a"), emit([1.0], "f8", name="b"), merge()
    both(a, b).to(collect())


def windows(graph):
    a, both, deal = emit([1], "i8", name="a"), merge(), share()
    a.to(both, window=2)
    both.to(deal, batch=2).to(collect())


def lossy(graph):
    deal = share()
    deal(emit([1], "i8"))
    deal.to(collect(), policy="latest")
    deal.to(collect(), on_full="drop_new")
    deal.to(collect(), on_full="error")
    node = Gain("i8")
    deal.to(node)
    deal.to(node["gain"])


class Gain(Router):
    """A parameter."""

    def compute(self, x, *, gain=1):
        return gain * x


def aged(graph):
    both = merge()
    emit([1], "i8").to(both, max_age_s=1)
    both.to(collect())


def unfed(graph):
    merge().to(collect())


def busy(graph):
    emit([1], "i8").to(merge(on_error="skip", zero=False)).to(share(sync_s=1)).to(collect())


def only_itself(graph):
    both, deal = merge(), share()
    both.to(deal).to(collect())
    deal.to(both)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (different, ["dtype i8 of `merge.values`, was f8 of `b`"]),
        (windows, ["single records into `merge`, which passes them on, was window=2", "single records into `share`"]),
        (lossy, ['was policy \'latest\'', "was on_full='drop_new'", "was on_full='error'", "was the parameter `gain`"]),
        (aged, ["no age into `merge`, was max_age_s=1; put max_age_s on the edge behind it"]),
        (busy, ["was on_error='skip'; leave on_error out", "was zero=False", "was sync_s=1"]),
        (unfed, ["an edge into its input `values[0]`"]),
        (only_itself, ["a dtype of what it passes on, was only itself upstream"]),
    ],
)
def test_what_relays_do_not_take(build, says):
    """Every mistake is a build error, all are reported together, and each says what to do."""
    found = problems(build)
    assert [] == [text for text in says if not any(text in problem for problem in found)], found


def test_the_plan_says_how_a_node_fires():
    """A door is named: the plan's table shows which node does not wait for all of its inputs, or does not give to all readers."""
    with Graph() as graph:
        both, deal = merge(), share()
        both(emit([1], "i8", name="a"), emit([1], "i8", name="b")).to(deal)
        deal.to(collect(name="left"))
        deal.to(collect(name="right"))
    table = str(graph.plan())
    rows = {line.split()[0]: line for line in reversed(table.splitlines()) if line}
    assert "on any input" in rows["merge"]
    assert "if one reader has room" in rows["share"]
    assert {"share.output[0]", "share.output[1]"} <= set(rows)
    assert ["share -> left", "share -> right"] == [edge.name for edge in graph.plan().edges if edge.name.startswith("share")]


def test_outside_a_run_they_are_ordinary_functions():
    """`node.compute` passes on what it gets."""
    assert 3 == merge().compute(3) == share().compute(3)


@router("i8", on_error="skip", errors=(ValueError,))
def fails_at_three(x):
    if x == 3:
        raise ValueError(x)
    return x


def test_a_merge_passes_over_what_an_error_kept_away():
    """RULES 10: a tombstone is no record: a merge, whose output has no places to keep, goes on with the next."""
    with Graph() as graph:
        source, node, both, out = emit(range(10), "i8"), fails_at_three(), merge(), collect()
    source.to(node).to(both).to(out)
    report = graph.run(clock="virtual")
    assert [0, 1, 2, 4, 5, 6, 7, 8, 9] == out.records.tolist()
    assert (9, 1, 0) == tuple(getattr(report.edges["fails_at_three -> merge"], name) for name in ("read", "skipped", "unread"))
    assert (9, 0) == (report.edges["merge -> collect"].read, report.edges["merge -> collect"].skipped)


def test_a_share_gives_a_tombstone_to_one_reader_too():
    """RULES 10: the place of a record that is missing goes where the record would have gone."""
    with Graph() as graph:
        source, node, deal, outs = emit(range(8), "i8"), fails_at_three(), share(), [collect(name=name) for name in ("a", "b")]
    source.to(node).to(deal)
    for out in outs:
        deal.to(out)
    report = graph.run(clock="virtual")
    assert [[0, 2, 4, 6], [1, 5, 7]] == [out.records.tolist() for out in outs]
    assert [(4, 0), (3, 1)] == [(edge.read, edge.skipped) for name, edge in report.edges.items() if name.startswith("share")]


@pytest.mark.parametrize("relay", [merge, share])
def test_a_relay_is_made_before_it_is_connected(relay):
    """Its class takes no sources, and says how to connect them."""
    with Graph() as graph:
        source = emit([1], "i8")
        with pytest.raises(TypeError, match=rf"{relay.__name__}: .*; make the node first: {relay.__name__}\(\)\(\.\.\.\)"):
            relay(source)
    assert [source] == graph.nodes
