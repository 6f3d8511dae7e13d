"""Measure everything, print each figure beside its target, and write them all as JSON where asked.

python -m benchmarks [hop throughput objects chain machine sound world pipes processes] [--repeat 5] [--json PATH]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import pathlib
import platform
import sys

import numpy as np

from . import chain, hop, machine, objects, pipes, processes, sound, throughput, world
from .figure import Figure

PARTS = {module.__name__.rpartition(".")[2]: module for module in (hop, throughput, objects, chain, machine, sound, world, pipes, processes)}
HEAD = ["figure", "median", "range", "n", "target", "", "what"]


def about_machine() -> dict[str, object]:
    """Which machine this is, and how busy it is with other things."""
    names = [
        line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": sorted(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "load": list(os.getloadavg()),
    }


def printed(rows: list[list[str]]) -> str:
    """Rows as a table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def main() -> int:
    """Run the parts that were asked for. The exit code is 0 whether or not targets are met: figures are not tests."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures of the engine, of the simulator and of pipes, beside their targets.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of: {', '.join(PARTS)} (all)")
    parser.add_argument("--repeat", type=int, default=5, help="values of each figure (5); figures are their medians")
    parser.add_argument("--json", type=pathlib.Path, metavar="PATH", help="write every value to this file too")
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"needs parts of {', '.join(PARTS)}, was {', '.join(sorted(unknown))}")
    before = about_machine()
    print("machine:", ", ".join(f"{key} {value}" for key, value in before.items()), flush=True)
    figures: list[Figure] = []
    for name in given.parts or PARTS:
        gc.collect()
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        figures += PARTS[name].measure(given.repeat)
    after = about_machine()["load"]
    print(printed([HEAD, *(figure.row() for figure in figures)]))
    print("load average before", before["load"], "after", after)
    if given.json:
        content = {"machine": before, "load_after": after, "figures": [figure.to_dict() for figure in figures]}
        given.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
