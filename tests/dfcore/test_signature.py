"""What is read from the signature of `compute`."""

from __future__ import annotations

import functools
import math
from typing import Annotated

import numpy as np
import pytest

from dfcore.signature import Bounds, InputSpec, ParameterSpec, read_signature, style_of

STATE = np.dtype([("x", "f8")])


def read(function):
    return read_signature(function, "compute")


def problems(function):
    return [str(problem).rpartition(" (")[0] for problem in read(function).problems]


def test_positional_parameters_are_inputs():
    """In order and named as they are, positional-only ones too."""

    def compute(a, /, b): ...

    assert [InputSpec("a"), InputSpec("b")] == read(compute).inputs


def test_a_star_is_any_number_of_inputs():
    """`*values` is the variadic input."""

    def compute(a, *values: np.float64): ...

    found = read(compute)
    assert ([InputSpec("a")], InputSpec("values", np.dtype("f8"))) == (found.inputs, found.variadic)


def test_annotations_that_are_dtypes_declare_them():
    """A dtype, a scalar type or `object`, bare or in Annotated, also as text; everything else is ignored."""

    def compute(a: STATE, b: np.int32, c: object, d: Annotated[list, STATE], e: float, f: np.floating, g: Missing): ...  # noqa: F821

    expected = [STATE, np.dtype("i4"), np.dtype(object), STATE, None, None, None]
    assert expected == [spec.dtype for spec in read(compute).inputs]
    assert [] == read(compute).problems


def test_annotations_are_read_as_objects_too():
    """Without postponed evaluation an annotation is the object itself."""
    compute = lambda a, b: None
    compute.__annotations__ = {"a": STATE, "b": Annotated[float, np.float32]}
    assert [STATE, np.dtype("f4")] == [spec.dtype for spec in read(compute).inputs]


def test_keyword_only_parameters_are_parameters():
    """Numbers and arrays may change while running; anything else is fixed; without a default it must be connected."""

    def compute(
        *,
        a=True,
        b=1,
        c=2.0,
        d=np.zeros(3, "f4"),  # noqa: B008
        e=np.float32(1),  # noqa: B008
        path="x",
        f=None,
        need,
        many=[1],  # noqa: B006
        big=2**63,
        text=np.str_("x"),  # noqa: B008
        things=np.array([None]),  # noqa: B008
        empty=np.zeros(0),  # noqa: B008
    ): ...

    specs = read(compute).parameters
    dtypes = {name: spec.dtype for name, spec in specs.items() if spec.dtype is not None}
    expected = {"a": np.dtype("?"), "b": np.dtype("i8"), "c": np.dtype("f8"), "d": np.dtype(("f4", (3,))), "e": np.dtype("f4")}
    assert expected == dtypes
    assert ["need"] == [name for name, spec in specs.items() if spec.required]
    assert ["path", "f", "many", "big", "text", "things", "empty"] == [name for name, spec in specs.items() if not spec.settable]


def test_bounds_belong_to_a_parameter():
    """`Annotated[float, Bounds(low, high)]`, also without a default; the dtype comes from elsewhere."""

    def compute(*, gain: Annotated[float, Bounds(0, 1)] = 0.5, need: Annotated[float, Bounds(-1, None)]): ...

    expected = {
        "gain": ParameterSpec("gain", 0.5, np.dtype("f8"), 0, 1),
        "need": ParameterSpec("need", low=-1, high=None),
    }
    assert expected == read(compute).parameters


def test_bounds_must_be_in_order():
    """A range that nothing fits into is refused where it is written."""
    with pytest.raises(ValueError, match=r"Bounds: needed low <= high, was Bounds\(2, 1\); exchange them"):
        Bounds(2, 1)
    with pytest.raises(ValueError, match="needed low <= high"):
        Bounds(math.nan, 1)


def with_default(a, b=1): ...
def with_keywords(**options): ...
def with_two_dtypes(*, gain: np.float32 = 1.0): ...
def with_bounded_text(*, path: Annotated[str, Bounds(0, 1)] = "x"): ...
def with_default_outside(*, gain: Annotated[float, Bounds(0, 1)] = 2.0): ...
def with_nan(*, gain: Annotated[float, Bounds(0, 1)] = math.nan): ...
def with_unknown_names(*, gain: Annotated[float, Unknown(0, 1)] = 2.0): ...  # noqa: F821


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (with_default, "compute: needed inputs without a default, was `b=1`; put it behind `*` to make it a parameter."),
        (with_keywords, "compute: needed named parameters, was `**options`; name each parameter behind `*`."),
        (with_two_dtypes, "compute: needed a default of its annotated dtype float32, was `gain`: 1.0 (float64); make the two agree."),
        (with_bounded_text, ("compute: needed a number or an array as default of a parameter with Bounds, was `path='x'`; "
                            "give it a number.")),
        (with_default_outside, "compute: needed a default of at most 1, was `gain=2.0`; change one of them."),
        (with_nan, "compute: needed a default of at least 0, was `gain=nan`; change one of them."),
        (with_unknown_names, ("compute: needed an annotation that can be evaluated, was `gain: Annotated[float, Unknown(0, 1)]` "
                             "(NameError: name 'Unknown' is not defined); use names of the module only.")),
    ],
)  # fmt: skip
def test_what_does_not_fit_becomes_a_problem(function, expected):
    """Each with the place of the function; nothing is raised."""
    assert [expected] == problems(function)
    (problem,) = read(function).problems
    assert (__file__, function.__code__.co_firstlineno) == (problem.file, problem.line)


def test_a_function_without_signature_is_a_problem():
    """A callable that hides it has to be wrapped."""

    class Opaque:
        __signature__ = 3

        def __call__(self, value): ...

    (problem,) = read_signature(Opaque(), "compute").problems
    assert ("signature", "wrap it in a `def`") == (problem.code, problem.do)


async def coroutine(): ...
def generator():
    yield


async def async_generator():
    yield


def plain(): ...


@pytest.mark.parametrize("function", [plain, coroutine, generator, async_generator], ids=lambda function: function.__name__)
def test_the_style_says_how_a_call_gives_its_result(function):
    """Plain, coroutine, generator or async generator, seen through `functools.partial`."""
    assert function.__name__ == style_of(function) == style_of(functools.partial(function)) == read(function).style
