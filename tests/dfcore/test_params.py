"""`node.params`: checked where they are set, together or not at all, one writer."""

from __future__ import annotations

import pathlib
import pickle
import subprocess
import sys
import threading
from typing import Annotated

import numpy as np
import pytest

from dfcore.errors import DtypeError, GraphError
from dfcore.functions import collector, emitter, router
from dfcore.graph import Declaration
from dfcore.node import Collector
from dfcore.signature import Bounds

ROOT = pathlib.Path(__file__).parents[2]


@emitter("f8")
def tuner():
    return 1.0


@router("f8")
def scale(
    x,
    *,
    gain: Annotated[float, Bounds(0, 10)] = 1.0,
    count=3,
    on=False,
    matrix=np.eye(2),  # noqa: B008
    small=np.float32(1),  # noqa: B008
    path="file",
    need: Annotated[float, Bounds(0, 1)],
):
    return x


def test_reading_gives_the_value_in_force():
    """The default, then what was set; a parameter without default has none."""
    node = scale(gain=2)
    assert (2.0, 3, "file") == (node.params.gain, node.params.count, node.params.path)
    assert float is type(node.params.gain)
    node.params.gain = 4.5
    assert 4.5 == node.params.gain
    with pytest.raises(AttributeError, match=r"scale.params.need: needed a value, was none yet; an edge has to bring"):
        node.params.need  # noqa: B018


def test_an_unknown_parameter_gets_a_hint():
    """Reading is an AttributeError as everywhere, setting is a mistake in the declaration."""
    node = scale()
    with pytest.raises(AttributeError, match=r"scale.params: needed one of its parameters, was `gian`; did you mean `gain`\?"):
        node.params.gian  # noqa: B018
    with pytest.raises(GraphError, match=r"scale.params: needed one of its parameters, was `gian`; did you mean `gain`\? "):
        node.params.gian = 1.0
    assert not hasattr(node.params, "gian")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("count", 1.5, "scale.params.count: needed i8 .*, was float 1.5"),
        ("count", 2**63, "scale.params.count: needed i8"),
        ("on", 1, "scale.params.on: needed b1?"),
        ("gain", "a", "scale.params.gain: needed f8, was str 'a'"),
        ("gain", 11, "scale.params.gain: needed a value of at most 10, was 11; stay within its bounds"),
        ("gain", -1, "scale.params.gain: needed a value of at least 0, was -1"),
        ("gain", float("nan"), "scale.params.gain: needed a value of at least 0, was nan"),
        ("gain", [1.0, 2.0], "scale.params.gain: needed"),
        ("matrix", np.eye(3), "scale.params.matrix: needed an array"),
        ("matrix", 1.0, "scale.params.matrix: needed an array"),
    ],
)
def test_a_value_is_checked_where_it_is_set(name, value, says):
    """Kind, range, shape and bounds; by attribute, by `update` and in the constructor; what does not fit changes nothing."""
    node = scale()
    before = dict(node.params._values)
    with pytest.raises(DtypeError, match=says):
        setattr(node.params, name, value)
    with pytest.raises(DtypeError):
        node.params.update(**{name: value})
    with pytest.raises(DtypeError, match=says.replace(".params", "")):
        scale(**{name: value})
    assert all(before[key] is node.params._values[key] for key in before)


def test_values_become_what_the_default_is():
    """An int for a float is a float; a float32 stays one in precision; text may become anything between runs."""
    node = scale()
    node.params.update(gain=2, count=True, small=0.1, path=None)
    assert (2.0, 1, float(np.float32(0.1)), None) == (node.params.gain, node.params.count, node.params.small, node.params.path)
    assert (float, int, float) == (type(node.params.gain), type(node.params.count), type(node.params.small))


def test_arrays_are_kept_apart():
    """Neither the array that was set nor the one that is read can change what is in force."""
    mine, node = np.ones((2, 2)), scale()
    node.params.matrix = mine
    mine[:] = 5
    assert (np.ones((2, 2)) == node.params.matrix).all()
    with pytest.raises(ValueError, match="read-only"):
        node.params.matrix[0, 0] = 3


def test_update_sets_all_or_none():
    """One value that does not fit leaves the others as they were."""
    node = scale()
    with pytest.raises(DtypeError):
        node.params.update(gain=2.0, count=1.5)
    assert (1.0, 3) == (node.params.gain, node.params.count)
    node.params.update(gain=2.0, count=7)
    assert (2.0, 7) == (node.params.gain, node.params.count)


