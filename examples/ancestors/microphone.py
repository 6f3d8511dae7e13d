"""reip's audio demo: a microphone in blocks of a second, the level of each block, and of each ten seconds.

    python examples/ancestors/microphone.py [--virtual]         --virtual: a simulated one that hears a tone

The original has a thread per block that polls its inputs, drops blocks when a queue is full, hands times on in a dict beside the
data, and moves work to another process by a `Task`. Here nothing is dropped, ten blocks at once are `batch=10` on the edge, each
record has the time that it is about, and another process is `graph.context`.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import numpy as np

from dfcore import Emitter, Graph, NodeFailed, collect, router
from sim import World, sine

RATE = 48_000


class Mic(Emitter):
    """Blocks of a second, for `seconds`."""

    def open(self) -> None:
        import sounddevice  # here, as in a world there need be no PortAudio
        self.stream = sounddevice.InputStream(samplerate=RATE, channels=1, dtype="float32")
        self.stream.start()

    def compute(self, *, seconds: int = 20) -> Any:
        for second in range(seconds):
            block, overflowed = self.stream.read(RATE)
            if overflowed:
                raise OSError("the sound card lost frames")
            self.origin_ns = second * 1_000_000_000  # of its first frame, from the first of all
            yield block[:, 0]

    def close(self) -> None:
        self.stream.close()


@router("f8")
def level(sound: Any) -> Any:
    """The level in dB of full scale, of one block or of several."""
    return 10 * np.log10(np.mean(np.square(sound, dtype="f8")))


class Meter(Graph):
    """The microphone in the caller, the levels in a process of their own."""

    def __init__(self, seconds: int = 20) -> None:
        super().__init__("meter")
        with self:
            mic, self.each, self.ten = Mic(("f4", (RATE,)), seconds=seconds), collect(name="each"), collect(name="ten")
        with self.context("levels"):
            mic.to(level()).to(self.each)
            mic.to(level(), batch=10).to(self.ten)


def main(words: list[str] | None = None) -> None:
    """Runs the example."""
    virtual, graph = "--virtual" in (sys.argv if words is None else words), Meter()
    with World() if virtual else contextlib.nullcontext() as world:
        if world:
            world.microphone("Microphone", source=sine(1000, 0.5))
        try:
            graph.run()
        except NodeFailed as error:
            sys.exit(f"{error}; without a microphone: --virtual")
    for name, levels in (("a second", graph.each), ("ten seconds", graph.ten)):
        for time_ns, level_db in zip(levels.times_ns, levels.records, strict=True):
            print(f"{time_ns / 1e9:5.1f} s {level_db:7.2f} dBFS over {name}")


if __name__ == "__main__":
    main()
