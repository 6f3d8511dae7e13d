"""The examples of the four ancestors: each runs as a program, and what it computes is exact."""

from __future__ import annotations

import importlib.util
import math
import pathlib
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from dfcore import emit
from sim import World, sine
from tests.programs import ENVIRONMENT

ANCESTORS = pathlib.Path(__file__).parents[2] / "examples" / "ancestors"
PROGRAMS = sorted(ANCESTORS.glob("*.py"))
SHORTER = {"probe": ["--duration", "0.01"]}
FIBONACCI = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987]


def example(name: str) -> ModuleType:
    """The program `name` as a module."""
    spec = importlib.util.spec_from_file_location(f"ancestors_{name}", ANCESTORS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_an_example_is_short_and_runs(program, tmp_path):
    """Started from a folder of its own, an example ends by itself, prints, and complains of nothing; it has less than 80 lines."""
    text = program.read_text()
    assert text.count("\n") < 80
    words = ["--virtual"] * ("--virtual" in text) + SHORTER.get(program.stem, [])
    command = [sys.executable, "-W", "error", program, *words]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT)
    assert (0, "") == (finished.returncode, finished.stderr)
    assert finished.stdout


@pytest.mark.parametrize("clock", ["virtual", None])
def test_the_moving_average_is_that_of_the_last_ten(clock):
    """Of 1..20: growing means to 5.5, then sliding ones; the state comes home from the process that had it."""
    module = example("moving_average")
    average = module.MovingAverage(10)
    module.smoothed(emit(range(1, 21), "f8", name="walk"), average).run(clock=clock)
    values, means = average.result
    assert list(range(1, 21)) == values
    assert [(n + 1) / 2 for n in range(1, 11)] + [n - 4.5 for n in range(11, 21)] == means


def test_the_walk_is_the_same_for_the_same_seed():
    """A random walk is the sum of its steps, and a run with its seed walks it again, in another place too."""
    module = example("moving_average")
    walks = []
    for clock, seed in (("virtual", 1), (None, 1), ("virtual", 2)):
        average = module.MovingAverage(10)
        module.smoothed(module.RandomWalk(100), average).run(clock=clock, seed=seed)
        walks.append(average.result[0])
        assert [np.mean(walks[-1][max(0, k - 9) : k + 1]) for k in range(100)] == pytest.approx(average.result[1], rel=1e-12)
    assert walks[0] == walks[1]
    assert walks[0] != walks[2]
    assert 100 == len(set(walks[0]))


def test_fibonacci_ends_by_itself_and_begins_again(capsys):
    """17 numbers below 1000, in each run; the node is an ordinary function."""
    module = example("fibonacci")
    graph = module.Fibonacci()
    for _ in range(2):
        graph.run()
        assert FIBONACCI == graph.numbers.records.tolist()
    assert (1, 1, 0) == module.fib().compute(0, 1)
    module.main([])
    assert " ".join(map(str, FIBONACCI)) + "\n" == capsys.readouterr().out


def test_the_slow_scale_gives_its_time_to_who_waits_for_both(capsys):
    """In 3.5 s the first printer prints each tenth of a second, the second when the slow emitter has spoken."""
    module = example("two_scales")
    graph = module.TwoScales()
    graph.run(3.5, clock="virtual")
    assert [round(k / 10, 9) for k in range(1, 36)] == graph.printer1.result
    assert [1.0, 2.0, 3.0] == graph.printer2.result
    assert 38 == capsys.readouterr().out.count("\n")


def test_the_probe_counts_what_the_product_sent():
    """Each pair is multiplied once and counted once; the rate is that of the clock of the run."""
    module = example("probe")
    graph = module.Measured()
    report = graph.run(0.01, clock="virtual")
    count, per_second = graph.probe.result
    assert count == report.nodes["product"].firings == report.nodes["noise"].firings == report.nodes["noise_2"].firings
    assert 1000 < count
    assert 0.01 == pytest.approx(count / per_second, rel=1e-3)


def test_the_levels_of_a_tone():
    """A tone of amplitude 0.5 has -9.03 dB of full scale in each second and in ten; times are those of the sound."""
    module = example("microphone")
    with World() as world:
        world.microphone("Microphone", source=sine(1000, 0.5))
        graph = module.Meter(25)
        report = graph.run()
    expected = 10 * math.log10(0.5**2 / 2)
    assert [expected] * 25 == pytest.approx(graph.each.records, abs=1e-4)
    assert [k * 1_000_000_000 for k in range(25)] == graph.each.times_ns.tolist()
    assert [expected] * 2 == pytest.approx(graph.ten.records, abs=1e-4)
    assert [0, 10_000_000_000] == graph.ten.times_ns.tolist()
    assert 5 == report.edges["mic -> level_2"].unread


def test_without_a_microphone_one_sentence_says_what_to_do():
    """No traceback: the node that failed, why, and the way to run all the same."""
    with World(), pytest.raises(SystemExit, match=r"^mic: open raised .*; without a microphone: --virtual$"):
        example("microphone").main([])


@pytest.mark.parametrize("workers", [0, 4])
def test_an_epoch_has_every_image_once(workers, capsys):
    """Each of three epochs has each of 100 images once, in seven batches and in an order of its own, the same for any workers."""
    module = example("dataloader")
    orders = []
    for epoch in module.epochs(100, workers):
        batches = list(epoch)
        assert [(16, 8, 8)] * 6 + [(4, 8, 8)] == [batch["image"].shape for batch in batches]
        numbers = np.concatenate([batch["image"][:, 0, 0] for batch in batches]).astype(int)
        assert (np.concatenate([batch["digit"] for batch in batches]) == numbers % 10).all()
        assert list(range(100)) == sorted(numbers.tolist())
        orders.append(numbers.tolist())
    assert 3 == len(set(map(tuple, orders)))
    assert orders == [
        np.concatenate([batch["image"][:, 0, 0] for batch in epoch]).astype(int).tolist() for epoch in module.epochs(100, 0)
    ]
    assert [6, 6, 6] == [len(list(epoch)) for epoch in module.epochs(100, workers, last="drop")]
    module.main(["--workers", str(workers)])
    assert 3 == capsys.readouterr().out.count("[10 10 10 10 10 10 10 10 10 10] of each digit")
