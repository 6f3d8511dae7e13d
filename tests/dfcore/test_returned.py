"""What `compute` and `flush` return, in every style of function, for every kind of output: the table of the public API."""

from __future__ import annotations

import asyncio
import itertools

import numpy as np
import pytest

from dfcore import SKIP, STOP, Collector, Emitter, Graph, NodeFailed, Router, collect, emit, emitter, record, router

POINT = [("x", "f8"), ("n", "i8")]
ARRAY = np.dtype(("f8", (2,)))
KINDS = {"point": POINT, "scalar": "f8", "array": ARRAY, "object": object}
#: (kind of output, what is returned, what arrives)
VALUES = [
    ("point", (1.5, 2), [(1.5, 2)]),
    ("point", {"x": 1.5, "n": 2}, [(1.5, 2)]),
    ("point", record(POINT, (1.5, 2)), [(1.5, 2)]),
    ("point", SKIP, []),
    ("point", STOP, []),
    ("scalar", 2.5, [2.5]),
    ("scalar", 2, [2.0]),
    ("scalar", np.float64(2.5), [2.5]),
    ("scalar", SKIP, []),
    ("array", np.array([1.0, 2.0]), [[1.0, 2.0]]),
    ("array", [1.0, 2.0], [[1.0, 2.0]]),
    ("object", None, [None]),
    ("object", False, [False]),
    ("object", (1, 2), [(1, 2)]),
    ("object", [], [[]]),
    ("object", "text", ["text"]),
    ("object", SKIP, []),
]
STYLES = ("plain", "coroutine", "generator", "async generator")


def styled(style, role, outputs, value):
    """A node class whose `compute` gives `value` once in this style."""

    class Plain(role):
        def compute(self, *values):
            return value

    class Coroutine(role):
        async def compute(self, *values):
            await asyncio.sleep(0)
            return value

    class Generator(role):
        def compute(self, *values):
            yield value

    class AsyncGenerator(role):
        async def compute(self, *values):
            await asyncio.sleep(0)
            yield value

    made = dict(zip(STYLES, (Plain, Coroutine, Generator, AsyncGenerator), strict=True))[style]
    return made(**outputs)


def listed(out):
    """What was collected, as Python values."""
    return out.records.tolist() if isinstance(out.records, np.ndarray) else out.records


def test_a_value_is_published(driver):
    """In every style a value arrives as it was returned or yielded, SKIP as nothing, STOP as the end."""
    outs = []
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit([0], "i8")
        with driver.at(graph, "b"):
            for style, (kind, value, expected) in itertools.product(STYLES, VALUES):
                node, out = styled(style, Router, {"dtype": KINDS[kind]}, value), collect()
                source.to(node).to(out)
                outs.append((style, kind, value, expected, out))
    driver.run(graph)
    for style, kind, value, expected, out in outs:
        assert expected == listed(out), (style, kind, value)


PLACES = [
    ((1, 2.5), [1], [2.5]),
    ([1, 2.5], [1], [2.5]),
    ((SKIP, 2.5), [], [2.5]),
    ([1, SKIP], [1], []),
    ((SKIP, SKIP), [], []),
    (SKIP, [], []),
    (STOP, [], []),
]


def test_several_outputs_take_a_tuple_or_a_list(driver):
    """A value or SKIP at each place; SKIP alone skips all."""
    outs = []
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit([0], "i8")
        with driver.at(graph, "b"):
            for style, (value, left, right) in itertools.product(STYLES, PLACES):
                node, a, b = styled(style, Router, {"outputs": {"a": "i8", "b": "f8"}}, value), collect(), collect()
                source.to(node)
                node["a"].to(a)
                node["b"].to(b)
                outs.append((style, value, left, right, a, b))
    driver.run(graph)
    for style, value, left, right, a, b in outs:
        assert (left, right) == (listed(a), listed(b)), (style, value)


class Nothing(Router):
    """Returns None, having written or not."""

    def __init__(self, dtype, writes):
        super().__init__(dtype)
        self.writes = writes

    def compute(self, x):
        if self.writes == "all":
            self.output[...] = self.writes_what(x)
        elif self.writes == "looked":
            self.output  # noqa: B018

    def writes_what(self, x):
        return (x, 7) if self.dtype.names else [x, x]


