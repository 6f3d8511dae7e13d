"""Records for tests: own ones, inputs, and how a refusal reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dfcore._record import Format, Record, record
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
    """A record of four floats."""
    return record(STATE, numbers or (1.0, 2.0, 3.0, 4.0))


def as_input(made: Record, end: str = "state") -> Record:
    """The same record as an input named `end` would see it."""
    return Format.of(made.array.dtype).over(bytes(made.array.tobytes()), end)


def failing(call: Callable[[], Any], error: type[Exception] = DtypeError) -> str:
    """The message of exactly this error, which `call` raises."""
    with pytest.raises(error) as caught:
        call()
    assert error is type(caught.value)
    return str(caught.value)
