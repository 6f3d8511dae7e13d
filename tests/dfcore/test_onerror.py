"""`on_error`: what a node does about its own exceptions, under every driver."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from dfcore import STOP, Collector, Emitter, Graph, GraphError, NodeFailed, Router, collect, collector, emit, emitter, router
from dfcore.errors import InternalError

COUNT = 6

in_this_process = pytest.mark.parametrize("driver", ["inline", "threads", "virtual"], indirect=True)


class Broken(ValueError):
    """What the nodes of these tests raise."""


@router("i8")
def plain(x):
    if x % 3 == 2:
        raise Broken(x)
    return 10 * x


@router("i8")
def generator(x):
    yield 10 * x
    if x % 3 == 2:
        raise Broken(x)


@router("i8")
async def coroutine(x):
    await asyncio.sleep(0)
    if x % 3 == 2:
        raise Broken(x)
    return 10 * x


@router("i8")
async def async_generator(x):
    await asyncio.sleep(0)
    yield 10 * x
    if x % 3 == 2:
        raise Broken(x)


STYLES = {"plain": plain, "generator": generator, "coroutine": coroutine, "async_generator": async_generator}


def test_skip_leaves_the_others(driver):
    """skip: the failing firings are counted, all others arrive in order; what a generator published before stays."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(COUNT), "i8")
        with driver.at(graph, "b"):
            nodes = {style: node(name=style, on_error="skip", errors=(Broken,)) for style, node in STYLES.items()}
            outs = {style: collect(name=f"out of {style}") for style in STYLES}
    for style, node in nodes.items():
        source.to(node).to(outs[style])
    report = driver.run(graph)
    for style, out in outs.items():
        expected = [10 * x for x in range(COUNT) if style.endswith("generator") or x % 3 != 2]
        assert expected == out.records.tolist()
        assert (2, COUNT) == (report.nodes[style].errors, report.nodes[style].firings)
        edge = report.edges[f"{style} -> out of {style}"]
        assert (len(expected), len(expected), 0, 2) == (edge.written, edge.read, edge.unread, edge.skipped)


def test_emit_publishes_the_failure(driver):
    """emit: the node has one more output, `error`, with the NodeFailed; its regular output skips."""
    with Graph() as graph, driver.at(graph, "a"):
        source, ends = emit(range(COUNT), "i8"), []
        for make in (plain, coroutine):
            node, out, errors = make(on_error="emit"), collect(), collect()
            source.to(node).to(out)
            node["error"].to(errors)
            ends.append((node.name, out, errors))
    driver.run(graph)
    for name, out, errors in ends:
        assert [0, 10, 30, 40] == out.records.tolist()
        assert [(name, 2, 3), (name, 5, 6)] == [(error.node, error.firing, error.seq) for error in errors.records]
        assert [(Broken, (2,)), (Broken, (5,))] == [(type(error.__cause__), error.__cause__.args) for error in errors.records]
    assert "plain.error -> collect_2" in [edge.name for edge in graph.edges]


def test_emit_keeps_the_exception_and_no_record():
    """emit: the original is the cause, and its traceback holds no record of the ring."""

    @collector(on_error="emit")
    def looks(state):
        raise Broken(state.x)

    with Graph() as graph:
        source, node, errors = emit([(float(x),) for x in range(40)], [("x", "f8")]), looks(), collect()
    source.to(node, depth=2)
    node["error"].to(errors)
    graph.run(clock="virtual")
    assert [(float(x),) for x in range(40)] == [error.__cause__.args for error in errors.records]


class Attempts(Router):
    """Fails a given number of times at each firing, and publishes which attempt it was, and its random number."""

    def __init__(self, failures, **options):
        super().__init__([("attempt", "i8"), ("now_ns", "i8"), ("draw", "f8"), ("written", "i8")], **options)
        self.failures = failures

    def open(self):
        self.attempt = 0

    def compute(self, x):
        out = self.output
        assert 0 == out.written  # the slot of a failed attempt is cleared
        out.attempt, out.now_ns, out.draw, out.written = self.attempt, self.now_ns, self.rng.uniform(), 1
        if self.attempt < self.failures:
            self.attempt += 1
            raise Broken
        self.attempt = 0


