"""Objects that leave their process: the arena of an output, who waits for it, what is a view and what a copy."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from dfcore import STOP, Collector, Emitter, Graph, GraphError, NodeFailed, RecordLost, Router, emit, merge, router, share
from dfcore.compiler import compile
from dfcore.diagnosis import blocked
from dfcore.sight import Sight
from tests.contexts import contexts

SIZE = 3000  # bytes of most arrays here: with what is noted about it, an object takes less than 3500


class Arrays(Emitter):
    """Arrays of bytes, the k-th full of k, in an arena for so many of them."""

    def __init__(self, count=100, fits=2, size=SIZE, **options):
        super().__init__(object, name="arrays", arena_bytes=max(fits * 3500, 4096), **options)
        self.count, self.size = count, size

    def compute(self):
        if self.firing == self.count:
            return STOP
        return np.full(self.size(self.firing) if callable(self.size) else self.size, self.firing, "u1")


class Numbers(Emitter):
    """0, 1, 2 ..., each with a key of its own in its metadata."""

    def __init__(self, count):
        super().__init__(object)
        self.count = count

    def compute(self):
        for number in range(self.count):
            self.meta[number] = 10 * number
            yield number


class Look(Collector):
    """The number in each array that was whole; keeps what `keeps` says of the array."""

    def __init__(self, keeps=lambda array: None, **options):
        super().__init__(**options)
        self.keeps = keeps

    def open(self):
        self.seen, self.kept = [], []

    def compute(self, array):
        assert (array == array[0]).all()
        self.seen.append(int(array[0]))
        self.kept.append(self.keeps(array))


def made(reader=Look, count=100, fits=2, size=SIZE, keeps=lambda array: None, **edge):
    """Arrays -> reader, each in a process of its own, as far as they know."""
    with Graph() as graph:
        with graph.context("a"):
            source = Arrays(count, fits, size)
        with graph.context("b"):
            look = reader(keeps, name="look")
    source.to(look, **edge)
    return graph, look


def blocked_bytes(run, graph, node=0):
    """What memory a node waits for."""
    counters = Sight(run.plan, run.memory).node(node)
    return int(counters["blocked_bytes"]), int(counters["in_flight"]), int(counters["firings"])


def test_a_writer_waits_for_memory_and_is_woken():
    """RULES 16: with room for sixteen but memory for two the third firing is over, not published; the reader's release rings."""
    graph, look = made(count=5)
    with contexts(graph) as run:
        run.step("a")
        waiting, in_flight, firings = blocked_bytes(run, graph)
        assert SIZE < waiting < 3500
        assert (0, 2, 2) == (in_flight, firings, run.edge("arrays -> look").written)
        assert run.sleep("a") and not run.rung("a")
        run.step("b")
        assert run.rung("a")
        assert [0, 1] == look.seen
        run.run()
        assert list(range(5)) == look.seen
        assert (0, 0, 6) == blocked_bytes(run, graph)


def test_memory_for_one_object_is_enough():
    """The newest record stays shown when it was read, but its memory is free: else the second object would never go."""
    graph, look = made(count=6, fits=1)
    with contexts(graph) as run:
        run.run()
        assert list(range(6)) == look.seen
        assert 1 == run.edge("arrays -> look").high_water


def test_objects_of_all_sizes_share_an_arena():
    """From empty to nearly the whole arena, in any order: whole, and in order."""
    sizes = [1, 10_000, 10, 5000, 10_300, 1, 1, 1, 7000, 64, 3000, 3000, 3000, 1]
    graph, look = made(count=len(sizes), fits=4, size=lambda k: sizes[k])
    with contexts(graph) as run:
        run.run()
    assert list(range(len(sizes))) == look.seen


@pytest.mark.parametrize("edge", [{"policy": "latest"}, {"on_full": "drop_new"}, {"on_full": "drop_oldest"}], ids=str)
def test_a_writer_that_may_lose_does_not_wait(edge):
    """No memory: dropped and counted as written; what is there is read whole; the firings go on."""
    graph, look = made(count=10, fits=1, **edge)
    with contexts(graph) as run:
        run.step("a")
        assert (0, 0, 11) == blocked_bytes(run, graph)
        run.run()
        edge = run.edge("arrays -> look")
    assert (10, 10) == (edge.written, edge.read + edge.dropped + edge.overwritten)
    assert len(look.seen) == edge.read >= 1
    assert 0 < edge.dropped


