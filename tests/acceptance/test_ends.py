"""Acceptance: how runs end. A19, A20, A21 and A31."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dfcore import STOP, Collector, ContextDied, Emitter, Graph, NodeFailed, collect, emit, emitter, router
from tests.programs import ENVIRONMENT

real = pytest.mark.parametrize("driver", ["inline", "threads", "processes"], indirect=True)
processes = pytest.mark.parametrize("driver", ["processes"], indirect=True)

MEGABYTE = np.dtype(("u1", (1_000_000,)))


# ---------------------------------------------------------------------------------------------------------------- A19


@router("i8")
def join(x, y):
    return x + y


@emitter("i8")
async def five_slowly():
    for k in range(5):
        await asyncio.sleep(0.01)
        yield k


def joined(driver, long, short=None):
    with Graph() as graph:
        with driver.at(graph, "a"):
            a = short(name="a") if short else emit(range(5), "i8", name="a")
        with driver.at(graph, "b"):
            b = emit(long, "i8", name="b")
        with driver.at(graph, "c"):
            node, out = join(), collect()
    node(a, b)
    node.to(out)
    report = driver.run(graph)
    return out.records.tolist(), report


def test_a19_a_join_of_equal_lengths(driver):
    """A19: two inputs, five records each, five sums."""
    records, report = joined(driver, range(0, 50, 10))
    assert [0, 11, 22, 33, 44] == records
    assert 0 == report.edges["b -> join.y"].unread


def test_a19_a_join_ends_with_its_shorter_input(driver):
    """A19: lengths 5 and 8: five sums, and the three left over are counted. The shorter has a pace, so that the longer is not cut
    short: closing travels upstream."""
    records, report = joined(driver, range(0, 80, 10), five_slowly)
    assert [0, 11, 22, 33, 44] == records
    assert 3 == report.edges["b -> join.y"].unread


def test_a19_what_is_left_over_does_not_depend_on_timing(driver):
    """A19 without a pace: an iterable is played until its edge is full, whenever its reader left; the edge balances."""
    records, report = joined(driver, range(0, 80, 10))
    edge = report.edges["b -> join.y"]
    assert [0, 11, 22, 33, 44] == records
    assert (8, 5, 3) == (edge.written, edge.read, edge.unread)


class Tens(Emitter):
    """0, 10, 20 ... without end."""

    def __init__(self, **options):
        super().__init__("i8", **options)

    def compute(self):
        return 10 * self.firing


def test_a19_an_endless_emitter_ends_when_nobody_reads(driver):
    """A19: closing travels upstream: the run ends by itself, although one input has no end."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            a = emit(range(5), "i8", name="a")
        with driver.at(graph, "b"):
            b = Tens(name="b")
        with driver.at(graph, "c"):
            node, out = join(), collect()
    node(a, b)
    node.to(out)
    report = driver.run(graph)
    assert [0, 11, 22, 33, 44] == out.records.tolist()
    assert "finished" == report.ended


# ---------------------------------------------------------------------------------------------------------------- A20


class Megabytes(Emitter):
    """Arrays of a megabyte, the k-th full of k; without end, or `count` of them."""

    def __init__(self, count=None):
        super().__init__(MEGABYTE, zero=False)
        self.count = count

    def compute(self):
        if self.firing == self.count:
            return STOP
        self.output[:] = self.firing


class Checker(Collector):
    """Fails on the item 3; brings home when, and that it was closed."""

    def open(self):
        self.failed_ns = 0

    def compute(self, item):
        if item[0] == 3:
            self.failed_ns = time.monotonic_ns()
            raise ValueError("item 3")

    def close(self):
        return "closed", self.failed_ns


def test_a20_an_error_ends_the_run_and_names_the_node(driver):
    """A20: the error of a collector is raised within a second, with its cause; the collector's `close` ran."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = Megabytes()
        with driver.at(graph, "b"):
            checker = Checker()
    source.to(checker)
    with pytest.raises(NodeFailed) as error:
        driver.run(graph)
    raised_ns = time.monotonic_ns()
    assert ("checker", "compute", 3) == (error.value.node, error.value.method, error.value.firing)
    assert "checker" in str(error.value)
    assert isinstance(error.value.__cause__, ValueError)
    assert ("item 3",) == error.value.__cause__.args
    closed, failed_ns = checker.result
    assert "closed" == closed
    assert raised_ns - failed_ns < 1_000_000_000
    assert "failed" == graph.report.ended


@real
def test_a20_an_error_that_is_skipped_costs_one_item(driver):
    """A20 with on_error="skip": all other items arrive, and one error is counted."""
    with Graph() as graph:
        with driver.at(graph, "a"):
            source = Megabytes(20)
        with driver.at(graph, "b"):
            checker = Checker(on_error="skip", errors=(ValueError,))
    source.to(checker)
    report = driver.run(graph)
    node, edge = report.nodes["checker"], report.edges["megabytes -> checker"]
    assert (1, 20) == (node.errors, node.firings)
    assert (20, 20, 0, "finished") == (edge.written, edge.read, edge.unread, report.ended)


# ---------------------------------------------------------------------------------------------------------------- A21


class Victim(Collector):
    """Ends its own process at once on the item 100."""

    def compute(self, item):
        if item == 100:
            os.kill(os.getpid(), signal.SIGKILL)


@processes
def test_a21_a_context_killed_by_its_own_node(driver):
    """A21: a context that dies in mid-run is an error that names it and the signal."""
    with Graph() as graph:
        with driver.at(graph, "source"):
            source = Tens()
        with driver.at(graph, "victim"):
            victim = Victim()
    source.to(victim)
    with pytest.raises(ContextDied) as error:
        driver.run(graph)
    assert ("victim", signal.SIGKILL) == (error.value.context, error.value.signal)
    assert "victim" in str(error.value)
    assert "SIGKILL" in str(error.value)


@processes
def test_a21_a_context_killed_from_outside_is_noticed_within_a_second(driver):
    """A21: SIGKILL from outside, while records flow: raised within a second, and nothing is left."""
    with Graph() as graph:
        with driver.at(graph, "source"):
            source = Tens(rate_hz=1000)
        with driver.at(graph, "victim"):
            out = collect(keep=10)
    source.to(out, policy="latest")
    graph.start()
    pid = graph.stats().contexts["victim"].pid
    killed_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ContextDied) as error:
        graph.wait(timeout_s=10)
    assert time.monotonic_ns() - killed_ns < 1_000_000_000
    assert ("victim", signal.SIGKILL) == (error.value.context, error.value.signal)
    assert not pathlib.Path("/proc", str(pid)).exists()


# ---------------------------------------------------------------------------------------------------------------- A31


IDLE = """
import os, sys
from dfcore import Emitter, Graph, Router, collect

