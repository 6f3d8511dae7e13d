"""The same faults at many random moments: a few in every run of the suite, many with `-m campaign`."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dfcore import Collector, ContextDied, Emitter, Graph, Router

ROOT = pathlib.Path(__file__).parents[2]
FRAME = [("number", "i8"), ("pixels", "i8", (4096,))]


class Camera(Emitter):
    """Frames of 32 KiB, each filled with its number: a kill is likely to land inside a write."""

    def __init__(self):
        super().__init__(FRAME)

    def compute(self):
        """The next frame."""
        self.output.number = self.firing
        self.output.pixels[:] = self.firing


class Filter(Router):
    """Hands frames on."""

    def __init__(self):
        super().__init__(FRAME)

    def compute(self, frame):
        """A copy."""
        self.output.number = frame.number
        self.output.pixels[:] = frame.pixels


class Check(Collector):
    """Every frame must be whole and newer than the last."""

    def open(self):
        """Nothing seen."""
        self.last, self.wrong = -1, []

    def compute(self, frame):
        """Compare."""
        if not (frame.number > self.last and (frame.pixels == frame.number).all()):
            self.wrong.append((self.last, frame.number))
        self.last = frame.number

    def close(self):
        """What was wrong, and the last frame."""
        return self.wrong, self.last


def kill_once(policy, seed):
    """Run the chain, kill one context at a random moment; what the reader saw."""
    chance = random.Random(seed)
    with Graph("chain") as graph:
        check = Check()
        with graph.context("camera"):
            camera = Camera()
        with graph.context("filter"):
            filter = Filter()
    camera.to(filter, policy=policy).to(check, policy=policy)
    graph.start()
    victim = chance.choice(["camera", "filter"])
    time.sleep(chance.uniform(0.0, 0.1))  # the moment is the point of this test
    os.kill(graph.stats().contexts[victim].pid, signal.SIGKILL)
    with pytest.raises(ContextDied) as caught:
        graph.wait(30)
    assert (victim, signal.SIGKILL) == (caught.value.context, caught.value.signal)
    for edge in graph.report.edges.values():
        assert edge.written == edge.read + edge.dropped + edge.overwritten + edge.decimated + edge.unread
        assert min(edge.read, edge.overwritten, edge.unread) >= 0
    return check.result


@pytest.mark.parametrize("policy", ["every", "latest"])
@pytest.mark.parametrize("seed", range(2))
def test_a_kill_inside_a_write_shows_nobody_half_a_record(policy, seed):
    """RULES: head = h + 1 is the only publication: killed before it, nothing happened."""
    assert [] == kill_once(policy, seed)[0]


@pytest.mark.campaign
def test_kills_by_the_hundred():
    """0 torn, 0 backwards, 0 left behind."""
    results = [kill_once(policy, seed) for seed in range(100) for policy in ("every", "latest")]
    assert [] == [wrong for wrong, _ in results if wrong]
    assert np.median([last for _, last in results]) > 0


PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from dfcore import Collector, Emitter, Graph
class Source(Emitter):
    def __init__(self):
        super().__init__("i8", rate_hz=100)
    def compute(self):
        return self.firing
class Sink(Collector):
    def compute(self, x):
        pass
with Graph("program") as graph:
    with graph.context("io"):
        source = Source()
    with graph.context("control"):
        sink = Sink()
source.to(sink, policy="latest")
print("starting", flush=True)
graph.run()
"""


def interrupt_once(seed):
    """Ctrl-C for the whole group at a random moment, start included."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert "starting\n" == program.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.0, 0.8))  # the moment is the point of this test
    os.killpg(program.pid, signal.SIGINT)
    _, err = program.communicate(timeout=30)
    assert (-signal.SIGINT, 1) == (program.returncode, err.count("Traceback")), err
    assert err.rstrip().endswith("KeyboardInterrupt")
    with pytest.raises(ProcessLookupError):
        os.killpg(program.pid, 0)


@pytest.mark.parametrize("seed", range(3))
def test_ctrl_c_at_any_moment_leaves_one_traceback_and_nobody(seed):
    """Also while processes start: children leave Ctrl-C to their parent from their first instruction on."""
    interrupt_once(seed)


@pytest.mark.campaign
def test_interrupts_by_the_hundred():
    """No orphan, no second traceback."""
    for seed in range(100):
        interrupt_once(seed)