def test_a_writer_that_must_not_wait_fails():
    """`on_full="error"` is RecordLost also where it is the arena that is full."""
    graph, _ = made(on_full="error")
    with contexts(graph) as run, pytest.raises(NodeFailed) as caught:
        run.step("a")
    assert (RecordLost, 2) == (type(caught.value.__cause__), caught.value.firing)
    assert "arrays: needed 31" in str(caught.value.__cause__)


def test_who_waits_for_a_reader_that_leaves_goes_on():
    """Of two readers the one that must not lose anything ends; for the other the object is dropped, and the next ones too."""

    class Two(Look):
        def compute(self, array):
            super().compute(array)
            return STOP if len(self.seen) == 1 else None

    with Graph() as graph:
        with graph.context("a"):
            source = Arrays(10, 2)
        with graph.context("b"):
            two = Two(name="two")
        with graph.context("c"):
            look = Look(name="look")
    source.to(two)
    source.to(look, policy="latest")
    with contexts(graph) as run:
        run.step("a")
        assert blocked_bytes(run, graph)[0]
        run.step("b")
        run.step("a")
        assert 0 == blocked_bytes(run, graph)[0]
        run.run()
    assert [0] == two.seen
    assert look.seen[-1:] != []


def test_two_objects_are_kept_as_views_the_others_as_copies():
    """Kept arrays hold their block through the leases of their slots; when those are taken a reader gets memory of its own."""
    graph, look = made(count=6, fits=10, keeps=lambda array: array)
    with contexts(graph) as run:
        run.step("a")
        run.step("b")
        segment = np.frombuffer(run.memory.buffer(2), "u1")
        assert [True, True, False, False, False, False] == [np.shares_memory(array, segment) for array in look.kept]
        assert [False] * 6 == [array.flags.writeable for array in look.kept]
        assert list(range(6)) == [int(array[-1]) for array in look.kept]
        del look.kept[:2], segment
    assert [2, 3, 4, 5] == [int(array[-1]) for array in look.kept]


def test_what_is_no_longer_kept_wakes_the_writer():
    """The last reference to a kept array gives its memory back, and rings the writer that waits for it."""
    graph, look = made(count=6, fits=4, size=lambda k: (SIZE, 9000)[k == 2], keeps=lambda array: array)
    with contexts(graph) as run:
        run.step("a")
        run.step("b")
        run.step("a")
        assert blocked_bytes(run, graph)[0] > 9000
        assert run.sleep("a") and not run.rung("a")
        look.kept.clear()
        assert run.rung("a")
        run.run()
    assert list(range(6)) == look.seen


def test_readers_here_and_elsewhere():
    """Who reads in the writer's process gets the object itself, and who reads elsewhere a read-only view; both every record."""
    published = []

    class Source(Arrays):
        def compute(self):
            published.append(super().compute())
            return published[-1]

    with Graph() as graph:
        with graph.context("a"):
            source, here = Source(5), Look(lambda array: array, name="here")
        with graph.context("b"):
            there = Look(lambda array: array.flags.writeable, name="there")
    source.to(here)
    source.to(there)
    with contexts(graph) as run:
        run.run()
    assert [True] * 5 == [kept is made for kept, made in zip(here.kept, published[:5], strict=True)]
    assert (list(range(5)), [False] * 5) == (there.seen, there.kept)


@pytest.mark.parametrize("kind", ["process", "thread"])
def test_initial_objects_that_cannot_travel_are_found_before_the_run(kind):
    """Only those that a process reads need to travel; the others may be anything, whatever processes there are beside."""
    with Graph() as graph:
        with graph.context("a"):
            beside = Told(name="beside")
        with graph.context("b", kind=kind):
            told = Told(name="told")
        source = Things(lambda k: k)
    source.to(told, initial=[threading.Lock()])
    source.to(beside)
    if kind == "thread":
        graph.run()
        return
    with pytest.raises(GraphError) as caught:
        graph.run()
    (problem,) = caught.value.problems
    assert ("unpicklable", "things -> told: initial") == (problem.code, problem.where)
    assert "TypeError: cannot pickle '_thread.lock' object" == problem.found


def test_large_objects_are_copied_if_they_could_starve_their_writer():
    """An object of more than a quarter of the arena is handed out as a copy: keeping it costs the writer nothing."""
    graph, look = made(count=20, fits=2, keeps=lambda array: array)
    with contexts(graph) as run:
        run.run()
        segment = np.frombuffer(run.memory.buffer(2), "u1")
        assert not any(np.shares_memory(array, segment) for array in look.kept)
        del segment
    assert list(range(20)) == [int(array[-1]) for array in look.kept]


