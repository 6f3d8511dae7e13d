"""Records: fields by name, vectors to NumPy, values by exact rules, and what user code kept."""

from __future__ import annotations

import copy
import datetime
import decimal
import enum
import gc
import pickle
import tracemalloc

import numpy as np
import pytest

from dfcore._record import Field, Format, Record, Slot, kept, record
from dfcore.errors import DtypeError

STATE = [("x", "f8"), ("v", "f8"), ("theta", "f8"), ("omega", "f8")]
MIXED = [
    ("pose", [("x", "f8"), ("y", "f8")]),
    ("frame", "u1", (2, 3)),
    ("name", "U4"),
    ("tag", "S3"),
    ("on", "?"),
    ("t", "M8[ns]"),
    ("n", "i4"),
    ("class", "i2"),
    ("my field", "f4"),
    ("copy", "f8"),
]


def state(*numbers: float) -> Record:
    return record(STATE, numbers or (1.0, 2.0, 3.0, 4.0))


def as_input(made: Record, end: str = "state") -> Record:
    """The same record as an input named `end` would see it."""
    return Format.of(made.array.dtype).over(bytes(made.array.tobytes()), end)


def failing(call, error=DtypeError) -> str:
    with pytest.raises(error) as caught:
        call()
    assert error is type(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------------------------ fields


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
    assert "`record` has the fields x, v, theta, omega, not `thata` (did you mean `theta`?)" in failing(lambda: r["thata"], KeyError)
    assert "`record` has the fields" in failing(lambda: r.__setitem__("q", 1.0), KeyError)
    assert "`record`: needed the name of a field, was int 0; use `.vector` for positions" == failing(lambda: r[0], TypeError)
    assert "needed the name of a field" in failing(lambda: r[:], TypeError)
    assert "thata" in failing(lambda: r.thata, AttributeError)
    assert "thata" in failing(lambda: setattr(r, "thata", 1.0), AttributeError)
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


# ------------------------------------------------------------------------------------------------------- vectors, arithmetic


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
    assert "`record`: needed float32 without a copy, was float64" == failing(lambda: r.__array__(np.dtype("f4"), copy=False), ValueError)


def test_arithmetic_with_arrays_in_both_orders():
    """A homogeneous record takes part in expressions as its vector does."""
    r, k, f = state(), np.array([1.0, -2.0, 3.0, -4.0]), np.arange(16.0).reshape(4, 4)
    v = r.vector.copy()
    for found, expected in [
        (k @ r, k @ v), (r @ k, v @ k), (f @ r, f @ v), (r @ f, v @ f), (r - k, v - k), (k - r, k - v), (r + k, v + k), (k + r, k + v),
        (r * k, v * k), (k * r, k * v), (r / k, v / k), (k / r, k / v), (2 * r, 2 * v), (r * 2, 2 * v), (1 - r, 1 - v), (1 / r, 1 / v),
        (np.float64(2) - r, 2 - v), (np.int32(2) / r, 2 / v), (-r, -v), (+r, v), (abs(-1 * r), v), (r + r, 2 * v), (r - r, 0 * v), (r @ r, v @ v),
        (np.sin(r), np.sin(v)), (np.add(k, r), k + v), (np.dot(f, r), f @ v), (np.linalg.norm(r), np.linalg.norm(v)), (f - r, f - v),
        (r // k, v // k), (k // r, k // v), (r % 2, v % 2), (7 % r, 7 % v), (r**2, v**2), (2**r, 2**v), (k**r, k**v), (pow(r, 2), v**2),
        (divmod(r, 2)[1], divmod(v, 2)[1]), (divmod(k, r)[0], divmod(k, v)[0]),
        (r < k, v < k), (k < r, k < v), (r >= 2, v >= 2), (2 > r, 2 > v), (r == k, v == k), (k != r, k != v), (r < r, v < v),
    ]:  # fmt: skip
        assert type(expected) is type(found)
        assert np.array_equal(expected, found)
    assert np.array_equal(v, r.vector)


def test_arithmetic_of_bits_and_refusals():
    """Integer records have the operators of integers; what arrays refuse is refused."""
    n, m = record([("a", "u1"), ("b", "u1")], (5, 6)), np.array([3, 1], "u1")
    v = n.vector
    for found, expected in [(n & m, v & m), (m & n, m & v), (n | m, v | m), (m ^ n, m ^ v), (n << 1, v << 1), (m >> n, m >> v)]:
        assert np.array_equal(expected, found)
    for wrong, error in [(lambda: state() & 1, TypeError), (lambda: state() + "a", TypeError), (lambda: state() + np.zeros(3), ValueError)]:
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


# ----------------------------------------------------------------------------------------------------------------- mapping


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
    """Records of one dtype with equal fields are equal; a tuple or dict is equal to what it would store; arrays compare by element."""
    r = state()
    assert state() == r and not (state() != r) and state(1.0, 2.0, 3.0, 5.0) != r
    assert (1.0, 2.0, 3.0, 4.0) == r and (1, 2, 3, 4) == r and dict(x=1, v=2, theta=3, omega=4) == r
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
    assert "Record(p=Record(x=0.0), q=[[0, 0], [0, 0]], 'a b': 0)" == repr(record([("p", [("x", "f8")]), ("q", "i4", (2, 2)), ("a b", "i4")]))
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


# -------------------------------------------------------------------------------------------------------------- read-only


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


# ------------------------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize(
    "value",
    [
        (1, 2, 3, 4),
        (1.0, np.float32(2), np.array(3), True + 3),
        dict(omega=4, theta=3, v=2, x=1),
        np.arange(1.0, 5.0),
        np.arange(1, 5),
        np.arange(1, 5, dtype=">i2"),
        np.arange(4.0, 0.0, -1.0)[::-1],
        np.arange(1.0, 5.0, 0.5)[::2],
        np.arange(1.0, 5.0, dtype="f4"),
        np.array((1, 2, 3, 4), STATE),
        np.array([(1, 2, 3, 4)], STATE)[0],
        np.array((1, 2, 3, 4), [(name, ">f8") for name, _ in STATE]),
        state(),
        as_input(state()),
    ],
)
def test_values_for_a_record(value):
    """A record, 0-d array or void of the dtype, a tuple, a dict, or all elements in a row."""
    r = record(STATE)
    r[:] = value
    again = record(STATE, value)
    assert state() == r == again == Format.of(STATE).unpack(Format.of(STATE).pack(value))


@pytest.mark.parametrize("spec", [[("u", "f8")], [("p", [("u", "f8")])], [("u", "f8", (1, 1))], [("p", [("u", "f8")], (1,))]])
@pytest.mark.parametrize("value", [2, 2.0, True + 1, np.float32(2), np.int8(2), np.array(2), np.array([2.0]), np.array([[2]])])
def test_a_number_for_the_only_element(spec, value):
    """A number or one-element array fits a record of exactly one element, however deep."""
    assert 2.0 == record(spec, value).vector[0]


def test_nested_values():
    """Nested tuples for nested fields, arrays for array fields, rows for homogeneous ones."""
    r = record(MIXED)
    r[...] = ((1, 2), np.arange(6).reshape(2, 3), "abc", b"xyz", np.True_, np.datetime64("2020-01-01"), 3, 4, 0.5, 6)
    assert ((1.0, 2.0), "abc", b"xyz", True, 3, 4, 0.5, 6.0) == tuple(r.item()[i] for i in (0, 2, 3, 4, 6, 7, 8, 9))
    r.pose = np.array([3, 4])
    assert (3.0, 4.0) == r.pose.item()
    r.pose = {"y": 6, "x": 5}
    r.frame = [[1, 2, 3], [4, 5, 6]]
    assert (5.0, 6.0) == r.pose.item() and 21 == r.frame.sum()
    r.frame[:] = 0
    assert 0 == r.frame.sum()


def test_arrays_of_records():
    """An array field of records takes a structured array of that shape."""
    spec = [("points", [("x", "f8"), ("on", "?")], (2,)), ("n", "i4")]
    r = record(spec, points=np.array([(1, True), (2, False)], [("x", "f4"), ("on", "?")]).astype([("x", "f8"), ("on", "?")]))
    assert [1.0, 2.0] == r.points["x"].tolist()
    text = failing(lambda: record(spec, points=np.zeros(2, [("x", "f8")])))
    assert text.startswith("record.points: needed an array 2<x:f8, on:b1>, was an array <x:f8> of shape (2,)")


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    "spec, value, expected",
    [
        ("f8", 3, 3.0), ("f8", True, 1.0), ("f8", np.int8(3), 3.0), ("f8", np.float16(0.5), 0.5), ("f8", np.array([0.5]), 0.5),
        ("f8", decimal.Decimal("0.5"), 0.5), ("f8", Level.HIGH, 3.0), ("f8", float("inf"), float("inf")), ("f4", float("-inf"), float("-inf")),
        ("f4", np.float64(0.5), 0.5), ("f4", 3, 3.0), ("f2", 0.5, 0.5), ("f4", 0.1, float(np.float32(0.1))),
        ("i4", np.int64(7), 7), ("i4", np.array(7), 7), ("i4", True, 1), ("i4", np.True_, 1), ("i4", Level.HIGH, 3), ("u8", np.uint64(2**64 - 1), 2**64 - 1),
        ("i1", np.uint64(127), 127), ("?", np.True_, True), ("?", np.array([False]), False),
        ("c16", 1, 1 + 0j), ("c16", 1.5, 1.5 + 0j), ("c8", np.complex128(1j), 1j), ("c16", np.array(2), 2 + 0j),
        ("S4", b"abcd", b"abcd"), ("S4", np.bytes_(b"ab"), b"ab"), ("S4", "ab", b"ab"), ("U4", "abcd", "abcd"), ("U4", np.str_("ab"), "ab"),
        ("U4", np.array("ab"), "ab"), ("S4", b"", b""), ("V2", b"ab", b"ab"), ("V2", np.void(b"ab"), b"ab"),
        ("M8[ms]", datetime.datetime(1970, 1, 1, 0, 0, 1), np.datetime64(1000, "ms")), ("M8[D]", datetime.date(1970, 1, 2), np.datetime64(1, "D")),
        ("M8[ns]", np.datetime64(1, "us"), np.datetime64(1000, "ns")), ("m8[us]", datetime.timedelta(milliseconds=1), np.timedelta64(1000, "us")),
    ],
)  # fmt: skip
def test_scalars_convert_without_loss_of_kind(spec, value, expected):
    """bool into int into float into complex; any length that fits; NumPy's scalars and one-element arrays like Python's."""
    form = Format.of(spec)
    assert expected == form.unpack(form.pack(value))
    assert type(expected) is type(form.unpack(form.pack(value)))
    assert expected == record([("pad", "u1"), ("x", spec)], x=value)["x"]


