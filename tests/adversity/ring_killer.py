"""Kill writers and readers of one ring at any instruction, and look at what the others see. Run by `test_ring_kill.py`.

Usage: `python -m tests.adversity.ring_killer ROUNDS SEED`. A program of its own, because it forks: it has one thread. Prints a
summary in JSON; any broken law is an exception.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import sys
from collections.abc import Callable

from dfcore._ring import Reader, Writer
from tests.rings import Rig

ENDS = [("wait", 4), ("drop_oldest", 3), ("drop_new", 2), ("latest", 1)]
SIZE, PIECES = 131072, 256  # records large enough that a writer is nearly always killed inside one
LINGERS = 2  # the writer waits in the middle of a record


class Broken(AssertionError):
    """A law did not hold."""


def need(holds: object, law: str) -> None:
    """Raise unless `holds`."""
    if not holds:
        raise Broken(law)


def notes_to_leave() -> memoryview:
    """Words for what a process that will be killed leaves for the others to see; each is written by one instruction."""
    return memoryview(mmap.mmap(-1, 64)).cast("Q")


def write_piece_by_piece(writer: Writer, notes: memoryview, linger: Callable[[int], None] = lambda k: None) -> None:
    """Publish one record whose every byte is its number. `linger` is called before some of its pieces."""
    record = writer.loan()
    need(record is not None, "a slot is free while there is room")
    if record is None:
        return
    notes[0] = 1
    piece = bytes([(writer.head + 1) % 251]) * (SIZE // PIECES)
    for k in range(PIECES):
        record[k * len(piece) : (k + 1) * len(piece)] = piece
        if k % 64 == 0:
            os.sched_yield()  # on a busy machine too, others run while a record is half written
            linger(k)
    notes[0] = 0
    writer.publish()


def read_one(reader: Reader, last: int, gapless: bool) -> int:
    """Take a record if there is one, check it, and return the number of the last one seen."""
    record = reader.take()
    if record is None:
        return last
    seq, head, tail = reader.seq, record[0], record[-1]
    need(bytes([seq % 251]) * SIZE == record.tobytes(), f"no torn record: {seq} began with {head}, ended with {tail}")
    need(seq == last + 1 if gapless else seq > last, f"no gap, nothing backwards: {seq} came after {last}")
    reader.release()
    return seq


def forked(work: Callable[[], None]) -> int:
    """The pid of a child that does `work` until it is killed, or its parent was."""
    parent, pid = os.getpid(), os.fork()
    if pid == 0:
        try:
            while os.getppid() == parent:
                work()
        finally:
            os._exit(1)
    return pid


def kill(pid: int) -> None:
    """End a child in the middle of whatever it does."""
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    need(os.WIFSIGNALED(status), f"the child lived until it was killed, its status was {status}")


def loiter(rng: random.Random) -> None:
    """Let the other process go on for a random while."""
    for _ in range(rng.randrange(20)):
        os.sched_yield()
    for _ in range(rng.randrange(500)):
        pass


def kill_a_writer(rig: Rig, rng: random.Random, notes: memoryview, last: list[int]) -> None:
    """Readers here, the writer in a child: what it had published stays, what it was writing never shows."""
    readers = [rig.reader(number) for number in range(len(ENDS))]
    parent = os.getpid()
    notes[0] = notes[2] = 0

    def linger(k: int) -> None:
        while notes[2] and k >= notes[2] and os.getppid() == parent:
            notes[0] = LINGERS
            os.sched_yield()

    def work() -> None:
        if writer.room():
            write_piece_by_piece(writer, notes, linger)
        else:
            os.sched_yield()

    def read() -> None:
        for number, reader in enumerate(readers):
            last[number] = read_one(reader, last[number], gapless=number == 0)

    writer = rig.writer()
    pid = forked(work)
    try:
        goal = last[0] + rng.randrange(1, 40)
        while last[0] < goal:
            read()
            need(os.waitpid(pid, os.WNOHANG) == (0, 0), "the writer lives until it is killed")
        for _ in range(ENDS[0][1]):
            read()
        loiter(rng)  # there is room again: it is killed inside a record, most of the time
        if rng.random() < 0.5:
            notes[2] = rng.randrange(1, PIECES - 64)
            while notes[0] != LINGERS:  # and every other time for certain, whatever the machine does
                read()
    finally:
        kill(pid)
    for _ in range(20):
        read()
    head = readers[0].counts[2]
    need(last[0] == last[1] == last[3] == head, f"all that was published arrives: {last} of {head}")


def kill_readers(rig: Rig, rng: random.Random, notes: memoryview, last: list[int]) -> None:
    """The writer here, all readers in a child that keeps views: after it, no slot is lost and no record of a waiting reader."""
    writer = rig.writer()
    seen = list(last)
    notes[1] = last[0]

    def work() -> None:
        for number, reader in enumerate(readers):
            if reader.take() is not None and rng.random() < 0.3:
                reader.keep()
            seen[number] = read_one(reader, seen[number], gapless=number == 0)
        notes[1] = seen[0]

    readers = [rig.reader(number) for number in range(len(ENDS))]
    pid = forked(work)
    try:
        goal = writer.head + rng.randrange(1, 40)
        while writer.head < goal:
            if writer.room():
                write_piece_by_piece(writer, notes)
            else:
                os.sched_yield()
            need(os.waitpid(pid, os.WNOHANG) == (0, 0), "the readers live until they are killed")
        loiter(rng)
    finally:
        kill(pid)
    readers = [rig.reader(number) for number in range(len(ENDS))]
    _, tail, head = readers[0].counts
    need(tail - notes[1] in (0, 1), f"a waiting reader takes up where the dead one was: {tail} after {notes[1]}")
    last[:] = [reader.counts[1] for reader in readers]
    last[2] = 0 if readers[2].take() is None else readers[2].seq - 1
    need(head == writer.head, "readers change no record")
    for turn in range(3 * rig.slots):
        if writer.room() and turn < 2 * rig.slots:
            write_piece_by_piece(writer, notes)
        for number, reader in enumerate(readers):
            last[number] = read_one(reader, last[number], gapless=number == 0)
    need(last[0] == last[1] == last[3] == writer.head, f"all that was published arrives: {last} of {writer.head}")


def main(rounds: int, seed: int) -> None:
    """Kill in turn, on one ring."""
    rng, notes, rig = random.Random(seed), notes_to_leave(), Rig(ENDS, size=SIZE)
    last, middle = [0] * len(ENDS), 0
    for number in range(rounds):
        if number % 2:
            kill_readers(rig, rng, notes, last)
        else:
            kill_a_writer(rig, rng, notes, last)
            middle += notes[0] > 0
    print(json.dumps({"kills": rounds, "inside a record": middle, "records": last[0]}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