def test_an_object_larger_than_the_arena_fails_at_once():
    """ValueError with both sizes, and nothing was published."""
    graph, _ = made(size=7000)
    with contexts(graph) as run:
        with pytest.raises(NodeFailed) as caught:
            run.step("a")
        assert 0 == run.edge("arrays -> look").written
    assert isinstance(caught.value.__cause__, ValueError)
    assert "arrays: needed an object of at most 6912 bytes, which its arena can hold, was 71" in str(caught.value.__cause__)


class Things(Emitter):
    """What a function makes of 0, 1, .."""

    def __init__(self, make, count=7):
        super().__init__(object, name="things")
        self.make, self.count = make, count

    def compute(self):
        if self.firing == self.count:
            return STOP
        if self.firing % 2:
            self.meta.update({"odd": self.firing, self.firing: True})
        return self.make(self.firing)


class Told(Collector):
    """What came, and its metadata."""

    def open(self):
        self.told = []

    def compute(self, value):
        self.told.append((value, dict(self.meta)))


def things(make=lambda k: k, **edge):
    """Things -> told, in two processes as far as they know."""
    with Graph() as graph:
        with graph.context("a"):
            source = Things(make)
        with graph.context("b"):
            told = Told(name="told")
    source.to(told, **edge)
    return graph, told


class Raises:
    """Raises when it is pickled, or when it is loaded."""

    def __init__(self, when):
        self.when = when

    def __getstate__(self):
        if self.when == "pickled":
            raise ZeroDivisionError("on the way out")
        return {"when": self.when}

    def __setstate__(self, state):
        raise ZeroDivisionError("on the way in")


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda k: (x for x in ()), TypeError, "cannot pickle 'generator' object"),
        (lambda k: [np.zeros(10), threading.Lock()], TypeError, "cannot pickle '_thread.lock' object"),
        (lambda k: Raises("pickled"), ZeroDivisionError, "on the way out"),
    ],
    ids=["generator", "lock", "raises"],
)
def test_an_object_that_cannot_go_is_its_writers_failure(make, error, said):
    """The cause is what pickling raised; the message says what was done."""
    graph, _ = things(make)
    with contexts(graph) as run, pytest.raises(NodeFailed) as caught:
        run.step("a")
    assert ("things", error) == (caught.value.node, type(caught.value.__cause__))
    assert f"{said} while an object was pickled for another process (firing 0" in str(caught.value)
    assert "; publish what can be pickled, or run its readers in the process of the writer" in str(caught.value)


@pytest.mark.parametrize(("edge", "firing"), [({}, 3), ({"batch": 2}, 1), ({"window": 2}, 3)], ids=str)
def test_an_object_that_cannot_come_is_its_readers_failure(edge, firing):
    """The cause is what loading raised; node and input are named; of a batch when it is handed over."""
    graph, told = things(lambda k: [np.zeros(10), Raises("loaded")] if k == 3 else k, **edge)
    with contexts(graph) as run:
        run.step("a")
        with pytest.raises(NodeFailed) as caught:
            run.step("b")
    assert ("told", "value", ZeroDivisionError) == (caught.value.node, caught.value.input, type(caught.value.__cause__))
    assert f"on the way in while an object from another process was loaded (firing {firing}" in str(caught.value)
    assert "; publish what can be loaded, or run both nodes in one process" in str(caught.value)
    assert firing == len(told.told)


def united(*metas):
    """The union in order."""
    return {key: value for meta in metas for key, value in meta.items()}


META = [{}, {"odd": 1, 1: True}, {}, {"odd": 3, 3: True}, {}, {"odd": 5, 5: True}, {}]


@pytest.mark.parametrize("kind", ["process", "thread"])
@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        ({}, [(k, META[k]) for k in range(7)]),
        ({"batch": 3}, [([0, 1, 2], META[1]), ([3, 4, 5], united(META[3], META[5]))]),
        ({"batch": 3, "initial": [-1]}, [([-1, 0, 1], META[1]), ([2, 3, 4], META[3])]),
        ({"batch": 4, "partial": True}, [([0, 1, 2, 3], united(META[1], META[3])), ([4, 5, 6], META[5])]),
        ({"decimate": 2}, [(k, META[k]) for k in (1, 3, 5)]),
        (
            {"window": 3},
            [(list(range(max(k - 2, 0), k + 1)), united(*META[max(k - 2, 0) : k + 1])) for k in range(7)],
        ),
    ],
    ids=str,
)
def test_metadata_arrives_with_its_object(edge, expected, kind):
    """`meta` of several records is their union in order, later ones win; the same by reference and through an arena."""
    graph, told = things(**edge)
    for name in "ab" if kind == "thread" else ():
        object.__setattr__(graph._members.contexts[name], "kind", "thread")
    with contexts(graph) as run:
        run.run()
    assert expected == told.told