@pytest.mark.parametrize(
    "spec, value, text",
    [
        ("i4", 1.0, "gain: needed i4 (-2147483648 to 2147483647), was float 1.0; a float is never cut to an integer, round it"),
        ("i4", np.float32(1), "gain: needed i4 (-2147483648 to 2147483647), was float32 1.0; a float is never cut to an integer, round it"),
        ("i4", np.array([1.0]), "gain: needed i4 (-2147483648 to 2147483647), was an array f8 of shape (1,); a float is never cut"),
        ("i4", 2**31, "gain: needed i4 (-2147483648 to 2147483647), was int 2147483648; it is out of range"),
        ("u1", -1, "gain: needed u1 (0 to 255), was int -1; it is out of range"),
        ("u8", -1, "gain: needed u8 (0 to 18446744073709551615), was int -1; it is out of range"),
        ("u8", 2**64, "gain: needed u8 (0 to 18446744073709551615), was int 18446744073709551616; it is out of range"),
        ("i8", 2**63, "gain: needed i8"),
        ("i8", np.uint64(2**63), "gain: needed i8"),
        ("i1", np.int64(128), "gain: needed i1 (-128 to 127), was int64 128; it is out of range"),
        ("f8", 10**400, "gain: needed f8, was int 1000"),
        ("f4", 1e300, "gain: needed f4, was float 1e+300; it is out of range"),
        ("f2", 70000, "gain: needed f2, was int 70000; it is out of range"),
        ("f8", 1j, "gain: needed f8, was complex 1j"),
        ("f8", "1.5", "gain: needed f8, was str '1.5'"),
        ("f8", b"1", "gain: needed f8, was bytes b'1'"),
        ("f8", None, "gain: needed f8, was None"),
        ("f8", (1.0,), "gain: needed f8, was a tuple of 1"),
        ("f8", [1.0], "gain: needed f8, was a list of 1"),
        ("f8", np.zeros(2), "gain: needed f8, was an array f8 of shape (2,)"),
        ("f8", np.timedelta64(1, "ns"), "gain: needed f8, was timedelta64 1 nanoseconds"),
        ("i8", np.timedelta64(1, "ns"), "gain: needed i8"),
        ("i8", np.datetime64(1, "ns"), "gain: needed i8"),
        ("?", 1, "gain: needed b1, was int 1"),
        ("?", 1.0, "gain: needed b1, was float 1.0"),
        ("S2", b"abc", "gain: needed S2 (at most 2 long), was bytes b'abc'; it is too long"),
        ("S2", "é", "gain: needed S2, was str 'é'; encode it to bytes first"),
        ("S2", 1, "gain: needed S2, was int 1"),
        ("U2", "abc", "gain: needed U2 (at most 2 long), was str 'abc'; it is too long"),
        ("U2", b"a", "gain: needed U2, was bytes b'a'"),
        ("U2", 1, "gain: needed U2, was int 1"),
        ("V2", b"abc", "gain: needed V2, was bytes b'abc'"),
        ("M8[ns]", 5, "gain: needed M8[ns], was int 5"),
        ("M8[ns]", "2020-01-01", "gain: needed M8[ns], was str '2020-01-01'"),
        ("m8[ns]", 5, "gain: needed m8[ns], was int 5"),
        ("c16", "1", "gain: needed c16, was str '1'"),
        ("c8", 1e300, "gain: needed c8, was float 1e+300; it is out of range"),
        ("f8", "y" * 1000, "gain: needed f8, was str 'yyy"),
    ],
)
def test_scalars_that_lose_kind_or_range_are_refused(spec, value, text):
    """The message names the end, what was needed and what it was, in a line."""
    found = failing(lambda: Format.of(spec).pack(value, "gain"))
    assert found.startswith(text), found
    assert len(found) < 200
    assert failing(lambda: record([("x", spec)], {"x": value})).startswith("record.x" + text.removeprefix("gain"))


