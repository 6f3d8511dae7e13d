"""dtypes: what may lie in shared memory, in which form, and how two differ."""

from __future__ import annotations

import numpy as np
import pytest

from dfcore.dtypes import agree, describe, difference, kind, runs, stored
from dfcore.errors import DtypeError

NESTED = [("t", "u1"), ("pose", [("x", "f8"), ("on", "?")]), ("frame", ">i2", (2, 3))]


def test_stored_is_aligned_and_native_at_every_depth():
    """Names and types stay; offsets and byte order are those of the machine, nested records included."""
    dtype = stored(NESTED)
    assert ("t", "pose", "frame") == dtype.names
    assert [0, 8, 24] == [dtype.fields[name][1] for name in dtype.names]
    assert dtype.isalignedstruct and dtype["pose"].isalignedstruct
    assert np.dtype(("=i2", (2, 3))) == dtype["frame"]
    assert 40 == dtype.itemsize


def test_stored_is_its_own_stored_form():
    """Storing twice changes nothing, so that a node's dtype may be handed on."""
    assert stored(NESTED) == stored(stored(NESTED))


@pytest.mark.parametrize(
    "spec", ["f8", np.float64, float, int, bool, "S4", "U3", "M8[ns]", "m8[us]", "c16", "V5", "(3,3)f8", "i4,f8", object]
)
def test_stored_takes_what_numpy_takes(spec):
    """Every plain type, sub-array, comma string and `object` is accepted, and stays what it is."""
    assert np.dtype(spec).itemsize <= stored(spec).itemsize
    assert kind(np.dtype(spec)) == kind(stored(spec))


def test_packed_layouts_titles_and_record_types_are_only_names_and_types():
    """Offsets of a dtype made from a dict, titles and np.record do not survive."""
    packed = np.dtype({"names": ["b", "a"], "formats": ["f8", "u1"], "offsets": [0, 3], "itemsize": 99})
    titled = np.dtype([(("a title", "b"), "f8"), ("a", "u1")])
    assert stored([("b", "f8"), ("a", "u1")]) == stored(packed) == stored(titled)
    assert np.void is stored(np.dtype((np.record, [("x", "f8")]))).type


def test_arrays_of_arrays_are_one_array():
    """A sub-array of a sub-array has the dimensions of both."""
    assert np.dtype(("f8", (2, 3))) == stored(np.dtype((np.dtype(("f8", (3,))), (2,))))


@pytest.mark.parametrize(
    "spec, text",
    [
        (None, "dtype: needed what np.dtype accepts but a dict or None, was None"),
        ({"names": ["x"], "formats": ["f8"]}, "dtype: needed what np.dtype accepts but a dict or None, was {"),
        ("nonsense", "dtype: needed what np.dtype accepts, was 'nonsense'"),
        (3, "dtype: needed what np.dtype accepts, was 3"),
        (
            [("x", "f8"), ("pose", [("q", "O")])],
            "pose.q: needed numbers, times, bytes or text inside a record or array, was object",
        ),
        (("O", (3,)), "dtype: needed numbers, times, bytes or text inside a record or array, was object"),
        ("S", "dtype: needed at least one byte, was of zero size"),
        ([], "dtype: needed at least one byte, was of zero size"),
        ([("x", "f8"), ("name", "U")], "name: needed at least one byte, was of zero size"),
        ([("p", [("name", "S0")])], "p.name: needed at least one byte, was of zero size"),
        ([("frame", "u1", (0, 3))], "frame: needed at least one byte, was of zero size"),
        ([("p", [("x", "f8"), ("x", "f4")])], "p.x: needed each name once in a record, was there twice"),
        ([("x", "f8"), ("x", "f8")], "x: needed each name once in a record, was there twice"),
        ([(("title", "x"), "f8"), ("x", "f8")], "x: needed each name once in a record, was there twice"),
        ([("x", "f8"), ("big", "u1", (2**40,))], "dtype: needed what np.dtype accepts, was [("),
    ],
)
def test_stored_refuses_with_the_path(spec, text):
    """Objects in records, zero sizes, doubled names and nonsense are refused, naming the field."""
    with pytest.raises(DtypeError) as caught:
        stored(spec)
    assert str(caught.value).startswith(text), str(caught.value)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 2")
