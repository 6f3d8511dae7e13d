"""What another interpreter could not import travels by value; everything else by name."""

import importlib.util
import os
import subprocess
import sys
import types

import cloudpickle
import pytest

from dfcore import pickles
from dfcore.pickles import dumps, findable, loads

MODULE = """
import os
FACTOR = 3
class Scale:
    def times(self, x):
        return helper(x)
def helper(x):
    return x * FACTOR, os.sep
"""


@pytest.fixture
def hidden(tmp_path):
    """A module that was loaded by path, as a notebook or a test runner does: nobody finds it by its name."""
    file = tmp_path / "hidden_module.py"
    file.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("hidden_module", file)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[module.__name__]


def elsewhere(data: bytes, expression: str) -> str:
    """What a fresh interpreter prints of `expression`, where `value` is the unpickled data."""
    code = f"import sys, pickle; value = pickle.loads(sys.stdin.buffer.read()); print({expression})"
    return subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True).stdout.decode().strip()


def test_modules_that_can_be_imported_travel_by_name():
    """os is frozen, pickles is a file, sys is built in: none of them is taken along."""
    assert all(findable(module) for module in (os, pickles, sys, subprocess))
    assert len(dumps(pickles)) < 100
    assert os.path is loads(dumps(os.path))


def test_a_hidden_module_travels_by_value(hidden):
    """The class, the function it calls and the number that one uses arrive in an interpreter that has never seen them."""
    assert not findable(hidden)
    assert "(12, '/')" == elsewhere(dumps(hidden.Scale()), "value.times(4)")


def test_a_module_of_the_same_name_is_not_the_same_module(tmp_path, monkeypatch):
    """Found elsewhere is not found: another file must not take its place."""
    module = types.ModuleType("textwrap")
    module.__file__ = str(tmp_path / "textwrap.py")
    assert not findable(module)


def test_nothing_is_remembered(hidden):
    """The registry of cloudpickle is global: afterwards it is as it was."""
    before = set(cloudpickle.list_registry_pickle_by_value())
    dumps(hidden.Scale())
    with pytest.raises(TypeError):
        dumps((hidden.Scale(), (x for x in ())))
    assert before == set(cloudpickle.list_registry_pickle_by_value())


def test_a_class_that_travelled_comes_home_as_itself(hidden):
    """A result made elsewhere from a class that came by value is an instance of that class here."""
    again = loads(dumps(loads(dumps(hidden.Scale()))))
    assert hidden.Scale is type(again)


def test_lambdas_travel():
    """As everything that cloudpickle can."""
    assert 7 == loads(dumps(lambda x: x + 3))(4)