@pytest.mark.parametrize(
    "value, text",
    [
        (1.0, "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was float 1.0; a number is never spread over several fields"),
        (np.float64(1), "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was float64 1.0; a number is never spread over several"),
        (np.array([1.0]), "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was an array f8 of shape (1,)"),
        (np.zeros((4, 1)), "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was an array f8 of shape (4, 1)"),
        (np.zeros(4, complex), "record: needed an array 4f8, was an array c16 of shape (4,)"),
        ((1, 2), "record: needed a tuple of 4 (x, v, theta, omega), was a tuple of 2"),
        ((1, 2, "a", 4), "record.theta: needed f8, was str 'a'"),
        ([1, 2, 3, 4], "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was a list of 4; give a tuple"),
        ("abcd", "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was str 'abcd'; give a tuple"),
        ({"x": 1, "v": 2}, "record: needed the fields x, v, theta, omega, was without theta, omega; give them all"),
        ({"x": 1, "w": 2}, "record: needed the fields x, v, theta, omega, was also `w`"),
        (record([("x", "f8"), ("v", "f4")]), "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was Record(x=0.0, v=0.0); the fields differ:\n  v: needed f8, was f4\n"),
        (np.zeros((), [("x", "f8")]), "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was an array <x:f8> of shape (); the fields differ:\n  v: "),
        (np.zeros(1, STATE), "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was an array <x:f8, v:f8, theta:f8, omega:f8> of shape (1,)"),
    ],
)  # fmt: skip
def test_values_that_are_no_record_are_refused(value, text):
    """Nothing is guessed: wrong numbers of values, wrong fields, wrong shapes, and a scalar for several fields are errors."""
    assert failing(lambda: record(STATE, value)).startswith(text)


