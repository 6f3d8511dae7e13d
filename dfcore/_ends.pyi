from typing import Any, final

from .memory import Memory
from .plan import Plan

STALE_ACTIONS: dict[str, int]
POLICIES: dict[str, int]

@final
class Output:
    index: int
    name: str
    def __new__(
        cls,
        plan: Plan,
        memory: Memory,
        index: int,
        values: list[Any] | None,
        positions: dict[int, int],
        eventfds: list[int],
    ) -> Output: ...

@final
class Input:
    index: int
    name: str
    latest: bool
    feedback: bool
    local: bool
    max_age_ns: int
    on_stale: int
    writer: int
    def __new__(
        cls,
        plan: Plan,
        memory: Memory,
        index: int,
        values: list[Any] | None,
        positions: dict[int, int],
        eventfds: list[int],
        digest: bool,
    ) -> Input: ...
    def add_rings(self, others: list[Any], in_turn: bool) -> None: ...
    def writers(self) -> list[int]: ...
    def far(self) -> bool: ...
