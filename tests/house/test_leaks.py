"""The check for leaks: it blames the suite for what is the suite's, and for nothing else."""

from __future__ import annotations

import contextlib
import mmap
import os
import pathlib
import subprocess
import sys

import pytest

from tests.leaks import Leaks, shared_memory


@contextlib.contextmanager
def opened(path):
    """By this process."""
    with path.open():
        yield


@contextlib.contextmanager
def mapped(path):
    """By this process, which has no descriptor of it."""
    with path.open() as file:
        view = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    with view:
        yield


@contextlib.contextmanager
def of_a_child(path):
    """Open in a process that this one has started."""
    program = "import sys; file = open(sys.argv[1]); print(); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        yield


@pytest.mark.parametrize("hold", [opened, mapped, of_a_child])
def test_memory_that_the_suite_holds_is_the_suites(hold, tmp_path):
    """Whatever its name is; and nobody's once it is let go."""
    path = tmp_path / "x"
    path.write_text("memory")
    assert set() == shared_memory(tmp_path)
    with hold(path):
        assert {str(path)} == shared_memory(tmp_path)
    assert set() == shared_memory(tmp_path)


def test_memory_with_our_name_is_the_suites(tmp_path):
    """Also when nobody holds it any more; that of JACK servers and of strangers is not."""
    for name in ("dfcore-1", "jack_db-0", "psm_1234"):
        (tmp_path / name).touch()
    assert {f"{tmp_path}/dfcore-1"} == shared_memory(tmp_path)


def test_memory_that_was_let_go_and_not_removed_is_left():
    """A file that a test held, and that is there at the end, was left by that test."""
    leaks, path = Leaks(), pathlib.Path(f"/dev/shm/forgotten-{os.getpid()}")
    try:
        with path.open("w"):
            leaks.look("this test")
        assert [f"{path}, first seen after this test"] == [thing for thing in leaks.left() if str(path) in thing]
    finally:
        path.unlink()


def test_a_file_of_a_stranger_is_no_leak():
    """Somebody else makes one in /dev/shm while the suite runs: nothing is left behind."""
    leaks, path = Leaks(), f"/dev/shm/stranger-{os.getpid()}"
    subprocess.run(["touch", path], check=True)
    try:
        leaks.look("this test")
        assert [] == [thing for thing in leaks.left() if path in thing]
    finally:
        os.unlink(path)