def test_a_row_needs_one_type():
    """An array for a record of several types says which."""
    text = failing(lambda: record([("x", "f8"), ("n", "i4")], np.zeros(2)))
    assert text == "record: needed a record <x:f8, n:i4>, was an array f8 of shape (2,); `x` is f8, `n` is i4: give a tuple"


@pytest.mark.parametrize(
    "value, text",
    [
        (np.zeros(3), "image: needed an array (2,3)f8, was an array f8 of shape (3,); shapes must be equal, nothing is broadcast"),
        (np.zeros((1, 2, 3)), "image: needed an array (2,3)f8, was an array f8 of shape (1, 2, 3)"),
        (0.0, "image: needed an array (2,3)f8, was float 0.0; a number is never spread over an array"),
        (np.float64(0), "image: needed an array (2,3)f8, was float64 0.0"),
        (np.zeros((2, 3), complex), "image: needed an array (2,3)f8, was an array c16 of shape (2, 3)"),
        ([[1, 2], [3]], "image: needed an array (2,3)f8, was a list of 2"),
        ([["a", 1, 2], [3, 4, 5]], "image: needed an array (2,3)f8, was a list of 2"),
        (None, "image: needed an array (2,3)f8, was None"),
        (b"abcdef", "image: needed an array (2,3)f8, was bytes b'abcdef'"),
    ],
)
def test_arrays_need_exactly_their_shape(value, text):
    """Never broadcast, never cut."""
    assert failing(lambda: Format.of("(2,3)f8").pack(value, "image")).startswith(text)


