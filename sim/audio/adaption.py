"""How blocks of any size are made of host periods: PortAudio's buffer adaption, without the buffers.

Laws: a stream with blocks of `size` frames over periods of `period` frames calls its callback as soon as a block of input is
full and the last block of output has been given away; in between, frames go from period to block and from block to period in
order, none is lost or repeated. A duplex stream begins with one block of silence on its way out, because an output frame is
asked for before the input that it answers is complete: it costs `size` frames of latency. A stream whose size is left open (0)
gets whole periods and pays nothing.

These are the laws of PortAudio's `pa_process.c` for a host whose buffer size is not known beforehand, as with JACK.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class Step(NamedTuple):
    """One move within a host period: take input frames into the block, then perhaps call, then give output frames away."""

    take: int
    call: bool
    give: int


def added_latency(size: int, duplex: bool) -> int:
    """How many frames of latency the adaption costs."""
    return size if duplex else 0


def loop_delay(size: int, period: int) -> int:
    """Frames from output to input of a duplex stream whose output is wired to its input."""
    return period + added_latency(size, duplex=True)


@lru_cache(maxsize=4096)
def steps(size: int, period: int, filled: int, left: int, has_input: bool, has_output: bool) -> tuple[Step, ...]:
    """What happens in one host period.

    Args:
        size: frames of a block.
        period: frames of a host period.
        filled, left: input frames in the block, and output frames in the block, when the period begins.
        has_input, has_output: the directions of the stream.
    """
    give = min(left, period) if has_output else 0
    moves = [Step(0, False, give)] if give else []
    left, taken, given = left - give, 0, give
    while (taken if has_input else given) < period:
        take = min(size - filled, period - taken) if has_input else 0
        filled, taken = filled + take, taken + take
        call = left == 0 and (filled == size or not has_input)
        if call:
            filled, left = 0, size if has_output else 0
        give = min(left, period - given)
        left, given = left - give, given + give
        moves.append(Step(take, call, give))
    return tuple(moves)


def calls(size: int, period: int, periods: int, has_input: bool, has_output: bool) -> list[int]:
    """How many callbacks come in each of the first `periods` host periods of a stream."""
    filled, left = 0, added_latency(size, has_input and has_output)
    counts = []
    for _ in range(periods):
        moves = steps(size, period, filled, left, has_input, has_output)
        for take, call, give in moves:
            filled += take
            if call:
                filled, left = 0, size if has_output else 0
            left -= give
        counts.append(sum(call for _, call, _ in moves))
    return counts
