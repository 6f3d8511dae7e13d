from collections.abc import Mapping
from typing import Any, final

from .memory import Memory
from .plan import Plan

@final
class ParameterInput:
    index: int
    name: str
    positions: list[int]
    settings: bool
    def __new__(
        cls, plan: Plan, memory: Memory, index: int, names: list[str], positions: dict[int, int], eventfds: list[int]
    ) -> ParameterInput: ...

@final
class Settings:
    names: tuple[str, ...]
    def __new__(cls, plan: Plan, memory: Memory, index: int) -> Settings: ...
    def publish(self, values: Mapping[str, Any]) -> None: ...
    def close(self) -> None: ...

@final
class Tap:
    def __new__(cls, plan: Plan, memory: Memory, index: int) -> Tap: ...
    def read(self, otherwise: Any) -> Any: ...
