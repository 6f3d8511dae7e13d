"""Records over random nested dtypes, with NumPy as the oracle."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from dfcore._record import Field, Format, Record, kept, record
from dfcore.dtypes import agree, describe, difference, runs, stored

LEAVES = [
    "?",
    "i1",
    "i2",
    "i4",
    "i8",
    "u1",
    "u2",
    "u4",
    "u8",
    "f2",
    "f4",
    "f8",
    "c8",
    "c16",
    "g",
    "S1",
    "S5",
    "U3",
    "M8[ns]",
    "m8[us]",
    "V3",
]
NAMES = st.text("abcxyz_ é", min_size=1, max_size=3).filter(lambda name: name.strip() == name)
SHAPES = st.one_of(st.just(()), nps.array_shapes(max_dims=2, max_side=3))

leaves = st.sampled_from([np.dtype(order + leaf) for leaf in LEAVES for order in "<>"])


def records(children: st.SearchStrategy[np.dtype]) -> st.SearchStrategy[np.dtype]:
    """Structured dtypes, aligned or packed, of fields of `children`, some of them arrays."""
    fields = st.lists(st.tuples(NAMES, children, SHAPES), min_size=1, max_size=4, unique_by=lambda field: field[0])
    return st.builds(lambda fields, align: np.dtype(fields, align=align), fields, st.booleans())


structured = records(st.recursive(leaves, records, max_leaves=6))
homogeneous = leaves.flatmap(lambda leaf: records(st.recursive(st.just(leaf), records, max_leaves=4)))
some = settings(deadline=None, max_examples=100)


@st.composite
def memories(draw: st.DrawFn, dtypes: st.SearchStrategy[np.dtype] = structured) -> np.ndarray:
    """One record of a random stored dtype in random memory, padding included."""
    dtype = stored(draw(dtypes))
    memory = bytearray(draw(st.binary(min_size=dtype.itemsize, max_size=dtype.itemsize)))
    found = np.ndarray((), dtype, memory)
    clean(found)
    return found


def clean(record: np.ndarray) -> None:
    """Random bytes are not every type's: write what a program could have written."""
    for name in record.dtype.names:
        field = record[name]
        if field.dtype.names is not None:
            for index in np.ndindex(field.shape):
                clean(field[index] if field.shape else field)
        elif field.dtype.kind in "bU" or field.dtype.char in "gG":
            record[name] = "aé" if field.dtype.kind == "U" else True
        elif field.dtype.kind in "fc":  # the payload of a NaN is not kept when it changes its width
            record[name] = np.nan_to_num(field)


