"""Kill it, stop it, interrupt it, at any time: an error that names it, a safe output, and nothing left."""

import ctypes
import os
import pathlib
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from dfcore import Collector, ContextDied, Emitter, Graph, GraphError, NodeFailed, Router, machine, watcher
from tests.leaks import children

ROOT = pathlib.Path(__file__).parents[2]


class Source(Emitter):
    """Counts at 200 Hz, and does something to its own process at firing 20."""

    def __init__(self, what="nothing", rate_hz=200, **options):
        super().__init__("i8", rate_hz=rate_hz, **options)
        self.what = what

    def compute(self):
        """The number of this firing."""
        if self.firing == 20:
            self.do()
        return self.firing

    def do(self):
        """What the test is about."""
        if self.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.what == "exit":
            os._exit(3)
        elif self.what == "sys.exit":
            sys.exit(3)
        elif self.what == "segfault":
            ctypes.string_at(0)
        elif self.what == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.what == "block":
            select.select([], [], [])
        elif self.what == "terminate":
            os.kill(os.getpid(), signal.SIGTERM)


class Actuator(Collector):
    """Writes a line into `path` at `safe` and at `close`; its result is what it read."""

    def __init__(self, path, dies_in=None):
        self.path, self.dies_in = path, dies_in

    def open(self):
        """Nothing read yet."""
        self.read = []
        self.die("open")

    def die(self, method):
        """Be killed here."""
        if self.dies_in == method:
            os.kill(os.getpid(), signal.SIGKILL)

    def compute(self, x):
        """Keep it."""
        self.read.append(x)

    def safe(self):
        """The safe output."""
        self.note("safe")

    def close(self):
        """What was read."""
        self.die("close")
        self.note("close")
        return self.read

    def note(self, line):
        """Append a line that survives this process."""
        with open(self.path, "a") as file:
            file.write(line + "\n")


def loop(path, what="nothing", kind="process", **options) -> Graph:
    """A source in one context, an actuator in another."""
    with Graph("loop") as graph:
        with graph.context("io", kind=kind):
            source = Source(what, **options)
        with graph.context("control", kind=kind):
            actuator = Actuator(path)
    source.to(actuator, policy="latest")
    return graph


@pytest.fixture
def quick_grace(monkeypatch):
    """Whoever does not end is killed after 1 s instead of 5 s."""
    monkeypatch.setattr(watcher, "GRACE_NS", 1_000_000_000)


@pytest.fixture(autouse=True)
def files_stay_the_same():
    """L8: each test leaves exactly the descriptors and threads that it found."""
    before = set(os.listdir("/proc/self/fd")), set(threading.enumerate())
    yield
    assert before == (set(os.listdir("/proc/self/fd")), set(threading.enumerate()))


@pytest.mark.parametrize(
    ("what", "number", "status", "words"),
    [
        ("kill", signal.SIGKILL, None, "was killed by SIGKILL (by somebody, or by the kernel for lack of memory), in firing 20"),
        ("segfault", signal.SIGSEGV, None, "was killed by SIGSEGV, in firing 20 of source"),
        ("exit", None, 3, "was over with exit status 3, in firing 20 of source"),
    ],
)
def test_a_dead_process_is_an_error_that_names_it(tmp_path, what, number, status, words):
    """Whatever the cause: context, signal or status, node; and the other context made its output safe and closed."""
    graph = loop(tmp_path / "notes", what)
    with pytest.raises(ContextDied, match="context 'io'") as caught:
        graph.run(10)
    assert words in str(caught.value)
    assert ("io", number, status, "source") == tuple(
        getattr(caught.value, name) for name in ("context", "signal", "status", "node")
    )
    assert "safe\nclose\n" == (tmp_path / "notes").read_text()
    assert ("failed", 20) == (caught.value.report.ended, caught.value.report.nodes["source"].firings)
    assert graph.report is caught.value.report


def test_sys_exit_is_the_failure_of_its_node(tmp_path):
    """A node cannot end the run by leaving: SystemExit is an exception like any other."""
    with pytest.raises(NodeFailed) as caught:
        loop(tmp_path / "notes", "sys.exit").run(10)
    assert ("source", 20, 3) == (caught.value.node, caught.value.firing, caught.value.__cause__.code)
    assert "safe\nclose\n" == (tmp_path / "notes").read_text()


