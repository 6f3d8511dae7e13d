"""Acceptance: work shared by replicas, in order. A15, A16 and A29, with exact results."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from dfcore import SKIP, STOP, Collector, Emitter, Graph, collect, emit, router

TENS = np.dtype(("i8", (10,)))
WORKERS, ITEMS = 8, 50

in_this_process = pytest.mark.parametrize("driver", ["inline", "threads", "virtual"], indirect=True)


@router("i8")
def sum_of_batch(batch):
    return int(batch.sum())


@router("i8")
def flat(row):
    yield from row.tolist()


@pytest.mark.parametrize("ordered", [True, False])
def test_a15_sums_on_three_replicas(driver, ordered):
    """A15: 10 arrays of 10 -> batches of 2 -> sum on 3 replicas: 50 sums in serial order; as multisets without order."""
    rows = [np.arange(10 * k, 10 * k + 10) for k in range(10)]
    with Graph() as graph:
        source, items = emit(rows, TENS), flat()
        with driver.at(graph, "work"):
            sums = sum_of_batch(replicas=3, ordered=ordered)
        out = collect()
    source.to(items).to(sums, batch=2).to(out)
    driver.run(graph)
    serial = [2 * x + 1 for x in range(0, 100, 2)]
    assert serial == (out.records.tolist() if ordered else sorted(out.records.tolist()))


class Draws(Emitter):
    """60 random numbers."""

    def compute(self):
        return STOP if self.firing == 60 else self.rng.uniform()


@router("f8")
def joined(left, right):
    yield left
    yield right


@router("f8")
def sum_of_two(batch):
    return float(batch.sum())


@router(outputs={"low": "f8", "high": "f8"})
def split(x):
    return [SKIP, x] if x > 1 else [x, SKIP]


def a16(driver, replicas):
    with Graph() as graph:
        with driver.at(graph, "a"):
            left, right, both = Draws("f8", name="left"), Draws("f8", name="right"), joined()
        with driver.at(graph, "work"):
            sums = sum_of_two(replicas=replicas)
        parts, low, high = split(), collect(name="low"), collect(name="high")
        numbers = collect(name="numbers")
    both(left, right)
    both.to(numbers)
    both.to(sums, batch=2).to(parts)
    parts["low"].to(low)
    parts["high"].to(high)
    driver.run(graph)
    return numbers.records, low.records, high.records


@pytest.mark.parametrize("driver", ["inline", "threads", "processes"], indirect=True)
def test_a16_two_emitters_three_replicas_two_collectors(driver):
    """A16: every sum arrives, those above 1 in one collector, the others in the other, in order; the emitters' draws differ."""
    numbers, low, high = a16(driver, 3)
    left, right = numbers[::2], numbers[1::2]
    assert not set(left) & set(right)
    sums = left + right
    assert sums[sums <= 1].tolist() == low.tolist()
    assert sums[sums > 1].tolist() == high.tolist()
    assert 60 == len(low) + len(high)


class Watched:
    """Who is in flight: taken, and not yet released in order."""

    def __init__(self):
        self.taken, self.released, self.most = set(), set(), 0
        self.lock = threading.Lock()  # instances in threads look at once

    def take(self, item):
        with self.lock:
            self.taken.add(item)
            oldest = min(self.taken - self.released)
            self.most = max(self.most, sum(each >= oldest for each in self.taken))

    def release(self, item):
        with self.lock:
            self.released.add(item)


@router("i8")
async def delayed(self, item):
    await asyncio.sleep(self.rng.uniform() / 500)
    return item


@router("i8")
async def delayed_even(self, item):
    await asyncio.sleep(self.rng.uniform() / 500)
    return item if item % 2 == 0 else SKIP


@router("i8")
async def delayed_fan(self, item):
    for copy in range(item % 3):
        await asyncio.sleep(self.rng.uniform() / 1000)
        yield 10 * item + copy


def replicated(driver, work):
    """What 8 replicas make of 50 items."""
    with Graph() as graph:
        source = emit(range(ITEMS), "i8")
        with driver.at(graph, "work"):
            node = work(replicas=WORKERS)
        out = collect()
    source.to(node).to(out)
    driver.run(graph)
    return out.records.tolist()


def test_a29_eight_replicas_keep_the_order(driver):
    """A29: 8 workers with random delays over 50 items, each of which becomes none, one or two: flattened in order."""
    assert [10 * x + copy for x in range(ITEMS) for copy in range(x % 3)] == replicated(driver, delayed_fan)


@in_this_process
@pytest.mark.parametrize(("work", "step"), [(delayed, 1), (delayed_even, 2)], ids=["all", "filter"])
def test_a29_eight_replicas_keep_the_order_of_what_they_let_pass(driver, work, step):
    """A29: all items in order; filtered in order."""
    assert list(range(0, ITEMS, step)) == replicated(driver, work)


@in_this_process
def test_a29_never_more_than_eight_replicas_in_flight(driver):
    """A29: between the first item that is not released and the last that is taken there are at most 8."""
    watched = Watched()

    class Work(Collector):
        async def compute(self, item):
            watched.take(item)
            await asyncio.sleep(self.rng.uniform() / 500)
            watched.release(item)

    with Graph() as graph:
        source = emit(range(ITEMS), "i8")
        with driver.at(graph, "work"):
            node = Work(replicas=WORKERS)
    source.to(node)
    driver.run(graph)
    assert ITEMS == len(watched.released)
    assert 2 <= watched.most <= WORKERS
