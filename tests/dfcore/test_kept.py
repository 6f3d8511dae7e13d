"""What user code kept of a record is counted exactly, and keeps the memory."""

from __future__ import annotations

import gc
import pickle
import tracemalloc

import numpy as np
import pytest

from dfcore._record import Format, Record, kept, record
from dfcore.errors import DtypeError
from tests.records import MIXED, STATE

KEEPERS = {
    "record": lambda r: r,
    "array": lambda r: r.array,
    "array slice": lambda r: r.array[...],
    "void": lambda r: r.array[()],
    "array of a field": lambda r: r.array["x"],
    "vector": lambda r: r.vector,
    "slice of the vector": lambda r: r.vector[1:],
    "slice of a slice": lambda r: r.vector[1:][1:],
    "transpose": lambda r: r.vector.T,
    "reshape": lambda r: r.vector.reshape(-1, 1)[0],
    "other dtype": lambda r: r.vector.view("u1"),
    "asarray": np.asarray,
    "asarray slice": lambda r: np.asarray(r)[:1],
    "broadcast": lambda r: np.broadcast_to(r.vector, (2, r.vector.size)),
    "strided": lambda r: np.lib.stride_tricks.as_strided(r.vector, (2,)),
    "memoryview": lambda r: memoryview(r.array),
    "memoryview of the vector": lambda r: memoryview(r.vector),
    "memoryview slice": lambda r: memoryview(r.vector)[1:],
    "iterator": lambda r: iter(r.vector),
    "nditer": lambda r: np.nditer(r.vector),
    "flat": lambda r: r.vector.flat,
    "array field": lambda r: r["a"],
    "slice of an array field": lambda r: r.a[0],
    "element view of an array field": lambda r: r.a[0, :1],
    "nested": lambda r: r["p"],
    "nested vector": lambda r: r.p.vector,
    "slice of a nested vector": lambda r: r.p.vector[1:],
    "nested array": lambda r: r.p.array,
    "nested asarray": lambda r: np.asarray(r.p),
    "nested twice": lambda r: r.p.q,
    "array of nested twice": lambda r: r.p.q.array,
    "vector of nested twice": lambda r: r.p.q.vector,
    "array field of nested twice": lambda r: r.p.q.b,
    "method": lambda r: r.copy,
    "closure": lambda r: lambda: r,
    "container": lambda r: {"deep": [(r.a,)]},
    "generator": lambda r: (r.x for _ in range(3)),
    "ctypes": lambda r: r.vector.ctypes,
}

READERS = {
    "field": lambda r: r.x,
    "item": lambda r: r["x"],
    "values": lambda r: r.item(),
    "dict of scalars": lambda r: {name: r[name] for name in ("x",)},
    "names": iter,
    "keys": lambda r: r.keys(),
    "copy": lambda r: r.copy(),
    "copy of the vector": lambda r: r.vector.copy(),
    "sum": lambda r: r.vector.sum(),
    "product": lambda r: np.eye(r.vector.size) @ r,
    "difference": lambda r: r - 1,
    "element": lambda r: r.vector[0],
    "nested scalar": lambda r: r.p.q.y,
    "nested copy": lambda r: r.p.copy(),
    "nested sum": lambda r: r.p.vector.sum(),
    "array of a field": lambda r: r.a.sum(),
    "fancy index": lambda r: r.vector[[0, 1]],
    "repr": repr,
    "pickle": pickle.dumps,
    "equality": lambda r: r == r.copy(),
    "loop": lambda r: [value for value in r.vector],
    "bytes": lambda r: bytes(r.array),
    "error": lambda r: pytest.raises(KeyError, lambda: r["nothing"]) and None,
}

DEEP = [("x", "f8"), ("a", "f8", (2, 2)), ("p", [("z", "f8"), ("q", [("y", "f8"), ("b", "f8", (2,))])])]


def lent(readonly: bool) -> list[Record]:
    """A record as the engine holds it: one reference, everything cached inside made already."""
    memory = bytes(Format.of(DEEP).itemsize) if readonly else bytearray(Format.of(DEEP).itemsize)
    return [Format.of(DEEP).over(memory, "state")]


@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("keep", KEEPERS.values(), ids=KEEPERS)
def test_whatever_is_kept_counts(keep, warm, readonly):
    """L10: each thing kept alone is seen, and no longer once it is dropped."""
    holder = lent(readonly)
    if warm:
        holder[0].vector, holder[0].array
    assert 0 == kept(holder)
    something = keep(holder[0])
    assert kept(holder) > 0
    del something
    assert 0 == kept(holder)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_what_is_only_read_does_not_count(read):
    """L10: results that hold no memory of the record leave nothing behind."""
    holder = lent(True)
    result = read(holder[0])
    assert 0 == kept(holder)
    del result


def test_kept_views_stay_valid_without_the_record():
    """Whatever was handed out keeps the memory, also when everything else is gone."""
    for keep in KEEPERS.values():
        memory = bytearray(Format.of(DEEP).itemsize)
        something = keep(Format.of(DEEP).over(memory))
        with pytest.raises(BufferError):
            memory.extend(b"x")
        del something
        memory.extend(b"x")


def test_arrays_that_are_kept_count():
    """L10 for plain arrays: the array, a slice, a memoryview, an iterator."""
    for keep in (lambda a: a, lambda a: a[0], lambda a: a[0][1:], memoryview, iter, lambda a: a.T, np.asarray, lambda a: a.flat):
        holder = [Format.of("(2,3)f8").over(bytes(48))]
        something = keep(holder[0])
        assert kept(holder) > 0
        del something
        assert 0 == kept(holder)


def test_two_views_of_one_slot_count_apart():
    """RULES 6: what one reader keeps is not held against the other."""
    memory = bytearray(32)
    one, other = [Format.of(STATE).over(memory)], [Format.of(STATE).over(memory)]
    something = one[0].vector
    assert (1, 0) == (kept(one), kept(other))
    del something


def test_memory_is_given_back_once_and_at_once():
    """A slot releases its memory when the last view goes, in any order, with no help of the garbage collector."""
    gc.disable()
    try:
        memory = bytearray(Format.of(DEEP).itemsize)
        r = Format.of(DEEP).over(memory)
        views = [keep(r) for keep in KEEPERS.values()]
        del r
        while views:
            with pytest.raises(BufferError):
                memory.extend(b"x")
            views.pop(len(views) // 2)
        memory.extend(b"x")
    finally:
        gc.enable()


def test_records_in_cycles_are_collected():
    """A node that keeps a record and is part of a cycle does not keep it for ever."""
    memory = bytearray(32)

    class Holder:
        pass

    holder = Holder()
    holder.me, holder.state = holder, Format.of(STATE).over(memory)
    holder.view = holder.state.vector
    del holder
    gc.collect()
    memory.extend(b"x")


def test_own_records_do_not_leak():
    """Making, reading, failing and dropping records leaves the memory as it was."""

    def work() -> None:
        for _ in range(100):
            r = record(MIXED, frame=np.ones((2, 3), "u1"))
            pickle.loads(pickle.dumps(r.pose)), r.array, r.pose.vector, r.item(), r.copy()
            for bad in ((1,), {"n": 1}, 3.0):
                with pytest.raises(DtypeError):
                    r[:] = bad

    tracemalloc.start()
    try:
        for _ in range(5):  # until every cache is filled
            work()
        grown = []
        for _ in range(3):  # other threads of the process and the interpreter allocate now and then, a leak does each time
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            work()
            gc.collect()
            grown.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    assert min(grown) < 4000  # the smallest object that leaked each time would make 4800
