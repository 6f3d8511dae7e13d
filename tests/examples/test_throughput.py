"""The throughput example loses nothing and counts honestly."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import throughput

EXAMPLES = Path(throughput.__file__).parent


def test_virtual_run_delivers_every_pair():
    """In virtual time all pairs that both emitters sent arrive, each once."""
    graph = throughput.Throughput()
    report = graph.run(0.01, clock="virtual")
    distinct, arrived = graph.probe.result
    assert distinct == arrived == min(report.nodes["noise"].firings, report.nodes["noise_2"].firings)
    assert distinct > 1000
    assert throughput.lost(graph, report) == 0


def test_probe_counts_distinct_numbers():
    """A record that comes twice is one distinct record, and one that does not come is none."""
    probe = throughput.Probe()
    probe.open()
    for number in (0, 1, 1, 5, 3, 5):
        probe.compute(type("Record", (), {"number": number}))
    assert probe.close() == (4, 6)


def test_product_refuses_a_pair_of_different_numbers():
    """A lost record is an error, not a wrong product."""
    product = throughput.Product()
    with pytest.raises(ValueError, match="records 1 and 2 came together"):
        product.compute(type("A", (), {"number": 1, "value": 1.0}), type("B", (), {"number": 2, "value": 1.0}))


def test_the_program_in_real_time():
    """Three processes: something is delivered, nothing is lost, exit code 0."""
    run = subprocess.run(
        [sys.executable, EXAMPLES / "throughput.py", "--duration", "0.5"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(EXAMPLES.parent)},
    )
    assert run.returncode == 0, run.stderr
    assert "lost = 0" in run.stdout
    assert int(re.search(r"delivered: ([\d,]+)", run.stdout)[1].replace(",", "")) > 1000


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_bad_duration_is_one_sentence(seconds, capsys):
    """A length that is none: exit code 2 and one line."""
    with pytest.raises(SystemExit) as raised:
        throughput.main(["--duration", seconds])
    assert raised.value.code == 2
    assert capsys.readouterr().err == f"throughput: --duration: needed seconds between 0 and 3600, was {float(seconds):g}.\n"
