"""Values for outputs: what converts into a record, a scalar or an array, and what each refusal says."""

from __future__ import annotations

import datetime
import decimal
import enum

import numpy as np
import pytest

from dfcore._record import Format, record
from tests.records import MIXED, STATE, as_input, failing, state


@pytest.mark.parametrize(
    "value",
    [
        (1, 2, 3, 4),
        (1.0, np.float32(2), np.array(3), True + 3),
        {"omega": 4, "theta": 3, "v": 2, "x": 1},
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
        ("f8", 3, 3.0),
        ("f8", True, 1.0),
        ("f8", np.int8(3), 3.0),
        ("f8", np.float16(0.5), 0.5),
        ("f8", np.array([0.5]), 0.5),
        ("f8", decimal.Decimal("0.5"), 0.5),
        ("f8", Level.HIGH, 3.0),
        ("f8", float("inf"), float("inf")),
        ("f4", float("-inf"), float("-inf")),
        ("f4", np.float64(0.5), 0.5),
        ("f4", 3, 3.0),
        ("f2", 0.5, 0.5),
        ("f4", 0.1, float(np.float32(0.1))),
        ("i4", np.int64(7), 7),
        ("i4", np.array(7), 7),
        ("i4", True, 1),
        ("i4", np.True_, 1),
        ("i4", Level.HIGH, 3),
        ("u8", np.uint64(2**64 - 1), 2**64 - 1),
        ("i1", np.uint64(127), 127),
        ("?", np.True_, True),
        ("?", np.array([False]), False),
        ("c16", 1, 1 + 0j),
        ("c16", 1.5, 1.5 + 0j),
        ("c8", np.complex128(1j), 1j),
        ("c16", np.array(2), 2 + 0j),
        ("S4", b"abcd", b"abcd"),
        ("S4", np.bytes_(b"ab"), b"ab"),
        ("S4", "ab", b"ab"),
        ("U4", "abcd", "abcd"),
        ("U4", np.str_("ab"), "ab"),
        ("U4", np.array("ab"), "ab"),
        ("S4", b"", b""),
        ("V2", b"ab", b"ab"),
        ("V2", np.void(b"ab"), b"ab"),
        ("M8[ms]", datetime.datetime(1970, 1, 1, 0, 0, 1), np.datetime64(1000, "ms")),
        ("M8[D]", datetime.date(1970, 1, 2), np.datetime64(1, "D")),
        ("M8[ns]", np.datetime64(1, "us"), np.datetime64(1000, "ns")),
        ("m8[us]", datetime.timedelta(milliseconds=1), np.timedelta64(1000, "us")),
    ],
)
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
        (
            "i4",
            np.float32(1),
            "gain: needed i4 (-2147483648 to 2147483647), was float32 1.0; a float is never cut to an integer, round it",
        ),
        (
            "i4",
            np.array([1.0]),
            "gain: needed i4 (-2147483648 to 2147483647), was an array f8 of shape (1,); a float is never cut",
        ),
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
        (
            1.0,
            "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was float 1.0; a number is never spread over several fields",
        ),
        (
            np.float64(1),
            "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was float64 1.0; a number is never spread over several",
        ),
        (np.array([1.0]), "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was an array f8 of shape (1,)"),
        (np.zeros((4, 1)), "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was an array f8 of shape (4, 1)"),
        (np.zeros(4, complex), "record: needed an array 4f8, was an array c16 of shape (4,)"),
        ((1, 2), "record: needed a tuple of 4 (x, v, theta, omega), was a tuple of 2"),
        ((1, 2, "a", 4), "record.theta: needed f8, was str 'a'"),
        ([1, 2, 3, 4], "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was a list of 4; give a tuple"),
        ("abcd", "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was str 'abcd'; give a tuple"),
        ({"x": 1, "v": 2}, "record: needed the fields x, v, theta, omega, was without theta, omega; give them all"),
        ({"x": 1, "w": 2}, "record: needed the fields x, v, theta, omega, was also `w`"),
        (
            record([("x", "f8"), ("v", "f4")]),
            "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was Record(x=0.0, v=0.0); the fields differ:\n  v: needed f8, was f4\n",
        ),
        (
            np.zeros((), [("x", "f8")]),
            "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was an array <x:f8> of shape (); the fields differ:\n  v: ",
        ),
        (
            np.zeros(1, STATE),
            "record: needed a record <x:f8, v:f8, theta:f8, omega:f8>, was an array <x:f8, v:f8, theta:f8, omega:f8> of shape (1,)",
        ),
    ],
)
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
        (
            np.zeros(3),
            "image: needed an array (2,3)f8, was an array f8 of shape (3,); shapes must be equal, nothing is broadcast",
        ),
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
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6).reshape(2, 3),
        np.arange(6.0).reshape(3, 2).T.copy("F"),
        [[0, 1, 2], [3, 4, 5.0]],
        np.arange(12.0).reshape(2, 6)[:, ::2],
    ],
)
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
    for value in [
        ((5, 6), np.ones((2, 3), "u1"), "new", b"", True, np.datetime64(0, "ns"), 1, 1, 0.5, "bad"),
        {**dict(r), "n": 1.5},
    ]:
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
    assert "record: needed the fields x, v, theta, omega, was also `omga` (did you mean `omega`?)" == failing(
        lambda: record(STATE, omga=1)
    )
    assert "record.x: needed f8, was str 'a'; text is never read as a number, convert it" == failing(lambda: record(STATE, x="a"))
    assert "record: needed a structured dtype, was f8; name its fields" == failing(lambda: record("f8"))
    assert failing(lambda: record(None)).startswith("dtype: needed what np.dtype accepts")