def test_retry_gives_the_same_inputs_again(driver):
    """retry: each firing is tried again, with a clear output, until it succeeds; nothing is lost, nothing out of order."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = emit(range(COUNT), "i8")
        with driver.at(graph, "b"):
            node, out = Attempts(2, on_error="retry", retries=2), collect()
    source.to(node).to(out)
    report = driver.run(graph)
    assert [2] * COUNT == out.records["attempt"].tolist()
    assert (2 * COUNT, COUNT) == (report.nodes["attempts"].errors, report.nodes["attempts"].firings)


def test_retry_draws_anew_in_each_attempt():
    """retry: the random numbers of an attempt are its own, and the same in each run."""

    def draws(failures):
        with Graph() as graph:
            node = Attempts(failures, on_error="retry")
            out = collect()
        emit(range(COUNT), "i8").to(node).to(out)
        graph.run(clock="virtual")
        return out.records["draw"].tolist()

    assert draws(1) == draws(1)
    assert not set(draws(0)) & set(draws(1))


def test_retry_forgets_what_the_failed_attempt_said(driver):
    """retry: the metadata and the time of an attempt begin anew; what the inputs brought is still there."""

    @emitter(object, on_error="retry")
    def says(self):
        if self.firing == 3:
            return STOP
        again = self.meta.setdefault("emitter", []) or self.origin_ns == 5 + self.firing
        self.meta["emitter"].append(self.firing)
        self.origin_ns = 5 + self.firing
        if not hasattr(self, "tried") or self.tried < self.firing:
            self.tried = self.firing
            raise Broken
        return again

    @router(object, on_error="retry")
    def adds(self, x):
        again = "router" in self.meta
        self.meta["router"] = x
        if not hasattr(self, "tried") or self.tried < self.firing:
            self.tried = self.firing
            raise Broken
        return x, again, self.meta["emitter"]

    with Graph() as graph:
        with driver.at(graph, "a"):
            source = says()
        with driver.at(graph, "b"):
            node = adds()
        out = collect()
    source.to(node).to(out)
    driver.run(graph)
    assert [(False, False, [k]) for k in range(3)] == out.records
    assert [5, 6, 7] == out.times_ns.tolist()


def test_retry_waits_on_the_run_clock_and_holds_only_its_node():
    """retry_delay_s: virtual in virtual time, exact; another node of the same context goes on meanwhile."""
    with Graph() as graph:
        node, out = Attempts(2, on_error="retry", retry_delay_s=0.5), collect(name="out")
        ticks = collect(name="ticks")
    emit(range(2), "i8").to(node).to(out)
    emit(range(20), "i8", rate_hz=10, name="tick").to(ticks)
    report = graph.run(clock="virtual")
    assert [0, 1_000_000_000] == out.records["now_ns"].tolist()
    assert 20 == len(ticks)
    assert [100_000_000 * k for k in range(20)] == ticks.times_ns.tolist()
    assert 2.0 == report.duration_s


@in_this_process
def test_retry_stops_after_the_last(driver):
    """retry: when no attempt is left the run stops with the original exception, and every attempt is counted."""
    with Graph() as graph, driver.at(graph, "a"):
        node, out = Attempts(3, on_error="retry", retries=2), collect()
        emit(range(COUNT), "i8").to(node).to(out)
    with pytest.raises(NodeFailed, match=r"attempts: compute raised Broken.* \(firing 0, tried 3 times, t =") as error:
        driver.run(graph)
    assert isinstance(error.value.__cause__, Broken)
    assert 3 == error.value.report.nodes["attempts"].errors


@pytest.mark.parametrize("style", ["plain", "coroutine"])
def test_a_run_that_stops_waits_for_no_more_attempts_than_a_while(style):
    """retry: once the run stops, what waits is tried again within the grace, and then fails; nobody waits an hour."""
    with Graph() as graph:
        node, out = STYLES[style](on_error="retry", retries=10**9, retry_delay_s=3600), collect()
    emit([2], "i8").to(node).to(out)
    with pytest.raises(NodeFailed, match=rf"{style}: compute raised Broken: 2 \(firing 0, tried 2 times, t = 2.000000 s") as error:
        graph.run(1, clock="virtual")
    assert 2 == error.value.report.nodes[style].errors


def test_a_run_that_stops_still_tries_again():
    """retry: within the grace everything is as before: nothing is lost at the end of the duration."""
    with Graph() as graph:
        node, out = Attempts(3, on_error="retry", retry_delay_s=0.2), collect()
    emit(range(2), "i8", rate_hz=2, name="source").to(node).to(out)
    report = graph.run(1, clock="virtual")
    assert [0, 600_000_000] == out.records["now_ns"].tolist()
    assert 1.2 == report.duration_s


@pytest.mark.campaign
def test_a_stopped_run_ends_though_it_tries_again(driver):
    """retry, by every clock."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            node, out = plain(on_error="retry", retries=10**9, retry_delay_s=3600), collect()
        source = emit([2], "i8")
    source.to(node).to(out)
    with pytest.raises(NodeFailed, match="plain: compute raised Broken"):
        driver.run(graph, 0.01)


