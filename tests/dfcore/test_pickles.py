"""What another interpreter could not import travels by value; everything else by name."""

import importlib.util
import os
import subprocess
import sys
import threading
import types

import cloudpickle
import numpy as np
import pytest

from dfcore import pickles
from dfcore.pickles import Packed, dumps, findable, loads, unpack
from tests.programs import ENVIRONMENT

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


def packed(value, over=0):
    """`value` in memory of its own, with `over` bytes to spare."""
    on_its_way = Packed(value)
    memory = bytearray(on_its_way.size + over)
    on_its_way.write(memory)
    return memory


VALUES = {
    "none": None,
    "numbers": [1, 2.5, True, 1 << 100],
    "text": {"text": "\u00e9\u4e2d", b"bytes": bytearray(b"1234"), "long": b"x" * 100_000},
    "keys of all kinds": {1: "a", (2, 3): "b", None: "c", 1.5: {4}},
    "nested": ([(), [], {}], [[[]]], frozenset((1, 2))),
    "array": np.arange(12.0).reshape(3, 4),
    "no dimensions": np.array(7.5),
    "empty array": np.empty((0, 3)),
    "several": [np.arange(5), {"a": np.zeros((2, 2), "i2")}, (np.ones(3, "c16"), np.arange(100000))],
    "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "every second": np.arange(20)[::2],
    "backwards": np.arange(20)[::-1],
    "structured": np.zeros(3, [("x", "f8"), ("n", "i2")]),
    "objects": np.array([1, "a", None], object),
    "text array": np.array(["ab", "c"]),
    "scalar": np.float32(2.5),
    "read-only": np.broadcast_to(np.arange(3), (2, 3)),
    "the same twice": [ONE := np.arange(4), ONE],
}


def same(a, b):
    """Equal in type and value, arrays in dtype and shape too."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            same(one, other)
    elif isinstance(a, dict):
        same(list(a.items()), list(b.items()))
    else:
        assert a == b


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_packed_value_comes_back(value):
    """Round trips are equal, in memory that is exactly as large as was said, or larger."""
    same(value, unpack(packed(value)))
    same(value, unpack(packed(value, over=1000)))


def test_arrays_come_back_as_read_only_views():
    """Nothing is copied on the way back: the memory is looked at, kept exported, and cannot be written."""
    memory = packed({"frame": np.arange(1000.0), "n": 3})
    frame = unpack(memory)["frame"]
    assert not frame.flags.writeable and not frame.flags.owndata
    assert np.shares_memory(frame, np.frombuffer(memory, "u1"))
    with pytest.raises(ValueError, match="read-only"):
        frame[0] = 1
    with pytest.raises(ValueError):
        frame.flags.writeable = True
    with pytest.raises(BufferError):
        memory.extend(b"x")
    del frame
    memory.extend(b"x")


def test_buffers_lie_at_lines():
    """In aligned memory every buffer begins at a line of 64 bytes, whatever lies before it."""
    values = [np.ones(3, "u1"), np.arange(7), "text", np.ones((2, 2))]
    memory = packed(values)
    start = np.frombuffer(memory, "u1").ctypes.data
    again = unpack(memory)
    assert [0, 0, 0] == [(array.ctypes.data - start) % 64 for array in again if isinstance(array, np.ndarray)]


def test_an_array_is_not_copied_before_it_is_written():
    """`Packed` looks at the array itself: what is in it when it is written is what arrives."""
    array = np.zeros(100_000)
    on_its_way = Packed([array])
    array[:] = 7
    memory = bytearray(on_its_way.size)
    on_its_way.write(memory)
    assert (unpack(memory)[0] == 7).all()
    assert on_its_way.size < array.nbytes + 500


def test_packed_values_travel_by_value_where_they_must(hidden):
    """A class that nobody finds by name, a lambda, and a local class arrive in an interpreter that has never seen them."""
    class Local:
        number = 5

    memory = packed([hidden.Scale(), lambda x: x + 1, Local(), np.arange(3)])
    code = "import sys; from dfcore.pickles import unpack; a, b, c, d = unpack(sys.stdin.buffer.read())"
    code += "; print(a.times(4)[0], b(1), c.number, d.sum())"
    result = subprocess.run([sys.executable, "-c", code], input=bytes(memory), capture_output=True, check=True, env=ENVIRONMENT)
    assert "12 2 5 3" == result.stdout.decode().strip()


@pytest.mark.parametrize("value", [(x for x in ()), [np.arange(3), threading.Lock()], np.array([sys._getframe()])])
def test_what_cannot_travel_says_why(value):
    """The error is pickle's own."""
    with pytest.raises(TypeError, match="cannot pickle"):
        Packed(value)


class Raises:
    """Refuses to be pickled, or to come back."""

    def __init__(self, where):
        self.where = where

    def __reduce__(self):
        if self.where == "pickling":
            raise ZeroDivisionError("on the way out")
        return _raise, ()


def _raise():
    raise ZeroDivisionError("on the way in")


def test_errors_of_the_value_itself_come_through():
    """What `__reduce__` raises, and what loading raises, is what the caller gets; nothing of the memory is kept by it."""
    with pytest.raises(ZeroDivisionError, match="on the way out"):
        Packed([np.arange(3), Raises("pickling")])
    memory = packed([np.arange(3), Raises("loading")])
    with pytest.raises(ZeroDivisionError, match="on the way in"):
        unpack(memory)
    memory.extend(b"x")
