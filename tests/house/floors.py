"""What both tables of floors are checked with."""

from __future__ import annotations

from collections.abc import Iterable


def circular(imports: Iterable[tuple[str, set[str]]]) -> dict[str, set[str]]:
    """The modules that cannot be read in any order, each with what it needs; `imports` may name a module more than once."""
    needs: dict[str, set[str]] = {}
    for module, others in imports:
        needs.setdefault(module, set()).update(others)
    while free := [module for module in needs if not needs[module] & needs.keys()]:
        for module in free:
            del needs[module]
    return needs
