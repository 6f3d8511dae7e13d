"""The bar of a pipe: what it counts, and when it goes."""

from __future__ import annotations

import pytest

from dfcore.pipes import Marker, pipe
from dfcore.pipes.watched import Watched
from dfcore.progress import Bar


class Seen(Bar):
    """A bar that notes when it comes and goes, and draws nothing."""

    def __init__(self):
        super().__init__("test")
        self.notes: list[str] = []

    def __enter__(self):
        self.notes.append("enter")
        return self

    def __exit__(self, *error):
        self.notes.append("exit")


def test_items_are_counted_and_markers_are_not():
    """The bar comes with the first pull and goes at the end, once."""
    bar = Seen()
    p = pipe(range(5)).mark(Marker(), 2)
    watched = p.stage(Watched(p.raw, bar))
    assert [] == bar.notes
    assert list(range(5)) == list(watched)
    del watched
    assert (["enter", "exit"], 5) == (bar.notes, bar.done)


@pytest.mark.parametrize("end", ["error", "drop"])
def test_the_bar_goes_with_the_pipe(end):
    """When the source raises, or when nobody pulls any more."""
    bar = Seen()
    p = pipe(1 / (2 - i) for i in range(5))
    watched = p.stage(Watched(p.raw, bar))
    next(watched)
    if end == "error":
        next(watched)
        with pytest.raises(ZeroDivisionError):
            next(watched)
    else:
        del watched
    assert ["enter", "exit"] == bar.notes


def test_progress_changes_no_item(capfd):
    """The stage hands everything on; where standard error is no terminal nothing is drawn."""
    assert list(range(3)) == list(pipe(range(3)).progress(3, "three"))
    assert "" == capfd.readouterr().err