def leaves_of(dtype: np.dtype, offset: int = 0) -> list[tuple[int, np.dtype]]:
    """(offset, dtype) of every scalar element."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [leaf for i in range(math.prod(shape)) for leaf in leaves_of(base, offset + i * base.itemsize)]
    if dtype.names is not None:
        return [leaf for name in dtype.names for leaf in leaves_of(dtype.fields[name][0], offset + dtype.fields[name][1])]
    return [(offset, dtype)]


def same(mine: Any, numpy: Any) -> bool:
    """Equal values of equal types; a NaN is itself."""
    if isinstance(mine, Record):
        return all(same(mine[name], numpy[name]) for name in numpy.dtype.names)
    if isinstance(mine, np.ndarray):
        form = Format.of(np.dtype((numpy.dtype, numpy.shape)))  # whose digest leaves padding out
        return mine.dtype == numpy.dtype and mine.shape == numpy.shape and form.hash(mine.tobytes()) == form.hash(numpy.tobytes())
    value = numpy[()] if numpy.dtype.kind in "Mm" else numpy.item()
    if isinstance(value, np.void):
        value = bytes(value)
    return type(mine) is type(value) and (mine == value or repr(mine) == repr(value))


def over(memory: np.ndarray) -> Record:
    return Format.of(memory.dtype).over(memory.base, "state")


@some
@given(memories())
def test_every_field_reads_as_numpy_reads_it(memory):
    """By item and by attribute; nested records and arrays in place."""
    r = over(memory)
    assert list(memory.dtype.names) == list(r)
    for name in memory.dtype.names:
        assert same(r[name], memory[name])
        if isinstance(type(r).__dict__.get(name), Field):
            assert same(getattr(r, name), memory[name])


@some
@given(memories())
def test_what_is_read_can_be_written(memory):
    """Field by field, as a tuple, a dict, a record, an array, a void: the same fields, byte for byte."""
    r = over(memory)
    values = {name: r[name] for name in r}
    digest = Format.of(memory.dtype).hash(memory.tobytes())
    by_field, whole = record(memory.dtype), record(memory.dtype)
    for name, value in values.items():
        by_field[name] = value
    whole[:] = r
    for made in (
        by_field,
        whole,
        record(memory.dtype, tuple(values.values())),
        record(memory.dtype, values),
        record(memory.dtype, r),
        record(memory.dtype, memory),
        record(memory.dtype, memory[()]),
        r.copy(),
        copy.copy(r),
        pickle.loads(pickle.dumps(r)),
    ):
        assert digest == Format.of(memory.dtype).hash(made.array.tobytes())
        assert same(made, memory)


@some
@given(memories(), st.data())
def test_the_digest_is_of_fields(memory, data):
    """Equal fields, equal digest, whatever the padding; any other byte of a field, another digest."""
    form, content = Format.of(memory.dtype), memory.tobytes()
    position = data.draw(st.integers(0, len(content) - 1))
    other = bytearray(content)
    other[position] ^= data.draw(st.integers(1, 255))
    real = {byte for offset, length in runs(memory.dtype) for byte in range(offset, offset + length)}
    assert (position not in real) is (form.hash(content) == form.hash(bytes(other)))
    padded = bytearray(byte if i in real else 0xA5 for i, byte in enumerate(content))
    assert form.hash(content) == form.hash(bytes(padded))
    assert pickle.dumps(form.over(memory.base)) == pickle.dumps(form.over(padded))


@some
@given(memories(homogeneous))
def test_homogeneous_records_are_vectors(memory):
    """All elements in order, over the same memory; a row of them is a value."""
    r = over(memory)
    elements = leaves_of(memory.dtype)
    assert (len(elements),) == r.vector.shape
    assert {element.str for _, element in elements} == {r.vector.dtype.str}
    assert np.shares_memory(r.vector, memory) and memory.tobytes() == r.vector.tobytes()
    assert same(record(memory.dtype, r.vector), memory)
    assert same(record(memory.dtype, np.repeat(r.vector, 2)[::2]), memory)
    assert same(record(memory.dtype, r.vector.astype(r.vector.dtype.newbyteorder())), memory)


@some
@given(memories(), st.data())
def test_whatever_is_kept_is_seen(memory, data):
    """L10: a chain of look-ups that ends in a view counts, and one that ends in a value does not."""
    holder = [over(memory)]
    found: Any = holder[0]
    for _ in range(data.draw(st.integers(0, 4))):
        if isinstance(found, Record):
            ways = [found.__getitem__] * len(found) + [lambda _, r=found: r.array, lambda _, r=found: np.asarray(r)]
            found = ways[data.draw(st.integers(0, len(ways) - 1))](data.draw(st.sampled_from(list(found))))
            del ways
        elif isinstance(found, np.ndarray) and found.ndim:
            found = found[data.draw(st.sampled_from([slice(None), slice(0, 1), Ellipsis]))]
    assert isinstance(found, (Record, np.ndarray)) is (kept(holder) > 0)
    found = None
    assert 0 == kept(holder)


@some
@given(structured)
def test_the_stored_form_holds_the_same_values(dtype):
    """Names and types stay in order; offsets are aligned; it agrees with what it came from and is described alike."""
    form = stored(dtype)
    assert [leaf.newbyteorder("=") for _, leaf in leaves_of(dtype)] == [leaf for _, leaf in leaves_of(form)]
    assert all(offset % leaf.alignment == 0 for offset, leaf in leaves_of(form))
    assert agree(dtype, form) and "" == difference(dtype, form) and describe(form) == describe(stored(form))
    assert form.isalignedstruct and form == stored(form)


@some
@given(structured, structured)
def test_the_difference_is_empty_only_for_equal_dtypes(one, other):
    """Two dtypes that disagree show at least one line, two that agree none."""
    assert agree(one, other) is (difference(one, other) == "")


NUMBERS = st.one_of(st.booleans(), st.integers(-(2**65), 2**65), st.floats(), st.complex_numbers())
KIND = {bool: "b", int: "i", float: "f", complex: "c"}


@some
@given(st.sampled_from(["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]), NUMBERS)
def test_numbers_convert_without_loss_of_kind(leaf, value):
    """A number is stored as NumPy stores it, or refused: for its kind or its range, never changed into another."""
    dtype = np.dtype(leaf)
    rank = "bifc".index(KIND[type(value)])
    fits = rank <= "bifc".index(dtype.kind.replace("u", "i")) and (rank, dtype.kind) != (1, "b")
    with np.errstate(all="ignore"):
        if fits and dtype.kind in "iu":
            fits = np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
        expected = (
            np.asarray(value if dtype.kind in "bc" else float(value) if dtype.kind == "f" else value).astype(dtype)
            if fits
            else None
        )
        if expected is not None and dtype.kind in "fc":
            fits = not (np.isinf(expected) and np.isfinite(np.asarray(value, "c16" if rank == 3 else "f8")))
    form = Format.of(dtype)
    for given_value in (value, np.asarray(value), np.asarray([value])) if rank != 1 or abs(value) < 2**62 else (value,):
        try:
            found = form.pack(given_value)
        except TypeError:
            found = None
        assert (expected.tobytes() if fits else None) == found
