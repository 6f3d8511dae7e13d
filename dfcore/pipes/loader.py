"""Batches of a data set, epoch by epoch.

Laws: the batches of an epoch depend on the data set, the sampler and the epoch's number only, never on workers or on what was read
before. No batch crosses the border of an epoch; workers do, so the first batches of the next one are made while the last ones of
this one are used.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NoReturn, Protocol, cast

import numpy as np

from . import given
from .given import Marker
from .stage import Pipe, Segment, pipe

Sampler = Callable[[int, int], Sequence[int]]
_PLAIN = (np.ndarray, np.generic, int, float, complex)


class Dataset(Protocol):
    """What samples are read from: a list, an array, or anything with these two."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any) -> Any: ...


def sequential(count: int, epoch: int) -> Sequence[int]:
    """The sampler that takes every sample once, in order."""
    return range(count)


def shuffled(seed: int) -> Sampler:
    """A sampler that takes every sample once, in an order of its own for each epoch, the same for the same seed.

    Source: Philox, keyed by (seed, epoch): Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    key = given.count("shuffled", "seed", seed, 0)

    def sampler(count: int, epoch: int) -> Sequence[int]:
        order: list[int] = np.random.Generator(np.random.Philox(key=[key, epoch])).permutation(count).tolist()
        return order

    return sampler


def stack(samples: list[Any]) -> Any:
    """Samples as one batch: arrays and numbers get a first axis; of mappings and tuples each part is stacked; else a list.

    Args:
        samples: at least one.
    Raises:
        ValueError: arrays of several shapes, mappings with other keys, or tuples of several lengths.
    """
    first = samples[0]
    if isinstance(first, Mapping):
        _alike([sorted(map(str, sample)) if isinstance(sample, Mapping) else None for sample in samples], "keys")
        return {key: stack([sample[key] for sample in samples]) for key in first}
    if isinstance(first, tuple):
        _alike([len(sample) if isinstance(sample, tuple) else None for sample in samples], "length")
        parts = [stack(list(part)) for part in zip(*samples, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
    if all(isinstance(sample, _PLAIN) for sample in samples):
        arrays = [np.asarray(sample) for sample in samples]
        _alike([array.shape for array in arrays], "shape")
        return np.stack(arrays)
    return samples


def _alike(found: list[Any], what: str) -> None:
    for index, value in enumerate(found):
        if value != found[0]:
            raise ValueError(
                f"stack: needed samples of one {what}, was {found[0]} and, at {index} of its batch, {value}; pass a `collate` of your own."
            )


class Loader:
    """Batches of a data set, epoch by epoch.

    Args:
        dataset: has `len` and is indexed; with workers by several threads (or processes) at once.
        batch: samples in a batch, 1 or more.
        sampler: called with the number of samples and that of the epoch, returns indices. `sequential`, `shuffled(seed)`, or yours.
        last: what becomes of the shorter batch at the end of an epoch: `"keep"` or `"drop"`.
        workers: how many make batches ahead of who uses them; 0: nobody, each is made when it is pulled.
        maxsize: how many batches may wait; None: twice as many as workers.
        kind: of the workers, `"thread"` or `"process"`.
        collate: what makes a batch of a list of samples.
        progress: draw a bar for each epoch, on a terminal.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch: int,
        *,
        sampler: Sampler = sequential,
        last: Literal["keep", "drop"] = "keep",
        workers: int = 0,
        maxsize: int | None = None,
        kind: Literal["thread", "process"] = "thread",
        collate: Callable[[list[Any]], Any] = stack,
        progress: bool = False,
    ):
        if last not in ("keep", "drop"):
            raise ValueError(f"Loader: needed last 'keep' or 'drop', was {last!r}.")
        if kind not in ("thread", "process"):
            raise ValueError(f"Loader: needed kind 'thread' or 'process', was {kind!r}.")
        self._dataset, self._batch = _indexed(dataset), given.count("Loader", "batch", batch, 1)
        if cast("Any", sampler) is shuffled:
            raise TypeError("Loader: needed a sampler, was the function that makes one; write sampler=shuffled(seed).")
        self._sampler = given.function("Loader, sampler", sampler, "pass sequential, shuffled(seed) or one of your own")
        self._keep = last == "keep"
        self._workers, self._maxsize, self._kind = given.count("Loader", "workers", workers, 0), maxsize, kind
        self._collate, self._progress = given.function("Loader, collate", collate, "it makes a batch of a list of samples"), progress

    def __len__(self) -> int:
        """How many batches the first epoch has."""
        count = len(self._indices(0))
        return -(-count // self._batch) if self._keep else count // self._batch

    def epochs(self, count: int | None = None, *, start: int = 0) -> Iterator[Pipe[Any]]:
        """The epochs, each a pipe of batches, to be used one after the other: one that is left early is over.

        Args:
            count: how many; None: without end.
            start: the number of the first one, to go on where another program stopped.
        """
        stop = None if count is None else start + given.count("epochs", "count", count, 0)
        number = given.count("epochs", "start", start, 0)
        while number != stop:
            border = Marker("end of epoch")
            batches = self._batches(itertools.count(number) if stop is None else range(number, stop), border)
            whole = True
            while whole and number != stop:
                segment = batches.until(border)
                yield self._shown(segment, number)
                number += 1
                whole = segment.ended is not None  # else its rest is not worth making

    def __iter__(self) -> NoReturn:
        raise TypeError("Loader: needed one of its epochs to loop over, was all of it; write `for epoch in loader.epochs(n):` and in it "
                        "`for batch in epoch:`.")

    def _shown(self, segment: Segment[Any], number: int) -> Pipe[Any]:
        return segment.progress(len(self), f"epoch {number}") if self._progress else segment

    def _batches(self, epochs: Any, border: Marker) -> Pipe[Any]:
        indices = pipe(epochs).map(self._indices).mark(border).flatten()
        lists = indices.batch(self._batch, partial=self._keep, split_on=border)
        load = _Load(self._dataset, self._collate)
        if not self._workers:
            return lists.map(load)
        workers: Any = getattr(lists, self._kind)
        batches: Pipe[Any] = workers.map(load, self._workers, self._maxsize)
        return batches

    def _indices(self, epoch: int) -> Sequence[int]:
        return self._sampler(len(self._dataset), epoch)  # type: ignore[no-any-return]


def _indexed(dataset: Dataset) -> Dataset:
    if not all(hasattr(type(dataset), name) for name in ("__len__", "__getitem__")):
        raise TypeError(f"Loader: needed a data set that has len() and is indexed, was {type(dataset).__name__}; make a list of it, or "
                        "define __len__ and __getitem__.")
    return dataset


class _Load:
    """Makes a batch; all that travels to a process that does."""

    def __init__(self, dataset: Dataset, collate: Callable[[list[Any]], Any]):
        self._dataset, self._collate = dataset, collate

    def __call__(self, indices: list[int]) -> Any:
        return self._collate([self._dataset[index] for index in indices])
