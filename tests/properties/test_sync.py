"""`sync_s`: the records of several inputs are matched by the time they are about, whenever they come."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfcore import SKIP, Collector, Emitter, Graph, GraphError, collect, emit, router, share
from tests.drivers import KINDS, Driver

MORE = settings(max_examples=40, deadline=None)
ONCE = settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LONG = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class About(Emitter):
    """A record about each of `times`: its own number."""

    def __init__(self, times, **options):
        super().__init__("i8", **options)
        self.times = times

    def compute(self):
        for number, time_ns in enumerate(self.times):
            self.origin_ns = time_ns
            yield number


class Matched(Collector):
    """The numbers and times that came together, and the time of the firing."""

    def open(self):
        self.seen, self.times, self.about = [], [], []

    def compute(self, *xs):
        self.seen.append(xs)
        self.times.append(tuple(self.header(place).origin_ns for place in range(len(xs))))
        self.about.append(self.origin_ns)

    def close(self):
        return self.seen, self.times, self.about


def reference(streams, within):
    """What is matched, and how many of each stream are passed over: the algorithm in its plainest form."""
    heads, matched, passed = [0] * len(streams), [], [0] * len(streams)
    while all(head < len(times) for head, times in zip(heads, streams, strict=True)):
        times = [stream[head] for head, stream in zip(heads, streams, strict=True)]
        late = [place for place, time in enumerate(times) if max(times) - time > within]
        if not late:
            matched.append(tuple(heads))
        for place in late or range(len(streams)):
            heads[place] += 1
            passed[place] += bool(late)
    return matched, passed


def build(driver, graph, name, streams, within, depth):
    """Emitters of `streams` and the node that matches them, in two contexts."""
    sources = []
    for number, times in enumerate(streams):
        with driver.at(graph, f"c{number % 2}"):
            sources.append(About(times, name=f"{name}e{number}"))
    with driver.at(graph, "c0"):
        node = Matched(sync_s=within / 1e9, name=f"{name}matched")
    for source in sources:
        source.to(node, depth=depth)
    return node


def run_matched(kind, streams, within, depth=16):
    """The engine's answer: what it matched, its times, and the edges."""
    driver = Driver(kind)
    with Graph() as graph:
        node = build(driver, graph, "", streams, within, depth)
    report = driver.run(graph)
    return node.result, list(report.edges.values())


def law(kind, cases):
    """The engine matches what the reference matches, passes over as many, and counts the rest unread."""
    driver = Driver(kind)
    with Graph() as graph:
        nodes = [build(driver, graph, f"g{number}_", **case) for number, case in enumerate(cases)]
    report = driver.run(graph)
    for number, (node, case) in enumerate(zip(nodes, cases, strict=True)):
        edges = [edge for name, edge in report.edges.items() if name.startswith(f"g{number}_")]
        matches(node.result, edges, case["streams"], case["within"])


def matches(result, edges, streams, within):
    """What one node saw is what the reference says."""
    seen, times, about = result
    matched, passed = reference(streams, within)
    assert matched == seen
    assert [tuple(stream[number] for number, stream in zip(numbers, streams, strict=True)) for numbers in matched] == times
    assert [min(each) for each in times] == about
    for edge, dropped in zip(edges, passed, strict=True):
        assert (len(matched), dropped) == (edge.read, edge.dropped)
        assert edge.written == edge.read + edge.dropped + edge.unread


rising = st.lists(st.integers(0, 60), max_size=12).map(sorted)
any_order = st.lists(st.integers(-(2**62), 2**62), max_size=6)
cases = st.fixed_dictionaries(
    {
        "streams": st.lists(rising, min_size=2, max_size=4) | st.lists(any_order, min_size=2, max_size=3),
        "within": st.integers(0, 12),
        "depth": st.integers(1, 4),
    }
)
many = st.lists(cases, min_size=5, max_size=5)  # in one graph, so that they cost one start of processes


@pytest.mark.parametrize("kind", ["inline", "virtual"])
@MORE
@given(cases)
def test_matching_is_that_of_the_reference(kind, case):
    """Kahn: what is matched and what is passed over depends on the records, not on the driver."""
    law(kind, [case])


@pytest.mark.parametrize("kind", ["threads", "processes"])
@ONCE
@given(many)
def test_matching_between_contexts(kind, cases):
    """The same between threads and between processes."""
    law(kind, cases)


@pytest.mark.campaign
@pytest.mark.parametrize("kind", KINDS)
@LONG
@given(many)
def test_matching_campaign(kind, cases):
    """The same over many examples."""
    law(kind, cases)


@MORE
@given(rising, rising, st.integers(0, 12))
def test_as_many_are_matched_as_can_be_in_order(a, b, within):
    """Where times rise, no other choice in order matches more: what is passed over is too old for a partner."""
    most = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            both = most[i + 1][j + 1] + (abs(a[i] - b[j]) <= within)
            most[i][j] = max(most[i + 1][j], most[i][j + 1], both)
    assert most[0][0] == len(reference([a, b], within)[0])