@pytest.mark.parametrize(
    "value",
    [np.arange(6.0).reshape(2, 3), np.arange(6).reshape(2, 3), np.arange(6.0).reshape(3, 2).T.copy("F"), [[0, 1, 2], [3, 4, 5.0]], np.arange(12.0).reshape(2, 6)[:, ::2]],
)  # fmt: skip
def test_arrays_of_any_memory_order(value):
    """Strides and kinds of the source do not matter."""
    form = Format.of("(2,3)f8")
    assert np.array_equal(np.asarray(value, "f8"), form.unpack(form.pack(value)))


def test_integer_arrays_are_range_checked():
    """No wrap-around in arrays either, and text lists stay text."""
    assert [1, 255] == Format.of("2u1").unpack(Format.of("2u1").pack(np.array([1, 255]))).tolist()
    assert "it is out of range" in failing(lambda: Format.of("2u1").pack(np.array([1, 256])))
    assert "it is out of range" in failing(lambda: Format.of("2f4").pack(np.array([1.0, 1e300])))
    assert "x: needed an array 2U3, was a list of 2" == failing(lambda: Format.of("2U3").pack(["a", 1], "x"))
    assert ["a", "b"] == Format.of("2U3").unpack(Format.of("2U3").pack(["a", "b"])).tolist()


