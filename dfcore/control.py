"""The line of the run in the control segment: what everybody is told, and who wants to be told of a full edge.

Laws: `state` only ever grows; time zero and the end are written before it leaves `NEW`, and each change is followed by a stroke
of every bell. The run clock stands still while the run is paused: afterwards zero and end lie as much later as the pause was long,
and both are written before the word that ends it. Only the process that started the run writes here, under the supervisor's lock, but for `watch`, which any context
takes back when it rings, and for the `ABORT` of a context whose parent has died.
"""

from __future__ import annotations

from ._bell import RunWords
from .memory import Memory
from .plan import PAUSED, Plan

#: States of a run: nodes open; firing; emitters have stopped and records drain; everything is discarded.
NEW, GO, STOP, ABORT = range(4)

#: `until_ns` of a run without an end.
ENDLESS_NS = (1 << 63) - 1

_STATE, _ZERO, _UNTIL, _WATCH = range(4)


def state_address(plan: Plan, memory: Memory) -> int:
    """Where the state of a run lies in this process, for native code."""
    return memory.address(0) + plan.layout.run + 8 * _STATE


class RunLine:
    """The words of a run. States: see `NEW` to `ABORT`."""

    def __init__(self, plan: Plan, memory: Memory):
        offset = plan.layout.run
        self._words: RunWords | list[int] = RunWords(memory.buffer(0), offset)

    def close(self) -> None:
        """Let the memory go; the words stay as they were."""
        if isinstance(self._words, RunWords):
            words, self._words = self._words, [self._words[number] for number in range(8)]
            words.release()

    @property
    def state(self) -> int:
        """`NEW`, `GO`, `STOP` or `ABORT`."""
        return self._words[_STATE]

    def raise_to(self, state: int) -> bool:
        """Go on to `state`; False if the run was there or further already. Ring every bell after it."""
        if self._words[_STATE] >= state:
            return False
        self._words[_STATE] = state
        return True

    def go(self, zero_ns: int, duration_ns: int | None) -> bool:
        """Say when time zero is (CLOCK_MONOTONIC) and let everybody fire. False if the run was aborted before."""
        self._words[_ZERO] = zero_ns
        self._words[_UNTIL] = ENDLESS_NS if duration_ns is None else zero_ns + duration_ns
        if self._words[PAUSED]:
            self._words[PAUSED] = zero_ns  # paused while nodes opened: time has not begun
        return self.raise_to(GO)

    def pause(self, now_ns: int) -> bool:
        """Let nobody begin a firing; `now_ns` is CLOCK_MONOTONIC. False: it is paused already, or has to end."""
        if self._words[PAUSED] or self._words[_STATE] >= STOP:
            return False
        self._words[PAUSED] = max(now_ns, self._words[_ZERO], 1)
        return True

    def resume(self, now_ns: int) -> bool:
        """Let everybody go on, as if no time had passed. False: it is not paused."""
        if not self._words[PAUSED]:
            return False
        passed_ns = max(now_ns - self._words[PAUSED], 0)
        if self._words[_UNTIL] != ENDLESS_NS:
            self._words[_UNTIL] += passed_ns
        self._words[_ZERO] += passed_ns
        self._words[PAUSED] = 0
        return True

    @property
    def paused(self) -> bool:
        """Whether nobody shall begin a firing."""
        return bool(self._words[PAUSED])

    def elapsed_ns(self, now_ns: int) -> int:
        """The run clock at `now_ns`, CLOCK_MONOTONIC; 0 before time zero."""
        if self.state < GO or not self.zero_ns:
            return 0
        return max((self._words[PAUSED] or now_ns) - self.zero_ns, 0)

    @property
    def zero_ns(self) -> int:
        """CLOCK_MONOTONIC at time zero of the run; meaningful from `GO` on."""
        return self._words[_ZERO]

    @property
    def until_ns(self) -> int:
        """CLOCK_MONOTONIC from which on no emitter fires; `ENDLESS_NS`: no such time."""
        return self._words[_UNTIL]

    @property
    def watch(self) -> bool:
        """Whether the supervisor wants a stroke when a context goes to sleep with a node that waits for room."""
        return bool(self._words[_WATCH])

    @watch.setter
    def watch(self, wanted: bool) -> None:
        self._words[_WATCH] = wanted
