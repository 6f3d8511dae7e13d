"""What can go wrong, and how it is said: *where: needed X, was Y; do Z.*

Laws: everything wrong with a declaration is one `GraphError` with all its `Problem`s; whatever a node raises is one `NodeFailed`
whose `__cause__` is the original; all of them survive a pipe between processes with their attributes. Knows nothing of nodes,
graphs or runs.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a declaration."""

    code: str  # a short constant name of the kind of mistake, for programs
    where: str  # the node, end, edge or context
    needed: str
    found: str
    do: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        text = f"{self.where}: needed {self.needed}, was {self.found}"
        if self.do:
            text += f"; {self.do}"
        text += "" if text.endswith("?") else "."
        return f"{text} ({self.file}:{self.line})" if self.file else text


class DfcoreError(Exception):
    """The root of all errors of this package. `report` is that of the run under way, or None."""

    report: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class GraphError(DfcoreError, ValueError):
    """Everything wrong with a declaration, found before anything starts. `problems` is a tuple of `Problem`."""

    problems: tuple[Problem, ...]

    def __init__(self, problems: Iterable[Problem] | Problem):
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(_listed(self.problems))


class NodeFailed(DfcoreError, RuntimeError):
    """A method of a node raised; the original is `__cause__`.

    Attributes: `node` and `input` (names), `seq` (of the record in hand), `firing` (from 0), `method`; `others`: failures of
    other nodes that came later in time.
    """

    def __init__(
        self,
        message: str,
        *,
        node: str,
        input: str | None = None,
        seq: int | None = None,
        firing: int | None = None,
        method: str = "compute",
    ):
        super().__init__(message)
        self.node, self.input, self.seq, self.firing, self.method = node, input, seq, firing, method
        self.others: tuple[NodeFailed, ...] = ()


class ContextDied(DfcoreError, RuntimeError):
    """A context's process ended without being asked to.

    Attributes: `context` (name), `signal` (number or None), `status` (exit status or None), `node` and `seq`: what it was
    working on, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        context: str,
        signal: int | None = None,
        status: int | None = None,
        node: str | None = None,
        seq: int | None = None,
    ):
        super().__init__(message)
        self.context, self.signal, self.status, self.node, self.seq = context, signal, status, node, seq


class DtypeError(DfcoreError, TypeError):
    """A value does not fit the dtype it is stored into."""


class RecordLost(DfcoreError, LookupError):
    """An edge with `on_full="error"` had no room."""


class DeviceError(DfcoreError, OSError):
    """Hardware, or its simulated twin, failed. Made like an `OSError`: `(errno, text, file name)`, or one text."""

    def __reduce__(self) -> tuple[Any, ...]:
        args = self.args if self.filename is None else (*self.args, self.filename)
        return _rebuild, (type(self), args, self.__dict__)


class Stopped(BaseException):
    """Raised out of a call that still blocks when its run is over: the firing publishes nothing.

    Not an Exception, so that a node's own `except Exception` does not keep it.
    """


class InternalError(DfcoreError):
    """A bug in this package, not in the program."""


def _rebuild(cls: type[DfcoreError], args: tuple[Any, ...], state: dict[str, Any]) -> DfcoreError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


def _listed(problems: tuple[Problem, ...]) -> str:
    lines = [f"{len(problems)} problem{'s' * (len(problems) != 1)} in the graph"]
    for number, problem in enumerate(problems, 1):
        lines.append(f"{number:>3}. {problem}")
    return "\n".join(lines)


def told(error: BaseException) -> str:
    """Class and message of an exception, also of one whose own `__str__` fails."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - a user's `__str__` may raise anything
        text = f"(its message cannot be made: {type(broken).__name__})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def caller() -> tuple[str, int]:
    """File and line of the innermost frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_PACKAGE) and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt `word`: "did you mean `x`?", or the list of what there is."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"choose from {', '.join(f'`{name}`' for name in known)}" if known else "there is none"