def test_a_run_sees_each_state_once():
    """While a run is under way `_publish` gets the whole mapping, once per update; if it refuses, nothing has changed."""
    node, seen = scale(), []
    node.params._publish = seen.append
    node.params.update(gain=2.0, count=7)
    node.params.gain = 3.0
    assert [(2.0, 7), (3.0, 7)] == [(values["gain"], values["count"]) for values in seen]

    def refuse(values):
        raise RuntimeError("from inside a node")

    node.params._publish = refuse
    with pytest.raises(RuntimeError):
        node.params.gain = 4.0
    assert 3.0 == node.params.gain


def test_a_fixed_parameter_is_fixed_while_running():
    """What is no number can be set between runs only."""
    with Declaration() as graph:
        node = scale()
    graph._running = True
    with pytest.raises(GraphError, match=r"scale.params.path: needed a value that stays while the graph runs, was set to 'b'"):
        node.params.path = "b"
    graph._running = False
    node.params.path = "b"
    assert "b" == node.params.path


def test_a_node_sets_no_parameter():
    """RULES 20: neither its own nor another's, from none of its methods, while the graph runs; outside a run it is a call."""

    class Meddler(Collector):
        def open(self):
            other.params.gain = 2.0

        def compute(self, value):
            self.open()

    def ask(value):
        helper(value)

    def helper(value):
        other.params.gain = value

    with Declaration() as graph:
        other, meddler, asker = scale(), Meddler(), collector(ask)()
    graph._running = True
    other.params.gain = 1.5
    for inside in (meddler.open, lambda: meddler.compute(1), lambda: asker.compute(2.0)):
        with pytest.raises(
            GraphError, match="scale.params: needed the program to set them while the graph runs, was set from inside"
        ):
            inside()
    assert 1.5 == other.params.gain
    graph._running = False
    meddler.open()
    asker.compute(3.0)
    assert 3.0 == other.params.gain


def test_in_a_context_of_a_run_nothing_is_set():
    """There a node is a copy; the program would not notice."""
    code = """if True:
        from dfcore.errors import GraphError
        from dfcore.functions import emitter
        from dfcore.params import leave_to_the_program
        node = emitter("f8")(lambda *, gain=1.0: gain)()
        node.params.gain = 2.0
        leave_to_the_program()
        try:
            node.params.gain = 3.0
        except GraphError as error:
            print(node.params.gain, error.problems[0].found)
    """
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "2.0 set from inside a node\n" == finished.stdout


def test_a_required_parameter_may_start_with_a_value():
    """Given in the constructor; it still takes an edge."""
    assert 0.5 == scale(need=0.5).params.need


def test_a_parameter_has_one_writer():
    """The program cannot set what an edge feeds, nor what only an edge may bring."""
    node = scale()
    tuner().to(node["gain"])
    with pytest.raises(
        GraphError, match=r"needed an edge as its one writer, was set by the program and by the edge tuner -> scale.gain"
    ):
        node.params.gain = 2.0
    with pytest.raises(
        GraphError, match=r"scale.params.need: needed an edge as its one writer, was set by the program; connect a node"
    ):
        node.params.need = 0.5


def test_threads_do_not_lose_updates():
    """Each of many updates by many threads is published, and the last mapping published is in force."""
    node, seen = scale(), []
    node.params._publish = seen.append

    def work(name):
        for value in range(200):
            node.params.update(**{name: value})

    threads = [threading.Thread(target=work, args=(name,)) for name in ("count", "small")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 400 == len(seen)
    assert (199, 199.0) == (node.params.count, node.params.small) == (seen[-1]["count"], seen[-1]["small"])


def test_a_signal_handler_may_set_while_its_thread_sets():
    """Whatever it interrupts: nothing waits for itself, no value is lost, and the handler's comes into force after the other."""
    node, seen = scale(), []

    def publish(values):
        if not seen:
            seen.append("interrupted")
            node.params.update(count=7, small=2)
        seen.append((values["gain"], values["count"], values["small"]))

    node.params._publish = publish
    node.params.update(gain=5.0, small=1)
    assert ["interrupted", (5.0, 3, 1), (5.0, 7, 2)] == seen
    assert (5.0, 7, 2) == (node.params.gain, node.params.count, node.params.small)


def test_params_show_themselves():
    """`dir` lists the parameters and `update`; `repr` the values."""
    node = scale(gain=2)
    assert ["count", "gain", "matrix", "need", "on", "path", "small", "update"] == dir(node.params)
    assert repr(node.params).startswith("<params of scale: gain=2.0, count=3, on=False,")


def test_params_travel_with_their_node():
    """A copy of a node has the values, without the run."""
    node = tuner_with_gain()
    node.params.gain = 5.0
    node.params._publish = lambda values: None
    copy = pickle.loads(pickle.dumps(node))
    assert 5.0 == copy.params.gain
    assert None is copy.params._publish


@emitter("f8")
def tuner_with_gain(*, gain=1.0):
    return gain
