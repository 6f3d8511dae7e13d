"""The supervisor over runners that only note what is asked of them: start together, fail together, end together."""

import os
import signal
import sys
import threading
import time

import pytest

from dfcore import Collector, Emitter, Graph, NodeFailed
from dfcore.compiler import compile
from dfcore.control import ABORT, NEW, STOP, RunLine
from dfcore.memory import Memory
from dfcore.supervisor import LEAD_NS, SWITCH_INTERVAL_S, Supervisor

CONTEXTS = ("inline", "one", "two")


class Source(Emitter):
    """Never fires: the runners below are no engine."""

    def compute(self):
        """Never called."""


class Sink(Collector):
    """Never fires either."""

    def compute(self, x):
        """Never called."""


class Runner:
    """Does what `script` says for its context: method -> exception to raise. `run` waits for the run's end on its bell."""

    def __init__(self, job, memory, script, notes):
        self.job, self.notes, self.script = job, notes, script
        self.name = job.plan.contexts[job.context].name
        self.line = RunLine(job.plan, memory)
        self.results = {index: self.name for index in job.nodes}
        self.seen = []

    def info(self):
        """As a runner tells it."""
        return {"cpu_s": 0.5, "warnings": [f"{self.name} says"]}

    def do(self, method):
        """Note the call, and raise if the script says so."""
        self.notes.append((method, self.name, self.line.state))
        if (error := self.script.get((method, self.name))) is not None:
            raise error

    def open(self):
        """Noted."""
        self.do("open")

    def run(self):
        """Noted; then wait until told to stop, unless the script ends it."""
        while self.line.state == NEW:
            self.wait()
        self.do("run")
        if not self.script.get(("returns", self.name)):
            while self.line.state < STOP:
                self.wait()

    def close(self):
        """Noted."""
        self.do("close")

    def wait(self):
        """Until somebody rings."""
        fd = self.job.eventfds[self.job.context]
        os.set_blocking(fd, True)
        os.eventfd_read(fd)


class Stage:
    """A plan of an inline context and two threads, with scripted runners."""

    def __init__(self, script=(), duration_ns=None):
        with Graph("stage") as graph:
            source = Source("f8")
            sinks = []
            for name in CONTEXTS[1:]:
                with graph.context(name, kind="thread"):
                    sinks.append(Sink())
        for sink in sinks:
            source.to(sink)
        self.notes, self.script = [], dict(script)
        self.plan = compile(graph)
        self.memory = Memory.create(self.plan, shared=False)
        nodes = dict(enumerate(graph.nodes))
        self.run = Supervisor(self.plan, self.memory, nodes, self.make, duration_ns=duration_ns)

    def make(self, job, memory, alive, tell):
        """A runner; the script may refuse it."""
        name = self.plan.contexts[job.context].name
        if (error := self.script.get(("make", name))) is not None:
            raise error
        return Runner(job, memory, self.script, self.notes)

    def play(self, then=lambda run: run.stop()):
        """From begin to close; `then` is called after GO."""
        with self.run as run:
            run.begin()
            run.open_inline()
            self.went = run.go()
            then(run)
            run.run_inline()
            assert run.wait(20)
        return run

    def of(self, method):
        """The notes of one method, by context."""
        return {name: state for noted, name, state in self.notes if noted == method}


@pytest.fixture(autouse=True)
def nothing_is_left():
    """L8: each test leaves exactly the descriptors and threads that it found."""
    before = set(os.listdir("/proc/self/fd")), set(threading.enumerate())
    yield
    assert before == (set(os.listdir("/proc/self/fd")), set(threading.enumerate()))


def test_nobody_runs_before_everybody_is_open():
    """All opens come first, before GO; then everybody runs, then everybody closes."""
    stage = Stage()
    run = stage.play()
    assert ["open"] * 3 == [method for method, _, _ in stage.notes[:3]]
    assert set(CONTEXTS) == set(stage.of("run"))
    assert dict.fromkeys(CONTEXTS, NEW) == stage.of("open")
    assert set(CONTEXTS) == set(stage.of("close"))
    assert ("stopped", None, True) == (run.ended, run.failure, stage.went)
    assert {0: "inline", 1: "one", 2: "two"} == run.results


def test_time_zero_lies_ahead():
    """RULES 37: GO names a time that nobody has passed when he hears of it."""
    stage = Stage(duration_ns=10**9)
    before = time.monotonic_ns()
    run = stage.play()
    assert before + LEAD_NS <= run.line.zero_ns <= time.monotonic_ns() + LEAD_NS
    assert 10**9 == run.line.until_ns - run.line.zero_ns


