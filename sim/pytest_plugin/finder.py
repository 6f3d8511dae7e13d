"""To be there when a module is imported, without importing it.

Law: importing this plugin imports neither NumPy nor `sim`, so that a session that simulates nothing pays nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


class BeforeImport(MetaPathFinder):
    """Calls `function()` once, just before `module` is imported, if it has not been."""

    def __init__(self, module: str, function: Callable[[], None]) -> None:
        self._module, self._function = module, function

    def install(self) -> None:
        """Begin to wait."""
        if self._module not in sys.modules:
            sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Wait no more."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Let all finders, also the ones that `function` added, find the module."""
        if fullname != self._module:
            return None
        self.remove()
        self._function()
        return find_spec(fullname)
