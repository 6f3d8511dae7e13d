"""`with graph.running():` when things go wrong."""

from __future__ import annotations

import asyncio

import pytest

from dfcore import Graph, NodeFailed, collect, collector, emit


@collector
def breaks(value):
    if value == 3:
        raise ValueError("no")


def fed(driver):
    """`emit() -> breaks()`, the reader in a context of its own."""
    with Graph() as graph:
        source = emit(dtype="i8")
        with driver.at(graph, "log"):
            reader = breaks()
    source.to(reader)
    return graph, source


def test_what_the_body_raised_comes_first_and_names_the_failure_of_the_run():
    """Both are seen: the failure of the run as a note."""

    @collector
    def broken(value):
        raise ValueError("no")

    with Graph() as graph:
        source, reader, out = emit([1], "i8"), broken(), collect()
    source.to(reader)
    source.to(out)
    with pytest.raises(KeyError) as caught, graph.running():
        graph._run.seen.over.wait()
        raise KeyError("body")
    assert ["and the run of graph graph has failed: NodeFailed: broken: compute raised ValueError: no"] == [
        note.partition(" (firing")[0] for note in caught.value.__notes__
    ]
    assert "failed" == graph.report.ended


def test_a_put_that_a_failed_run_refuses_gives_way_to_the_failure(driver):
    """So `except NodeFailed` catches it; the refusal is its context. Putting afterwards has the failure as its cause."""
    graph, source = fed(driver)
    keywords = {"clock": "virtual"} if driver.kind == "virtual" else {}
    with pytest.raises(NodeFailed, match="breaks: compute raised ValueError: no") as caught, graph.running(**keywords):
        while True:
            source.put(3)
    assert "emit.put: needed a stream that goes on" == str(caught.value.__context__).partition(", was")[0]
    with pytest.raises(RuntimeError) as late:
        source.put(1)
    assert "emit.put: needed a stream that goes on, was at its end: its run has failed; mend that, and start the graph again" == str(late.value)
    assert caught.value is late.value.__cause__


@pytest.mark.parametrize("driver", ["inline", "threads", "processes"], indirect=True)
def test_an_aput_that_a_failed_run_refuses_gives_way_to_the_failure(driver):
    """The same in an event loop."""
    graph, source = fed(driver)

    async def program():
        async with graph.running():
            while True:
                await source.aput(3)

    with pytest.raises(NodeFailed, match="breaks: compute raised ValueError: no"):
        asyncio.run(program())


def test_a_put_after_end_is_the_mistake_of_the_body(driver):
    """No matter what becomes of the run."""
    graph, source = fed(driver)
    keywords = {"clock": "virtual"} if driver.kind == "virtual" else {}
    with pytest.raises(RuntimeError, match=r"was at its end: end\(\) was called; put before") as caught, graph.running(**keywords):
        source.put(3)
        source.end()
        source.put(1)
    assert not isinstance(caught.value, NodeFailed)
