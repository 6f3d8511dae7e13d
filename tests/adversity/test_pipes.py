"""Threads of lazy pipelines in real time, in orders that no world makes: nothing is lost, nobody waits for ever."""

from __future__ import annotations

import itertools
import random
import sys

import pytest

import dfcore.pipes as pl
from dfcore.pipes import pipe


@pytest.fixture
def hurried():
    """Threads change places as often as the interpreter lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("rounds", [20, pytest.param(2000, marks=pytest.mark.campaign)])
def test_chains_of_threads(rounds, hurried, none_left):
    """Random stages with random numbers of threads: every item, in order where it is kept."""
    for seed in range(rounds):
        chance = random.Random(seed)
        p = saved = pl.order.save((i for i in range(200)), chance.randint(1, 20))
        queues = chance.randint(1, 3)
        for _ in range(queues):
            p = p.map(lambda x: x + 1).thread.queue(chance.randint(1, 5), chance.randint(1, 9))
        p = pl.order.load(p.filter(lambda x: x % 5), saved)
        p = p.thread.map(lambda x: x, chance.randint(1, 5), chance.randint(1, 9)).batch(7)
        assert [x for x in range(queues, 200 + queues) if x % 5] == list(itertools.chain.from_iterable(p))


@pytest.mark.parametrize("rounds", [20, pytest.param(2000, marks=pytest.mark.campaign)])
def test_chains_that_are_left(rounds, hurried, none_left):
    """Dropped, closed or failed after any number of items: all threads end."""

    def fails_at(limit):
        def fails(x):
            if x == limit:
                raise LookupError
            return x

        return fails

    for seed in range(rounds):
        chance = random.Random(seed)
        p = pipe(itertools.count()).thread.map(fails_at(chance.randint(0, 100)), chance.randint(1, 5), chance.randint(1, 9))
        p = p.batch(2).thread.queue(chance.randint(1, 5)).flatten().thread.each(str, chance.randint(1, 3), ordered=False)
        try:
            list(p.take(chance.randint(0, 60)))
        except LookupError:
            pass
        if chance.random() < 0.5:
            p.close()
        del p
    none_left.join()
    assert set() == none_left.threads()
