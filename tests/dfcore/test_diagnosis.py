"""A deadlock is found when there is one, named with the depth it needs, and never where somebody can still go on."""

import math
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfcore import SKIP, Collector, Graph, GraphError, Router, collect, emit, merge, share
from dfcore.compiler import compile
from dfcore.counters import EDGE_COUNTERS, ENDED, NODE_COUNTERS, OPEN, RUNNING
from dfcore.diagnosis import blocked, busy_emitters, hand_of
from dfcore.memory import Memory

#: The compiler's own advice about the same edge.
pytestmark = pytest.mark.filterwarnings("ignore:.*waits for its batch:RuntimeWarning")


class Sum(Router):
    """The sum of a batch, or the value itself."""

    def __init__(self, **options):
        super().__init__("i8", **options)

    def compute(self, x):
        """A number."""
        return int(x.sum()) if hasattr(x, "sum") else x


class Picky(Sum):
    """Lets only every tenth value through."""

    def compute(self, x):
        """A number, or nothing."""
        return SKIP if x % 10 else x


class Join(Collector):
    """Needs one of each."""

    def open(self):
        """Nothing joined."""
        self.count = 0

    def compute(self, x, y):
        """Count."""
        self.count += 1

    def close(self):
        """How many were joined."""
        return self.count


def reconvergent(items, batches, depth, middle=Sum, replicas=1) -> Graph:
    """Items -> join directly, and through nodes that take batches."""
    with Graph("reconvergent") as graph:
        source, join = emit(range(items), dtype="i8", name="a"), Join(name="c", replicas=replicas)
        last = source
        for number, batch in enumerate(batches):
            node = middle(name=f"b{number}")
            last.to(node, batch=batch)
            last = node
    last.to(join)
    source.to(join, depth=depth)
    return graph


def deadlock_of(graph):
    """The one problem that ends a virtual run of `graph`."""
    with pytest.raises(GraphError) as caught:
        graph.run(clock="virtual")
    (problem,) = caught.value.problems
    assert "deadlock" == problem.code
    assert "failed" == caught.value.report.ended
    return problem


@pytest.mark.parametrize(
    ("items", "batches", "depth", "needed"), [(100, [100], 3, 100), (100, [10, 5], 4, 50), (400, [100], 100, 199)]
)
def test_the_depth_that_a_full_edge_needs_is_computed(items, batches, depth, needed):
    """Where ratios are declared: what waits there, and what its reader still lacks on the other way."""
    problem = deadlock_of(reconvergent(items, batches, depth))
    assert ("a -> c.y", f"depth {needed}") == (problem.where, problem.needed)
    assert problem.found.startswith(
        f"depth {depth}, full, and nobody can go on (a waits for room on a -> c.y, c for a record of "
    )
    assert problem.do.startswith(f"connect it with depth={needed}, which no more than puts it off: ")
    assert __file__ == problem.file


def test_the_depth_before_replicas_is_the_one_that_was_written():
    """RULES 18: an edge into replicas is deeper than declared; messages, warnings, plan and `why` count as the program does."""
    graph = reconvergent(100, [100], 2, replicas=3)
    problem = deadlock_of(graph)
    assert ("a -> c[0].y", "depth 98") == (problem.where, problem.needed)
    assert problem.do.startswith("connect it with depth=98")
    assert problem.found.startswith("depth 2, full, ")
    plan = graph.plan()
    assert [2, 2, 2] == [edge.declared_depth for edge in plan.edges if edge.title == "a -> c.y"]
    assert [4, 4, 4] == [edge.depth for edge in plan.edges if edge.title == "a -> c.y"]
    assert re.search(r"a -> c\[0\]\.y +every +2 +wait +2 deeper for replicas", str(plan))
    assert all("was 2; write" in text for text in plan.warnings)
    assert 1 == reconvergent(100, [100], 98, replicas=3).run(clock="virtual").nodes["c"].firings
    problem = deadlock_of(reconvergent(100, [1], 3, middle=Picky, replicas=2))
    assert "a depth of more than 3" == problem.needed


