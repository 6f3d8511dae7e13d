"""`@emitter`, `@router`, `@collector`: a function becomes a node class.

Laws: the function stays an ordinary function, `node.compute`; a first parameter named `self` receives the node, the rest follows
the rules of `compute`. Each class is made once, when the decorator runs; calling it makes a node.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .declared import NODE_OPTIONS, check_keywords
from .edge import is_end
from .errors import GraphError, Problem, caller
from .node import Collector, Emitter, Node, Router

Decorator = Callable[[Callable[..., Any]], type[Any]]


def emitter(dtype: Any = None, *, outputs: Any = None, **options: Any) -> Decorator:
    """A decorator that makes an emitter class of a function. Arguments as for `Emitter`; parameters are keyword-only.

    Options are those of `Node.options`, and may be given again where a node is made: `noise(rate_hz=10, gain=2.0)`.
    """
    return _decorator(Emitter, dtype, outputs, options)


def router(dtype: Any = None, *, outputs: Any = None, **options: Any) -> Decorator:
    """A decorator that makes a router class of a function. Arguments as for `Router`, options as for `emitter`."""
    return _decorator(Router, dtype, outputs, options)


def collector(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """A decorator, bare or with options (those of `Node.options`), that makes a collector class of a function."""
    decorate = _decorator(Collector, None, None, options)
    return decorate if function is None else decorate(function)


def _decorator(role: type[Node], dtype: Any, outputs: Any, options: dict[str, Any]) -> Decorator:
    place, word = caller(), role.__name__.lower()
    if inspect.isroutine(dtype):
        raise _misused(f"@{word}", "a dtype", f"the function `{dtype.__name__}`", f"write @{word}(dtype)", place)
    check_keywords(options, NODE_OPTIONS, lambda: f"@{word}", place)

    def decorate(function: Callable[..., Any]) -> type[Any]:
        if isinstance(function, type) or not callable(function):
            raise _misused(f"@{word}", "a function", repr(function), f"subclass {role.__name__} instead", caller())
        return _node_class(role, function, dtype, outputs, options)

    return decorate


def _node_class(role: type[Node], function: Callable[..., Any], dtype: Any, outputs: Any, options: dict[str, Any]) -> type[Any]:
    def __init__(self: Node, *sources: Any, **keywords: Any) -> None:
        self._refuse_sources((*sources, *filter(is_end, keywords.values())))
        self._describe(dtype, outputs, {**options, **keywords})

    name = getattr(function, "__name__", type(function).__name__)
    body = {
        "__init__": __init__,
        "compute": function if _takes_self(function) else staticmethod(function),
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        "__qualname__": getattr(function, "__qualname__", name),
    }
    return type(name, (role,), body)


def _takes_self(function: Callable[..., Any]) -> bool:
    try:
        return next(iter(inspect.signature(function).parameters), "") == "self"
    except (TypeError, ValueError):
        return False  # reported with the node, by whoever reads the whole signature


def _misused(where: str, needed: str, found: str, do: str, place: tuple[str, int]) -> GraphError:
    return GraphError(Problem(code="decorator", where=where, needed=needed, found=found, do=do, file=place[0], line=place[1]))
