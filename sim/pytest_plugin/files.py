"""Traces on disk: one file per test, one line of JSON per event, and a line before each world.

Law: the name of the file depends on the name of the test alone, and no two tests share one.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim import World


class TraceFile:
    """The file of one test. It is made when the first world is added."""

    def __init__(self, folder: str, test: str) -> None:
        name = re.sub(r"[^\w.-]+", "_", test)[:150]
        self.path = Path(folder, f"{name}-{sha256(test.encode()).hexdigest()[:8]}.jsonl")
        self._count = 0

    def add(self, world: World) -> None:
        """Append what happened in a world."""
        self._count += 1
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w" if self._count == 1 else "a", encoding="utf-8") as file:
            head = {"world": self._count, "seed": world.seed, "clock": world.clock, "hash": world.trace.hash}
            file.write(json.dumps(head) + "\n")
            file.writelines(event.to_json() + "\n" for event in world.trace)
