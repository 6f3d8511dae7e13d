"""tinypl's data loader: batches of a data set that is slow to read, by threads that read ahead, epoch after epoch.

    python examples/ancestors/dataloader.py
    python examples/ancestors/dataloader.py --workers 0         the same batches, each read when it is asked for

In the original one endless pipe runs over the borders of epochs unless `epoch_end_mode` says otherwise, a shuffle is drawn from the
global generator, and order and prefetch are put together from `order.save`, `thread.map`, `order.load`, markers and `partition`.
Here epochs are a loop of their own, each shuffled by seed and number, the same whoever reads, and samples that are dicts of arrays
come as one dict of stacked arrays. `--processes` reads in processes; a data set need not know of either.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from dfcore.pipes import Loader, shuffled


class Images:
    """Images of 8 x 8, the k-th full of k, each with the last digit of its number."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": np.full((8, 8), index, np.float32), "digit": index % 10}


def epochs(count: int, workers: int, kind: Any = "thread", last: Any = "keep") -> Any:
    """Three epochs of `count` images in batches of 16."""
    return Loader(Images(count), 16, sampler=shuffled(seed=1), last=last, workers=workers, kind=kind).epochs(3)


def main(words: list[str] | None = None) -> None:
    """Runs the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4, help="that read ahead (default 4)")
    parser.add_argument("--processes", action="store_true", help="processes, not threads")
    options = parser.parse_args(words)
    for number, epoch in enumerate(epochs(100, options.workers, "process" if options.processes else "thread")):
        digits = np.zeros(10, int)
        for batch in epoch:
            digits += np.bincount(batch["digit"], minlength=10)
            print(f"epoch {number}: images {batch['image'].shape}, mean {batch['image'].mean():.2f}")
        print(f"epoch {number}: {digits} of each digit")


if __name__ == "__main__":
    main()
