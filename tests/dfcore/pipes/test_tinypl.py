"""The programs of tinypl's README, with the import line changed: what they print is what their comments say.

tinypl 1.0, MIT licence, https://pypi.org/project/tinypl. Here they are rewritten as tests; names, order and arguments of the calls
are theirs.
"""

from __future__ import annotations

import operator
import pathlib
import random
import time

import numpy as np
import pytest

import dfcore.pipes as pl
from sim import World

PAGE = (pathlib.Path(__file__).parents[3] / "docs" / "pipes.md").read_text().split("## Coming from tinypl", 1)[1]


def test_basics():
    """Map, filter, partition; all three ways of pulling."""
    pipe = range(100)
    pipe = pl.map(pipe, lambda x: 3 * x + 1)
    pipe = pl.filter(pipe, lambda x: x % 2 == 0)
    pipe = pl.partition(pipe, 2)
    looped = []
    for x in pipe:
        looped.append(x)
        if len(looped) == 2:
            break
    assert ([[4, 10], [16, 22]], [28, 34]) == (looped, next(pipe))
    assert (22, [292, 298]) == (len(rest := list(pipe)), rest[-1])


def test_intermediate_stages():
    """Any stage may be pulled by several."""
    input = range(100)
    pipe_mapped = pl.map(input, lambda x: x + 1)
    pipe_even_only = pl.filter(pipe_mapped, lambda x: x % 2 == 0)
    pipe_odd_only = pl.filter(pipe_mapped, lambda x: x % 2 == 1)
    order = [pipe_mapped, pipe_odd_only, pipe_even_only, pipe_even_only, pipe_mapped]
    assert [1, 3, 4, 6, 7] == [next(pipe) for pipe in order]


def test_iterators_and_iterables():
    """A list is iterated anew, an iterator goes on."""
    numbers = [0, 1, 2, 3, 4]
    pipe1 = pl.map(numbers, lambda x: x + 1)
    pipe2 = pl.map(numbers, lambda x: x + 1)
    assert (1, 1) == (next(pipe1), next(pipe2))
    numbers = iter([0, 1, 2, 3, 4])
    pipe1 = pl.map(numbers, lambda x: x + 1)
    pipe2 = pl.map(numbers, lambda x: x + 1)
    assert (1, 2) == (next(pipe1), next(pipe2))


def test_a_queue(none_left):
    """One of the first doubled numbers; the pipe is dropped."""
    pipe = range(100)
    pipe = pl.map(pipe, lambda x: 2 * x)
    pipe = pl.thread.queue(pipe, workers=4, maxsize=8)
    assert next(pipe) in range(0, 26, 2)


def test_queues_behind_each_other(none_left):
    """Each runs the stages since the one before it."""
    pipe = range(100)
    pipe = pl.map(pipe, lambda x: x + 1)
    pipe = pl.thread.queue(pipe, workers=4, maxsize=8)
    pipe = pl.map(pipe, lambda x: x * 2)
    pipe = pl.thread.queue(pipe, workers=4, maxsize=8)
    assert set(range(2, 202, 2)) == set(pipe)


def test_a_map_by_threads(none_left):
    """As map and queue, here in order."""
    pipe = pl.thread.map(range(10), lambda x: 2 * x, workers=4, maxsize=8)
    assert list(range(0, 20, 2)) == list(pipe)


def test_a_mutex(none_left):
    """16 threads pull one generator."""

    def numbers():
        i = 0
        while True:
            i += 2
            yield i

    pipe = numbers()
    pipe = pl.thread.mutex(pipe)
    pipe = pl.thread.map(pipe, lambda x: x + 1, workers=16)
    assert list(range(3, 203, 2)) == [next(pipe) for _ in range(100)]


def test_markers(capsys):
    """Three segments, and a greeting at each border."""
    pipe = [range(i + 1) for i in range(50)]
    pipe, marker = pl.marker.insert_periodic(pipe, n=1, after=True)
    pipe = pl.flatten(pipe)
    pipe = pl.map(pipe, lambda x: x + 1)

    def hello_world():
        print("Hello world!")

    pipe = pl.marker.on(pipe, hello_world, marker=marker)
    print(list(pl.marker.until(pipe, marker=marker)))
    print(list(pl.marker.until(pipe, marker=marker)))
    print(list(pl.marker.until(pipe, marker=marker)))
    assert "Hello world!\n[1]\nHello world!\n[1, 2]\nHello world!\n[1, 2, 3]\n" == capsys.readouterr().out


