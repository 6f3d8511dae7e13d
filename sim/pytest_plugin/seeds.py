"""The seed of a test, and the global random numbers while it runs.

Law: a test's seed depends on the session's seed and on the test's name, and on nothing else: neither on the order of tests, nor on
the process that runs it, nor on PYTHONHASHSEED.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256


def seed_of(session_seed: int, test: str) -> int:
    """The seed of a test: 32 bits, since the legacy generator of NumPy takes no more."""
    return int.from_bytes(sha256(f"{session_seed} {test}".encode()).digest()[:4], "little")


def seed_globals(seed: int) -> None:
    """Seed `random`, and NumPy's legacy global generator."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % (1 << 32))


@contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Seed them, and put back afterwards what was there."""
    import numpy as np

    states = random.getstate(), np.random.get_state()
    seed_globals(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
