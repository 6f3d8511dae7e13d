"""What a ring does: the oracle of `test_ring_model.py`, in 80 lines. It knows no slots, no memory, no order of stores."""

from collections import deque
from dataclasses import dataclass, field


@dataclass
class End:
    policy: str
    depth: int
    waits: deque[int] = field(default_factory=deque)  # "wait" and "drop_new": with the one in hand
    hand: int | None = None
    kept: dict[int, int] = field(default_factory=dict)
    taken: int = 0
    lost: int = 0
    dropped: int = 0  # part of lost that the writer counts
    gone: bool = False
    seen: int = 0  # of what was published, what it was meant to see

    @property
    def lossless(self) -> bool:
        return self.policy == "wait"

    @property
    def passes_late(self) -> bool:
        return self.policy in ("wait", "drop_new")

    def offer(self, seq: int) -> None:
        self.seen += 1
        if self.policy == "drop_new" and len(self.waits) == self.depth:
            self.lost, self.dropped = self.lost + 1, self.dropped + 1
            return
        if self.policy == "latest":
            self.lost += len(self.waits)
            self.waits.clear()
        self.waits.append(seq)
        if self.policy == "drop_oldest" and len(self.waits) > self.depth:
            self.waits.popleft()
            self.lost, self.dropped = self.lost + 1, self.dropped + 1

    def take(self) -> int | None:
        if self.hand is None and self.waits:
            self.hand = self.waits[0] if self.passes_late else self.waits.popleft()
        return self.hand

    def finish(self, counted: bool) -> None:
        if self.passes_late:
            self.waits.popleft()
        self.hand = None
        self.taken, self.lost = self.taken + counted, self.lost + (not counted)

    def put_back(self) -> None:
        if self.policy == "latest" and self.hand is not None:
            self.lost += len(self.waits)
            self.waits = self.waits or deque([self.hand])
        self.hand = None

    def forget(self) -> None:
        self.lost += self.hand is not None and not self.passes_late
        self.hand = None


class RingModel:
    """An output and its readers; the last of `ends` is a tap that counts for nothing but its leases."""

    def __init__(self, ends: list[tuple[str, int]]):
        self.ends = [End(policy, depth) for policy, depth in ends]
        self.head, self.closed, self.want = 0, False, False

    def full_end(self) -> int | None:
        return next((i for i, e in enumerate(self.ends) if e.policy == "wait" and not e.gone and len(e.waits) >= e.depth), None)

    def publish(self, tombstone: bool = False) -> None:
        self.head += 1
        for end in self.ends:
            if not tombstone or end.lossless or end is self.ends[-1]:
                end.offer(self.head)
