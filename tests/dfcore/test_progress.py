"""The bar of long work."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from dfcore.progress import Bar


class Terminal(io.StringIO):
    """A text file that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    """Makes standard error a terminal; called in the test, for pytest sets its own when a test begins."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")

    def begin():
        found = Terminal()
        monkeypatch.setattr(sys, "stderr", found)
        return found

    return begin


def test_on_a_terminal_the_last_drawing_shows_what_was_done(screen):
    """However quickly it was over; and its thread is gone."""
    terminal = screen()
    before = threading.active_count()
    with Bar("load", 20) as bar:
        for _ in range(20):
            bar.advance()
    assert "load" in terminal.getvalue()
    assert "20 of 20 items" in terminal.getvalue()
    assert before == threading.active_count()


def test_work_that_counts_itself_is_looked_at(screen):
    """`look` says how far it is, in its own unit."""
    terminal = screen()
    with Bar("run", 10, unit="s", look=lambda: 2.5):
        pass
    assert "2.5 of 10 s" in terminal.getvalue()


def test_without_a_total_it_says_how_many(screen):
    """Nobody knows the end: no end is shown."""
    terminal = screen()
    with Bar("run") as bar:
        bar.advance(7)
    assert "7 items" in terminal.getvalue()
    assert " of " not in terminal.getvalue()


def test_elsewhere_nothing_is_written_imported_or_started(monkeypatch):
    """A log file is no terminal."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    before = threading.active_count()
    with Bar("load", 20) as bar:
        bar.advance(3)
        assert before == threading.active_count()
    assert "" == sys.stderr.getvalue()
    assert 3 == bar.done


def test_without_rich_a_terminal_gets_the_name_of_the_extra(screen, monkeypatch):
    """An error that says what to install."""
    screen()
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    with pytest.raises(ImportError, match=r"dfcore\[cli\]"), Bar("load"):
        pass


def test_work_that_raises_takes_the_bar_with_it(screen):
    """The error goes through; no thread stays."""
    screen()
    before = threading.active_count()
    with pytest.raises(ValueError, match="lost"), Bar("load", 3):
        raise ValueError("lost")
    assert before == threading.active_count()
