"""Is this a record dtype, do two agree, show the difference.

Laws: a stored dtype is aligned and in native byte order, nested records too, so that equal declarations mean equal bytes; what
cannot lie in shared memory is refused with the path of the field. Knows nothing of records, slots or nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .errors import DtypeError

# np.longdouble of x86 carries 10 bytes in 16: the others are padding and never written.
_LONG_BYTES = 10 if np.finfo(np.longdouble).nmant == 63 else np.dtype(np.longdouble).itemsize

_LEAF_KINDS = "biufcSUVMm"


def stored(dtype: Any) -> np.dtype[Any]:
    """The dtype as it lies in memory: aligned, native byte order, nested records too; names and types stay.

    Args:
        dtype: what `np.dtype` accepts except a dict and None, or `object`.
    Raises:
        DtypeError: an object inside a record, zero size, a name twice, or no dtype at all; names the field.
    """
    if dtype is None or isinstance(dtype, dict):
        raise DtypeError(f"dtype: needed what np.dtype accepts but a dict or None, was {dtype!r}; write a list of (name, type)")
    _refuse_twice(dtype, "")
    try:
        plain = np.dtype(dtype)
    except (TypeError, ValueError, KeyError, SyntaxError, OverflowError) as error:
        raise DtypeError(f"dtype: needed what np.dtype accepts, was {dtype!r} ({error})") from error
    return plain if plain == np.dtype(object) else _aligned(plain, "")


def kind(dtype: Any) -> str:
    """Which rule of values holds: `"structured"`, `"scalar"`, `"array"` or `"object"`."""
    dtype = np.dtype(dtype)
    if dtype.subdtype is not None:
        return "array"
    if dtype.names is not None:
        return "structured"
    return "object" if dtype.hasobject else "scalar"


def agree(a: Any, b: Any) -> bool:
    """Whether the stored forms are equal, byte for byte."""
    return stored(a) == stored(b)


def describe(dtype: Any) -> str:
    """Short text for messages: `<x:f8, v:f8>`, `3f4`, `(480,640)u1`, `f8`, `object`."""
    dtype = np.dtype(dtype)
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return f"{_shape_text(shape)}{describe(base)}"
    if dtype.names is not None:
        return "<" + ", ".join(f"{name}:{describe(field)}" for name, field in _fields(dtype)) + ">"
    return "object" if dtype.hasobject else dtype.str.lstrip("<>|=")


def difference(needed: Any, found: Any) -> str:
    """One line per field that is missing, not needed or of another type; empty if the two agree."""
    return "\n".join(_differences(stored(needed), stored(found), ""))


def runs(dtype: Any) -> tuple[tuple[int, int], ...]:
    """(offset, length) in bytes of all fields, in order of offset, neighbours merged, without any padding."""
    merged: list[tuple[int, int]] = []
    for offset, length in sorted(_leaf_runs(np.dtype(dtype), 0)):
        if merged and sum(merged[-1]) == offset:
            offset, length = merged[-1][0], merged.pop()[1] + length
        merged.append((offset, length))
    return tuple(merged)


def _refuse_twice(spec: Any, path: str) -> None:
    """`np.dtype` refuses a name twice as well, but does not say where."""
    if not isinstance(spec, list):
        return
    seen: set[Any] = set()
    for field in spec:
        if not isinstance(field, tuple) or len(field) < 2:
            return
        name = field[0][1] if isinstance(field[0], tuple) and len(field[0]) == 2 else field[0]
        where = f"{path}{name}"
        if name and name in seen:
            raise DtypeError(f"{where}: needed each name once in a record, was there twice; rename one")
        seen.add(name)
        _refuse_twice(field[1], f"{where}.")


def _aligned(dtype: np.dtype[Any], path: str) -> np.dtype[Any]:
    if (dtype.itemsize == 0 or 0 in dtype.shape) and not dtype.names:  # an empty field of a record is named by its own path
        raise DtypeError(f"{path or 'dtype'}: needed at least one byte, was of zero size ({dtype}); give it a length")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        inner = _aligned(base, path)
        if inner.subdtype is not None:  # an array of arrays is one array of more dimensions
            inner, shape = inner.base, shape + inner.shape
        return np.dtype((inner, shape))
    if dtype.names is not None:
        dot = f"{path}." if path else ""
        return np.dtype([(name, _aligned(field, f"{dot}{name}")) for name, field in _fields(dtype)], align=True)
    return _leaf(dtype, path)


def _leaf(dtype: np.dtype[Any], path: str) -> np.dtype[Any]:
    if dtype.kind == "O":
        needs = "numbers, times, bytes or text inside a record or array"
        raise DtypeError(f"{path or 'dtype'}: needed {needs}, was object; make the whole output an object")
    if dtype.kind not in _LEAF_KINDS or dtype.type.__module__ != "numpy":
        raise DtypeError(f"{path or 'dtype'}: needed a type of NumPy with a fixed size, was {dtype!r}")
    return np.dtype(dtype.newbyteorder("=").str)


def _fields(dtype: np.dtype[Any]) -> Iterator[tuple[str, np.dtype[Any]]]:
    for name in dtype.names or ():
        yield name, dtype.fields[name][0]  # type: ignore[index]


def _shape_text(shape: tuple[int, ...]) -> str:
    return str(shape[0]) if len(shape) == 1 else "(" + ",".join(map(str, shape)) + ")"


def _differences(needed: np.dtype[Any], found: np.dtype[Any], path: str) -> Iterator[str]:
    if needed == found:
        return
    if needed.names is None or found.names is None:
        yield f"{path or 'dtype'}: needed {describe(needed)}, was {describe(found)}"
        return
    dot = f"{path}." if path else ""
    theirs = dict(_fields(found))
    for name, field in _fields(needed):
        if name in theirs:
            yield from _differences(field, theirs[name], f"{dot}{name}")
        else:
            yield f"{dot}{name}: needed {describe(field)}, is missing"
    for name, field in theirs.items():
        if name not in needed.names:
            yield f"{dot}{name}: not needed, was {describe(field)}"
    if needed.names != found.names and sorted(needed.names) == sorted(found.names):
        yield f"order of fields{path and f' in {path}'}: needed {', '.join(needed.names)}, was {', '.join(found.names)}"


def _leaf_runs(dtype: np.dtype[Any], offset: int) -> Iterator[tuple[int, int]]:
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        count = int(np.prod(shape))
        inner = runs(base)
        if inner == ((0, base.itemsize),):
            yield offset, count * base.itemsize
            return
        for index in range(count):
            for start, length in inner:
                yield offset + index * base.itemsize + start, length
    elif dtype.names is not None:
        for name in dtype.names:
            field, start = dtype.fields[name][:2]  # type: ignore[index]
            yield from _leaf_runs(field, offset + start)
    elif dtype.char == "g":
        yield offset, _LONG_BYTES
    elif dtype.char == "G":
        yield offset, _LONG_BYTES
        yield offset + dtype.itemsize // 2, _LONG_BYTES
    elif dtype.kind != "O":
        yield offset, dtype.itemsize
