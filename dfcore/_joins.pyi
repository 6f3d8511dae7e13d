from typing import Any, Self, final

from typing_extensions import disjoint_base

from ._ends import Input, Output

@disjoint_base
class Join:
    def __new__(cls, inputs: list[Input], *rule: Any) -> Self: ...

@final
class Merge(Join): ...

@final
class Sync(Join):
    def __new__(cls, inputs: list[Input], within_ns: int) -> Self: ...

@final
class Share:
    def __new__(cls, outputs: list[Output]) -> Share: ...
