"""The counters of nodes and edges as they lie in shared memory: NumPy's view of the structs in `_counters.h`.

Law: every counter has one writer, the context in whose segment it lies; anybody may read it at any time. A reader of a running
graph sees each 64-bit word whole, but not all words of one instant. This module knows names and offsets, not what they mean
for a report (`stats.py`) nor who counts (the scheduler).
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Log-linear histogram: each power of two is cut into this many buckets, so a bucket is at most 1/32 = 3.1 % wide.
SUB_BUCKETS = 32
SUB_BITS = 5
#: Values from 2**VALUE_BITS ns on (18 minutes) share the last bucket; minimum, maximum and sum stay exact.
VALUE_BITS = 40
BUCKETS = (VALUE_BITS - SUB_BITS + 1) * SUB_BUCKETS

#: States of a node, in the order they are passed through; `FAILED` may follow any of them.
NEW, OPEN, RUNNING, ENDED, CLOSED, FAILED = range(6)
#: What makes a node fire: its inputs; a grid; a file; room alone; the program.
INPUTS, GRID, FILE, FREE, FED = range(5)
#: `in_flight` of a node whose firing has failed and will be tried again.
TO_BE_TRIED_AGAIN = 2
STATES = ("new", "open", "running", "ended", "closed", "failed")


def _struct(fields: list[tuple[str, Any]]) -> np.dtype[Any]:
    """The fields one behind the other, each struct among them and the whole in lines of 64 bytes."""
    names, formats, offsets, end = [], [], [], 0
    for name, format in fields:
        dtype = np.dtype(format)
        offset = end if dtype.names is None else -(-end // 64) * 64
        names.append(name)
        formats.append(dtype)
        offsets.append(offset)
        end = offset + dtype.itemsize
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": -(-end // 64) * 64})


#: One histogram. `min` and `max` are meaningless while `count` is 0.
HISTOGRAM = np.dtype(
    {
        "names": ["count", "min", "max", "sum", "buckets"],
        "formats": ["u8", "i8", "i8", "i8", ("u8", (BUCKETS,))],
        "offsets": [0, 8, 16, 24, 64],
        "itemsize": 64 + 8 * BUCKETS,
    }
)

#: Written by the node's context.
NODE_COUNTERS = _struct(
    [
        ("firings", "u8"),  # finished, with or without an output
        ("in_flight", "u8"),  # 1 while user code of a firing runs or awaits, 2 from one attempt of it to the next
        ("last_firing", "u8"),  # number of the firing that began last, from 0
        ("began_ticks", "u8"),  # tick counter at the start of its last firing; in virtual time the run clock
        ("busy_ticks", "u8"),
        ("wait_input_ticks", "u8"),
        ("wait_room_ticks", "u8"),
        ("blocked_edge", "u8"),  # edge index + 1 on which the node waits for room; 0: none
        ("errors", "u8"),  # exceptions that `on_error` let pass, and the one that did not
        ("deadline_misses", "u8"),
        ("overruns", "u8"),  # grid points passed by, or caught up late
        ("skipped_firings", "u8"),  # finished with SKIP everywhere
        ("state", "u8"),  # NEW .. FAILED
        ("waiting_edge", "u8"),  # edge index + 1 whose record the node waits for; 0: none
        ("pace", "u8"),  # what makes it fire: INPUTS .. FED
        ("blocked_bytes", "u8"),  # what it waits for is memory for an object of so many bytes; 0: room
        ("suspended", "u8"),  # 1: between two yields of one firing
        ("lateness", HISTOGRAM),
        ("duration", HISTOGRAM),
    ]
)

#: Written by the context of the edge's reader. taken (reader's line) + initial_taken
#: = read + stale_dropped + decimated + unread_buffered, whenever the edge is at rest.
EDGE_COUNTERS = _struct(
    [
        ("read", "u8"),  # records handed to firings
        ("stale_dropped", "u8"),  # taken without a firing, too old (`max_age_s` on an `every` edge)
        ("decimated", "u8"),  # passed over by `decimate`
        ("unread_buffered", "u8"),  # taken into a batch that is not complete
        ("high_water", "u8"),  # most records waiting when one was taken
        ("digest", "u8"),
        ("initial_taken", "u8"),  # how many of `initial` are gone from the edge
        ("last_seq", "u8"),  # seq of the record taken last; 0: none
        ("ring", "u8"),  # of an edge from replicas, at its first ring: the instance whose turn it is
        ("age", HISTOGRAM),  # now - origin_ns when taken
    ]
)

#: Written by the context of the edge's writer.
WRITER_COUNTERS = _struct(
    [
        ("dropped", "u8"),  # refused by `drop_new`; what `drop_oldest` lost is tail - taken in the reader's line
        ("skipped", "u8"),  # tombstones, and closings of firings that published nothing
        ("closings", "u8"),  # of firings that published something
        ("refused", "u8"),  # objects that found no memory in the arena: written and dropped, never published
    ]
)


def bucket(value_ns: int) -> int:
    """Index of the bucket that counts `value_ns`: the twin of `df_histogram_bucket`."""
    value_ns = min(max(value_ns, 0), (1 << VALUE_BITS) - 1)
    if value_ns < SUB_BUCKETS:
        return value_ns
    shift = value_ns.bit_length() - 1 - SUB_BITS
    return (shift << SUB_BITS) + (value_ns >> shift)


def lower_bounds() -> np.ndarray[Any, np.dtype[np.int64]]:
    """Smallest value of each bucket, `(BUCKETS + 1,)`; the last entry is the end of the last bucket."""
    index = np.arange(BUCKETS + 1, dtype=np.int64)
    shift = np.maximum(index // SUB_BUCKETS - 1, 0)
    return np.where(index < SUB_BUCKETS, index, (index - shift * SUB_BUCKETS) << shift)