class Silent(Emitter):
    "Fires when its pipe is readable, which it never is."
    def __init__(self):
        super().__init__("i8")
    def open(self):
        self.ends = os.pipe()
        self.wait_for(os.fdopen(self.ends[0], closefd=False))
    def compute(self):
        return 0
    def close(self):
        for end in self.ends:
            os.close(end)

class Pass(Router):
    def __init__(self):
        super().__init__("i8")
    def compute(self, x):
        return x

def nodes(graph, name, *kinds):
    if sys.argv[1] == "inline":
        with graph:
            return [kind() for kind in kinds]
    with graph.context(name, kind=sys.argv[1]):
        return [kind() for kind in kinds]

graph = Graph()
chain = nodes(graph, "a", Silent, Pass, Pass) + nodes(graph, "b", Pass, Pass, collect)
for source, target in zip(chain, chain[1:]):
    source.to(target)
with graph.running():
    print("running", flush=True)
    sys.stdin.readline()
"""
KIND = {"inline": "inline", "threads": "thread", "processes": "process"}


def started(script, text, *arguments):
    """A program in a session of its own that has printed that its graph runs."""
    script.write_text(text)
    pipe = subprocess.PIPE
    program = subprocess.Popen([sys.executable, str(script), *arguments], env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=pipe,
                               text=True, start_new_session=True)  # fmt: skip
    assert "running\n" == program.stdout.readline()
    return program


def cpu_ns(pid):
    """Nanoseconds that all threads of `pid` have spent on a CPU."""
    tasks = pathlib.Path("/proc", str(pid), "task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


@real
def test_a31_an_idle_graph_uses_no_cpu(driver, tmp_path):
    """A31: six nodes with nothing to do use less than 10 ms of CPU time in a second.

    In a program of its own, so that nothing else is measured; of three seconds the quietest, as the start may not be over in the
    first on a full machine.
    """
    program = started(tmp_path / "idle.py", IDLE, KIND[driver.kind])
    pids, used_ns = session(program.pid), []
    while not used_ns or (used_ns[-1] >= 10_000_000 and len(used_ns) < 3):
        before_ns = sum(map(cpu_ns, pids))
        time.sleep(1.0)  # the second that is measured
        used_ns.append(sum(map(cpu_ns, pids)) - before_ns)
    assert ("", "") == program.communicate("end\n", timeout=20)
    assert {"inline": 1, "threads": 1, "processes": 3}[driver.kind] == len(pids)
    assert min(used_ns) < 10_000_000


INTERRUPTED = """
import sys
from dfcore import Collector, Emitter, Graph, collect

class Count(Emitter):
    def __init__(self):
        super().__init__("i8", rate_hz=500)
    def open(self):
        self.sent = 0
    def compute(self):
        self.sent += 1
        if self.sent == 20:
            print("running", flush=True)
        return self.sent
    def close(self):
        return self.sent

kind = sys.argv[1]
with Graph() as graph:
    if kind == "inline":
        source, out = Count(), collect()
    else:
        with graph.context("a", kind=kind):
            source = Count()
        with graph.context("b", kind=kind):
            out = collect()
source.to(out)
try:
    graph.run(60)
finally:
    print(graph.report.ended, source.result == len(out) > 0, flush=True)
"""


def session(leader):
    """The processes of the session that `leader` leads."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(entry.name)
    return found


@real
def test_a31_ctrl_c_drains_and_exits(driver, tmp_path):
    """A31: Ctrl-C goes to the whole group, as from a terminal: records drain, nodes close, exit code 130, nothing left."""
    program = started(tmp_path / "interrupted.py", INTERRUPTED, KIND[driver.kind])
    os.killpg(program.pid, signal.SIGINT)
    output, errors = program.communicate(timeout=20)
    assert "interrupted True\n" == output, errors
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert program.returncode in (130, -signal.SIGINT)  # a shell shows the latter as 130
    assert [] == session(program.pid)