def test_text_on_the_heap_is_refused():
    """A string type that stores pointers cannot lie in shared memory."""
    with pytest.raises(DtypeError, match="dtype: needed a type of NumPy with a fixed size"):
        stored(np.dtypes.StringDType())


def test_one_name_at_two_depths_is_fine():
    """`x` and `pose.x` are two fields."""
    assert ("x", "pose") == stored([("x", "f8"), ("pose", [("x", "f8")])]).names


@pytest.mark.parametrize(
    "spec, expected", [([("x", "f8")], "structured"), ("f8", "scalar"), ("V4", "scalar"), ("(2,)f8", "array"), (object, "object")]
)
def test_kind_is_one_of_four(spec, expected):
    """Each dtype follows one rule of values."""
    assert expected == kind(spec)


def test_an_array_of_records_is_an_array():
    """The outermost form decides."""
    assert "array" == kind(np.dtype(([("x", "f8")], (4,))))


def test_agree_compares_stored_forms():
    """Byte order and padding do not make two dtypes disagree; a type, a name or an order does."""
    packed = np.dtype([("a", "u1"), ("b", ">f8")])
    assert agree(packed, np.dtype([("a", "u1"), ("b", "<f8")], align=True))
    assert agree("l", "q")
    assert not agree([("a", "f8")], [("b", "f8")])
    assert not agree([("a", "f8"), ("b", "f8")], [("b", "f8"), ("a", "f8")])
    assert not agree("M8[ns]", "M8[us]")
    assert not agree("f8", [("x", "f8")])


def test_difference_is_one_line_per_field():
    """Missing, surplus and differing fields are named by path; equal ones are not."""
    needed = [("t", "u8"), ("pose", [("x", "f8"), ("y", "f8")]), ("n", "i4")]
    found = [("t", "u8"), ("pose", [("x", "f4")]), ("n", "i4"), ("extra", "3f4")]
    expected = "pose.x: needed f8, was f4\npose.y: needed f8, is missing\nextra: not needed, was 3f4"
    assert expected == difference(needed, found)


def test_difference_of_order_kind_and_nothing():
    """Order alone is a difference; kinds are compared as a whole; equal dtypes differ in nothing."""
    assert "order of fields: needed a, b, was b, a" == difference([("a", "f8"), ("b", "f8")], [("b", "f8"), ("a", "f8")])
    inner, turned = [("a", "f8"), ("b", "f8")], [("b", "f8"), ("a", "f8")]
    assert "order of fields in p: needed a, b, was b, a" == difference([("p", inner)], [("p", turned)])
    assert "dtype: needed <x:f8>, was f8" == difference([("x", "f8")], "f8")
    assert "" == difference(NESTED, stored(NESTED))


@pytest.mark.parametrize(
    "spec, expected",
    [
        ([("x", "f8"), ("v", "f8")], "<x:f8, v:f8>"),
        ([("t", "u8"), ("xyz", "3f4")], "<t:u8, xyz:3f4>"),
        ([("pose", [("on", "?")]), ("frame", "u1", (480, 640))], "<pose:<on:b1>, frame:(480,640)u1>"),
        ("f8", "f8"),
        ("(3,3)f8", "(3,3)f8"),
        ("M8[ns]", "M8[ns]"),
        (object, "object"),
    ],
)
def test_describe_is_short(spec, expected):
    """Dtypes in messages fit in a line."""
    assert expected == describe(spec)


@pytest.mark.parametrize(
    "spec, expected",
    [
        ([("x", "f8"), ("v", "f8")], ((0, 16),)),
        ([("a", "u1"), ("b", "f8"), ("c", "i4")], ((0, 1), (8, 12))),
        ([("p", [("x", "f8"), ("on", "?")], (2,)), ("z", "u1")], ((0, 9), (16, 9), (32, 1))),
        ("(3,3)f8", ((0, 72),)),
        ("U3", ((0, 12),)),
        (object, ()),
    ],
)
def test_runs_are_the_bytes_of_fields(spec, expected):
    """Neighbours are merged, padding is left out."""
    assert expected == runs(stored(spec))


def test_runs_leave_out_the_padding_inside_a_long_double():
    """Ten bytes of an x86 long double are written, six are not."""
    size = 10 if np.finfo(np.longdouble).nmant == 63 else np.dtype("g").itemsize
    assert ((0, size),) == runs("g")
    assert size * 2 == sum(length for _, length in runs("G"))
