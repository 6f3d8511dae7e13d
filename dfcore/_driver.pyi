from typing import final

from ._bell import Bell
from ._scheduler import Scheduler
from .memory import Memory

def ticks() -> tuple[int, int]: ...
@final
class Driver:
    scheduler: Scheduler
    bell: Bell
    wakeups: int
    orphaned: bool
    def __new__(
        cls,
        scheduler: Scheduler,
        bell: Bell,
        memory: Memory,
        line: int,
        supervisor: int,
        spin_ns: int,
        liveness: int = -1,
    ) -> Driver: ...
    def watch_files(self) -> None: ...
    def unwatch_files(self) -> None: ...
    def wait_for_start(self) -> bool: ...
    def starting(self) -> bool | None: ...
    def run(self) -> bool: ...
    def timer_fd(self) -> int: ...
    def turn(self) -> bool | None: ...
