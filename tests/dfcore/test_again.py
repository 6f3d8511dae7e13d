"""The same graph again: however a run ended, the next one begins afresh."""

from __future__ import annotations

import pytest

from dfcore import Graph, GraphError, NodeFailed, collect, emit, router


@router("i8")
def step(x, total, *, gain=1, breaks_at=-1):
    if x == breaks_at:
        raise ValueError("asked for")
    return total + gain * x


def looped(driver):
    """Sums of 1, 2, 3, ... over a feedback edge that begins with 100."""
    with Graph() as graph:
        source = emit(range(1, 200), "i8")
        with driver.at(graph, "work"):
            node = step()
        out = collect()
    source.to(node["x"])
    node.to(node["total"], initial=[100])
    node.to(out)
    return graph, node, out


def sums(gain):
    """What a whole run gives."""
    found, total = [], 100
    for x in range(1, 200):
        total += gain * x
        found.append(total)
    return found


def test_a_run_begins_afresh_however_the_last_one_ended(driver):
    """After the end, `stop`, `abort` and a failure: initial records are there again, parameters as last set, counters at 0."""
    graph, node, out = looped(driver)
    clock = {"clock": "virtual"} if driver.kind == "virtual" else {}
    ends = [None, graph.stop, graph.abort, "failure"] if driver.kind != "processes" else ["failure"]  # they take their time
    for gain, end in enumerate(ends, 1):
        if end == "failure":
            node.params.breaks_at = 5
            with pytest.raises(NodeFailed, match="asked for"):
                graph.run(**clock)
            node.params.breaks_at = -1
        elif end is not None:
            graph.start(**clock)
            end()
            graph.wait()
            assert out.records.tolist() == sums(gain - 1)[: len(out)]
        node.params.gain = gain
        report = graph.run(**clock)
        assert sums(gain) == out.records.tolist()
        assert "finished" == report.ended
        assert 199 == report.nodes["step"].firings == report.edges["emit -> step.x"].written
        assert 0 == report.nodes["step"].errors


@pytest.mark.parametrize("driver", ["inline", "virtual"], indirect=True)
def test_a_program_that_feeds_begins_afresh_too(driver):
    """What an aborted run discarded is not in the next one; a loop of the first run has ended."""
    with Graph() as graph:
        source = emit(dtype="i8")
        out = collect()
    source.to(out)
    clock = {"clock": "virtual"} if driver.kind == "virtual" else {}
    graph.start(**clock)
    old = iter(out)
    graph.pause()
    source.put(1)
    graph.abort()
    graph.wait()
    graph.start(**clock)
    source.put(2)
    source.end()
    graph.wait()
    assert [2] == out.records.tolist()
    assert [] == list(old)


@pytest.mark.parametrize("driver", ["inline", "virtual"], indirect=True)
def test_an_iterator_is_played_once(driver):
    """The second run says so. (A process plays a copy: there each run begins anew.)"""
    with Graph() as graph:
        with driver.at(graph, "source"):
            source = emit(iter([1, 2, 3]), "i8")
        out = collect()
    source.to(out)
    driver.run(graph)
    assert [1, 2, 3] == out.records.tolist()
    with pytest.raises(NodeFailed, match="needed an iterable that starts anew, was an iterator that a run has played to its end"):
        driver.run(graph)


def test_one_run_at_a_time():
    """A second one is refused, and does not disturb the first."""
    with Graph() as graph:
        source, out = emit(dtype="i8"), collect()
    source.to(out)
    graph.start()
    for again in (graph.run, graph.start):
        with pytest.raises(GraphError, match="running"):
            again()
    source.put(1)
    graph.stop()
    graph.wait()
    assert [1] == out.records.tolist()
