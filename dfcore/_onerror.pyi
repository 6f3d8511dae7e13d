from typing import Any, Final, final

ACTIONS: Final[dict[str, int]]
NEVER: Final[tuple[type[BaseException], ...]]

@final
class OnError:
    def __new__(cls, declared: Any) -> OnError: ...

def forget_frames(error: BaseException | None) -> None: ...
