"""What a value becomes under a dtype: the exact rules, for whatever the native fast paths leave over.

Laws: a value converts only without loss of kind (bool into integer into float into complex, never back), only within range, and
only with exactly the shape that is needed: nothing is broadcast. The result is a new array or the value itself, so that a value
that does not fit has changed nothing. Knows nothing of records and memory.
"""

from __future__ import annotations

import datetime
import difflib
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from .dtypes import describe, stored
from .errors import DtypeError

# What may become what without loss of kind: kinds of values by the kind of the dtype. Ranges and lengths are checked apart.
_FITTING = {"b": "b", "i": "biu", "u": "biu", "f": "biuf", "c": "biufc", "S": "SU", "U": "U", "M": "M", "m": "m", "V": "V"}

_WAS_LIMIT = 60  # characters of a value in a message


def fit(value: Any, dtype: np.dtype[Any], shape: tuple[int, ...], where: str) -> np.ndarray[Any, Any]:
    """`value` as an array of exactly this dtype and shape; one element of any shape fits the shape ().

    Raises:
        DtypeError: naming `where`, what was needed and what it was.
    """
    found = _as_array(value, dtype, shape)
    if found is None:
        raise misfit(where, needed(dtype, shape), value, _advice(value, dtype, shape))
    if shape == () and found.size == 1:
        found = found.reshape(())
    if found.shape != shape:
        raise misfit(where, needed(dtype, shape), value, "shapes must be equal, nothing is broadcast")
    return _cast(found, dtype, value, where)


def misfit(where: str, what: str, value: Any, do: str = "") -> DtypeError:
    """The error that says where, what was needed, what it was, what to do."""
    return DtypeError(f"{where}: needed {what}, was {was(value)}" + (f"; {do}" if do else ""))


