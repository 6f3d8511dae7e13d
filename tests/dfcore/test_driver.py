"""The real-time driver: it sleeps, and says what it cannot wait for."""

from __future__ import annotations

import os
import threading

import pytest

from dfcore import STOP, Collector, Emitter, Graph, NodeFailed, collect


class Reads(Emitter):
    """Fires for each byte of a pipe that is full from the start."""

    def open(self):
        self.file, self.other = os.pipe()
        os.write(self.other, b"abc")
        self.wait_for(self.file)

    def compute(self):
        return STOP if self.firing == 3 else float(os.read(self.file, 1)[0])

    def safe(self):
        if self.other >= 0:
            os.close(self.other)
            self.other = -1

    def close(self):
        os.close(self.file)


def test_a_file_that_cannot_be_read_now_wakes_nobody():
    """L11: while its emitter waits for room, a readable file is not watched; after it, it is again."""
    gate = threading.Event()

    class Waits(Collector):
        def compute(self, x):
            gate.wait()

    with Graph() as graph:
        with graph.context("reads", kind="thread"):
            reads = Reads("f8")
        with graph.context("waits", kind="thread"):
            waits = Waits()
    reads.to(waits, depth=1)
    timer = threading.Timer(0.2, gate.set)
    timer.start()
    report = graph.run(0.5)
    timer.join()
    assert 3 == report.nodes["waits"].firings
    assert report.contexts["reads"].cpu_s < 0.1


def wait_for(what):
    """The failure of a run whose emitter waits for `what`."""

    class Waits(Emitter):
        def open(self):
            self.wait_for(what)

        def compute(self):
            return STOP

    with Graph() as graph:
        waits, out = Waits("f8"), collect()
    waits.to(out)
    with pytest.raises(NodeFailed) as caught:
        graph.run(0.1)
    return caught.value


def test_a_file_that_cannot_be_waited_for_is_named(tmp_path):
    """An error in `wait_for` names its node: a regular file, or no file at all."""
    (tmp_path / "file").write_text("x")
    with open(tmp_path / "file") as file:
        failure = wait_for(file)
    assert ("waits", True) == (failure.node, "regular file" in str(failure))
    assert "anything with `fileno()`" in str(wait_for(object()))


def test_wait_for_is_for_open():
    """Called later it would never be heard of: an error that says so."""

    class Late(Emitter):
        def compute(self):
            self.wait_for(0)

    with Graph() as graph:
        late, out = Late("f8"), collect()
    late.to(out)
    with pytest.raises(NodeFailed, match="needed to be called in `open`"):
        graph.run(0.1)
