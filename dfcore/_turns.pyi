from typing import Any, final

from .memory import Memory
from .plan import Plan

@final
class Turns:
    ordered: bool
    count: int
    set: int
    def __new__(cls, plan: Plan, memory: Memory, index: int, positions: dict[int, int], eventfds: list[Any]) -> Turns: ...