def test_a_value_that_does_not_fit_changes_nothing():
    """A record is as it was after a failed assignment, however far it had got."""
    r = record(MIXED, name="abc", pose=(1, 2))
    before = r.copy()
    for value in [((5, 6), np.ones((2, 3), "u1"), "new", b"", True, np.datetime64(0, "ns"), 1, 1, 0.5, "bad"), {**dict(r), "n": 1.5}]:
        failing(lambda value=value: r.__setitem__(slice(None), value))
    failing(lambda: setattr(r, "pose", (7, "bad")))
    failing(lambda: setattr(r, "frame", np.full((2, 3), 300)))
    failing(lambda: setattr(r, "name", "abcde"))
    assert before == r


def test_assignment_from_itself():
    """Views of the record being written are read before it is written."""
    r = record([("a", "f8", (2,)), ("b", "f8", (2,))], a=[1, 2], b=[3, 4])
    r[:] = (r.b, r.a)
    assert [3.0, 4.0, 1.0, 2.0] == r.vector.tolist()
    r[:] = r.vector[::-1]
    assert [2.0, 1.0, 4.0, 3.0] == r.vector.tolist()
    r[:] = r
    assert [2.0, 1.0, 4.0, 3.0] == r.vector.tolist()


def test_record_takes_values_and_fields():
    """Fields not given are zero; given ones override the value; what does not exist is an error."""
    assert (0.0, 2.0, 0.0, 0.0) == record(STATE, v=2).item()
    assert (9.0, 2.0, 3.0, 4.0) == record(STATE, (1, 2, 3, 4), x=9).item()
    assert "record: needed the fields x, v, theta, omega, was also `omga` (did you mean `omega`?)" == failing(lambda: record(STATE, omga=1))
    assert "record.x: needed f8, was str 'a'" == failing(lambda: record(STATE, x="a"))
    assert "record: needed a structured dtype, was f8; name its fields" == failing(lambda: record("f8"))
    assert failing(lambda: record(None)).startswith("dtype: needed what np.dtype accepts")


# ----------------------------------------------------------------------------------------------------------------- formats


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


# ------------------------------------------------------------------------------------------------------------------ digest


def test_digest_is_over_fields_only():
    """Padding does not count, every byte of a field does."""
    form = Format.of([("a", "u1"), ("b", "f8"), ("c", "i4")])
    clean = form.pack((1, 2.0, 3))
    digest = form.hash(clean)
    for position in range(form.itemsize):
        other = bytearray(clean)
        other[position] ^= 0x80
        assert (position in [1, 2, 3, 4, 5, 6, 7, 20, 21, 22, 23]) is (digest == form.hash(bytes(other)))


@pytest.mark.parametrize("size", [*range(1, 70), 255, 256, 257, 320, 4096, 5000])
def test_digest_sees_every_bit_of_any_length(size):
    """Every tail and every lane counts, and pairs of sign bits do not cancel."""
    form = Format.of(("u1", (size,)))
    zero = bytearray(size)
    seen = {form.hash(bytes(zero))}
    positions = range(size) if size < 300 else range(0, size, 7)
    for position in positions:
        for bit in (1, 128):
            zero[position] = bit
            seen.add(form.hash(bytes(zero)))
            zero[position] = 0
    for position in range(0, size - 39, 8):
        zero[position + 7] = zero[position + 39] = 128
        seen.add(form.hash(bytes(zero)))
        zero[position + 7] = zero[position + 39] = 0
    assert 1 + 2 * len(positions) + len(range(0, size - 39, 8)) == len(seen)