@pytest.mark.parametrize("dtype", [POINT, ARRAY], ids=["point", "array"])
def test_none_publishes_what_was_written(driver, dtype):
    """None publishes `self.output` if it was looked up in this firing; it starts zeroed."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit([1.5, 2.5], "f8")
        with driver.at(graph, "b"):
            writes, looks, outs = Nothing(dtype, "all"), Nothing(dtype, "looked"), (collect(), collect())
    source.to(writes).to(outs[0])
    source.to(looks).to(outs[1])
    driver.run(graph)
    written = [(1.5, 7), (2.5, 7)] if dtype is POINT else [[1.5, 1.5], [2.5, 2.5]]
    assert written == listed(outs[0])
    assert [(0.0, 0)] * 2 == listed(outs[1]) if dtype is POINT else [[0.0, 0.0]] * 2 == listed(outs[1])


WRONG = [
    ("point", None, r"returned None and wrote nothing: return a value, write to self\.output, or return SKIP"),
    ("array", None, "returned None and wrote nothing"),
    ("scalar", None, "None"),
    ("scalar", "text", "text"),
    ("scalar", (1.0, 2.0), "needed"),
    ("array", 1.0, "needed"),
    ("point", 1.0, "needed"),
    ("point", (1.0, 2, 3), "needed"),
    ("point", {"x": 1.0}, "n"),
]
WRONG_PLACES = [
    ((1,), "2"),
    ((1, 2.0, 3), "2"),
    (1, "2"),
    ((1, STOP), "STOP"),
    ((1, None), "b"),
    ({"a": 1, "b": 2.0}, "2"),
]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("kind", "value", "says"), WRONG)
def test_a_value_that_does_not_fit_is_the_nodes_failure(style, kind, value, says):
    """It names the node, and says what was needed."""
    with Graph() as graph:
        source, node, out = emit([0], "i8"), styled(style, Router, {"dtype": KINDS[kind], "name": "wrong"}, value), collect()
    source.to(node).to(out)
    with pytest.raises(NodeFailed, match=says) as error:
        graph.run(clock="virtual")
    assert ("wrong", "compute") == (error.value.node, error.value.method)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("value", "says"), WRONG_PLACES)
def test_a_wrong_number_of_places_is_the_nodes_failure(style, value, says):
    """Several outputs: exactly that many, each a value, None where it was written, or SKIP."""
    with Graph() as graph:
        source = emit([0], "i8")
        node, outs = styled(style, Router, {"outputs": {"a": "i8", "b": "f8"}, "name": "wrong"}, value), (collect(), collect())
    source.to(node)
    node["a"].to(outs[0])
    node["b"].to(outs[1])
    with pytest.raises(NodeFailed, match=says) as error:
        graph.run(clock="virtual")
    assert "wrong" == error.value.node
    assert 0 == sum(map(len, outs))


def test_a_generator_object_is_a_value():
    """Only a generator function fans out: what a plain function returns is data, and for numbers it is none."""
    for dtype in (object, "f8"):
        with Graph() as graph:
            source, node, out = emit([0], "i8"), router(dtype)(lambda x: (k for k in range(3)))(name="lazy"), collect()
        source.to(node).to(out)
        if dtype is object:
            graph.run(clock="virtual")
            assert [0, 1, 2] == list(out.records[0])
        else:
            with pytest.raises(NodeFailed, match="lazy"):
                graph.run(clock="virtual")


class Last(Router):
    """Keeps what it takes; its last word is given in one of four styles."""

    def open(self):
        self.kept = []

    def compute(self, x):
        self.kept.append(x)
        return SKIP


class PlainLast(Last):
    def flush(self):
        return sum(self.kept)


class CoroutineLast(Last):
    async def flush(self):
        await asyncio.sleep(0)
        return sum(self.kept)


class GeneratorLast(Last):
    def flush(self):
        yield from self.kept
        yield sum(self.kept)


class AsyncGeneratorLast(Last):
    async def flush(self):
        for kept in self.kept:
            await asyncio.sleep(0)
            yield kept
        yield sum(self.kept)


def test_flush_gives_what_is_left(driver):
    """After the last record, before the end: a value or several, in each style."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit([1, 2, 3], "i8")
        with driver.at(graph, "b"):
            nodes = [cls("i8") for cls in (PlainLast, CoroutineLast, GeneratorLast, AsyncGeneratorLast)]
            outs = [collect() for _ in nodes]
    for node, out in zip(nodes, outs, strict=True):
        source.to(node).to(out)
    driver.run(graph)
    assert [[6], [6], [1, 2, 3, 6], [1, 2, 3, 6]] == [listed(out) for out in outs]


@emitter("i8")
def never():
    return
    yield


