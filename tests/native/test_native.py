"""The headers compiled into programs of threads: without data races under the thread sanitizer, without lost strokes.

These are the headers of the package, not copies. The sanitizer does not model fences, so the bells have a program of their own.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable

import pytest

HERE = pathlib.Path(__file__).parent
HEADERS = HERE.parent.parent / "dfcore"
LIMIT_S = 100  # far beyond seconds: a lost stroke would wait for ever
CAMPAIGN_LIMIT_S = 1000
SANITIZE = ["-O1", "-g", "-fsanitize=thread", "-Wno-tsan"]

Program = Callable[..., "subprocess.CompletedProcess[str]"]


def compiled(
    source: pathlib.Path, target: pathlib.Path, headers: pathlib.Path, flags: list[str]
) -> subprocess.CompletedProcess[str]:
    """Compile one file with every warning as an error."""
    command = [
        "gcc",
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Werror",
        *flags,
        f"-I{headers}",
        str(source),
        "-o",
        str(target),
        "-lpthread",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run(*command: object, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=limit_s, check=False)


@pytest.fixture
def program(tmp_path: pathlib.Path) -> Program:
    """A function that compiles a harness over the headers in `headers` and runs it."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc to compile the harness")

    def build_and_run(
        name: str, records: int, flags: list[str], headers: pathlib.Path = HEADERS, limit_s: float = LIMIT_S
    ) -> subprocess.CompletedProcess[str]:
        target = tmp_path / name
        result = compiled(HERE / f"{name}.c", target, headers, flags)
        assert (0, "") == (result.returncode, result.stderr)
        return run(target, records, limit_s=limit_s)

    return build_and_run


@pytest.fixture
def sanitizer(tmp_path: pathlib.Path) -> None:
    """Skip where the compiler has no thread sanitizer, or the sanitizer does not run on this kernel."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc to compile the harness")
    probe = tmp_path / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    if compiled(probe, tmp_path / "probe", HEADERS, SANITIZE).returncode or run(tmp_path / "probe").returncode:
        pytest.skip("needs a gcc with a working -fsanitize=thread")


def changed_headers(folder: pathlib.Path, before: str, after: str) -> pathlib.Path:
    """The headers with one place of the ring changed."""
    text = (HEADERS / "_ring.h").read_text()
    assert 1 == text.count(before)
    (folder / "_ring.h").write_text(text.replace(before, after))
    for other in ("_bell.h", "_arena.h"):
        shutil.copy(HEADERS / other, folder)
    return folder


@pytest.mark.usefixtures("sanitizer")
def test_no_data_race(program: Program) -> None:
    """L4, L5, L10 with seven readers of all policies, with an index of their own and without, kept views and real sleeping: nothing is read while it is written."""
    result = program("ring_harness", 15000, flags=SANITIZE)
    assert (0, "") == (result.returncode, result.stderr)


@pytest.mark.usefixtures("sanitizer")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("else DF_STORE(&r->words->tail, r->tail, release)", "else DF_STORE(&r->words->tail, r->tail, relaxed)"),
        ("DF_STORE(&w->ring.words->head, w->head, seq_cst)", "DF_STORE(&w->ring.words->head, w->head, relaxed)"),
        ("if (w->leased[i] == slot) {", "if (w->leased[i] == slot + SLOTS_NOBODY_HAS) {"),
    ],
    ids=["tail without release", "head without release", "loan without leases"],
)
def test_the_sanitizer_sees_a_missing_order(program: Program, tmp_path: pathlib.Path, before: str, after: str) -> None:
    """The harness is not blind: it fails when an order that the ring rests on is taken away."""
    headers = changed_headers(tmp_path, before, after)
    result = program("ring_harness", 15000, flags=[*SANITIZE, "-DSLOTS_NOBODY_HAS=1000000"], headers=headers)
    assert result.returncode != 0
    assert "data race" in result.stderr or "torn" in result.stderr or "kept" in result.stderr


def test_every_law_at_full_speed(program: Program) -> None:
    """The same readers and writer as the machine really orders them: L4, L5 and no stroke lost on the way to sleep."""
    result = program("ring_harness", 50000, flags=["-O2"])
    assert (0, "") == (result.returncode, result.stderr)


def test_blocks_are_given_back_without_a_race(program: Program, sanitizer: None) -> None:
    """What was lent is used again only after every holder has looked at it for the last time."""
    result = program("arena_harness", 5000, flags=SANITIZE)
    assert (0, "") == (result.returncode, result.stderr)


def test_the_sanitizer_sees_a_hold_that_is_not_ordered(program: Program, tmp_path: pathlib.Path) -> None:
    """The harness is not blind: it fails when the order that a given back block rests on is taken away."""
    headers = changed_headers(tmp_path, "&count, count - 1, memory_order_acq_rel", "&count, count - 1, memory_order_relaxed")
    result = program("arena_harness", 5000, flags=SANITIZE, headers=headers)
    assert result.returncode != 0
    assert "data race" in result.stderr or "torn" in result.stderr


def test_no_stroke_is_lost(program: Program) -> None:
    """RULES 1: of ringer and sleeper one sees the other, for work and for room."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs: on one nothing meets")
    result = program("bell_harness", 50000, flags=["-O2"])
    assert ("bell: lost 0 of 50000\nroom: lost 0 of 50000\n", 0) == (result.stdout, result.returncode)


@pytest.mark.campaign
def test_for_millions_of_records(program: Program, sanitizer: None) -> None:
    """The same for minutes."""
    assert 0 == program("ring_harness", 1_000_000, flags=SANITIZE, limit_s=CAMPAIGN_LIMIT_S).returncode
    assert 0 == program("ring_harness", 2_000_000, flags=["-O2"], limit_s=CAMPAIGN_LIMIT_S).returncode
    assert 0 == program("bell_harness", 5_000_000, flags=["-O2"], limit_s=CAMPAIGN_LIMIT_S).returncode
