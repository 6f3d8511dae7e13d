"""`node.params`: the parameters of a node, as the program sees and sets them.

Laws: a value is checked where it is set, never later; several set together come into force together; a value is replaced, never
changed, so whoever holds the mapping holds one consistent state. A parameter has one writer, an edge or the program (RULES 20).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from . import dtypes
from ._record import record_at
from .errors import DtypeError, GraphError, Problem, caller, did_you_mean
from .signature import ParameterSpec, out_of_bounds
from .values import fit as fit_value

_in_a_context = False  # this process is a context of a run, not the program


def leave_to_the_program() -> None:
    """Say that this process is a context of a run: its nodes are copies, and setting their parameters would reach nobody."""
    global _in_a_context
    _in_a_context = True


class Owner(Protocol):
    """What parameters ask of what is declared about their node."""

    @property
    def name(self) -> str:
        """The name of the node."""

    @property
    def running(self) -> bool:
        """Whether its graph is running."""

    def fed_by(self, end: str) -> Any:
        """The edge that writes a parameter, or None."""

    def inside_a_node(self) -> bool:
        """Whether the caller was called by a node of the running graph."""


class Params:
    """The values of all parameters of one node, by attribute.

    States: declaring; while a run is under way `_publish` is the function that takes each new mapping of values to the node.
    Setting is atomic and may be done from any thread.
    """

    __slots__ = ("_lock", "_next", "_owner", "_publish", "_set", "_specs", "_taps", "_values")

    def __init__(self, owner: Owner, specs: Mapping[str, ParameterSpec]):
        put = object.__setattr__
        put(self, "_owner", owner)
        put(self, "_specs", dict(specs))
        put(self, "_values", {name: _frozen(spec.default) for name, spec in specs.items() if not spec.required})
        put(self, "_set", {})  # parameters that the program has set, and where
        put(self, "_lock", threading.RLock())
        put(self, "_next", [])  # settings under way: more than one if a signal handler sets while its own thread does
        put(self, "_publish", None)
        put(self, "_taps", {})  # while a run is under way: parameters that edges write, and how to look at them

    def __getattr__(self, name: str) -> Any:
        if name in self._taps:
            with self._lock:
                if (tap := self._taps.get(name)) is not None:
                    value = tap.read(self._values.get(name))
                    if value is not None:
                        return value
        if name in self._values:
            return self._values[name]
        if name in self._specs:
            raise AttributeError(
                f"{self._owner.name}.params.{name}: needed a value, was none yet; an edge has to bring the first one."
            )
        raise AttributeError(
            f"{self._owner.name}.params: needed one of its parameters, was `{name}`; {did_you_mean(name, self._specs)}"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_publish":
            object.__setattr__(self, name, value)
        else:
            self.update(**{name: value})

    def update(self, **values: Any) -> None:
        """Set several parameters together, atomically: a firing sees all of them or none.

        Raises:
            DtypeError: a value does not fit its dtype or bounds; nothing was set.
            GraphError: there is no such parameter, it is fixed while running, or an edge writes it.
        """
        place = caller()
        if _in_a_context or self._owner.inside_a_node():
            raise _refused("two-writers", f"{self._owner.name}.params", "the program to set them while the graph runs",
                           "set from inside a node", "connect an output to the parameter", place)  # fmt: skip
        new = {name: self._checked(name, value, place) for name, value in values.items()}
        with self._lock:
            self._next.append((new, place))
            if len(self._next) == 1:
                self._come_into_force()

    def _come_into_force(self) -> None:
        try:
            for new, place in self._next:  # which may grow meanwhile
                merged = {**self._values, **new}
                if self._publish is not None:
                    self._publish(merged)
                object.__setattr__(self, "_values", merged)
                self._set.update(dict.fromkeys(new, place))
        finally:
            self._next.clear()

    def __dir__(self) -> list[str]:
        return ["update", *self._specs]

    def __repr__(self) -> str:
        return f"<params of {self._owner.name}: {', '.join(f'{name}={value!r}' for name, value in self._values.items())}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._owner, self._specs, self._values)

    def _start(self, values: Mapping[str, Any]) -> None:
        """Take the starting values of a constructor, which an edge may replace."""
        for name, value in values.items():
            self._values[name] = fit(value, self._specs[name], f"{self._owner.name}.{name}")

    def _checked(self, name: str, value: Any, place: tuple[str, int]) -> Any:
        spec, where = self._specs.get(name), f"{self._owner.name}.params.{name}"
        if spec is None:
            raise _refused("parameter", f"{self._owner.name}.params", "one of its parameters", f"`{name}`",
                           did_you_mean(name, self._specs), place)  # fmt: skip
        if spec.required or (edge := self._owner.fed_by(name)) is not None:
            found = "set by the program" if spec.required else f"set by the program and by the edge {edge.name}"
            do = "connect a node to it" if spec.required else "remove one of the two"
            raise _refused("two-writers", where, "an edge as its one writer", found, do, place)
        if spec.dtype is None and self._owner.running:
            raise _refused("parameter-fixed", where, "a value that stays while the graph runs", f"set to {value!r}",
                           "set it between runs, or give it a number as default", place)  # fmt: skip
        return fit(value, spec, where)


def fit(value: Any, spec: ParameterSpec, where: str) -> Any:
    """`value` as the parameter `spec` keeps it: a Python number, or a read-only array of its own.

    Raises:
        DtypeError: kind, shape, range or bounds do not fit.
    """
    if spec.dtype is None:
        return value
    found = converted(value, spec.dtype, where)
    if broken := out_of_bounds(found, spec.low, spec.high):
        raise DtypeError(f"{where}: needed a value {broken}, was {value!r}; stay within its bounds")
    return found


def converted(value: Any, dtype: np.dtype[Any], where: str) -> Any:
    """`value` as a record of `dtype`, by the rules for outputs: a `Record`, a Python scalar or a read-only array of its own.

    Raises:
        DtypeError: it does not fit.
    """
    kind = dtypes.kind(dtype)
    if kind == "object":
        return value
    if kind == "structured":
        return record_at(dtype, value, where)
    found = fit_value(value, dtype.base, dtype.shape, where)
    if kind == "array":
        return _frozen(found)
    return found[()] if dtype.kind in "Mm" else found.item()


def _frozen(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    own = value.copy()
    own.flags.writeable = False
    return own


def _refused(code: str, where: str, needed: str, found: str, do: str, place: tuple[str, int]) -> GraphError:
    return GraphError(Problem(code=code, where=where, needed=needed, found=found, do=do, file=place[0], line=place[1]))


def _restored(owner: Owner, specs: dict[str, ParameterSpec], values: dict[str, Any]) -> Params:
    params = Params(owner, specs)
    object.__setattr__(params, "_values", values)
    return params
