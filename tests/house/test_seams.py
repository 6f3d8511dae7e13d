"""The two seams to the outside, the one door for pickles, and the closed one for named memory: only the listed files go through."""

from __future__ import annotations

import functools
import io
import pathlib
import re
import tokenize

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FILES = sorted(path for pattern in ("*.py", "*.pyx", "*.pxd", "*.h") for path in (ROOT / "dfcore").rglob(pattern))

TIME = re.compile(  # `sleep(0)` is one turn of a loop
    r"\btime\s*\.|\bsleep\s*\((?!\s*0\s*\))|monotonic|clock_gettime|datetime\s*\.\s*now|perf_counter"
)
TIME_FILES = {"clock.py", "_bell.h", "_bell.pyx", "limits.py"}  # `limits` waits in a lazy pipe, outside of any run
CHANCE = re.compile(r"\brandom\s*\.|\bsecrets\b|\burandom\b|\buuid\b")
CHANCE_FILES = {"_cell.pyx", "loader.py", "hand.py", "_commons.h"}
# keyed by (seed, node, firing), by (seed, epoch); parts the ones of forks; tells memories apart, which nothing depends on
PICKLE = re.compile(r"\b(cloudpickle|pickle|marshal|shelve)\b")
PICKLE_FILES = {"pickles.py"}
CODE = re.compile(r"(?<![.\w])(eval|exec)\s*\(")
CODE_FILES = {"signature.py"}  # annotations that `from __future__ import annotations` left as text, of the user's own source

NAMED = re.compile(r"\b(shm_open|sem_open|mq_open|shmget|semget|msgget|multiprocessing|shared_memory|_posixshmem|mkfifo)\b")
NAMED_FILES: set[str] = set()  # a name outlives its process: what is shared here are descriptors


@functools.cache
def code(path: pathlib.Path) -> str:
    """The text of a file without comments, docstrings and other strings, line by line."""
    text = path.read_text()
    if path.suffix == ".h":
        return re.sub(r"//[^\n]*|/\*.*?\*/|\"[^\"\n]*\"", " ", text, flags=re.DOTALL)
    lines: dict[int, list[str]] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (tokenize.COMMENT, tokenize.STRING):
            lines.setdefault(token.start[0], []).append(token.string)
    return "\n".join(" ".join(words) for words in lines.values())


def through(pattern: re.Pattern[str]) -> set[str]:
    """The files of the engine whose code matches."""
    return {path.name for path in FILES if pattern.search(code(path))}


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [(TIME, TIME_FILES), (CHANCE, CHANCE_FILES), (PICKLE, PICKLE_FILES), (CODE, CODE_FILES), (NAMED, NAMED_FILES)],
    ids=["time", "chance", "pickle", "code", "named memory"],
)
def test_only_the_listed_files_go_through_a_seam(pattern, allowed):
    """Time comes from the clock, chance from the keyed generator, pickles from this run's pipes; no memory has a name."""
    assert set() == through(pattern) - allowed


def test_the_reader_of_code_sees_code_only():
    """The check itself: a call is found, a comment and a docstring that speak of it are not."""
    probe = ROOT / "tests" / "house" / "test_seams.py"
    assert "monotonic" in probe.read_text()
    assert not TIME.search(code(probe))
