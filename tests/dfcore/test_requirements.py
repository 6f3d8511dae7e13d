"""What a plan asks of the machine: found before anything is allocated."""

from __future__ import annotations

import os
import resource

from dfcore import machine
from dfcore.compiler import compile
from dfcore.functions import emitter
from dfcore.graph import Declaration
from dfcore.requirements import FILES, FILES_PER_CONTEXT, FILES_PER_PROCESS
from tests.nodes import log, noise
from tests.problems import line_of, places


def big(graph):
    @emitter(("u1", (8 << 20,)), name="camera")
    def camera(): ...

    @emitter(outputs={"left": ("u1", (1 << 20,)), "right": "f8"}, name="eyes")
    def eyes(): ...

    one, two = camera(), eyes()
    one.to(log())
    one.to(log(), policy="latest")
    two["left"].to(log())
    return graph


def test_more_memory_than_there_is(monkeypatch):
    """Found before anything is allocated: needed, left, the limit, and the largest outputs."""
    monkeypatch.setattr(machine, "available_memory", lambda: (64 << 20, "the cgroup /robot"))
    with Declaration("robot") as graph:
        big(graph)
    (problem,) = places(graph, "memory")
    text = str(problem)
    assert text.startswith(
        "graph robot: needed 119.1 MiB of memory, was 64 MiB in the cgroup /robot; the largest are camera (12 x 8 MiB), "
    )
    assert "eyes.left (23 x 1 MiB)" in text
    assert "give their edges a smaller depth" in text
    assert (__file__, 'with Declaration("robot") as graph:') == (problem.file, line_of(problem))


def test_enough_memory_is_enough(monkeypatch):
    """To the byte."""
    with Declaration() as graph:
        big(graph)
    size = sum(segment.size for segment in compile(graph).layout.segments)
    monkeypatch.setattr(machine, "available_memory", lambda: (size, "the machine"))
    compile(graph)
    monkeypatch.setattr(machine, "available_memory", lambda: (size - 1, "the machine"))
    places(graph, "memory")


def test_more_memory_than_any_machine_has():
    """Sizes do not overflow."""

    @emitter(("u1", (1 << 30,)))
    def huge(): ...

    with Declaration() as graph:
        huge().to(log(), depth=2**31 - 1)
    assert "huge (2147483654 x 1 GiB)" in str(places(graph, "memory")[0])


def test_more_files_than_allowed():
    """Only processes open many; the limit of this process counts."""

    def graph(kind):
        with Declaration("many") as graph:
            for name in "abcd":
                with graph.context(name, kind=kind):
                    noise().to(log())
        return graph

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd")) - 1
    needed = FILES + 5 * FILES_PER_CONTEXT + 4 * FILES_PER_PROCESS
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + needed - 1, hard))
        (problem,) = places(graph("process"), "files")
        compile(graph("thread"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert str(problem).startswith(
        f"graph many: needed {needed} more open files, was {used} of {used + needed - 1} in use; "
        f"allow more with `ulimit -n {used + needed}`. ("
    )
    compile(graph("process"))
