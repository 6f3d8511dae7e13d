"""The one door for pickles: from a value to bytes and back.

Laws: bytes are loaded only if they came from memory or a pipe that this run's processes inherited (callers see to it; nobody else
may import `pickle`). Lambdas, and classes of `__main__`, of notebooks and of modules that another interpreter could not import by
their name, travel by value.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
import threading
import types
from importlib.machinery import ModuleSpec
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

#: Held while modules are registered: the list of `cloudpickle` is global.
_registry = threading.RLock()

#: The value that `dumps` made bytes of.
loads = pickle.loads


def dumps(value: Any) -> bytes:
    """`value` as bytes. Raises whatever its parts raise when they cannot be pickled."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    with _registry:
        try:
            pickler.dump(value)
        finally:
            pickler.forget()
    return file.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Looks at the module of each class and function on the way: by name if another interpreter finds it there, else by value."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self._seen: set[str] = {"__main__"}
        self._registered: list[types.ModuleType] = []

    def forget(self) -> None:
        """Take back what was said to `cloudpickle` on the way."""
        for module in self._registered:
            cloudpickle.unregister_pickle_by_value(module)

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, (type, types.FunctionType)):
            self._look_at(value.__module__)
        elif isinstance(value, types.ModuleType):
            self._look_at(value.__name__)
        return super().reducer_override(value)

    def _look_at(self, name: str | None) -> None:
        if name is None or name in self._seen:
            return
        self._seen.add(name)
        module = sys.modules.get(name)
        if module is None or findable(module) or name in cloudpickle.list_registry_pickle_by_value():
            return
        cloudpickle.register_pickle_by_value(module)
        self._registered.append(module)


def findable(module: types.ModuleType) -> bool:
    """Whether an interpreter with this one's `sys.path` would import the same file under the module's name."""
    file = getattr(module, "__file__", None)
    if file is None:
        return True  # built in, or a namespace: a name without code of its own
    path = None
    parts = module.__name__.split(".")
    for count in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:count]), path)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    if spec is None or spec.origin is None:
        return False
    return spec.origin == "frozen" or os.path.abspath(spec.origin) == os.path.abspath(file)


def _spec(name: str, path: Any) -> ModuleSpec | None:
    """Where `name` would be found, whatever is imported already."""
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find_spec(name, path, None) if find_spec is not None else None
        if spec is not None:
            return spec
    return None
