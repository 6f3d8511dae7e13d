from typing import Self, final

from ._ends import Input, Output

class Join:
    def __new__(cls, inputs: list[Input]) -> Self: ...

@final
class Merge(Join): ...

@final
class Share:
    def __new__(cls, outputs: list[Output]) -> Share: ...
