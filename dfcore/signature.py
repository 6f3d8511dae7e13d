"""What `compute` takes, read from its signature.

Laws: the positional parameters are the inputs, in order, named as they are; `*values` is any number of them; the keyword-only
ones are parameters, which never trigger. What does not fit these rules becomes a `Problem`, never an exception: the compiler
reports everything together. Knows functions, not nodes.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin

import numpy as np

from .dtypes import stored
from .errors import Problem

#: The scalar types that name one dtype of one size; others stand for a family (`np.floating`) or need a length (`np.str_`).
_SCALARS = {scalar for scalar in np.sctypeDict.values() if np.dtype(scalar).itemsize}
#: Stands for "no default": the parameter must be connected.
REQUIRED: Any = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a parameter, both included: `Annotated[float, Bounds(0, 1)]`. None: no limit on that side."""

    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and not self.low <= self.high:
            raise ValueError(f"Bounds: needed low <= high, was Bounds({self.low!r}, {self.high!r}); exchange them.")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """A positional parameter of `compute`."""

    name: str
    dtype: np.dtype[Any] | None = None  # declared by an annotation; None: takes what is connected


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A keyword-only parameter of `compute`."""

    name: str
    default: Any = REQUIRED
    dtype: np.dtype[Any] | None = None  # None: fixed while running (or, if required, that of its edge)
    low: float | None = None
    high: float | None = None

    @property
    def required(self) -> bool:
        """Whether it must be connected, because it has no default."""
        return self.default is REQUIRED

    @property
    def settable(self) -> bool:
        """Whether the program or an edge may change it while the graph runs."""
        return self.required or self.dtype is not None


@dataclass(slots=True)
class Signature:
    """The ends of a node on its reading side, and how its function is to be called."""

    style: str = "plain"  # "plain" | "coroutine" | "generator" | "async_generator"
    inputs: list[InputSpec] = field(default_factory=list)
    variadic: InputSpec | None = None  # `*values`
    parameters: dict[str, ParameterSpec] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def style_of(function: Callable[..., Any]) -> str:
    """How a call of `function` yields its result."""
    if inspect.isasyncgenfunction(function):
        return "async_generator"
    if inspect.iscoroutinefunction(function):
        return "coroutine"
    return "generator" if inspect.isgeneratorfunction(function) else "plain"


def read_signature(function: Callable[..., Any], where: str) -> Signature:
    """The signature of a bound `compute`; `where` names it in problems."""
    found = Signature(style=style_of(function))
    report = _Reporter(where, function, found.problems)
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        report("signature", "a function whose signature Python can tell", str(error), "wrap it in a `def`")
        return found
    for argument in arguments:
        _read_argument(argument, found, report)
    return found


class _Reporter:
    """Makes problems of one `compute`, which all have the same place."""

    def __init__(self, where: str, function: Callable[..., Any], problems: list[Problem]):
        code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
        self.where, self.problems = where, problems
        self.file: str = code.co_filename if code else ""
        self.line: int = code.co_firstlineno if code else 0
        self.globals = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__globals__", {})

    def __call__(self, code: str, needed: str, found: str, do: str) -> None:
        self.problems.append(
            Problem(code=code, where=self.where, needed=needed, found=found, do=do, file=self.file, line=self.line)
        )


def _read_argument(argument: inspect.Parameter, found: Signature, report: _Reporter) -> None:
    if argument.kind is argument.VAR_KEYWORD:
        report("signature", "named parameters", f"`**{argument.name}`", "name each parameter behind `*`")
        return
    marks = _marks(argument, report)
    dtype = next((mark for mark in marks if isinstance(mark, np.dtype)), None)
    if argument.kind is argument.KEYWORD_ONLY:
        bounds = next((mark for mark in marks if isinstance(mark, Bounds)), Bounds(None, None))
        found.parameters[argument.name] = _read_parameter(argument, dtype, bounds, report)
    elif argument.kind is argument.VAR_POSITIONAL:
        found.variadic = InputSpec(argument.name, dtype)
    elif argument.default is not REQUIRED:
        default = f"`{argument.name}={argument.default!r}`"
        report("signature", "inputs without a default", default, "put it behind `*` to make it a parameter")
    else:
        found.inputs.append(InputSpec(argument.name, dtype))


def _read_parameter(
    argument: inspect.Parameter, annotated: np.dtype[Any] | None, bounds: Bounds, report: _Reporter
) -> ParameterSpec:
    low, high = bounds.low, bounds.high
    if argument.default is REQUIRED:
        return ParameterSpec(argument.name, REQUIRED, annotated, low, high)
    dtype = dtype_of_value(argument.default)
    if dtype is not None and annotated is not None and dtype != annotated:
        needed, was = f"a default of its annotated dtype {annotated}", f"{argument.default!r} ({dtype})"
        report("parameter-dtype", needed, f"`{argument.name}`: {was}", "make the two agree")
    if dtype is None and bounds != Bounds(None, None):
        was = f"`{argument.name}={argument.default!r}`"
        report("bounds", "a number or an array as default of a parameter with Bounds", was, "give it a number")
    elif dtype is not None and (broken := out_of_bounds(argument.default, low, high)):
        report("bounds", f"a default {broken}", f"`{argument.name}={argument.default!r}`", "change one of them")
    return ParameterSpec(argument.name, argument.default, dtype, low, high)


def dtype_of_value(value: Any) -> np.dtype[Any] | None:
    """The dtype of a parameter that starts with `value`; None if it is no number or array, and so fixed while running."""
    if isinstance(value, bool):
        return np.dtype(np.bool_)
    if isinstance(value, int) and not isinstance(value, np.generic):
        return np.dtype(np.int64) if -(2**63) <= value < 2**63 else None
    if isinstance(value, float) and not isinstance(value, np.generic):
        return np.dtype(np.float64)
    if not isinstance(value, (np.generic, np.ndarray)) or isinstance(value, (str, bytes)):
        return None
    if value.dtype.hasobject or value.nbytes == 0:
        return None
    return stored(np.dtype((value.dtype, value.shape)) if value.shape else value.dtype)


def out_of_bounds(value: Any, low: float | None, high: float | None) -> str:
    """What a value must be that `value` is not: "at least 0"; empty if it is within the limits. NaN is outside of any."""
    if low is not None and not np.all(np.asarray(value) >= low):
        return f"of at least {low}"
    if high is not None and not np.all(np.asarray(value) <= high):
        return f"of at most {high}"
    return ""


def _marks(argument: inspect.Parameter, report: _Reporter) -> list[Any]:
    """The dtypes (as `np.dtype`) and bounds in an annotation, in order; everything else in it is ignored."""
    annotation = argument.annotation
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, report.globals)
        except (NameError, AttributeError, TypeError, ValueError, LookupError, SyntaxError) as error:
            if "Annotated" in annotation or "Bounds" in annotation:
                found = f"`{argument.name}: {annotation}` ({type(error).__name__}: {error})"
                report("annotation", "an annotation that can be evaluated", found, "use names of the module only")
            return []
    parts = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    return list(_known(parts))


def _known(parts: tuple[Any, ...]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, (np.dtype, Bounds)):
            yield part
        elif part is object or (isinstance(part, type) and issubclass(part, np.generic) and part in _SCALARS):
            yield np.dtype(part)


#: The longest time that any option says, 30 years: what is longer does not fit a count of nanoseconds.
LONGEST_S = 1e9


def finite(value: Any) -> bool:
    """Whether `value` is a real number, neither infinite nor NaN nor a bool."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool) and math.isfinite(value)
