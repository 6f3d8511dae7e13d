"""Errors: what they say, and that they survive a pipe."""

from __future__ import annotations

import errno
import linecache
import pickle

import pytest

from dfcore.errors import (
    ContextDied,
    DeviceError,
    DfcoreError,
    DtypeError,
    GraphError,
    InternalError,
    NodeFailed,
    Problem,
    RecordLost,
    caller,
    did_you_mean,
)

PROBLEM = Problem(code="dtype", where="a -> b", needed="f8", found="f4", do="change one", file="x.py", line=3)


def test_a_problem_says_where_what_and_how():
    """A problem reads *where: needed, was; do. (file:line)*, without the parts that are not known."""
    assert "a -> b: needed f8, was f4; change one. (x.py:3)" == str(PROBLEM)
    assert "a: needed b, was c." == str(Problem(code="x", where="a", needed="b", found="c"))
    assert "a: needed b, was c; did you mean `d`?" == str(
        Problem(code="x", where="a", needed="b", found="c", do="did you mean `d`?")
    )


def test_a_graph_error_lists_all_problems():
    """The message numbers every problem; one problem may be given alone."""
    error = GraphError([PROBLEM, PROBLEM])
    assert (PROBLEM, PROBLEM) == error.problems
    assert ["2 problems in the graph", f"  1. {PROBLEM}", f"  2. {PROBLEM}"] == str(error).splitlines()
    assert "1 problem in the graph\n  1. " + str(PROBLEM) == str(GraphError(PROBLEM))


ERRORS = [
    DfcoreError("x"),
    GraphError([PROBLEM]),
    NodeFailed("x", node="a", input="b", seq=3, firing=4, method="open"),
    ContextDied("x", context="io", signal=9, node="a", seq=7),
    DtypeError("x"),
    RecordLost("x"),
    DeviceError(errno.EIO, "gone", "/dev/ttyUSB0"),
    DeviceError("gone"),
    InternalError("x"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_survive_a_pipe(error):
    """Class, text and every attribute are the same behind a pickle, `report` included."""
    error.report = "a report"
    copy = pickle.loads(pickle.dumps(error))
    assert (type(error), str(error), error.args, vars(error)) == (type(copy), str(copy), copy.args, vars(copy))
    assert "a report" == copy.report


def test_a_device_error_is_an_os_error():
    """`errno` and the file name are where an OSError has them, also behind a pickle."""
    error = pickle.loads(pickle.dumps(DeviceError(errno.EIO, "gone", "/dev/ttyUSB0")))
    assert (errno.EIO, "gone", "/dev/ttyUSB0") == (error.errno, error.strerror, error.filename)


def test_others_travel_with_the_first():
    """Failures of other nodes in `.others` keep their attributes."""
    first = NodeFailed("x", node="a")
    assert () == first.others
    first.others = (NodeFailed("y", node="b", seq=5),)
    (other,) = pickle.loads(pickle.dumps(first)).others
    assert ("b", 5) == (other.node, other.seq)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (GraphError, ValueError),
        (NodeFailed, RuntimeError),
        (ContextDied, RuntimeError),
        (DtypeError, TypeError),
        (RecordLost, LookupError),
        (DeviceError, OSError),
    ],
)
def test_errors_are_also_what_python_calls_them(kind, base):
    """Each is a DfcoreError and the built-in error that fits."""
    assert issubclass(kind, DfcoreError) and issubclass(kind, base)
    assert kind.report is None


def test_the_caller_is_outside_the_package():
    """`caller` names the frame that called into the package; called from a test, the test."""
    file, line = caller()
    assert __file__ == file
    assert "    file, line = caller()\n" == linecache.getline(file, line)


def test_a_misspelt_word_gets_a_hint():
    """The nearest known word, or all of them, or that there is none."""
    assert "did you mean `policy`?" == did_you_mean("polcy", ["policy", "depth"])
    assert "choose from `policy`, `depth`" == did_you_mean("xyz", ["policy", "depth"])
    assert "there is none" == did_you_mean("xyz", [])