def test_a_firing_that_has_published_is_not_tried_again():
    """retry: a generator that has yielded would publish twice; it stops the run."""
    with Graph() as graph:
        emit(range(COUNT), "i8").to(generator(on_error="retry")).to(collect())
    with pytest.raises(NodeFailed, match="generator: compute raised Broken: 2"):
        graph.run(clock="virtual")


@in_this_process
def test_stop_ends_an_emitter_that_waits_for_its_next_try(driver):
    """stop: an emitter that would try again in an hour ends at once."""

    @emitter("i8", on_error="retry", retry_delay_s=3600)
    def fails():
        raise Broken

    with Graph() as graph, driver.at(graph, "a"):
        fails().to(collect())
    report = driver.run(graph, 0.05)
    assert (1, 0) == (report.nodes["fails"].errors, report.nodes["fails"].firings)


@in_this_process
@pytest.mark.parametrize("action", ["skip", "retry", "emit"])
def test_other_exceptions_stop_the_run(driver, action):
    """errors: what is not listed ends the run."""
    with Graph() as graph, driver.at(graph, "a"):
        emit(range(COUNT), "i8").to(plain(on_error=action, errors=(KeyError, OSError))).to(collect())
    with pytest.raises(NodeFailed, match="Broken: 2"):
        driver.run(graph)


def test_our_own_bug_is_never_handled():
    """InternalError and Ctrl-C end the run whatever `errors` says."""
    for error in (InternalError("ours"), KeyboardInterrupt()):

        @collector(on_error="skip")
        def fails(x, *, error=error):
            raise error

        with Graph() as graph:
            emit([1], "i8").to(fails())
        with pytest.raises((NodeFailed, KeyboardInterrupt)):
            graph.run(clock="virtual")


def test_a_result_that_does_not_fit_is_an_exception_of_the_node():
    """skip: a value that cannot be published is as if it had been raised."""

    @router("i8", on_error="skip")
    def wrong(x):
        return "text" if x == 1 else x

    with Graph() as graph:
        out = collect()
        emit(range(3), "i8").to(wrong()).to(out)
    assert 1 == graph.run(clock="virtual").nodes["wrong"].errors
    assert [0, 2] == out.records.tolist()