def test_unequal_ways_are_told():
    """No depth is enough where one way decimates and the other does not; with a generator between nobody knows."""

    class Spreads(Sum):
        def compute(self, x):
            yield from [x] * 10

    told = "the two ways to c bring unequal numbers of records; use the same decimate or batch on both, a parameter, sync_s, or merge()"
    for middle, unequal in ((Sum, True), (Spreads, False)):
        with Graph() as graph:
            source, between, join = emit(range(1000), "i8", name="a"), middle(name="b"), Join(name="c")
        source.to(between, decimate=40)
        between.to(join)
        source.to(join, depth=16)
        problem = deadlock_of(graph)
        assert unequal == problem.do.endswith(told)


def test_a_node_that_skips_has_no_ratio():
    """Then the message says "more than"."""
    problem = deadlock_of(reconvergent(100, [1], 3, middle=Picky))
    assert ("a -> c.y", "a depth of more than 3") == (problem.where, problem.needed)
    assert "give a -> c.y a larger depth" == problem.do


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 80), st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(1, 5), st.integers(1, 3))
def test_following_the_advice_ends_every_deadlock(items, batches, depth, replicas):
    """Each depth named is larger than the last; with it the run gets further, and in the end through."""
    group = math.prod(batches)
    for _ in range(items + 1):
        graph = reconvergent(items, batches, depth, replicas=replicas)
        try:
            report = graph.run(clock="virtual")
        except GraphError as error:
            wanted = int(re.search(r"connect it with depth=(\d+)", str(error)).group(1))
            assert depth < wanted <= items + group  # the end of the items is seen only with room for one more
            depth = wanted
        else:
            assert items // group == report.nodes["c"].firings
            return
    pytest.fail("the advice never ended the deadlock")


class Through(Router):
    """Hands the value on once, then keeps it for itself."""

    def __init__(self):
        super().__init__("i8")

    def compute(self, x, back):
        """Loses the record that goes round after three firings."""
        return SKIP if self.firing == 3 else x + back


def test_a_loop_that_has_lost_its_record_is_named():
    """No edge is full on the way round: a record is missing."""
    with Graph("loop") as graph:
        source, through = emit(range(10), dtype="i8"), Through()
    source.to(through, depth=2)
    through.to(through["back"], initial=[0])
    problem = deadlock_of(graph)
    assert ("through -> through.back", "a record") == (problem.where, problem.needed)
    assert "through for a record of through -> through.back" in problem.found


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_a_deadlock_between_contexts_ends_the_run(kind):
    """The same words decide across contexts; everybody closes."""
    with Graph("reconvergent") as graph:
        with graph.context("one", kind=kind):
            source = emit(range(100), dtype="i8", name="a")
        with graph.context("two", kind=kind):
            batch = Sum(name="b")
        with graph.context("three", kind=kind):
            join = Join(name="c")
    source.to(batch, batch=100).to(join)
    source.to(join, depth=3)
    with pytest.raises(GraphError, match=r"a -> c.y: needed depth 100, was depth 3, full"):
        graph.run(clock="real")
    assert 0 == join.result


# ---------------------------------------------------------------------------------------------------- words set by hand


class Bench:
    """The A30 graph at rest in its deadlock: 3 in the full edge, 3 in the batch. A test then changes one thing."""

    def __init__(self):
        self.plan = compile(reconvergent(100, [100], 3))
        self.memory = Memory.create(self.plan, shared=False)
        self.nodes = {
            node.name: self.memory.struct(1, self.plan.layout.nodes[node.index], NODE_COUNTERS) for node in self.plan.nodes
        }
        self.edges = {edge.name: edge.index for edge in self.plan.edges}
        for node in self.nodes.values():
            node["state"] = RUNNING
        self.nodes["a"]["blocked_edge"] = 1 + self.edges["a -> c.y"]
        self.head(0, 3)
        self.head(1, 0)
        self.tail("a -> b0", 3)
        self.counters("a -> b0")["unread_buffered"] = 3

    def head(self, output, head, end=2**64 - 1):
        """What an output has published, and its end word."""
        self.memory.words(1, self.plan.layout.outputs[output].words, 2)[:] = head, end

    def tail(self, edge, tail):
        """What a reader has passed."""
        self.memory.words(0, self.plan.layout.edges[self.edges[edge]].line, 2)[:] = tail, tail

    def counters(self, edge):
        """The counters of an edge."""
        return self.memory.struct(1, self.plan.layout.edges[self.edges[edge]].stats, EDGE_COUNTERS)

    @property
    def found(self):
        """Whether a deadlock is seen."""
        return blocked(self.plan, self.memory) is not None


