"""Functions that become node classes."""

from __future__ import annotations

import math
import pickle

import cloudpickle
import numpy as np
import pytest

from dfcore import Graph
from dfcore.errors import GraphError
from dfcore.functions import collector, emitter, router
from dfcore.node import Collector, Emitter, Router


@router("f8")
def scale(x, *, gain=1.0):
    """Gain times x."""
    return gain * x


@emitter("f8", rate_hz=10, name="source")
def noise(self, *, level=1.0):
    return level * self.firing


def test_a_decorated_function_is_a_class_of_its_role():
    """It keeps name, place and docstring; calling it makes a node with options and parameters."""
    assert issubclass(scale, Router) and issubclass(noise, Emitter)
    assert ("scale", "Gain times x.", __name__) == (scale.__name__, scale.__doc__, scale.__module__)
    double = scale(gain=2.0, name="double")
    assert ("double", 2.0, np.dtype("f8")) == (double.name, double.params.gain, double.dtype)


def test_the_function_stays_an_ordinary_one():
    """`node.compute` calls it; `_compute` is what a run calls, without `self` if it takes none."""
    assert 6.0 == scale().compute(3.0, gain=2.0) == scale.compute(3.0, gain=2.0)
    assert 3.0 == scale()._compute()(3.0)


def test_a_first_parameter_self_receives_the_node():
    """And is no input."""
    node = noise()
    assert 0.0 == node.compute() == node._compute()(level=2.0)
    assert [] == node._declared.signature.inputs


def test_options_of_the_decorator_are_defaults():
    """An option at the call replaces that of the decorator, for this node only."""
    assert ({"rate_hz": 10, "name": "source"}, "other") == (noise()._declared.options, noise(name="other").name)
    assert "source" == noise().name


def test_a_collector_decorator_may_be_bare():
    """`@collector` and `@collector(...)` both work."""

    @collector
    def show(value): ...

    @collector(name="log")
    def write(value): ...

    assert issubclass(show, Collector) and issubclass(write, Collector)
    assert ("show", "log") == (show().name, write().name)


def test_several_outputs():
    """`outputs=` names them in order."""

    @router(outputs={"a": "i8", "b": np.float32})
    def fib(x1, x2): ...

    node = fib()
    assert {"a": np.dtype("i8"), "b": np.dtype("f4")} == node._output_dtypes()
    with pytest.raises(AttributeError, match=r"fib.dtype: needed one output, was 2 \(a, b\); ask an end for its dtype"):
        node.dtype  # noqa: B018
    assert np.dtype("f4") == node["b"].dtype


def test_built_ins_and_lambdas_work():
    """Anything with a signature becomes a node."""
    assert ("sin", "lambda") == (router("f8")(math.sin)().name, router("f8")(lambda x: x)().name)
    assert 0.0 == router("f8")(math.sin)().compute(0.0)
    assert "signature" == router("f8")(Opaque())()._declared.signature.problems[0].code


class Opaque:
    """A callable that does not say what it takes."""

    __signature__ = 3
    __module__ = __name__

    def __call__(self, value): ...


@pytest.mark.parametrize(
    ("misuse", "says"),
    [
        (lambda: emitter(math.sin), r"@emitter: needed a dtype, was the function `sin`; write @emitter\(dtype\)"),
        (lambda: router("f8")(dict), "@router: needed a function, was <class 'dict'>; subclass Router instead"),
        (lambda: collector(3), "@collector: needed a function, was 3; subclass Collector instead"),
        (lambda: router("f8", nane="x"), r"@router: needed known keywords, was `nane`; did you mean `name`\?"),
        (lambda: scale(gian=1.0), r"scale: needed known keywords, was `gian`; did you mean `gain`\?"),
    ],
)
def test_misuse_is_an_error_at_once(misuse, says):
    """A decorator used the wrong way cannot become a node; the place is that of the user."""
    with pytest.raises(GraphError, match=says) as info:
        misuse()
    assert __file__ == info.value.problems[0].file


def test_a_class_is_called_with_keywords_only():
    """Calling the class with a value is no way to call the function."""
    with pytest.raises(TypeError):
        scale(3.0)


def test_nodes_of_functions_can_be_pickled():
    """By reference from a module; by value, with what they close over, from anywhere else."""
    node = pickle.loads(pickle.dumps(scale(gain=3.0)))
    assert (scale, 3.0, "scale") == (type(node), node.params.gain, node.name)
    factor = 7.0

    @router("f8")
    def local(x):
        return factor * x

    node = cloudpickle.loads(cloudpickle.dumps(local(name="seven")))
    assert (14.0, "seven", "plain") == (node._compute()(2.0), node.name, node._style)


def test_a_class_is_not_connected():
    """Calling it with sources, or with anything by position, says to make the node first; nothing of the attempt is left."""
    with Graph() as graph:
        source = noise()
        for build in (lambda: scale(source), lambda: scale(source["output"]), lambda: scale(x=source)):
            with pytest.raises(TypeError, match=r"scale: needed options by name, was called with .*; make the node first: scale\(\)\(\.\.\.\)"):
                build()
        with pytest.raises(TypeError, match=r"scale: needed options by name, was called with 3.0; write each with its name"):
            scale(3.0)
    assert [source] == graph.nodes