@in_this_process
@pytest.mark.parametrize("action", ["skip", "emit"])
def test_an_iterator_that_raises_ends_its_stream(driver, action):
    """skip: a generator emitter cannot be taken up again: what came before arrives, then end of stream."""
    with Graph() as graph, driver.at(graph, "a"):
        out = collect()
        source = (10 // (3 - x) for x in range(9))
        emit(source, "i8", name="source", on_error=action, errors=(ZeroDivisionError,)).to(out)
    report = driver.run(graph)
    assert [3, 5, 10] == out.records.tolist()
    assert 1 == report.nodes["source"].errors


@in_this_process
def test_flush_is_covered(driver):
    """on_error covers flush: it is tried again, and what it returns then arrives behind the last record."""

    class Sum(Router):
        def open(self):
            self.total, self.tries = 0, 0

        def compute(self, x):
            self.total += x
            return x

        def flush(self):
            self.tries += 1
            if self.tries < 3:
                raise Broken
            return self.total

    with Graph() as graph, driver.at(graph, "a"):
        out = collect()
        emit(range(4), "i8").to(Sum("i8", on_error="retry", name="sum")).to(out)
    report = driver.run(graph)
    assert [0, 1, 2, 3, 6] == out.records.tolist()
    assert 2 == report.nodes["sum"].errors


def test_open_and_close_are_not_covered():
    """on_error is for compute and flush: a failing open or close ends the run."""
    for method in ("open", "close"):

        class Bad(Collector):
            def compute(self, x):
                pass

        setattr(Bad, method, lambda self: 1 / 0)
        with Graph() as graph:
            emit([1], "i8").to(Bad(on_error="skip"))
        with pytest.raises(NodeFailed, match=method):
            graph.run(clock="virtual")


def test_a_parameter_does_not_change_between_attempts():
    """retry: the same inputs again, and the parameters that were in force."""
    seen = []

    @collector(on_error="retry", retry_delay_s=1)
    def looks(x, *, gain=0.0):
        seen.append(gain)
        if len(seen) == 1:
            raise Broken

    class Later(Emitter):
        async def compute(self):
            await asyncio.sleep(0.5)
            return STOP if self.firing else 7.0

    with Graph() as graph:
        node = looks()
        emit([1, 2], "i8").to(node)
        Later("f8").to(node["gain"])
    graph.run(clock="virtual")
    assert [0.0, 0.0, 7.0] == seen


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"on_error": "ignore"}, "on_error 'stop' or 'skip' or 'retry' or 'emit'"),
        ({"on_error": "skip", "errors": ValueError}, "errors as a tuple"),
        ({"on_error": "skip", "errors": ()}, "errors as a tuple"),
        ({"on_error": "skip", "errors": (KeyboardInterrupt,)}, "subclasses of Exception"),
        ({"errors": (ValueError,)}, "beside errors"),
        ({"on_error": "retry", "retries": 0}, "retries as an int"),
        ({"on_error": "retry", "retries": True}, "retries as an int"),
        ({"on_error": "skip", "retries": 2}, "beside retries"),
        ({"on_error": "retry", "retry_delay_s": -1}, "retry_delay_s of 0"),
        ({"on_error": "retry", "retry_delay_s": float("nan")}, "retry_delay_s of 0"),
        ({"on_error": "emit", "retry_delay_s": 1.0}, "beside retry_delay_s"),
    ],
)
def test_bad_options_are_named(options, text):
    """Every mistake is a GraphError that says what was needed."""
    with Graph() as graph:
        emit([1], "i8").to(plain(**options)).to(collect())
    with pytest.raises(GraphError, match=text):
        graph.plan()


def test_a_generator_cannot_be_taken_up_again():
    """retry of a generator emitter, and an output that is called `error` already, are build errors."""
    with Graph() as graph:
        emit([1], "i8", on_error="retry").to(collect())
    with pytest.raises(GraphError, match="taken up again"):
        graph.plan()
    with Graph() as graph:
        node = Router(outputs={"error": "i8"}, on_error="emit")
        emit([1], "i8").to(node)
    with pytest.raises(GraphError, match="an output `error`"):
        graph.plan()


def test_what_the_report_needs_is_an_array_of_errors():
    """A node without `emit` has no output `error`."""
    with Graph() as graph:
        node = plain(on_error="skip")
        emit([1], "i8").to(node).to(collect(name="out"))
        node["error"].to(collect(name="errors"))
    with pytest.raises(GraphError, match="an output of `plain`"):
        graph.plan()
    assert np.dtype("i8") == node.dtype


def test_a_generator_of_the_user_outlives_an_exception_that_it_has_caught(driver):
    """What went through a frame that waits at a `yield` now does not close it; the node uses its generator on."""

    class Numbers(Router):
        def open(self):
            self.numbers = self.count()

        def count(self):
            try:
                raise Broken
            except Broken as error:
                self.first = error
                number = 0
                while True:
                    number += 1
                    yield number

        def compute(self, x):
            number = next(self.numbers)
            if x == 2:
                raise Broken from self.first
            return number

    with Graph() as graph, driver.at(graph, "a"):
        source, node, out = emit(range(COUNT), "i8"), Numbers("i8", name="node", on_error="skip"), collect()
    source.to(node).to(out)
    report = driver.run(graph)
    assert [1, 2, 4, 5, 6] == out.records.tolist()
    assert 1 == report.nodes["node"].errors
