from typing import Any, final

import numpy as np
from typing_extensions import disjoint_base

from ._ends import Input, Output
from ._parameters import ParameterInput
from ._turns import Turns
from .memory import Memory
from .plan import Plan

STYLES: dict[str, int]
DEADLINE_ACTIONS: dict[str, int]

def rng_key(seed: int, name: str) -> list[int]: ...
def attach(node: Live, cell: Cell | None) -> None: ...
@final
class Cell:
    index: int
    position: int
    context: int
    name: str
    node: Live
    parameters: list[ParameterInput]
    busy: bool
    ended: bool
    now_ns: int
    firing: int
    feed: Any
    files: list[Any]
    def __new__(
        cls,
        plan: Plan,
        memory: Memory,
        index: int,
        position: int,
        node: Live,
        inputs: list[Input],
        outputs: list[Output],
        parameters: list[ParameterInput],
        turns: Turns | None,
        seed: int,
    ) -> Cell: ...
    def holds(self) -> dict[str, int]: ...
    def parameter(self, name: str) -> Any: ...

class Outputs:
    def __init__(self, cell: Cell) -> None: ...
    def __getitem__(self, name: str) -> Any: ...

class Header:
    seq: int
    publish_ns: int
    origin_ns: int
    def __init__(self, seq: int, publish_ns: int, origin_ns: int) -> None: ...

@disjoint_base
class Live:
    origin_ns: int
    @property
    def output(self) -> Any: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def firing(self) -> int: ...
    @property
    def rng(self) -> np.random.Generator: ...
    @property
    def meta(self) -> dict[Any, Any]: ...
    def header(self, input: str | int) -> Header: ...
    def wait_for(self, file: Any) -> None: ...
