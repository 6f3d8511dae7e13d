"""Values in memory that processes share: round trips, who keeps a block, who waits, who died."""

from __future__ import annotations

import gc
import itertools
import os
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from dfcore import ContextDied
from dfcore.pipes import pipe
from dfcore.pipes.process import SharedMemoryRingBuffer
from sim import World
from tests.leaks import shared_memory
from tests.programs import ENVIRONMENT

MB = 1 << 20


def blocks(ring):
    """How many values are in a ring."""
    return ring._commons.blocks


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, "two", b"three", (4.0, 5j)],
        {1: "one", (2, 3): {"nested": [{}]}},
        np.array(7.5),
        np.zeros((0, 3)),
        np.arange(24).reshape(2, 3, 4)[:, ::2].T,
        np.array([(1, 2.5)], [("a", "u1"), ("b", "f8")]),
        {"a": [np.arange(3), {"b": np.ones((2, 2), "f4")}]},
        np.array(["x", None, 3], object),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_read_is_what_was_written(value):
    """Equal, of the same types, as often as it is read. Contiguous arrays are read-only views, others are copies."""
    ring = SharedMemoryRingBuffer(MB)
    reference = ring.write(value)
    for read in (ring.read(reference), ring.read(reference)):
        np.testing.assert_equal(read, value)
        assert type(value) is type(read)
        if isinstance(read, np.ndarray) and read.dtype != object:
            assert (value.dtype, value.shape, not value.flags.forc) == (read.dtype, read.shape, read.flags.writeable)


def test_a_block_lives_as_long_as_a_reference_or_what_was_read():
    """Dropped unread it is free at once; an array that was read keeps it, and its values."""
    ring = SharedMemoryRingBuffer(MB)
    reference = ring.write(np.ones(1000))
    array = ring.read(reference)[10:20]
    assert 1 == blocks(ring)
    del reference
    assert 1 == blocks(ring)
    others = [ring.write(np.zeros(1000)) for _ in range(50)]
    assert 51 == blocks(ring)
    np.testing.assert_array_equal(np.ones(10), array)
    del array, others
    assert 0 == blocks(ring)


def test_a_value_larger_than_the_ring_is_refused_at_once():
    """However empty it is; one that just fits is not."""
    ring = SharedMemoryRingBuffer(MB)
    with pytest.raises(ValueError, match=r"^SharedMemoryRingBuffer: needed \d+ bytes, was 1048576 in all; make it larger\.$"):
        ring.write(bytearray(MB))
    assert 0 == blocks(ring)
    assert (MB - 4096) == len(ring.read(ring.write(np.zeros(MB - 4096, "u1"))))


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("1", TypeError)])
def test_a_ring_needs_a_number_of_bytes(size, error):
    """A whole one."""
    with pytest.raises(error, match="^SharedMemoryRingBuffer: needed"):
        SharedMemoryRingBuffer(size)


def test_only_references_are_read():
    """Another object is named."""
    with pytest.raises(TypeError, match="needed what `write` returned, was int"):
        SharedMemoryRingBuffer(100).read(3)


def test_a_value_that_cannot_be_pickled_takes_no_room():
    """Its own error is raised."""
    ring = SharedMemoryRingBuffer(MB)
    with pytest.raises(TypeError, match="cannot pickle"):
        ring.write([np.zeros(10), threading.Lock()])
    assert 0 == blocks(ring)


@pytest.mark.parametrize("writers", [1, 3])
def test_a_full_ring_holds_up_its_writers_until_a_block_is_freed(writers):
    """Each goes on when there is room for its value: all blocks were held when they began, and are freed one by one."""
    ring = SharedMemoryRingBuffer(MB)
    held = [ring.write(np.full(300_000, i, "u1")) for i in range(3)]
    done = [threading.Event() for _ in range(writers)]
    written = []

    def write(number):
        written.append(ring.write(np.full(300_000, 10 + number, "u1")))
        done[number].set()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    assert not any(event.is_set() for event in done)
    while held:
        del held[0]
    for thread in threads:
        thread.join()
    assert {10 + number for number in range(writers)} == {int(ring.read(reference)[0]) for reference in written}


def test_a_full_ring_in_a_world_is_an_error():
    """No other process could make room, and time would stand still."""
    ring = SharedMemoryRingBuffer(MB)
    held = ring.write(bytes(MB - 4096))
    with World(), pytest.raises(RuntimeError, match="needed room, was full; in a World"):
        ring.write(bytes(MB - 4096))
    assert MB - 4096 == len(ring.read(held))


def test_a27_arrays_through_a_small_ring():
    """A27: 100 arrays of 1 MB through 8 MB, written by 4 workers, more of them ahead than fit: all in order, then all free."""
    before = shared_memory()
    ring = SharedMemoryRingBuffer(8 * MB)
    with pipe(range(100)).process.map(lambda i: ring.write(np.full(125_000, i, "f8")), 4).map(ring.read) as p:
        for i, array in enumerate(p):
            assert (i, i) == (array[0], array[-1])
    del array, p
    assert (0, before) == (blocks(ring), shared_memory())


