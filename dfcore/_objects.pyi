from typing import final

from typing_extensions import Buffer

@final
class Sender:
    size: int
    def __new__(cls, memory: Buffer, slots: int, where: str) -> Sender: ...

@final
class Receiver:
    def __new__(cls, memory: Buffer, arena_bytes: int, readers: int) -> Receiver: ...
