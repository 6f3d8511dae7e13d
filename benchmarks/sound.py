"""Sound in virtual time: seconds of wall time for a recording by a graph, for an hour on a card that drifts, and for play and record."""

from __future__ import annotations

import pathlib
import tempfile
import time
from typing import Any

import numpy as np

from dfcore import STOP, Collector, Emitter, Graph
from sim import Drift, World, sine

# isort: split
import sounddevice

from .figure import Figure, interleaved

RATE = 48_000
SECONDS, BATCH = 25, 5
HOUR_S, PPM, PERIOD = 3600, 50, 4800
BLOCK = np.dtype(("f4", (RATE,)))


class Record(Emitter):
    """A second of sound in each record."""

    def __init__(self) -> None:
        super().__init__(BLOCK)

    def open(self) -> None:
        self.stream = sounddevice.InputStream(samplerate=RATE, channels=1)
        self.stream.start()

    def compute(self) -> Any:
        return STOP if self.firing == SECONDS else self.stream.read(RATE)[0][:, 0]

    def close(self) -> None:
        self.stream.close()


class Write(Collector):
    """Appends what it takes to a file."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def compute(self, blocks: Any) -> None:
        with open(self.path, "ab") as file:
            blocks.tofile(file)


def recording_s() -> float:
    """A microphone of 48 kHz, read in blocks of 1 s by a graph that writes batches of 5 s to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "sound.f4")
        began_s = time.perf_counter()
        with World() as world, Graph("recording") as graph:
            world.microphone("Microphone", source=sine(440))
            Record().to(Write(path), batch=BATCH)
            graph.run()
        seconds = time.perf_counter() - began_s
        check("recording", path.stat().st_size, 4 * RATE * SECONDS, 0)
    return seconds


def hour_s() -> float:
    """An hour of a callback stream on a card that is 50 ppm fast."""
    frames = 0

    def count(data: Any, size: int, times: Any, status: Any) -> None:
        nonlocal frames
        frames += size

    began_s = time.perf_counter()
    with World() as world:
        world.microphone("Microphone", source=sine(440), period=PERIOD, faults=[Drift(PPM)])
        with sounddevice.InputStream(samplerate=RATE, channels=1, callback=count):
            time.sleep(HOUR_S)
    check("hour", frames, RATE * HOUR_S * (1_000_000 + PPM) // 1_000_000, PERIOD)
    return time.perf_counter() - began_s


def playrec_s() -> float:
    """A second played and recorded at a time, speaker and microphone in one room."""
    tone = sine(440)(np.arange(RATE) / RATE).astype("f4")
    began_s = time.perf_counter()
    with World() as world:
        world.room(world.speaker("Speaker"), world.microphone("Microphone", source=None))
        heard = sounddevice.playrec(tone, RATE, channels=1, blocking=True)
    seconds = time.perf_counter() - began_s
    check("playrec", round(1000 * float(heard.max())), 500, 0)
    return seconds


def check(what: str, found: int, needed: int, within: int) -> None:
    """A figure of work that was not done is none."""
    if abs(found - needed) > within:
        raise RuntimeError(f"{what}: needed {needed}, was {found}")


def measure(repeat: int) -> list[Figure]:
    """The figures of sound in virtual time."""
    recording, playrec, hour = interleaved(repeat, recording_s, playrec_s, hour_s)
    return [
        Figure("sound recording", "s", recording, 1.0, note=f"{SECONDS} s of a 48 kHz microphone, by a graph to a file"),
        Figure("sound playrec", "s", playrec, note="1 s played and recorded in a room"),
        Figure("sound hour", "s", hour, note=f"1 h of a callback stream, card {PPM} ppm fast, periods of {PERIOD} frames"),
    ]