@emitter("i8")
async def never_awaited():
    return
    yield


@router("i8")
def swallow(x):
    return
    yield


@router("i8")
async def swallow_awaited(x):
    return
    yield


def test_a_generator_that_never_yields_publishes_nothing(driver):
    """As an emitter it is an empty stream; as a router it fires for each record."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            empty, source = [never(), never_awaited()], emit(range(4), "i8", name="source")
        with driver.at(graph, "b"):
            routers, outs = [swallow(), swallow_awaited()], [collect() for _ in range(4)]
    for node, out in zip(empty, outs[:2], strict=True):
        node.to(out)
    for node, out in zip(routers, outs[2:], strict=True):
        source.to(node).to(out)
    report = driver.run(graph)
    assert [0, 0, 0, 0] == [len(out) for out in outs]
    assert [4, 4] == [report.nodes[node.name].firings for node in routers]
    assert "finished" == report.ended


class Breaks:
    """Three numbers and an error, each time it is iterated over."""

    def __iter__(self):
        yield from range(3)
        raise ValueError("no more")


@router("i8")
def breaks_off(x):
    yield x
    raise ValueError("no more")


def test_an_iterator_that_raises_fails_its_emitter(driver):
    """The records before it arrive, or are counted; the error names the emitter and has its cause."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            node = emit(Breaks(), "i8", name="breaks")
        with driver.at(graph, "b"):
            out = collect()
    node.to(out)
    with pytest.raises(NodeFailed) as error:
        driver.run(graph)
    assert ("breaks", "compute") == (error.value.node, error.value.method)
    assert isinstance(error.value.__cause__, ValueError)
    assert list(range(3))[: len(out)] == listed(out)


def test_a_generator_that_raises_after_a_yield_has_published_it(driver):
    """What was yielded before the error is out; the error is of the firing."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit([5, 6], "i8")
        with driver.at(graph, "b"):
            node, out = breaks_off(), collect()
    source.to(node).to(out)
    with pytest.raises(NodeFailed) as error:
        driver.run(graph)
    assert ("breaks_off", 0) == (error.value.node, error.value.firing)
    assert ("no more",) == error.value.__cause__.args
    assert 1 == error.value.report.edges["breaks_off -> collect"].written


def test_a_collector_may_end(driver):
    """A collector's return value is ignored, but STOP: it leaves, and the emitter behind it ends."""

    class Two(Collector):
        def open(self):
            self.seen = []

        def compute(self, x):
            self.seen.append(x)
            return STOP if len(self.seen) == 2 else x

        def close(self):
            return self.seen

    class Endless(Emitter):
        def compute(self):
            return self.firing

    with Graph() as graph:
        with driver.at(graph, "a"):
            endless = Endless("i8")
        with driver.at(graph, "b"):
            two = Two()
    endless.to(two)
    assert "finished" == driver.run(graph).ended
    assert [0, 1] == two.result


class Given(Router):
    """Adds what it was given when it was made, and says where it was opened."""

    def __init__(self, table, function, shared):
        super().__init__("i8")
        self.table, self.function, self.shared = table, function, shared

    def open(self):
        self.shared.append(self.name)

    def compute(self, x):
        return self.function(x) + self.table[x]

    def close(self):
        return list(self.shared)


def test_what_a_node_was_given_travels_to_where_it_runs(driver):
    """Arguments of a constructor, closures among them, arrive in the context; what its nodes share stays shared, there."""
    offset, shared = 100, []
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(3), "i8")
        with driver.at(graph, "b"):
            nodes = [Given({0: 7, 1: 8, 2: 9}, lambda x: x + offset, shared) for _ in range(2)]
            outs = [collect(), collect()]
    for node, out in zip(nodes, outs, strict=True):
        source.to(node).to(out)
    driver.run(graph)
    assert [[107, 109, 111]] * 2 == [listed(out) for out in outs]
    assert [["given", "given_2"]] * 2 == [node.result for node in nodes]
    assert ([] if driver.kind == "processes" else ["given", "given_2"]) == shared


@pytest.mark.parametrize("driver", ["processes"], indirect=True)
def test_what_cannot_travel_is_named_before_anything_starts(driver):
    """A node with an argument that cannot be pickled names the node, and says what cannot."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(3), "i8")
        with driver.at(graph, "b"):
            node, out = Given({}, lambda x: x, (k for k in range(3))), collect()
    source.to(node).to(out)
    with pytest.raises(Exception, match="given.*generator|generator.*given"):
        driver.run(graph)