@pytest.mark.parametrize("stage", [pl.thread.each, lambda pipe, f, workers: pl.thread.queue(pl.each(pipe, f), workers)])
def test_ordering(stage):
    """50 items through 8 threads; also where these do not keep the order themselves."""
    with World():
        pipe = range(50)
        pipe = order = pl.order.save(pipe, maxsize=8)
        pipe = stage(pipe, lambda x: time.sleep(random.uniform(0.1, 0.01)), workers=8)
        pipe = pl.order.load(pipe, order)
        assert list(pipe) == list(range(50))


def test_partition_split_by_marker():
    """tinypl's test_partition.py: split_on_marker is `split_on` here."""
    pipe = iter(range(10))
    pipe, marker = pl.marker.insert_periodic(pipe, n=1, after=True)
    assert 10 == len(list(pl.partition(pipe, 4, split_on=marker)))


def test_partition_and_flatten():
    """tinypl's test_partition.py and test_flatten.py."""
    assert list(range(50)) == list(pl.flatten(pl.partition(iter(range(50)), 3)))
    assert [] == list(pl.flatten([[] for i in range(20)]))
    assert list(range(20)) == list(pl.flatten(iter([(i, i + 1) for i in range(0, 20, 2)])))


def test_ratelimit():
    """tinypl's test_ratelimit.py: ten in 10 ms are 1000 Hz here."""
    with World() as world:
        pipe = pl.ratelimit(iter(range(100)), 1000)
        assert 100 == len([next(pipe) for i in range(100)])
        assert 99_000_000 <= world.now_ns <= 99_001_000


def test_an_error_of_a_worker_reaches_the_puller(none_left):
    """tinypl's test_thread.py: here it is the error itself, whatever lies between."""

    def raise_error(x):
        raise ValueError

    pipe = pl.each(iter(range(10)), raise_error)
    pipe = pl.thread.queue(pipe, workers=4, maxsize=8)
    pipe = pl.thread.queue(pipe, workers=4, maxsize=8)
    with pytest.raises(ValueError):
        for _ in pipe:
            pass


def test_threads_and_processes_intermixed(none_left):
    """Large values through shared memory: the workers write, the program reads."""
    ringbuffer = pl.process.SharedMemoryRingBuffer(8 * 1024 * 1024)
    pipe = range(20)
    pipe = pl.thread.map(pipe, lambda x: 1 + x, workers=2, maxsize=4)
    pipe = pl.process.map(pipe, lambda i: ringbuffer.write(np.full((100, 100), i, np.uint8)), workers=2)
    pipe = pl.map(pipe, ringbuffer.read)
    assert [10_000 * i for i in range(1, 21)] == [int(x.sum()) for x in pipe]


@pytest.mark.parametrize("path", ["flatten_eager", "flatten_lazy", "dataloader", "thread.WorkerException"])
def test_a_name_that_the_pages_say_is_not_here(path):
    """`docs/pipes.md` has another for it."""
    assert path.split(".")[-1] in PAGE
    with pytest.raises(AttributeError):
        operator.attrgetter(path)(pl)


@pytest.mark.parametrize(
    ("stage", "option"),
    [
        (lambda **option: pl.partition([], 2, **option), {"markers": "after"}),
        (lambda **option: pl.partition([], 2, **option), {"split_on_marker": True}),
        (lambda **option: pl.ratelimit([], **option), {"num": 10, "period": 1.0}),
        (lambda **option: pl.thread.queue([], 1, **option), {"on_worker_error": "forward"}),
        (lambda **option: pl.process.map([], abs, 1, **option), {"on_worker_error": "forward"}),
    ],
    ids=["markers", "split_on_marker", "ratelimit", "queue", "process"],
)
def test_an_option_that_the_pages_say_is_not_here(stage, option):
    """It is refused, and `docs/pipes.md` says what to write instead."""
    assert all(name in PAGE for name in option)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        stage(**option)