def test_two_sensors_of_different_rates():
    """A camera every 33 ms and a scanner every 100 ms, both with a delay of their own: each scan with the picture next to it."""
    camera = [33_000_000 * k + 2_000_000 for k in range(31)]
    scanner = [100_000_000 * k + 500_000 * (k % 3) for k in range(10)]
    (_, times, about), edges = run_matched("virtual", [camera, scanner], 16_000_000)
    assert scanner == [scan for _, scan in times]
    assert all(abs(picture - scan) <= 16_000_000 for picture, scan in times)
    assert [min(pair) for pair in times] == about
    assert (10, 0) == (edges[0].read, edges[1].dropped)


@router("i8")
def odd(x):
    return x if x % 2 else SKIP


@pytest.mark.parametrize("kind", ["inline", "virtual"])
def test_branches_join_again_at_the_record_they_come_from(kind):
    """Exact, with 0: what a node skipped is passed over on the other branch too, though no word was sent about it."""
    with Graph() as graph:
        source, some, node = emit(range(20), "i8", rate_hz=1000), odd(), Matched(sync_s=0)
    source.to(node)
    source.to(some).to(node)
    report = Driver(kind).run(graph)
    assert [(x, x) for x in range(1, 20, 2)] == node.result[0]
    assert (10, 0) == (report.edges["emit -> matched.xs[0]"].dropped, report.edges["odd -> matched.xs[1]"].dropped)


def test_a_branch_that_needs_more_depth_is_a_deadlock_with_a_name():
    """The fast branch holds what it has until the slow one says what it is about: too short an edge is found and named."""

    @router("i8")
    def tenth(x):
        return SKIP if x % 10 else x

    with Graph() as graph:
        source, some, node = emit(range(40), "i8"), tenth(), Matched(sync_s=0)
    source.to(node, depth=3)
    source.to(some).to(node)
    with pytest.raises(GraphError, match=r"emit -> matched.xs\[0\]: needed a depth of more than 3"):
        graph.run(clock="virtual")


def test_a_matched_node_gives_back_what_it_passes_over():
    """RULES 1: a writer that was blocked hears of the room that passing over made, before any firing."""
    streams = [list(range(200)), [199]]
    (seen, _, _), edges = run_matched("inline", streams, 0, depth=1)
    assert ([(199, 0)], 199) == (seen, edges[0].dropped)


def test_matching_goes_with_decimation_parameters_and_coroutines():
    """Only what the edge hands over is matched; the rest of the node is as without it."""

    @router("i8", sync_s=0)
    async def plus(a, b, *, gain=1):
        return gain * (a + b)

    with Graph() as graph:
        a, b, node, out = About(range(12), name="a"), About(range(1, 12, 2), name="b"), plus(gain=2), collect()
    a.to(node["a"], decimate=2)
    b.to(node["b"])
    node.to(out)
    report = graph.run(clock="virtual")
    assert [2 * (2 * k + 1 + k) for k in range(6)] == out.records.tolist()
    assert (6, 6, 0) == (report.edges["a -> plus.a"].read, report.edges["a -> plus.a"].decimated, report.edges["a -> plus.a"].dropped)


@router("f8")
def single(a):
    return a


@router("f8")
def double(a, b):
    return a + b


def refused(node, sync_s, **edge):
    """What the compiler says of matching at `node`."""
    with Graph() as graph:
        made = node()
        made.options(sync_s=sync_s)
        for number in range(2 if node is double else 1):
            emit([1.0], "f8", name=f"e{number}").to(made, **edge if not number else {})
    with pytest.raises(GraphError) as caught:
        graph.plan()
    return [problem.found for problem in caught.value.problems]


@pytest.mark.parametrize("option", [{"policy": "latest"}, {"batch": 2}, {"window": 2}, {"max_age_s": 1}, {"initial": [0.0]}])
def test_what_does_not_go_with_matching(option):
    """What has no time of its own, or may be lost, is a build error that says why."""
    ((name, value),) = option.items()
    assert [f"{name}={value!r}"] == refused(double, 0.1, **option)


def test_what_is_no_matching():
    """One input, a time that is none, or a node that passes on."""
    assert ["on_full='drop_oldest'"] == refused(double, 0, on_full="drop_oldest")
    assert ["1"] == refused(single, 0)
    assert ["-1"] == refused(double, -1)
    assert ["'soon'"] == refused(double, "soon")
    assert ["sync_s=0"] == refused(share, 0)


def test_the_plan_says_what_is_matched():
    """In the table, and in `repr`."""
    with Graph() as graph:
        node = double(sync_s=0.005)
        node(emit([1.0], "f8", name="a"), emit([1.0], "f8", name="b"))
    assert "on its inputs, 5 ms apart" in str(graph.plan())


@router("i8", on_error="skip")
def fails_at_three(x):
    if x == 3:
        raise ValueError(x)
    return x


def test_matching_needs_no_tombstones():
    """RULES 10: what an error kept away finds no partner, so the partner is passed over; the sets stay right."""
    with Graph() as graph:
        source, node, matched = emit(range(6), "i8", rate_hz=1000), fails_at_three(), Matched(sync_s=0)
    source.to(node).to(matched)
    source.to(matched)
    report = graph.run(clock="virtual")
    assert [(x, x) for x in (0, 1, 2, 4, 5)] == matched.result[0]
    assert (1, 1) == (report.edges["fails_at_three -> matched.xs[0]"].skipped, report.edges["emit -> matched.xs[1]"].dropped)
