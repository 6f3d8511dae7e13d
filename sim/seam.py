"""The seam to the engine: its errors, and the slot in which a run finds the world around it.

Law: simulated ports work where the engine does not, for instance where it was never compiled; then the errors are defined here
and nobody looks into the slot.
"""

from __future__ import annotations

from typing import Any

__all__ = ["DeviceError", "DfcoreError", "InternalError", "enter"]

try:
    from dfcore.clock import enter as _enter
    from dfcore.errors import DeviceError, DfcoreError, InternalError
except ImportError:
    _enter = None  # type: ignore[assignment]

    class DfcoreError(Exception):  # type: ignore[no-redef]
        """The root of all errors of this package."""

    class DeviceError(DfcoreError, OSError):  # type: ignore[no-redef]
        """Hardware, or its simulated twin, failed."""

    class InternalError(DfcoreError):  # type: ignore[no-redef]
        """A bug in this package, not in the program."""


def enter(world: Any) -> None:
    """Make `world` the one that a run of the engine finds around it; None takes it away."""
    if _enter is not None:
        _enter(world)
