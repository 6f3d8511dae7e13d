"""The data loader: samplers, epochs, batches that are arrays, and that workers change nothing."""

from __future__ import annotations

import collections
import itertools
import threading

import numpy as np
import pytest

from dfcore.pipes import Loader, sequential, shuffled, stack
from tests.dfcore.pipes.busy import Pulled

WORKERS = pytest.mark.parametrize("workers", [0, 3])


def lists(loader, count, **more):
    """The batches of so many epochs, as lists."""
    return [[batch.tolist() for batch in epoch] for epoch in loader.epochs(count, **more)]


@WORKERS
@pytest.mark.parametrize(("last", "tail"), [("keep", [[8, 9]]), ("drop", [])])
def test_the_last_batch_of_an_epoch_is_kept_or_dropped(workers, last, tail):
    """10 samples in batches of 4, three epochs."""
    loader = Loader(np.arange(10), 4, last=last, workers=workers)
    assert 3 * [[[0, 1, 2, 3], [4, 5, 6, 7], *tail]] == lists(loader, 3)
    assert 2 + len(tail) == len(loader)


@WORKERS
def test_a_shuffle_depends_on_seed_and_epoch_only(workers):
    """Each epoch takes every sample once, in another order; epoch 2 is the same whether or not 0 and 1 were read."""
    loader = Loader(np.arange(100), 7, sampler=shuffled(seed=3), workers=workers)
    epochs = lists(loader, 3)
    orders = [tuple(itertools.chain.from_iterable(epoch)) for epoch in epochs]
    assert 3 * [list(range(100))] == [sorted(order) for order in orders]
    assert 3 == len(set(orders))
    assert [epochs[2]] == lists(loader, 1, start=2)
    assert epochs != lists(Loader(np.arange(100), 7, sampler=shuffled(seed=4)), 3)


def test_processes_make_the_same_batches():
    """`kind="process"` changes nothing but where batches are made."""
    makers = [Loader(np.arange(10), 4, sampler=shuffled(3), **more) for more in ({}, {"workers": 2, "kind": "process"})]
    assert lists(makers[0], 2) == lists(makers[1], 2)


@WORKERS
def test_an_epoch_that_is_left_early_is_over(workers, none_left):
    """The next epoch begins at its first batch, and what was begun for the other is given up."""
    first = [next(epoch).tolist() for epoch in Loader(np.arange(10), 2, workers=workers).epochs(3)]
    assert 3 * [[0, 1]] == first


def test_epochs_have_no_end_unless_asked_for():
    """`epochs()` goes on; dropping it ends its workers."""
    epochs = Loader([1, 2, 3], 3, workers=2).epochs()
    assert 5 * [[[1, 2, 3]]] == [[batch.tolist() for batch in next(epochs)] for _ in range(5)]


def test_workers_go_on_over_the_border_of_an_epoch(none_left):
    """While the last batch of an epoch is in use the first of the next one is made."""
    made = threading.Event()

    class Dataset(list):
        def __getitem__(self, index):
            if index == 0 and self.again:
                made.set()
            self.again = True
            return super().__getitem__(index)

        again = False

    epochs = Loader(Dataset([5, 6]), 2, workers=1).epochs(2)
    assert [[5, 6]] == [batch.tolist() for batch in itertools.islice(next(epochs), 1)]
    assert made.wait(10)
    epochs.close()


def test_an_own_sampler():
    """A sampler is a function of the number of samples and of the epoch."""
    loader = Loader("abcdef", 2, sampler=lambda count, epoch: [epoch, count - 1], collate="".join)
    assert [["af"], ["bf"]] == [list(epoch) for epoch in loader.epochs(2)]


def test_samples_are_stacked_part_by_part():
    """Arrays, numbers, tuples, named tuples and mappings; text and other objects, or a mixture with them, stay a list."""
    Pair = collections.namedtuple("Pair", "image label")
    images = [np.full((2, 3), i, "f4") for i in range(4)]
    batch = stack([{"pair": Pair(image, i), "name": f"image {i}"} for i, image in enumerate(images)])
    assert ((4, 2, 3), "f4", (4,)) == (batch["pair"].image.shape, batch["pair"].image.dtype, batch["pair"].label.shape)
    assert (np.stack(images) == batch["pair"].image).all()
    assert [f"image {i}" for i in range(4)] == batch["name"]
    x, y = stack([(1.0, True), (2.0, False)])
    assert ([1.0, 2.0], [True, False]) == (x.tolist(), y.tolist())
    for mixed in ([1, "a"], ["a", 1], [1, None]):
        assert mixed == stack(mixed)


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([np.zeros(3), np.zeros(4)], r"one shape, was \(3,\) and, at 1 of its batch, \(4,\)"),
        ([(1, 2), (1,)], "one length, was 2 and"),
        ([{"a": 1}, {"b": 1}], "one keys, was"),
    ],
)
def test_samples_that_are_not_alike_are_named(samples, text):
    """The error says which sample of the batch differs."""
    with pytest.raises(ValueError, match=text):
        stack(samples)


def test_an_error_of_the_data_set_reaches_the_loop(none_left):
    """It is raised in the place of its batch, by workers too."""
    for workers in (0, 2):
        (epoch,) = itertools.islice(Loader([1, 2, 3], 1, sampler=lambda count, epoch: [0, 1, 7], workers=workers).epochs(), 1)
        assert [1, 2] == [next(epoch).item(), next(epoch).item()]
        with pytest.raises(IndexError):
            next(epoch)


def test_nothing_is_read_before_the_first_batch_is_pulled():
    """Neither the data set nor the sampler is looked at."""
    indices = Pulled([0, 1])
    epoch = next(Loader([5, 6], 1, sampler=lambda count, epoch: indices).epochs(1))
    assert 0 == indices.count
    assert [5] == next(epoch).tolist()
    assert 1 == indices.count


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"batch": 0}, "batch of 1 or more, was 0"),
        ({"last": "carry"}, "'keep' or 'drop', was 'carry'"),
        ({"kind": "fork"}, "'thread' or 'process', was 'fork'"),
        ({"workers": -1}, "workers of 0 or more, was -1"),
        ({"workers": 1.5}, "whole number for workers, was 1.5"),
        ({"sampler": 3}, "Loader, sampler: needed a function, was 3; pass sequential"),
        ({"sampler": "shuffled"}, r"Loader, sampler: needed a function, was 'shuffled'; pass sequential, shuffled\(seed\) or one of your own"),
        ({"sampler": shuffled}, r"Loader: needed a sampler, was the function that makes one; write sampler=shuffled\(seed\)"),
        ({"collate": "stack"}, "Loader, collate: needed a function, was 'stack'; it makes a batch of a list of samples"),
        ({"dataset": (i for i in [1])}, r"Loader: needed a data set that has len\(\) and is indexed, was generator; make a list of it"),
        ({"dataset": {1, 2}}, "is indexed, was set"),
    ],
)
def test_bad_arguments_are_refused_when_the_loader_is_made(given, text):
    """Nothing is read before."""
    with pytest.raises((TypeError, ValueError), match=text):
        Loader(**{"dataset": [1], "batch": 1, **given})
    assert [0] == list(sequential(1, 5))


def test_a_loader_is_no_epoch():
    """Looping over it says which loops to write."""
    with pytest.raises(TypeError, match=r"write `for epoch in loader.epochs\(n\):` and in it `for batch in epoch:`"):
        iter(Loader([1], 1))
