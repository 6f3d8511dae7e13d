"""The line of the run: states only grow, and its last words stay readable."""

import pytest

from dfcore import Emitter, Graph
from dfcore.compiler import compile
from dfcore.control import ABORT, ENDLESS_NS, GO, NEW, STOP, RunLine
from dfcore.memory import Memory


class Alone(Emitter):
    """A graph needs a node."""

    def compute(self):
        """Never called."""


@pytest.fixture
def line():
    """The line of a run that has not begun."""
    with Graph("g") as graph:
        Alone("f8")
    plan = compile(graph)
    with Memory.create(plan, shared=False) as memory:
        found = RunLine(plan, memory)
        yield found
        found.close()


def test_states_only_grow(line):
    """Nobody goes back: an abort is not undone by a late stop."""
    assert NEW == line.state
    assert [True, True, False, False] == [line.raise_to(state) for state in (STOP, ABORT, STOP, ABORT)]
    assert ABORT == line.state


@pytest.mark.parametrize(("duration_ns", "until_ns"), [(None, ENDLESS_NS), (7, 107), (0, 100)])
def test_go_says_when_it_begins_and_ends(line, duration_ns, until_ns):
    """Time zero and the end are there before anybody can see GO."""
    assert line.go(100, duration_ns)
    assert (GO, 100, until_ns) == (line.state, line.zero_ns, line.until_ns)


def test_an_aborted_run_does_not_go(line):
    """The abort came first."""
    line.raise_to(ABORT)
    assert not line.go(100, None)
    assert ABORT == line.state


def test_everybody_sees_the_same_words():
    """Two views of one memory; `watch` is set by one and taken back by the other."""
    with Graph("g") as graph:
        Alone("f8")
    plan = compile(graph)
    with Memory.create(plan, shared=False) as memory:
        ours, theirs = RunLine(plan, memory), RunLine(plan, memory)
        ours.watch = True
        assert theirs.watch
        theirs.watch = False
        ours.go(5, 6)
        assert (False, GO, 11) == (ours.watch, theirs.state, theirs.until_ns)
        ours.close()
        theirs.close()


def test_the_last_words_stay(line):
    """After the memory is gone the words are those of the end; a second close is harmless."""
    line.go(100, 7)
    line.close()
    line.close()
    assert (GO, 100, 107) == (line.state, line.zero_ns, line.until_ns)
