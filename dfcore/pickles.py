"""The one door for pickles: from a value to bytes and back.

Laws: bytes are loaded only if they came from memory or a pipe that this run's processes inherited (callers see to it; nobody else
may import `pickle`). Lambdas, and classes of `__main__`, of notebooks and of modules that another interpreter could not import by
their name, travel by value. A packed value is one stretch of memory: large buffers are copied into it once, each to a line of
its own, and `unpack` copies none of them.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import threading
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

#: Held while modules are registered: the list of `cloudpickle` is global.
_registry = threading.RLock()

#: The value that `dumps` made bytes of.
loads = pickle.loads


def dumps(value: Any) -> bytes:
    """`value` as bytes. Raises whatever its parts raise when they cannot be pickled."""
    return _by_value(value, None).getvalue()


# ------------------------------------------------------------------------------------------- values with buffers beside them

#: Of a packed value: how many buffers, bytes of the pickle; then the bytes of each buffer, the pickle, the buffers.
_HEAD = struct.Struct("=QQ")
_LINE = 64


class Packed:
    """A value on its way into one stretch of memory: its pickle, and its buffers where they still lie.

    Until it is written the value must not change, and what has buffers (an array, say) cannot be resized.

    Args:
        value: anything that can be pickled; buffers that offer themselves for protocol 5 are not copied yet.
    Attributes:
        size: bytes that `write` needs.
    Raises:
        whatever its parts raise when they cannot be pickled.
    """

    __slots__ = ("_buffers", "_pickle", "size")

    def __init__(self, value: Any):
        found: list[pickle.PickleBuffer] = []
        try:
            file = io.BytesIO()
            _ByName(file, found.append).dump(value)
        except Exception:  # noqa: BLE001 - it needs to travel by value, or it cannot travel: the next line says which
            found.clear()
            file = _by_value(value, found.append)
        self._pickle = file.getbuffer()
        self._buffers = [buffer.raw() for buffer in found]
        self.size = _begin(len(self._buffers)) + len(self._pickle)
        for buffer in self._buffers:
            self.size = _to_line(self.size) + buffer.nbytes

    def write(self, memory: Any) -> None:
        """Copy everything into the writable buffer `memory`, of at least `size` bytes, for `unpack`."""
        view, lengths = memoryview(memory).cast("B"), [buffer.nbytes for buffer in self._buffers]
        _HEAD.pack_into(view, 0, len(lengths), len(self._pickle))
        struct.pack_into(f"={len(lengths)}Q", view, _HEAD.size, *lengths)
        end = _begin(len(lengths))
        for part in (self._pickle, *self._buffers):
            start, end = end, end + part.nbytes
            view[start:end] = part
            end = _to_line(end)


def unpack(memory: Any) -> Any:
    """The value that `Packed.write` put into `memory`. Its buffers are read-only views of `memory`, which they keep exported.

    Raises whatever its parts raise when they are loaded.
    """
    view = memoryview(memory).toreadonly().cast("B")
    count, length = _HEAD.unpack_from(view)
    start, buffers = _begin(count), []
    end = start + length
    for size in struct.unpack_from(f"={count}Q", view, _HEAD.size):
        place = _to_line(end)
        end = place + size
        buffers.append(view[place:end])
    return loads(view[start : start + length], buffers=buffers)


def _begin(count: int) -> int:
    """Where the pickle begins behind the sizes of `count` buffers."""
    return _HEAD.size + 8 * count


def _to_line(offset: int) -> int:
    return -(-offset // _LINE) * _LINE


# ------------------------------------------------------------------------------------------------------- by name or by value


class _Unfindable(Exception):
    """Something must travel by value."""


class _ByName(pickle.Pickler):
    """For what another interpreter finds by name, which is nearly everything. Else it raises, `_Unfindable` or what pickle does."""

    def __init__(self, file: io.BytesIO, keep_buffer: Callable[[pickle.PickleBuffer], Any]):
        super().__init__(file, pickle.HIGHEST_PROTOCOL, buffer_callback=keep_buffer)

    def reducer_override(self, value: Any) -> Any:
        """For each class and function on the way."""
        if isinstance(value, (type, types.FunctionType)) and not _is_findable(value.__module__):
            raise _Unfindable
        return NotImplemented


#: Modules by name of which it is known that another interpreter finds them.
_findable: dict[str, types.ModuleType] = {}


def _is_findable(name: str | None) -> bool:
    module = sys.modules.get(name) if name is not None else None
    if name is None or module is None or name == "__main__":
        return False
    if _findable.get(name) is module:
        return True
    if not findable(module) or name in cloudpickle.list_registry_pickle_by_value():
        return False
    _findable[name] = module
    return True


def _by_value(value: Any, keep_buffer: Callable[[pickle.PickleBuffer], Any] | None) -> io.BytesIO:
    file = io.BytesIO()
    pickler = _Pickler(file, keep_buffer)
    with _registry:
        try:
            pickler.dump(value)
        finally:
            pickler.forget()
    return file


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Looks at the module of each class and function on the way: by name if another interpreter finds it there, else by value."""

    def __init__(self, file: io.BytesIO, keep_buffer: Callable[[pickle.PickleBuffer], Any] | None):
        super().__init__(file, buffer_callback=keep_buffer)
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
