from typing import Any, Final, final

ACTIONS: Final[dict[str, int]]
GENERATORS: Final[int]
NEVER: Final[tuple[type[BaseException], ...]]
YIELD: Final[int]

@final
class OnError:
    def __new__(cls, declared: Any) -> OnError: ...

def forget_frames(error: BaseException | None) -> None: ...