def test_references_pass_through_stages():
    """Written by one stage, read by the workers of the next, and by the program; passed on by workers that know no ring."""
    ring = SharedMemoryRingBuffer(8 * MB)
    references = pipe(range(12)).process.map(lambda i: {"reference": ring.write([np.full(50_000, i)]), "i": i}, 2)
    passed = references.process.map(lambda item: (item["reference"], item["i"]), 2)
    read = passed.process.map(lambda pair: (int(ring.read(pair[0])[0].sum()), pair), 2)
    for i, (total, (reference, number)) in enumerate(read):
        assert (50_000 * i, i) == (total, number)
        np.testing.assert_array_equal(np.full(50_000, i), ring.read(reference)[0])
    del reference, read, passed, references
    gc.collect()
    assert 0 == blocks(ring)


def test_what_a_killed_worker_held_is_free_again():
    """A writer that finds no room lets the dead go; it does not wait for them."""
    ring = SharedMemoryRingBuffer(MB)

    def keep(_):
        globals()["kept"] = ring.write(bytes(MB - 4096))
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ContextDied), pipe(range(3)).process.map(keep, 1) as p:
        list(p)
    assert 1 == blocks(ring)
    assert MB - 4096 == len(ring.read(ring.write(bytes(MB - 4096))))


@pytest.mark.campaign
def test_a_writer_that_waits_hears_of_a_death():
    """It sleeps while a process lives that holds the room, and goes on when that is killed."""
    ring = SharedMemoryRingBuffer(MB)
    child = subprocess.Popen(
        [sys.executable, "-c", "import pickle, sys; r = pickle.load(sys.stdin.buffer); print('ready', flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    child.stdin.write(pickle.dumps(ring.write(bytes(MB - 4096))))
    child.stdin.flush()
    assert b"ready\n" == child.stdout.readline()
    assert 1 == blocks(ring)
    thread = threading.Thread(target=lambda: ring.write(bytes(MB - 4096)))
    thread.start()
    child.kill()
    thread.join()
    child.communicate()
    assert 0 == blocks(ring)


def test_a_pickled_reference_keeps_its_block_until_it_is_unpickled():
    """Once for each pickle; then it is held by what came out."""
    ring = SharedMemoryRingBuffer(MB)
    pickled = pickle.dumps(ring.write("value"))
    assert 1 == blocks(ring)
    reference = pickle.loads(pickled)
    assert "value" == ring.read(reference)
    del reference
    assert 0 == blocks(ring)
    with pytest.raises(ValueError, match="needed a value that somebody holds, was freed"):
        pickle.loads(pickled)


@pytest.mark.campaign
def test_a_reference_that_comes_twice_is_refused_and_leaves_other_values_alone():
    """The second time its value is gone, and another one lies there that looks like it."""
    ring = SharedMemoryRingBuffer(1 << 16)
    first, second = ring.write(np.zeros(100)), ring.write(np.zeros(10))
    twice, generation = pickle.dumps(second), second._claim.generation
    assert 80 == ring.read(pickle.loads(twice)).nbytes
    del first, second
    gc.collect()
    other = ring.write(np.full(4000, generation, np.uint64))
    with pytest.raises(ValueError, match="was freed"):
        pickle.loads(twice)
    assert np.all(ring.read(other) == generation)
    assert 1 == ring._commons.blocks


def test_an_item_that_cannot_travel_takes_its_references_along():
    """A message that fails to be pickled leaves no reference on its way."""
    ring = SharedMemoryRingBuffer(MB)
    with pytest.raises(TypeError), pipe(range(1)).process.map(lambda i: [ring.write(i), threading.Lock()], 1) as p:
        list(p)
    ring._bury()
    assert 0 == blocks(ring)


@pytest.mark.campaign
def test_an_abandoned_stage_gives_its_references_back():
    """Those that were ready and those that workers had in hand."""
    ring = SharedMemoryRingBuffer(MB)
    with pipe(itertools.count()).process.map(lambda i: ring.write(bytes(1000)), 2, 8) as p:
        next(p)
    del p
    gc.collect()
    ring._bury()
    assert 0 == blocks(ring)


def test_a_copy_of_the_process_made_by_fork_holds_its_own():
    """What the parent drops after the fork is still there for the child, which frees it in its turn."""
    ring = SharedMemoryRingBuffer(MB)
    reference = ring.write(np.arange(1000))
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.read(reader, 1)
        os._exit(0 if 499500 == ring.read(reference).sum() and 1 == blocks(ring) else 1)
    while len(ring._commons.joined) < 1:
        os.sched_yield()
    del reference
    assert 1 == blocks(ring)
    os.write(writer, b".")
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert ring._bury()
    assert 0 == blocks(ring)
    os.close(reader)
    os.close(writer)


@pytest.mark.campaign
def test_a_ring_whose_process_is_gone_cannot_be_opened():
    """It says whose memory it was."""
    program = "import pickle, sys; from dfcore.pipes.process import SharedMemoryRingBuffer as R; sys.stdout.buffer.write(pickle.dumps(R(99)))"
    pickled = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, env=ENVIRONMENT, check=True).stdout
    with pytest.raises(ValueError, match=r"needed the memory of process \d+, which sent it, was gone"):
        pickle.loads(pickled)


def test_a_ring_full_of_what_its_only_writer_holds_is_an_error():
    """It would wait for itself, for ever; references that only refer to each other are no hindrance."""
    ring, held = SharedMemoryRingBuffer(4096), []
    for _ in range(20):
        circle = [ring.write(bytes(1000))]
        circle.append(circle)
    del circle
    with pytest.raises(RuntimeError, match="needed room, was full of 3 values whose references this process holds itself"):
        held.extend(ring.write(bytes(1000)) for _ in range(20))
    held.clear()
    assert 1 == ring.read(ring.write(1))
