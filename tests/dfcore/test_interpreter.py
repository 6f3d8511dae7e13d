"""Starting another interpreter: what it inherits, and what the thread that starts it keeps."""

import inspect
import os
import signal
import sys

import pytest

import dfcore
from dfcore import Collector, Graph, emit, interpreter
from dfcore.pickles import dumps
from dfcore.pipe import receive


def test_the_memory_file_says_where_the_program_is(monkeypatch):
    """First what must be known before anything can be unpickled, then the messages."""
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    file = interpreter._memory_file([dumps("job"), dumps("nodes")])
    try:
        surroundings, *messages = receive(file), receive(file), receive(file)
        with pytest.raises(EOFError):
            receive(file)
    finally:
        os.close(file)
    assert interpreter.Surroundings is type(surroundings)
    assert os.getpid() == surroundings.parent
    assert (os.getcwd(), {"PYTHONPATH": "/somewhere"}) == (surroundings.path[0], surroundings.environ)
    assert ["job", "nodes"] == messages


def test_libraries_get_one_thread_each_unless_told(monkeypatch):
    """A pool of threads per process would be as many as cores times processes."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    environment = interpreter._environment()
    assert ("1", "3") == (environment["OMP_NUM_THREADS"], environment["MKL_NUM_THREADS"])


def test_the_starting_thread_is_as_before():
    """Cores and signal mask are set for the child only, also when starting fails."""
    cores, mask = os.sched_getaffinity(0), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(RuntimeError), interpreter._placed((min(cores),)):
        assert {min(cores)} == os.sched_getaffinity(0)
        assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= signal.pthread_sigmask(signal.SIG_BLOCK, ())
        raise RuntimeError
    assert (cores, mask) == (os.sched_getaffinity(0), signal.pthread_sigmask(signal.SIG_BLOCK, ()))


class Looks(Collector):
    """Brings home which modules of the package its process has, and what it finds there beside nodes."""

    def compute(self, x):
        """Takes it."""

    def close(self):
        modules, everything = {name for name in sys.modules if name.startswith("dfcore.")}, {}
        exec("from dfcore import *", everything)  # noqa: S102 - only a module may say it
        return modules, set(everything), (dfcore.Graph.__name__, dfcore.top_graph().name), hasattr(dfcore, "graphs")


def test_a_process_of_nodes_imports_nothing_that_only_graphs_need():
    """What declares, compiles, draws and supervises comes with the first look at it; every public name is there all the same."""
    with Graph() as graph:
        source = emit([1], "i8")
        with graph.context("away"):
            looks = Looks()
    source.to(looks)
    graph.run()
    modules, everything, found, another = looks.result
    assert {"dfcore.node", "dfcore.ready", "dfcore.relays"} <= modules
    assert set() == modules & {"dfcore.door", "dfcore.compiler", "dfcore.drawing", "dfcore.supervisor", "dfcore.run"}
    public = {name for name, thing in vars(dfcore).items() if not name.startswith("_") and not inspect.ismodule(thing)}
    assert {"Graph", "default_graph", "top_graph", "Emitter"} <= public <= everything
    assert (("Graph", "top"), False) == (found, another)