def test_metadata_of_a_window_passes_over_what_a_firing_did_not_take():
    """A record whose set a tombstone discards is in no later window, and nor is its metadata: that of those before it stays."""

    @router(object, on_error="skip")
    def fails_at_three(x):
        if x == 3:
            raise ValueError(x)
        return x

    class Both(Told):
        def compute(self, window, x):
            super().compute(window)

    with Graph() as graph:
        source, node, told = Numbers(6), fails_at_three(), Both(name="both")
    source.to(told["window"], window=3)
    source.to(node).to(told["x"])
    graph.run(clock="virtual")
    numbers = [[0], [0, 1], [0, 1, 2], [1, 2, 4], [2, 4, 5]]
    assert [(window, {number: 10 * number for number in window}) for window in numbers] == told.told


def test_metadata_of_a_record_does_not_stay_in_its_slot():
    """A slot that is used again has the metadata of its new object, or none."""
    graph, told = things(depth=1)
    with contexts(graph) as run:
        run.run()
    assert META == [meta for _, meta in told.told]


def test_an_arena_is_there_exactly_if_an_object_leaves_its_process():
    """One per output, in whole lines, as large as was asked for; none for readers in the same process, and none for records."""
    with Graph() as graph:
        here, number = emit([1], name="here", arena_bytes=5000), emit([1], "i8", name="number")
        with graph.context("thread", kind="thread"):
            here.to(Told(name="one"))
        with graph.context("process"):
            there = emit([1], name="there")
            number.to(Told(name="two"))
            there.to(Told(name="three"))
    assert [0, 0, 0] == [output.arena for output in compile(graph).outputs]
    with graph:
        here.to(Told(name="four"))
        there.to(Told(name="five"))
    graph.context("process").add(graph["four"])
    plan = compile(graph)
    assert [4992, 0, 64 << 20] == [output.arena for output in plan.outputs]
    segment = plan.layout.segments[1]
    assert (0, True) == (plan.layout.outputs[0].arena % 64, plan.layout.outputs[0].arena + 4992 <= segment.size)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"arena_bytes": 100}, "needed arena_bytes as an int of 4096 to 137438953472, was 100"),
        ({"arena_bytes": 1 << 40}, "was 1099511627776"),
        ({"arena_bytes": 1e6}, "was 1000000.0"),
        ({"arena_bytes": True}, "was True"),
        ({"arena_bytes": None}, "was None"),
    ],
)
def test_a_size_that_does_not_do_is_refused(options, said):
    """As a build error, with what would do."""
    with Graph() as graph:
        emit([1], **options).to(Told())
    with pytest.raises(ValueError, match="arena_bytes") as caught:
        graph.plan()
    assert said in str(caught.value)


def test_the_failures_that_a_node_publishes_are_objects_with_an_arena():
    """`on_error="emit"` of a node that makes records: its output of errors has the arena that was asked for."""

    @router("i8", on_error="emit", arena_bytes=5000)
    def fails(x):
        raise ValueError(x)

    with Graph() as graph, graph.context("process"):
        node = fails()
        emit([1]).to(node).to(Told(name="records"))
    with graph:
        node["error"].to(Told(name="errors"))
    assert [0, 4992, 0] == [output.arena for output in compile(graph).outputs]


def test_an_arena_without_objects_is_refused():
    """An option that means nothing is a mistake."""
    with Graph() as graph:
        emit([1], "i8", arena_bytes=5000).to(Told())
    with pytest.raises(ValueError, match="needed an output of dtype object beside arena_bytes, was none"):
        graph.plan()


