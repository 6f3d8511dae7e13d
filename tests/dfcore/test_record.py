"""Records: fields by name, vectors to NumPy, mappings of their fields; read-only as inputs."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from dfcore._record import Field, Format, Record, Slot, record
from tests.records import MIXED, STATE, as_input, failing, state

# ---------------------------------------------------------------------------------------------------------------- fields


@pytest.mark.parametrize(
    "spec, value, expected",
    [
        ("f8", 1.5, 1.5),
        ("f4", 1.5, 1.5),
        ("f2", 1.5, 1.5),
        ("i8", -(2**63), -(2**63)),
        ("i4", -7, -7),
        ("i2", -7, -7),
        ("i1", -7, -7),
        ("u8", 2**64 - 1, 2**64 - 1),
        ("u4", 2**32 - 1, 2**32 - 1),
        ("u2", 7, 7),
        ("u1", 255, 255),
        ("?", True, True),
        ("c16", 1 + 2j, 1 + 2j),
        ("c8", 1 + 2j, 1 + 2j),
        ("S4", b"ab", b"ab"),
        ("U4", "aβ🂡", "aβ🂡"),
        ("V3", b"a\0b", b"a\0b"),
    ],
)
def test_scalar_fields_are_python_values(spec, value, expected):
    """Item and attribute give what `.item()` gives: a Python value, a copy, hashable."""
    r = record([("pad", "u1"), ("x", spec)], x=value)
    assert expected == r.x == r["x"]
    assert type(expected) is type(r.x) is type(r["x"])
    assert hash(expected) == hash(r.x)
    assert r.array["x"].item() == r.x


def test_times_and_long_doubles_stay_numpy():
    """Python has no number that holds them."""
    r = record([("t", "M8[ns]"), ("dt", "m8[us]"), ("g", "g")], t=np.datetime64(5, "ns"), dt=np.timedelta64(3, "us"), g=0.1)
    assert (np.datetime64, np.timedelta64, np.longdouble) == (type(r.t), type(r.dt), type(r.g))
    assert (np.datetime64(5, "ns"), np.timedelta64(3, "us"), np.longdouble(0.1)) == (r.t, r.dt, r.g)
    before = r.t
    r.t = np.datetime64(9, "ns")
    assert np.datetime64(5, "ns") == before


def test_array_fields_are_views_and_nested_ones_records():
    """What is written into a view is in the record."""
    r = record(MIXED)
    r.frame[1, 2] = 7
    r.pose.x = 1.5
    r["pose"]["y"] = 2.5
    assert 7 == r.array["frame"][1, 2]
    assert (1.5, 2.5) == r.pose.item() == r.array["pose"].item()
    assert isinstance(r.pose, Record) and isinstance(r.frame, np.ndarray)


def test_names_that_are_taken_or_no_identifiers_are_items_only():
    """`copy` stays the method; a name with a space has no attribute; a keyword has one."""
    r = record(MIXED)
    r["copy"], r["my field"], r["class"] = 2.0, 0.5, 3
    assert (2.0, 0.5, 3) == (r["copy"], r["my field"], getattr(r, "class"))
    assert callable(r.copy)
    dunder = record([("__class__", "f8"), ("__getattr__", "f8"), ("_x", "f8")], _x=1.0)
    assert 1.0 == dunder._x and isinstance(dunder, Record) and 0.0 == dunder["__getattr__"]


def test_unknown_names_are_said():
    """A wrong item names the fields and the closest; a wrong attribute is an AttributeError, read or written."""
    r = state()
    assert "`record` has the fields x, v, theta, omega, not `thata` (did you mean `theta`?)" in failing(
        lambda: r["thata"], KeyError
    )
    assert "`record` has the fields" in failing(lambda: r.__setitem__("q", 1.0), KeyError)
    assert "`record`: needed the name of a field, was int 0; use `.vector` for positions" == failing(lambda: r[0], TypeError)
    assert "needed the name of a field" in failing(lambda: r[:], TypeError)
    assert "thata" in failing(lambda: r.thata, AttributeError)
    says = "`record` has the fields x, v, theta, omega, not `thata` (did you mean `theta`?)"
    assert says == failing(lambda: setattr(r, "thata", 1.0), AttributeError)
    assert "not writable" in failing(lambda: setattr(r, "array", 1.0), AttributeError)
    assert "x: a field cannot be deleted" == failing(lambda: delattr(r, "x"), TypeError)


def test_the_class_is_made_once_per_dtype():
    """Equal stored dtypes share a class, so that attribute look-ups stay warm."""
    packed = np.dtype([("a", "u1"), ("b", ">f8")])
    assert type(record(packed)) is type(record([("a", "u1"), ("b", "f8")]))
    assert type(record(STATE)) is not type(record(packed))
    assert "Record" == type(record(STATE)).__name__


def test_a_field_of_another_record_is_refused():
    """A descriptor reads only the class it was made for."""
    field = type(state()).__dict__["x"]
    assert isinstance(field, Field) and field is type(state()).x
    assert "x: needed a record that has this field, was Record" == failing(lambda: field.__get__(record(MIXED), None), TypeError)
    assert "x: needed a record that has this field, was int" == failing(lambda: field.__set__(3, 1.0), TypeError)


def test_records_and_formats_are_not_made_by_hand():
    """Memory that nobody lent cannot be reached."""
    for made in (Record, type(state()), lambda: Record.__new__(Record), lambda: type(state()).__new__(type(state()))):
        assert "Record: made by record(dtype, ...) only" == failing(made, TypeError)
    assert "Format: made by Format.of(dtype) only" == failing(Format, TypeError)
    assert b"" == bytes(memoryview(Slot()))


# --------------------------------------------------------------------------------------------------- vectors, arithmetic


def test_vector_is_a_view_of_all_elements():
    """Homogeneous records, nested and array fields included, are one row of elements."""
    r = record([("p", [("x", "f4"), ("y", "f4")]), ("q", "f4", (2, 2))])
    r.vector[:] = range(6)
    assert (0.0, 1.0) == r.p.item()
    assert [[2.0, 3.0], [4.0, 5.0]] == r.q.tolist()
    assert [0.0, 1.0] == r.p.vector.tolist()
    assert np.shares_memory(r.vector, r.array) and np.shares_memory(r.p.vector, r.array)


@pytest.mark.parametrize("spec", ["?", "i8", "c8", "S3", "U2", "M8[ns]", "f2", "g", "u1"])
def test_every_type_has_vectors(spec):
    """One type is enough, whichever."""
    r = record([("a", spec), ("b", spec, (2,))])
    assert (3,) == r.vector.shape and np.dtype(spec) == r.vector.dtype


def test_no_vector_names_the_first_that_differs():
    """The TypeError says which field has another type than the first."""
    r = as_input(record([("p", [("x", "f8")]), ("y", "f8"), ("n", "i4"), ("m", "i2")]))
    expected = "`state`.vector: needed one type in all fields, was mixed: `p.x` is f8, `n` is i4; use `.array` or the fields"
    assert expected == failing(lambda: r.vector, TypeError)
    assert expected == failing(lambda: r + 1, TypeError)


def test_records_are_vectors_to_numpy():
    """`np.asarray` is the vector where there is one, else the 0-d array; no copy unless asked or needed."""
    r, mixed = state(), record(MIXED)
    assert np.asarray(r) is r.vector and np.asarray(mixed) is mixed.array
    assert not np.shares_memory(np.array(r), r.vector)
    assert np.float32 == np.asarray(r, dtype="f4").dtype
    assert not np.shares_memory(r.__array__(copy=True), r.vector)
    assert "`record`: needed float32 without a copy, was float64" == failing(
        lambda: r.__array__(np.dtype("f4"), copy=False), ValueError
    )


def test_arithmetic_with_arrays_in_both_orders():
    """A homogeneous record takes part in expressions as its vector does."""
    r, k, f = state(), np.array([1.0, -2.0, 3.0, -4.0]), np.arange(16.0).reshape(4, 4)
    v = r.vector.copy()
    for found, expected in [
        (k @ r, k @ v),
        (r @ k, v @ k),
        (f @ r, f @ v),
        (r @ f, v @ f),
        (r - k, v - k),
        (k - r, k - v),
        (r + k, v + k),
        (k + r, k + v),
        (r * k, v * k),
        (k * r, k * v),
        (r / k, v / k),
        (k / r, k / v),
        (2 * r, 2 * v),
        (r * 2, 2 * v),
        (1 - r, 1 - v),
        (1 / r, 1 / v),
        (np.float64(2) - r, 2 - v),
        (np.int32(2) / r, 2 / v),
        (-r, -v),
        (+r, v),
        (abs(-1 * r), v),
        (r + r, 2 * v),
        (r - r, 0 * v),
        (r @ r, v @ v),
        (np.sin(r), np.sin(v)),
        (np.add(k, r), k + v),
        (np.dot(f, r), f @ v),
        (np.linalg.norm(r), np.linalg.norm(v)),
        (f - r, f - v),
        (r // k, v // k),
        (k // r, k // v),
        (r % 2, v % 2),
        (7 % r, 7 % v),
        (r**2, v**2),
        (2**r, 2**v),
        (k**r, k**v),
        (pow(r, 2), v**2),
        (divmod(r, 2)[1], divmod(v, 2)[1]),
        (divmod(k, r)[0], divmod(k, v)[0]),
        (r < k, v < k),
        (k < r, k < v),
        (r >= 2, v >= 2),
        (2 > r, 2 > v),
        (r == k, v == k),
        (k != r, k != v),
    ]:
        assert type(expected) is type(found)
        assert np.array_equal(expected, found)
    assert np.array_equal(v, r.vector)


def test_arithmetic_of_bits_and_refusals():
    """Integer records have the operators of integers; what arrays refuse is refused."""
    n, m = record([("a", "u1"), ("b", "u1")], (5, 6)), np.array([3, 1], "u1")
    v = n.vector
    for found, expected in [(n & m, v & m), (m & n, m & v), (n | m, v | m), (m ^ n, m ^ v), (n << 1, v << 1), (m >> n, m >> v)]:
        assert np.array_equal(expected, found)
    for wrong, error in [
        (lambda: state() & 1, TypeError),
        (lambda: state() + "a", TypeError),
        (lambda: state() + np.zeros(3), ValueError),
    ]:
        with pytest.raises(error):
            wrong()


def test_arithmetic_in_place_writes_the_record():
    """`r += x` and `r.vector += x` change the record itself, which stays one."""
    r = state()
    same = r
    r += 1
    r -= np.ones(4)
    r *= 2
    r /= state(1.0, 1.0, 2.0, 2.0)
    assert same is r and (2.0, 4.0, 3.0, 4.0) == r.item()
    r.vector += 1
    r.x += 1
    assert (4.0, 5.0, 4.0, 5.0) == r.item()
    r.vector = np.zeros(4)
    assert (0.0, 0.0, 0.0, 0.0) == r.item()


# --------------------------------------------------------------------------------------------------------------- mapping


def test_a_record_is_a_mapping_of_its_fields():
    """Names in order, `dict`, `len`, `in`; `item` is the tuple of values."""
    r = record(MIXED, name="abc", pose=(1, 2))
    assert [name for name, *_ in MIXED] == list(r) == list(r.keys()) == list(dict(r))
    assert len(MIXED) == len(r)
    assert "frame" in r and "q" not in r
    assert "abc" == dict(r)["name"] == {**r}["name"]
    assert ((1.0, 2.0), "abc") == (r.item()[0], r.item()[2])


def test_item_is_free_to_keep():
    """The arrays of `item` are copies."""
    r = record(MIXED)
    frame = r.item()[1]
    r.frame[:] = 1
    assert 0 == frame.sum()


def test_equality_is_of_fields():
    """Equal fields of one dtype are equal; so is a tuple or dict that would store them; arrays compare by element."""
    r = state()
    assert state() == r and state() == r and state(1.0, 2.0, 3.0, 5.0) != r
    assert (1.0, 2.0, 3.0, 4.0) == r and (1, 2, 3, 4) == r and {"x": 1, "v": 2, "theta": 3, "omega": 4} == r
    assert (1, 2, 3) != r and ("a", 2, 3, 4) != r and [1, 2, 3, 4] != r and 3 != r
    assert record([("x", "f4")]) != record([("x", "f8")])
    assert [True, True, True, False] == (r == np.array([1.0, 2.0, 3.0, 5.0])).tolist()
    assert state(np.nan, 0, 0, 0) != state(np.nan, 0, 0, 0)
    assert record(MIXED, frame=np.ones((2, 3), "u1")) != record(MIXED) == record(MIXED)


def test_a_record_is_not_hashable():
    """Its memory changes."""
    assert "`record`: a record is not hashable, its memory changes; use `.item()`" == failing(lambda: hash(state()), TypeError)


def test_repr_reads_like_a_call():
    """Fields in order, nested records and arrays in one line."""
    assert "Record(x=1.0, v=2.0, theta=3.0, omega=4.0)" == repr(state())
    assert "Record(p=Record(x=0.0), q=[[0, 0], [0, 0]], 'a b': 0)" == repr(
        record([("p", [("x", "f8")]), ("q", "i4", (2, 2)), ("a b", "i4")])
    )
    assert len(repr(record([("frame", "u1", (480, 640))]))) < 200


@pytest.mark.parametrize("travel", [lambda r: pickle.loads(pickle.dumps(r)), copy.copy, copy.deepcopy, Record.copy])
def test_copies_are_own_records(travel):
    """Pickle and copy give an equal, writable record of the same class and other memory."""
    original = record(MIXED, name="abc", frame=np.ones((2, 3), "u1"))
    for source in (original, as_input(original)):
        made = travel(source)
        assert source == made and type(source) is type(made)
        made.frame[:] = 5
        made.name = "new"
        assert "abc" == source.name and 6 == source.frame.sum()


def test_a_nested_record_is_copied_alone():
    """The copy of a nested record is a record of its dtype."""
    r = record(MIXED, pose=(1, 2))
    for made in (r.pose.copy(), pickle.loads(pickle.dumps(r.pose))):
        r.pose.x = 9.0
        assert (1.0, 2.0) == made.item()
        r.pose.x = 1.0


def test_pickles_do_not_carry_padding():
    """Equal records give equal bytes, whatever lies between their fields."""
    spec = [("a", "u1"), ("b", "f8")]
    one, other = (Format.of(spec).over(bytearray(bytes([1, *[pad] * 7]) + bytes(8))) for pad in (0, 255))
    assert one == other and pickle.dumps(one) == pickle.dumps(other)


# ------------------------------------------------------------------------------------------------------------- read-only


def test_inputs_are_read_only():
    """Every way to write says who is read-only and what to do."""
    r = as_input(record(MIXED))
    expected = "`state` is an input, read-only; use `.copy()`"
    assert expected == failing(lambda: setattr(r, "n", 3), TypeError)
    assert expected == failing(lambda: r.__setitem__("n", 3), TypeError)
    assert expected == failing(lambda: r.__setitem__(slice(None), record(MIXED)), TypeError)
    assert expected == failing(lambda: r.__setitem__(..., record(MIXED)), TypeError)
    assert "`state.pose` is an input, read-only; use `.copy()`" == failing(lambda: setattr(r.pose, "x", 3.0), TypeError)
    s = as_input(state())
    assert expected == failing(lambda: s.__iadd__(1), TypeError)
    assert expected == failing(lambda: setattr(s, "vector", np.zeros(4)), TypeError)


def test_views_of_inputs_are_read_only_for_good():
    """NumPy refuses to write, and to be made writable."""
    r = as_input(record(MIXED))
    for view in (r.array, r.frame, r.frame[1:], r.pose.vector, as_input(state()).vector, r.array["n"]):
        assert not view.flags.writeable
        with pytest.raises(ValueError):
            view.flags.writeable = True
    assert memoryview(as_input(state()).array).readonly and memoryview(r.frame).readonly
    assert r.copy().frame.flags.writeable


def test_array_inputs_are_read_only():
    """A plain array over read-only memory is a read-only ndarray of its shape."""
    view = Format.of("(2,3)f8").over(bytes(48))
    assert (2, 3) == view.shape and np.float64 == view.dtype and not view.flags.writeable
    assert Format.of("(2,3)f8").over(bytearray(48)).flags.writeable


# --------------------------------------------------------------------------------------------------------------- formats


def test_formats_are_one_per_stored_dtype():
    """Asking again, in any spelling, gives the same format."""
    assert Format.of(STATE) is Format.of(np.dtype(STATE)) is Format.of([(name, ">f8") for name, _ in STATE])
    assert ("x", "v", "theta", "omega") == Format.of(STATE).names and 32 == Format.of(STATE).itemsize


def test_over_checks_size_and_alignment():
    """Memory that is no record of this dtype is refused."""
    memory = bytearray(33)
    with pytest.raises(ValueError, match="buffer: needed 32 bytes aligned to 8, was 33 bytes"):
        Format.of(STATE).over(memory)
    with pytest.raises(ValueError, match="buffer: needed 32 bytes aligned to 8"):
        Format.of(STATE).over(memoryview(memory)[1:])
    with pytest.raises(ValueError, match="data: needed the 32 bytes of <x:f8, v:f8, theta:f8, omega:f8>, was 33 bytes"):
        Format.of(STATE).unpack(memory)


def test_over_sees_what_the_owner_writes():
    """A view copies nothing; a scalar is a copy."""
    memory = bytearray(32)
    r = Format.of(STATE).over(memory, "state")
    memory[:8] = np.float64(1.5).tobytes()
    assert 1.5 == r.x
    r.v = 2.5
    assert 2.5 == np.frombuffer(memory)[1]
    assert 1.5 == Format.of("f8").over(memory[:8])


def test_objects_have_no_memory():
    """An object dtype has a kind and a digest that never moves."""
    with pytest.raises(TypeError, match="an object has no memory"):
        Format.of(object).pack(3)
    assert 5 == Format.of(object).hash(bytes(8), 5)
