"""A graph that serves a program: fed, read and tuned while it runs."""

from __future__ import annotations

import asyncio
import threading
from typing import Annotated

import numpy as np
import pytest

from dfcore import Bounds, DtypeError, Graph, collect, emit, merge, router, share
from sim import World


@router("i8")
def pair(x, *, gain: Annotated[int, Bounds(0, 1000)] = 1, bias=1, table=np.zeros(3)):  # noqa: B008
    assert (table == table[0]).all()
    return 1_000_000 * gain + 1000 * bias + int(table[0])


def served(driver, middle=pair):
    """`emit() -> middle -> collect()`, the middle in a context of its own, and running."""
    with Graph() as graph:
        source = emit(dtype="i8")
        with driver.at(graph, "work"):
            node = middle()
        out = collect()
    source.to(node).to(out)
    graph.start(**({"clock": "virtual"} if driver.kind == "virtual" else {}))
    return graph, source, node, out


def test_what_is_set_while_running_is_there_at_the_next_firing(driver):
    """Several together, arrays too; a value out of bounds or kind is refused at its setter, and the last good one stays."""
    graph, source, node, out = served(driver)
    loop = iter(out)
    for k in range(2, 6):
        node.params.update(gain=k, bias=k, table=np.full(3, float(k)))
        for name, value in (("gain", 1001), ("gain", 1.5), ("table", np.zeros(2))):
            with pytest.raises(DtypeError, match=f"pair.params.{name}"):
                setattr(node.params, name, value)
        source.put(0)
        assert 1_001_001 * k == next(loop)
        assert k == node.params.gain
    source.end()
    graph.wait()
    assert 4 == len(out)


def test_those_set_together_come_into_force_together(driver):
    """A thread sets all three to one number, again and again: no firing sees two of them apart, and the last one stays."""
    graph, source, node, out = served(driver)

    def tune():
        for k in range(1, 300):
            node.params.update(gain=k, bias=k, table=np.full(3, float(k)))

    thread = threading.Thread(target=tune)
    node.params.update(gain=0, bias=0, table=np.zeros(3))
    thread.start()
    for _ in range(300):
        source.put(0)
    thread.join()
    source.put(0)
    source.end()
    graph.wait()
    assert all(value % 1_001_001 == 0 for value in out.records.tolist())
    assert 299 * 1_001_001 == out.latest
    assert out.records.tolist() == sorted(out.records.tolist())


def test_in_a_world_a_task_sets_at_its_time():
    """A12 from outside: x = k at k seconds, gain 10 from 3.5 s on."""
    with World() as world:
        with Graph() as graph:
            source, node, out = emit(range(1, 6), "i8", rate_hz=1), scaled(), collect()
        source.to(node).to(out)
        world.after(2.5, setattr, node.params, "gain", 10)
        graph.run()
    assert [1, 2, 3, 40, 50] == out.records.tolist()


@router("i8")
def scaled(x, *, gain=1):
    return gain * x


@router([("speed", "f8"), ("gain", "f8")])
def control(command, *, gain=1.0):
    return command["speed"] * gain, gain


def test_a_web_server_around_a_running_graph():
    """The graph lives as long as the server; requests put, set and read; the controller has a process of its own."""
    with Graph("cart") as graph:
        commands, telemetry = emit(dtype=[("speed", "f8")]), collect()
        with graph.context("control"):
            controller = control()
    commands.to(controller).to(telemetry)

    async def go(speed, gain):  # a request
        controller.params.gain = gain
        commands.put_nowait((speed,))

    async def live(states, first):  # a socket
        loop = aiter(telemetry)
        first.set()
        async for state in loop:
            states.append(dict(state))

    async def server():
        states, ready = ([], []), [asyncio.Event(), asyncio.Event()]
        async with graph.running():
            sockets = [asyncio.create_task(live(*each)) for each in zip(states, ready, strict=True)]
            for event in ready:
                await event.wait()
            for speed in (1.0, 2.0, 3.0):
                await go(speed, 2.0)
                while len(telemetry) < speed:
                    await asyncio.sleep(0)
        await asyncio.gather(*sockets)
        return states

    first, second = asyncio.run(server())
    assert [{"speed": speed, "gain": 2.0} for speed in (2.0, 4.0, 6.0)] == first == second
    assert "stopped" == graph.report.ended


def test_what_the_program_puts_is_merged_and_shared(driver):
    """With `merge` and `share` in between: everything arrives once, in the order of putting; `why` names all who may give."""
    with Graph() as graph:
        first, second = emit(dtype="i8", name="first"), emit(dtype="i8", name="second")
        with driver.at(graph, "work"):
            either, dealt = merge(), share()
        logs = collect(name="left"), collect(name="right")
    either(first, second)
    either.to(dealt)
    for log in logs:
        dealt.to(log)
    graph.start(**({"clock": "virtual"} if driver.kind == "virtual" else {}))
    while (why := graph.why("merge")).root.cause != "program":
        pass
    assert why.chain[0].text.endswith("waits for `first -> merge.values[0]` (none yet) or `second -> merge.values[1]` (none yet)")
    for i in range(10):
        (first if i % 2 else second).put(i)
    first.end()
    second.end()
    graph.wait()
    got = [log.records.tolist() for log in logs]
    assert list(range(10)) == sorted(got[0] + got[1])
    assert all(sorted(odd) == odd for each in got for odd in ([r for r in each if r % 2], [r for r in each if r % 2 == 0]))


def test_a_part_is_served_like_a_graph():
    """Ends of the program inside a nested graph: fed, read, paused and asked about by their full names."""

    class Arm(Graph):
        def __init__(self):
            super().__init__("arm")
            with self:
                self.commands, self.node, self.log = emit(dtype="i8", name="commands"), pair(), collect(name="log")
            self.commands.to(self.node).to(self.log)

    with Graph("robot") as graph:
        arm = Arm()
    samples = []
    graph.monitor(lambda report: samples.append(report.nodes["arm/pair"].firings), 0.001)
    graph.start(clock="virtual")
    while (why := graph.why("arm/log")).root.cause != "program":
        pass
    assert "arm/commands waits for the program to put something" == why.root.text
    graph.pause()
    arm.commands.put(1)
    arm.node.params.gain = 7
    graph.resume()
    arm.commands.end()
    assert 1 == graph.wait().nodes["arm/pair"].firings
    assert [7_001_000] == list(arm.log)


def test_errors_that_a_node_lets_pass_do_not_end_a_served_graph(driver):
    """A bad command is skipped and counted; the next one is done."""
    graph, source, _, out = served(driver, picky)
    loop = iter(out)
    for value in (1, -1, 2):
        source.put(value)
    assert [1, 2] == [next(loop), next(loop)]
    graph.stop()
    assert 1 == graph.wait().nodes["picky"].errors


@router("i8", on_error="skip", errors=(ValueError,))
def picky(x):
    if x < 0:
        raise ValueError(f"{x} is no command")
    return x