def test_digest_rolls():
    """The digest depends on the number and the order of records, zero ones too."""
    form = Format.of(STATE)
    zero, one, two = (form.pack((x, 0, 0, 0)) for x in (0, 1, 2))

    def roll(*records: bytes) -> int:
        h = 0
        for data in records:
            h = form.hash(data, h)
        return h

    sequences = [(), (zero,), (zero, zero), (one, two), (two, one), (one, zero), (zero, one), (one, one)]
    assert len(sequences) == len({roll(*sequence) for sequence in sequences})


def test_digest_is_the_same_in_every_process():
    """It is stored and compared between runs: its value is fixed."""
    assert (0x53696320841EBA5C, 0xAD73BD182EE1BA2B) == (Format.of("4f8").hash(np.arange(4.0).tobytes()), Format.of("300u1").hash(bytes(range(150)) * 2))


# -------------------------------------------------------------------------------------------------------------------- kept

KEEPERS = {
    "record": lambda r: r,
    "array": lambda r: r.array,
    "array slice": lambda r: r.array[...],
    "void": lambda r: r.array[()],
    "array of a field": lambda r: r.array["x"],
    "vector": lambda r: r.vector,
    "slice of the vector": lambda r: r.vector[1:],
    "slice of a slice": lambda r: r.vector[1:][1:],
    "transpose": lambda r: r.vector.T,
    "reshape": lambda r: r.vector.reshape(-1, 1)[0],
    "other dtype": lambda r: r.vector.view("u1"),
    "asarray": np.asarray,
    "asarray slice": lambda r: np.asarray(r)[:1],
    "broadcast": lambda r: np.broadcast_to(r.vector, (2, r.vector.size)),
    "strided": lambda r: np.lib.stride_tricks.as_strided(r.vector, (2,)),
    "memoryview": lambda r: memoryview(r.array),
    "memoryview of the vector": lambda r: memoryview(r.vector),
    "memoryview slice": lambda r: memoryview(r.vector)[1:],
    "iterator": lambda r: iter(r.vector),
    "nditer": lambda r: np.nditer(r.vector),
    "flat": lambda r: r.vector.flat,
    "array field": lambda r: r["a"],
    "slice of an array field": lambda r: r.a[0],
    "element view of an array field": lambda r: r.a[0, :1],
    "nested": lambda r: r["p"],
    "nested vector": lambda r: r.p.vector,
    "slice of a nested vector": lambda r: r.p.vector[1:],
    "nested array": lambda r: r.p.array,
    "nested asarray": lambda r: np.asarray(r.p),
    "nested twice": lambda r: r.p.q,
    "array of nested twice": lambda r: r.p.q.array,
    "vector of nested twice": lambda r: r.p.q.vector,
    "array field of nested twice": lambda r: r.p.q.b,
    "method": lambda r: r.copy,
    "closure": lambda r: lambda: r,
    "container": lambda r: {"deep": [(r.a,)]},
    "generator": lambda r: (r.x for _ in range(3)),
    "ctypes": lambda r: r.vector.ctypes,
}

READERS = {
    "field": lambda r: r.x,
    "item": lambda r: r["x"],
    "values": lambda r: r.item(),
    "dict of scalars": lambda r: {name: r[name] for name in ("x",)},
    "names": iter,
    "keys": lambda r: r.keys(),
    "copy": lambda r: r.copy(),
    "copy of the vector": lambda r: r.vector.copy(),
    "sum": lambda r: r.vector.sum(),
    "product": lambda r: np.eye(r.vector.size) @ r,
    "difference": lambda r: r - 1,
    "element": lambda r: r.vector[0],
    "nested scalar": lambda r: r.p.q.y,
    "nested copy": lambda r: r.p.copy(),
    "nested sum": lambda r: r.p.vector.sum(),
    "array of a field": lambda r: r.a.sum(),
    "fancy index": lambda r: r.vector[[0, 1]],
    "repr": repr,
    "pickle": pickle.dumps,
    "equality": lambda r: r == r.copy(),
    "loop": lambda r: [value for value in r.vector],
    "bytes": lambda r: bytes(r.array),
    "error": lambda r: pytest.raises(KeyError, lambda: r["nothing"]) and None,
}