def test_merge_and_share_pass_objects_and_their_metadata_on():
    """Through a `merge` and a `share` in processes of their own: each object once, each with the metadata it was published with."""
    with Graph() as graph:
        with graph.context("a"):
            one, two = Things(lambda k: ("one", k)), Things(lambda k: ("two", k)).options(name="other")
        with graph.context("b"):
            both = merge()
        with graph.context("c"):
            dealt = share()
        with graph.context("d"):
            left, right = Told(name="left"), Told(name="right")
    both(one, two)
    both.to(dealt)
    dealt.to(left)
    dealt.to(right)
    with contexts(graph) as run:
        run.run()
    told = sorted(left.told + right.told, key=str)
    assert [((name, k), META[k]) for name in ("one", "two") for k in range(7)] == told
    assert left.told and right.told


def test_a_share_waits_for_the_memory_of_a_large_object():
    """A relay whose record finds no memory is withheld like any firing: nothing is lost, nothing comes twice."""
    with Graph() as graph:
        with graph.context("a"):
            source = Arrays(6, 3)
        with graph.context("b"):
            dealt = share().options(arena_bytes=4096)
        with graph.context("c"):
            look = Look(name="look")
    source.to(dealt).to(look)
    with contexts(graph) as run:
        run.run()
    assert list(range(6)) == look.seen


class Picky(Router):
    """Refuses every third value."""

    def __init__(self, **options):
        super().__init__(object, errors=(ValueError,), **options)

    def compute(self, value):
        if value % 3 == 0:
            raise ValueError(value) from KeyError("inside")
        return [value]


class Holds(Exception):
    """Cannot be pickled."""

    def __init__(self, *args):
        super().__init__(*args)
        self.lock = threading.Lock()


def test_failures_leave_their_process_with_their_causes():
    """`on_error="emit"`: the NodeFailed arrives elsewhere with its causes and where they were raised; gaps keep joins in step."""
    with Graph() as graph:
        with graph.context("a"):
            source, picky = Things(lambda k: k), Picky(name="picky", on_error="emit")
        with graph.context("b"):
            told, errors = Told(name="told"), Told(name="errors")
    source.to(picky).to(told)
    picky["error"].to(errors)
    with contexts(graph) as run:
        run.run()
    assert [([k], META[k]) for k in (1, 2, 4, 5)] == told.told
    failures = [failure for failure, _ in errors.told]
    assert [("picky", ValueError, KeyError)] * 3 == [
        (failure.node, type(failure.__cause__), type(failure.__cause__.__cause__)) for failure in failures]  # fmt: skip
    assert f"in process {os.getpid()}:" in failures[0].__cause__.__cause__.__notes__[0]


def test_an_exception_that_cannot_be_pickled_arrives_as_its_words():
    """As with failures of a run: its class and message in a RemoteError."""
    graph, told = things(lambda k: Holds("number", k))
    with contexts(graph) as run:
        run.run()
    assert [f"Holds: ('number', {k})" for k in range(7)] == [str(error) for error, _ in told.told]


@pytest.mark.parametrize("edge", [{}, {"batch": 2}, {"window": 2}], ids=str)
def test_a_skipped_object_leaves_its_place_elsewhere_too(edge):
    """A tombstone among objects from another process has no block and no metadata, and is not loaded."""
    with Graph() as graph:
        with graph.context("a"):
            source, picky = Things(lambda k: k), Picky(name="picky", on_error="skip")
        with graph.context("b"):
            told = Told(name="told")
    source.to(picky)
    picky.to(told, **edge)
    with contexts(graph) as run:
        run.run()
    seen = (1, 2, 4, 5)
    expected = {"": [[k] for k in seen], "batch": [[[1], [2]], [[4], [5]]],
                "window": [[[1]], [[1], [2]], [[2], [4]], [[4], [5]]]}  # fmt: skip
    assert expected[next(iter(edge), "")] == [value for value, _ in told.told]


def test_who_was_given_memory_and_has_not_looked_yet_is_not_stuck():
    """A deadlock over memory is one only while nobody gave any back since the writer asked: else it is about to wake."""
    graph, look = made(count=5)
    with contexts(graph) as run:
        run.step("a")
        assert run.sleep("a")
        assert blocked(run.plan, run.memory) is None
        run.step("b")
        assert blocked(run.plan, run.memory) is None
    graph, look = made(count=5, fits=4, size=lambda k: (SIZE, 9000)[k == 2], keeps=lambda array: array)
    with contexts(graph) as run:
        for name in "aba":
            run.step(name)
        assert run.sleep("a")
        assert "deadlock" == blocked(run.plan, run.memory).code
        look.kept.clear()
        assert blocked(run.plan, run.memory) is None