@pytest.mark.parametrize("method", ["open", "close"])
def test_a_death_outside_of_firings_is_noticed_too(tmp_path, method):
    """Killed while it opens: nobody fires. Killed while it closes: its result is lost, and that is said."""
    with Graph("loop") as graph:
        with graph.context("io"):
            source = Source()
        with graph.context("control"):
            actuator = Actuator(tmp_path / "notes", dies_in=method)
    source.to(actuator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the advice about rate_hz in front of a waiting edge
        with pytest.raises(ContextDied, match="context 'control'.*SIGKILL"):
            graph.run(0.1)
    assert (method == "open") == (graph.report.nodes["source"].firings == 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_at_any_time_ends_the_run(tmp_path, seed):
    """From outside, at a random moment: noticed, named, the rest closed; the edge's figures still add up."""
    graph = loop(tmp_path / "notes", rate_hz=2000)
    graph.start(30)
    victim = graph.stats().contexts["io"].pid
    time.sleep(np.random.default_rng(seed).uniform(0, 0.2))  # the moment is the point of this test
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(ContextDied) as caught:
        graph.wait(10)
    assert ("io", signal.SIGKILL) == (caught.value.context, caught.value.signal)
    edge = graph.report.edges["source -> actuator"]
    assert edge.written == edge.read + edge.overwritten + edge.unread
    assert "safe\nclose\n" == (tmp_path / "notes").read_text()


def test_a_stopped_process_is_killed_and_named(tmp_path, quick_grace):
    """SIGSTOP cannot be told to end: after its grace it is killed."""
    with pytest.raises(ContextDied, match="still stopped by a signal|still in source.compute"):
        loop(tmp_path / "notes", "stop").run(0.3)
    assert "safe\nclose\n" == (tmp_path / "notes").read_text()


def test_an_emitter_that_blocks_is_killed_and_named(tmp_path, quick_grace):
    """RULES 26: stop cannot reach a blocking read; after its grace the context is killed."""
    with pytest.raises(ContextDied, match=r"still in source.compute .* in firing 20 of source") as caught:
        loop(tmp_path / "notes", "block").run(0.3)
    assert ("io", "source") == (caught.value.context, caught.value.node)


def test_a_process_that_does_not_leave_is_killed(tmp_path, quick_grace):
    """A thread that a node leaves behind keeps its process: the results are there, the process is killed, and a warning says so."""

    class Lingering(Actuator):
        def close(self):
            threading.Thread(target=select.select, args=([], [], [])).start()
            return super().close()

    with Graph("loop") as graph:
        source = Source(overrun="catch_up")
        with graph.context("control"):
            actuator = Lingering(tmp_path / "notes")
    source.to(actuator, policy="latest")
    with pytest.warns(RuntimeWarning, match="context 'control': needed to leave within 5 s of its close; it was killed"):
        graph.run(0.05)
    assert actuator.result[-1] == 9


def test_a_process_that_gets_no_core_has_its_time_all_the_same(tmp_path, monkeypatch):
    """What it spent waiting for a core is added to its grace: a busy machine is no reason to kill."""

    class Slow(Actuator):
        def close(self):
            threading.Thread(target=select.select, args=([], [], [], 0.5)).start()
            return super().close()

    with Graph("loop") as graph:
        source = Source(overrun="catch_up")
        with graph.context("control"):
            actuator = Slow(tmp_path / "notes")
    source.to(actuator, policy="latest")
    monkeypatch.setattr(watcher, "GRACE_NS", 100_000_000)
    waited_ns = iter([0])
    monkeypatch.setattr(machine, "starved_ns", lambda pid: next(waited_ns, 60_000_000_000))
    graph.run(0.05)
    assert actuator.result[-1] == 9


def test_sigterm_of_one_process_is_not_its_death(tmp_path):
    """A whole group is told to terminate at once: the parent decides, so the others wait for it."""
    graph = loop(tmp_path / "notes", "terminate")
    report = graph.run(0.2)
    assert "duration" == report.ended
    assert report.nodes["source"].firings > 21


def test_a_failed_open_ends_the_run_before_anybody_fires(tmp_path):
    """Two-phase start: the other context opened and closed again, and nothing was computed."""

    class Broken(Source):
        def open(self):
            raise OSError("no such device")

    with Graph("loop") as graph:
        with graph.context("io"):
            source = Broken()
        with graph.context("control"):
            actuator = Actuator(tmp_path / "notes")
    source.to(actuator, policy="latest")
    with pytest.raises(NodeFailed, match="open raised OSError: no such device") as caught:
        graph.run(10)
    assert ("broken", "open") == (caught.value.node, caught.value.method)
    assert [0, 0] == [node.firings for node in caught.value.report.nodes.values()]
    assert "safe\nclose\n" == (tmp_path / "notes").read_text()


def test_failures_of_several_contexts_are_one_error():
    """The first in time is raised, with its remote traceback; the later ones are in its `others`."""

    class Fails(Router):
        def __init__(self, at):
            super().__init__("i8")
            self.at = at

        def compute(self, x):
            if x == self.at:
                raise ValueError(f"at {x}")
            return x

        def close(self):
            raise OSError("close too")

    with Graph("two") as graph:
        source = Source()
        with graph.context("a"):
            first = Fails(5)
        with graph.context("b"):
            second = Fails(10**9)
    source.to(first, policy="latest")
    source.to(second, policy="latest")
    with pytest.raises(NodeFailed) as caught:
        graph.run(10)
    assert ("fails", "compute", "at 5") == (caught.value.node, caught.value.method, str(caught.value.__cause__))
    assert "context 'a', process" in caught.value.__cause__.__notes__[0]
    assert "raise ValueError" in caught.value.__cause__.__notes__[0]
    assert {("fails", "close"), ("fails_2", "close")} == {(other.node, other.method) for other in caught.value.others}


def test_what_cannot_travel_is_found_before_anything_starts(tmp_path):
    """A lock, an open file: each named with its node and attribute, in one error."""
    with Graph("loop") as graph, graph.context("io"):
        source, actuator = Source(), Actuator(tmp_path / "notes")
    source.to(actuator, policy="latest")
    source.lock = threading.Lock()
    actuator.lock = threading.Lock()
    with pytest.raises(GraphError) as caught:
        graph.run(1)
    assert ["source.lock", "actuator.lock"] == [problem.where for problem in caught.value.problems]
    assert "context 'io'" in str(caught.value)
    assert not (tmp_path / "notes").exists()


def test_too_few_files_are_found_before_anything_starts(tmp_path):
    """RLIMIT_NOFILE: the error names how many are needed and the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    graph = loop(tmp_path / "notes")
    resource.setrlimit(resource.RLIMIT_NOFILE, (20, hard))
    try:
        with pytest.raises(GraphError, match=r"graph loop: needed \d+ more open files, was \d+ of 20 in use; allow more with"):
            graph.run(1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not (tmp_path / "notes").exists()


def test_a_program_with_threads_can_start_processes(tmp_path):
    """Never a fork alone: locks that another thread holds do not hang a child."""
    stop = threading.Event()
    busy = threading.Thread(target=lambda: [np.ones((200, 200)) @ np.ones((200, 200)) for _ in iter(stop.is_set, True)])
    busy.start()
    try:
        report = loop(tmp_path / "notes").run(0.1)
    finally:
        stop.set()
        busy.join()
    assert ("duration", True) == (report.ended, report.nodes["source"].firings > 0)


class Tool(Collector):
    """Runs another program from inside a context."""

    def compute(self, x):
        """Nothing."""

    def close(self):
        """The signals that the program blocks or ignores, and its open files."""
        command = "grep -E 'SigBlk|SigIgn' /proc/self/status; ls /proc/self/fd"
        return subprocess.run(command, shell=True, capture_output=True, text=True, close_fds=False, check=True).stdout.split()


def test_programs_that_a_node_starts_start_clean():
    """RULES 39: they neither block nor ignore what their terminal sends, and hold no end of the run's pipes open."""
    with Graph("tools") as graph:
        source = Source()
        with graph.context("tool"):
            tool = Tool()
    source.to(tool, policy="latest")
    graph.run(0.02)
    _, blocked, _, ignored, *files = tool.result
    sent = sum(1 << number - 1 for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    assert (0, 0) == (int(blocked, 16) & sent, int(ignored, 16) & sent)
    assert ["0", "1", "2", "3"] == files


def test_a_graph_runs_again_after_a_death(tmp_path):
    """Nothing of a failed run is in the way of the next."""
    graph = loop(tmp_path / "notes", "kill")
    for _ in range(2):
        with pytest.raises(ContextDied):
            graph.run(10)
    assert 2 * "safe\nclose\n" == (tmp_path / "notes").read_text()


# ------------------------------------------------------------------------------------------------------ programs of their own

PROGRAM = """
import os, sys
sys.path.insert(0, {root!r})
from dfcore import Collector, Emitter, Graph

def say(*words):  # in one write: several processes have this pipe, and print may take two
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

class Source(Emitter):
    def __init__(self):
        super().__init__("i8", rate_hz={rate_hz})
    def compute(self):
        return self.firing
    def close(self):
        say("closed source")

class Actuator(Collector):
    def open(self):
        self.count = 0
    def compute(self, x):
        self.count += 1
        if self.count == 1:
            say("running")
    def safe(self):
        say("safe")
    def close(self):
        say("close")

with Graph("program") as graph:
    with graph.context("io", kind="{kind}"):
        source = Source()
    with graph.context("control", kind="{kind}"):
        actuator = Actuator()
source.to(actuator, policy="latest")
try:
    graph.run()
finally:
    say("ended", graph.report.ended if graph.report else None)
"""


class Program:
    """The program above in a session of its own, running when this returns."""

    def __init__(self, kind, rate_hz=100):
        text = PROGRAM.format(root=str(ROOT), kind=kind, rate_hz=rate_hz)
        self.process = subprocess.Popen(
            [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert "running" == self.process.stdout.readline().strip()

    def group(self, number):
        """A signal to everybody, as a terminal sends it."""
        os.killpg(self.process.pid, number)

    def end(self):
        """(exit status, standard output, standard error) when it is over, and nobody of its session is left."""
        out, err = self.process.communicate(timeout=20)
        with pytest.raises(ProcessLookupError):
            os.killpg(self.process.pid, 0)
        return self.process.returncode, out, err


@pytest.mark.parametrize("kind", ["process", "thread"])
def test_ctrl_c_drains_closes_and_interrupts(kind):
    """A31: everybody closes, then KeyboardInterrupt; a shell sees 130, which is death by SIGINT."""
    program = Program(kind)
    program.group(signal.SIGINT)
    status, out, err = program.end()
    assert -signal.SIGINT == status
    *closing, last = out.splitlines()
    assert (["close", "closed source", "safe"], "ended interrupted") == (sorted(closing), last)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert 1 == err.count("Traceback")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_terminate_and_hang_up_drain_first(number):
    """A service manager or a closed terminal tells the whole group: outputs are safe before the program dies of the signal."""
    program = Program("process")
    program.group(number)
    status, out, _ = program.end()
    assert -number == status
    assert ["close", "closed source", "safe"] == sorted(out.splitlines())


@pytest.mark.parametrize("rate_hz", [100, None])
def test_when_the_parent_is_killed_outputs_become_safe_and_nobody_is_left(rate_hz):
    """kill -9 of the program: its contexts, asleep or always busy, make their outputs safe, close, and are gone."""
    program = Program("process", rate_hz)
    contexts = [os.pidfd_open(int(child.split()[1])) for child in children(program.process.pid)]
    os.kill(program.process.pid, signal.SIGKILL)
    gone = [bool(select.select([context], [], [], 10)[0]) for context in contexts]
    for context in contexts:
        os.close(context)
    assert [True, True] == gone
    out, _ = program.process.communicate(timeout=10)
    assert ["close", "closed source", "safe"] == sorted(out.splitlines())