def needed(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    """A dtype in a message; integers with their range."""
    if shape:
        return f"an array {describe(np.dtype((dtype, shape)))}"
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return f"{describe(dtype)} ({info.min} to {info.max})"
    return describe(dtype)


def was(value: Any) -> str:
    """A value in a message: its type, and as much of it as helps."""
    if isinstance(value, np.ndarray):
        return f"an array {describe(value.dtype)} of shape {value.shape}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if value is None:
        return "None"
    kind, text = type(value).__name__, str(value) if isinstance(value, np.generic) else repr(value)
    if not text.startswith(f"{kind}("):
        text = f"{kind} {text}"
    return text if len(text) <= _WAS_LIMIT else text[: _WAS_LIMIT - 1] + "…"


def unknown_field(name: object, names: Iterable[str]) -> str:
    """`` `velo` (did you mean `vel`?) ``"""
    close = difflib.get_close_matches(str(name), list(names), 1)
    return f"`{name}`" + (f" (did you mean `{close[0]}`?)" if close else "")


def _as_array(value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any] | None:
    """`value` as an array of its own kind, or None."""
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(type(value), "__array__"):
        return np.asarray(value)
    if shape == ():
        return _scalar(value, dtype)
    if isinstance(value, (list, tuple, memoryview)):
        return _sequence(value, dtype)
    return None


def _scalar(value: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any] | None:
    """A Python scalar as a 0-d array of its own kind."""
    if dtype.kind in "fc" and not isinstance(value, (bool, complex)) and hasattr(type(value), "__float__"):
        return _real(value, dtype)
    if dtype.kind in "iufc" and not isinstance(value, bool) and hasattr(type(value), "__index__"):
        return _integer(operator.index(value))
    if dtype.kind == "V" and isinstance(value, bytes):
        return np.frombuffer(value, dtype).reshape(()) if len(value) == dtype.itemsize else None
    if dtype.kind == "M" and isinstance(value, datetime.date) and getattr(value, "tzinfo", None) is None:
        return np.asarray(np.datetime64(value))
    if dtype.kind == "m" and isinstance(value, datetime.timedelta):
        return np.asarray(np.timedelta64(value))
    return np.asarray(value) if isinstance(value, (bool, complex, bytes, str)) else None


def _real(value: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any] | None:
    try:
        # a large int keeps more digits in a long double than through float()
        return np.asarray(np.longdouble(value)) if dtype.char in "gG" and isinstance(value, int) else np.asarray(float(value))
    except OverflowError:
        return None


def _integer(value: int) -> np.ndarray[Any, Any] | None:
    found = np.asarray(value)
    return found if found.dtype.kind in "iu" else None


def _sequence(value: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any] | None:
    try:
        found = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if found.dtype.kind in "SU" and not _all_text(np.asarray(value, dtype=object)):
        return None
    return found


def _all_text(values: np.ndarray[Any, Any]) -> bool:
    """NumPy makes text of the numbers in a list that holds one text."""
    return all(isinstance(value, (str, bytes)) for value in values.flat)


def _cast(found: np.ndarray[Any, Any], dtype: np.dtype[Any], value: Any, where: str) -> np.ndarray[Any, Any]:
    if found.dtype == dtype:
        return found
    needs = needed(dtype, found.shape)
    if dtype.names is not None or dtype.kind == "V" or found.dtype.kind not in _FITTING[dtype.kind]:
        if found.dtype.names is not None and dtype.names is not None and stored(found.dtype) == dtype:
            return found.astype(dtype)
        raise misfit(where, needs, value, _advice(value, dtype, found.shape))
    if dtype.kind in "iu":
        return _narrow_integers(found, dtype, value, where)
    if dtype.kind in "SU":
        return _narrow_text(found, dtype, value, where)
    if dtype.kind in "Mm":
        if not np.can_cast(found.dtype, dtype, "same_kind"):
            raise misfit(where, needs, value)
        return found.astype(dtype)
    return _narrow_floats(found, dtype, value, where)


def _narrow_integers(found: np.ndarray[Any, Any], dtype: np.dtype[Any], value: Any, where: str) -> np.ndarray[Any, Any]:
    if found.dtype.kind != "b" and found.size and not np.can_cast(found.dtype, dtype):
        info = np.iinfo(dtype)
        if int(found.min()) < info.min or int(found.max()) > info.max:
            raise misfit(where, f"{needed(dtype, ())}", value, "it is out of range")
    return found.astype(dtype)


def _narrow_floats(found: np.ndarray[Any, Any], dtype: np.dtype[Any], value: Any, where: str) -> np.ndarray[Any, Any]:
    with np.errstate(all="ignore"):
        result = found.astype(dtype)
        if found.dtype.kind == "b" or np.can_cast(found.dtype, dtype):
            return result
        if (np.isinf(result) & np.isfinite(found)).any():
            raise misfit(where, needed(dtype, found.shape), value, "it is out of range")
    return result


def _narrow_text(found: np.ndarray[Any, Any], dtype: np.dtype[Any], value: Any, where: str) -> np.ndarray[Any, Any]:
    limit = dtype.itemsize // (4 if dtype.kind == "U" else 1)
    if int(np.char.str_len(found).max()) > limit:
        raise misfit(where, f"{needed(dtype, found.shape)} (at most {limit} long)", value, "it is too long")
    try:
        return found.astype(dtype)
    except UnicodeEncodeError:
        raise misfit(where, needed(dtype, found.shape), value, "encode it to bytes first") from None


def _advice(value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    if dtype.kind in "iu" and (isinstance(value, float) or getattr(getattr(value, "dtype", None), "kind", "") == "f"):
        return "a float is never cut to an integer, round it"
    if dtype.kind in "iuf" and isinstance(value, int) and not isinstance(value, bool):
        return "it is out of range"
    if shape and isinstance(value, (int, float, complex)):
        return "a number is never spread over an array"
    if dtype.kind in "biufc" and isinstance(value, (str, bytes)):
        return "text is never read as a number, convert it"
    return ""