def test_the_bench_is_a_deadlock():
    """The starting point of the tests below."""
    assert Bench().found


def going_on(bench):
    bench.nodes["b0"]["in_flight"] = 1


def not_started(bench):
    bench.nodes["c"]["state"] = OPEN


def over(bench):
    bench.nodes["b0"]["state"] = ENDED


def room_again(bench):
    bench.tail("a -> c.y", 1)


def record_there(bench):
    bench.head(1, 1)


def batch_full(bench):
    bench.counters("a -> b0")["unread_buffered"] = 100


def stream_over(bench):
    bench.head(1, 0, end=0)


def reader_gone(bench):
    bench.memory.words(0, bench.plan.layout.edges[bench.edges["a -> c.y"]].line, 4)[3] = 1 << 32


def not_noticed_yet(bench):
    bench.nodes["a"]["blocked_edge"] = 0


@pytest.mark.parametrize(
    "change",
    [going_on, not_started, over, room_again, record_there, batch_full, stream_over, reader_gone, not_noticed_yet],
    ids=lambda change: change.__name__,
)
def test_one_node_that_can_go_on_breaks_the_chain(change):
    """Whoever runs, has what it needs, or is about to end gives the others what they wait for."""
    bench = Bench()
    change(bench)
    assert not bench.found


def test_emitters_are_not_stuck_while_the_run_stops():
    """They are about to end, and then everybody does."""
    bench = Bench()
    assert blocked(bench.plan, bench.memory, stopping=True) is None


def test_what_a_context_has_in_hand():
    """Node, firing and record of whoever is in flight; nothing if nobody is."""
    bench = Bench()
    assert hand_of(bench.plan, bench.memory, 0) is None
    bench.nodes["b0"]["in_flight"], bench.nodes["b0"]["last_firing"] = 1, 7
    bench.counters("a -> b0")["last_seq"] = 42
    assert ("b0", 7, 42) == hand_of(bench.plan, bench.memory, 0)
    assert {} == busy_emitters(bench.plan, bench.memory)
    bench.nodes["a"]["in_flight"] = 1
    assert {0: 0} == busy_emitters(bench.plan, bench.memory)
    assert ("a", 0, None) == hand_of(bench.plan, bench.memory, 0)


def shared(others):
    """Items -> a share -> a join of its records with every tenth item, and `others` that read of the share too."""
    with Graph("shared") as graph:
        source, deal, join, picky = emit(range(40), dtype="i8", name="a"), share(), Join(name="c"), Picky(name="b")
        source.to(deal, depth=1).to(join["x"], depth=1)
        source.to(picky, depth=1).to(join["y"])
        for number in range(others):
            deal.to(collect(name=f"out{number}"))
    return graph


def test_a_share_is_stuck_if_all_of_its_readers_are():
    """One reader that goes on is enough; without one, the chain goes through the share."""
    assert 4 == shared(others=1).run(clock="virtual").nodes["c"].firings
    problem = deadlock_of(shared(others=0))
    assert "share -> c.x" in problem.found + problem.where
    assert problem.needed.startswith("a depth of more than 1")


def test_a_merge_is_never_what_a_deadlock_waits_for_while_one_input_lives():
    """It takes what comes, from whichever input: ratios that would stop a join do not stop it."""
    with Graph("merged") as graph:
        source, batch, both, out = emit(range(100), dtype="i8", name="a"), Sum(name="b"), merge(), collect()
        source.to(both, depth=1)
        source.to(batch, batch=100).to(both)
        both.to(out)
    assert 101 == graph.run(clock="virtual").nodes["collect"].firings
    assert () == graph.plan().warnings


class Skips(Sum):
    """Keeps everything for itself."""

    def compute(self, x):
        """Nothing."""
        return SKIP


def test_a_loop_of_work_that_is_done_says_so():
    """A merge keeps a loop open for what comes round; when nothing can, that is a deadlock with its own advice."""
    with Graph("work") as graph:
        source, both, skips = emit([3, 10], dtype="i8", name="a"), merge(), Skips(name="b")
        source.to(both).to(skips)
        graph.connect(skips, both, initial=[1])
    assert "return STOP from a node of this loop when its work is done" == deadlock_of(graph).do
