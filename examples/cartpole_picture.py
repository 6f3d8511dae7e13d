"""Angle, position and force of a run, as a PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(graph: Any, path: Path) -> str:
    """Draws the run of a `CartPole` to `path`; a sentence that says where the picture is, or why there is none."""
    if not len(graph.estimates):
        return "picture: none, there was nothing to draw."
    try:
        import matplotlib
    except ImportError:
        return "picture: none, it needs matplotlib; install it with `python -m pip install matplotlib`."
    matplotlib.use("Agg")  # draws into memory: no window, no display
    from matplotlib import pyplot

    figure, (angle, position, force) = pyplot.subplots(3, sharex=True, figsize=(9, 7), layout="constrained")
    for axes, field, title in [(angle, "theta", "angle / rad"), (position, "x", "position / m")]:
        axes.plot(graph.log.times_ns / 1e9, graph.log.records[field], ".", color="0.75", markersize=2, label="sensor")
        axes.plot(graph.estimates.times_ns / 1e9, graph.estimates.records[field], linewidth=1, label="observer")
        axes.set_ylabel(title)
    force.step(graph.forces.times_ns / 1e9, graph.forces.records, where="post", linewidth=1, color="tab:red")
    force.set(ylabel="force / N", xlabel="time / s")
    angle.legend(loc="upper right")
    for axes in (angle, position, force):
        axes.grid(alpha=0.3)
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        return f"picture: none, {path} could not be written: {error.strerror}."
    finally:
        pyplot.close(figure)
    return f"picture: {path}"