@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.parametrize("method", ["make", "open"])
def test_one_failed_open_keeps_all_from_running(method, name):
    """Whoever it is: nobody runs, whoever opened closes, the failure is the run's."""
    error = NodeFailed("x: open raised", node="x", method="open")
    stage = Stage({(method, name): error})
    run = stage.play(then=lambda run: None)
    assert (error, "failed", False) == (run.failure, run.ended, stage.went)
    assert {ABORT} >= set(stage.of("run").values())
    assert set(stage.of("open")) == set(stage.of("close"))


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_failed_run_ends_the_others(name):
    """The others are told to abort, and close; so does the one that failed."""
    error = NodeFailed("x: compute raised", node="x")
    stage = Stage({("run", name): error})
    run = stage.play(then=lambda run: None)
    assert (error, "failed") == (run.failure, run.ended)
    assert set(CONTEXTS) == set(stage.of("close"))
    assert all(state == ABORT for other, state in stage.of("close").items() if other != name)


def test_the_first_failure_in_time_is_raised():
    """Later ones are in its `others`, whoever was heard first."""
    stage = Stage()
    early, late = (NodeFailed(f"{name}: failed", node=name) for name in ("early", "late"))

    def fail(run):
        run.fail(200, late)
        run.fail(100, early)

    run = stage.play(then=fail)
    assert early is run.failure
    assert [(late,), (late,)] == [run.failure.others, run.failure.others]


def test_a_failed_close_is_a_failure_too():
    """Everybody else closes, and results are there."""
    error = NodeFailed("x: close raised", node="x", method="close")
    run = Stage({("close", "one"): error}).play()
    assert (error, "failed") == (run.failure, run.ended)
    assert {0: "inline", 1: "one", 2: "two"} == run.results


def test_a_run_that_ends_by_itself_is_finished():
    """No order was given."""
    assert "finished" == Stage({("returns", name): True for name in CONTEXTS}).play(then=lambda run: None).ended


def test_a_run_that_reaches_its_duration_says_so():
    """It ended after the time at which emitters end."""
    stage = Stage({("returns", name): True for name in CONTEXTS}, duration_ns=-LEAD_NS)
    assert "duration" == stage.play(then=lambda run: None).ended


@pytest.mark.parametrize(("order", "ended"), [("stop", "stopped"), ("abort", "aborted")])
def test_orders_end_the_run(order, ended):
    """Both reach everybody; the word says which."""
    assert ended == Stage().play(then=lambda run: getattr(run, order)()).ended


def test_a_stop_before_go_opens_and_closes():
    """Nobody may lose an order that came early."""
    stage = Stage()
    with stage.run as run:
        run.begin()
        run.stop()
        run.open_inline()
        assert run.go()
        run.run_inline()
        assert run.wait(20)
    assert (STOP, "stopped") == (run.line.state, run.ended)
    assert dict.fromkeys(CONTEXTS, STOP) == stage.of("run")


def test_an_abort_before_go_is_heard():
    """`go` says that there is nothing to run."""
    stage = Stage()
    with stage.run as run:
        run.begin()
        run.abort()
        run.open_inline()
        assert not run.go()
        run.run_inline()
        assert run.wait(20)
    assert "aborted" == run.ended
    assert set(CONTEXTS) == set(stage.of("close"))


@pytest.mark.parametrize("steps", range(4))
def test_closing_halfway_leaves_nothing(steps):
    """An error of the program between any two steps: everybody who opened closes."""
    stage = Stage()
    with pytest.raises(ZeroDivisionError), stage.run as run:
        for step in (run.begin, run.open_inline, run.go)[:steps]:
            step()
        raise ZeroDivisionError
    run.close()
    assert set(stage.of("open")) == set(stage.of("close"))


def test_threads_take_turns_often_while_they_run_nodes():
    """RULES 33: the switch interval is short during the run, and the program's own afterwards."""
    before, during = sys.getswitchinterval(), []

    def then(run):
        during.append(sys.getswitchinterval())
        run.stop()

    Stage().play(then)
    assert [pytest.approx(SWITCH_INTERVAL_S)] == during
    assert before == sys.getswitchinterval()


def test_waiting_has_a_limit():
    """`wait` says whether it is over."""

    def then(run):
        assert not run.wait(0.01)
        run.stop()

    Stage().play(then)


def test_orders_after_the_end_are_harmless():
    """The bells are gone; nothing is rung, the words stay as they were."""
    run = Stage().play()
    run.stop()
    run.abort()
    assert (ABORT, True) == (run.line.state, run.line.zero_ns > 0)


def test_what_is_known_of_contexts():
    """Where they ran, what they told, what was refused."""
    run = Stage().play()
    assert CONTEXTS == tuple(run.contexts)
    assert (os.getpid(), 0.5, ()) == tuple(run.contexts["one"][name] for name in ("pid", "cpu_s", "refused"))
    assert {"inline says", "one says", "two says"} == set(run.warnings)


def test_ctrl_c_is_a_stop_and_the_second_an_abort():
    """In the main thread the signals are the run's while it lasts, and everybody's again afterwards."""
    before = signal.getsignal(signal.SIGINT)

    def then(run):
        for state in (STOP, ABORT):
            signal.raise_signal(signal.SIGINT)
            with run._changed:
                run._changed.wait_for(lambda state=state: run.line.state >= state, 20)

    run = Stage().play(then)
    assert (signal.SIGINT, "interrupted", ABORT) == (run.interrupted, run.ended, run.line.state)
    assert before is signal.getsignal(signal.SIGINT)