DEEP = [("x", "f8"), ("a", "f8", (2, 2)), ("p", [("z", "f8"), ("q", [("y", "f8"), ("b", "f8", (2,))])])]


def lent(readonly: bool) -> list[Record]:
    """A record as the engine holds it: one reference, everything cached inside made already."""
    memory = bytes(Format.of(DEEP).itemsize) if readonly else bytearray(Format.of(DEEP).itemsize)
    return [Format.of(DEEP).over(memory, "state")]


@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("keep", KEEPERS.values(), ids=KEEPERS)
def test_whatever_is_kept_counts(keep, warm, readonly):
    """L10: each thing kept alone is seen, and no longer once it is dropped."""
    holder = lent(readonly)
    if warm:
        holder[0].vector, holder[0].array
    assert 0 == kept(holder)
    something = keep(holder[0])
    assert kept(holder) > 0
    del something
    assert 0 == kept(holder)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_what_is_only_read_does_not_count(read):
    """L10: results that hold no memory of the record leave nothing behind."""
    holder = lent(True)
    result = read(holder[0])
    assert 0 == kept(holder)
    del result


def test_kept_views_stay_valid_without_the_record():
    """Whatever was handed out keeps the memory, also when everything else is gone."""
    for keep in KEEPERS.values():
        memory = bytearray(Format.of(DEEP).itemsize)
        something = keep(Format.of(DEEP).over(memory))
        with pytest.raises(BufferError):
            memory.extend(b"x")
        del something
        memory.extend(b"x")


def test_arrays_that_are_kept_count():
    """L10 for plain arrays: the array, a slice, a memoryview, an iterator."""
    for keep in (lambda a: a, lambda a: a[0], lambda a: a[0][1:], memoryview, iter, lambda a: a.T, np.asarray, lambda a: a.flat):
        holder = [Format.of("(2,3)f8").over(bytes(48))]
        something = keep(holder[0])
        assert kept(holder) > 0
        del something
        assert 0 == kept(holder)


def test_two_views_of_one_slot_count_apart():
    """RULES 6: what one reader keeps is not held against the other."""
    memory = bytearray(32)
    one, other = [Format.of(STATE).over(memory)], [Format.of(STATE).over(memory)]
    something = one[0].vector
    assert (1, 0) == (kept(one), kept(other))
    del something


def test_memory_is_given_back_once_and_at_once():
    """A slot releases its memory when the last view goes, in any order, with no help of the garbage collector."""
    gc.disable()
    try:
        memory = bytearray(Format.of(DEEP).itemsize)
        r = Format.of(DEEP).over(memory)
        views = [keep(r) for keep in KEEPERS.values()]
        del r
        while views:
            with pytest.raises(BufferError):
                memory.extend(b"x")
            views.pop(len(views) // 2)
        memory.extend(b"x")
    finally:
        gc.enable()


def test_records_in_cycles_are_collected():
    """A node that keeps a record and is part of a cycle does not keep it for ever."""
    memory = bytearray(32)

    class Holder:
        pass

    holder = Holder()
    holder.me, holder.state = holder, Format.of(STATE).over(memory)
    holder.view = holder.state.vector
    del holder
    gc.collect()
    memory.extend(b"x")


def test_own_records_do_not_leak():
    """Making, reading, failing and dropping records leaves the memory as it was."""

    def work() -> None:
        for _ in range(100):
            r = record(MIXED, frame=np.ones((2, 3), "u1"))
            pickle.loads(pickle.dumps(r.pose)), r.array, r.pose.vector, r.item(), r.copy()
            for bad in ((1,), {"n": 1}, 3.0):
                with pytest.raises(DtypeError):
                    r[:] = bad

    work()
    gc.collect()
    tracemalloc.start()
    try:
        work()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        work()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 2000
