"""Acceptance: a simulated microphone and a simulated trigger, recorded by a graph in virtual time. A32."""

import math
import queue
import time

import numpy as np
import pytest
import serial

from dfcore import STOP, Collector, Emitter, Graph
from sim import SerialDevice, World

RATE = 48_000
BLOCK = np.dtype(("f4", (RATE,)))  # one second
BLOCKS = 25
BATCH = 10
TRIGGER_S = 2.5
SCALE = 2**21  # float32 holds so many numbers of frames exactly


class Trigger(SerialDevice):
    """Sends one byte, a while after its port was opened."""

    def on_open(self):
        self.after(TRIGGER_S, self.send, b"!")


class Recorder(Emitter):
    """Publishes seconds of sound, from the first frame after the trigger, each with its time since then."""

    def __init__(self, port, device):
        super().__init__(BLOCK)
        self.port, self.device = port, device

    def open(self):
        import sounddevice

        self.heard = queue.Queue()
        self.trigger = serial.Serial(self.port, 115200)
        self.stream = sounddevice.InputStream(
            device=self.device, samplerate=RATE, channels=1, blocksize=RATE, callback=self._keep
        )
        self.stream.start()

    def _keep(self, data, frames, times, status):
        assert not status
        self.heard.put((times.inputBufferAdcTime, data[:, 0].copy()))

    def compute(self):
        if self.firing == BLOCKS:
            return STOP
        if self.firing == 0:
            assert self.trigger.read(1) == b"!"
            self.rest = self._since(self.stream.time)
        while len(self.rest) < RATE:
            self.rest = np.concatenate([self.rest, self.heard.get()[1]])
        block, self.rest = self.rest[:RATE], self.rest[RATE:]
        self.origin_ns = self.firing * 1_000_000_000
        return block

    def _since(self, time_s):
        """The frames of the block that was being recorded at a time, from the first after it."""
        while True:
            adc_s, block = self.heard.get()
            first = math.ceil((time_s - adc_s) * RATE)
            if first < len(block):
                return block[first:]

    def close(self):
        self.stream.close()
        self.trigger.close()


class Writer(Collector):
    """Appends each batch to a file; brings home their sizes and times."""

    def __init__(self, path):
        self.path = path

    def open(self):
        self.batches = []

    def compute(self, blocks):
        with open(self.path, "ab") as file:
            blocks.tofile(file)
        self.batches.append((blocks.size, self.header("blocks").origin_ns))

    def close(self):
        return self.batches


@pytest.mark.parametrize("partial", [False, True])
def test_a32_a_microphone_is_recorded_in_batches_from_a_trigger_on(tmp_path, partial):
    """A32: of 25 s of sound, 2 full batches of 480 000 samples, of 0 and 10 s after the trigger, in the file frame by frame; the 5 s
    that fill no batch are counted, or with `partial` a third batch, of 240 000."""
    path = tmp_path / "sound.f4"
    began_s = time.perf_counter()
    with World() as world, Graph() as graph:
        world.microphone("Microphone", source=lambda times: times * RATE / SCALE)  # each frame says its number
        world.serial("/dev/ttyUSB0", Trigger())
        recorder, writer = Recorder("/dev/ttyUSB0", "Microphone"), Writer(path)
        recorder.to(writer, batch=BATCH, partial=partial)
        report = graph.run()
    print(f"A32 took {time.perf_counter() - began_s:.2f} s of wall time")
    last = [(BLOCKS % BATCH * RATE, 20_000_000_000)] if partial else []
    assert [(BATCH * RATE, 0), (BATCH * RATE, 10_000_000_000), *last] == writer.result
    edge, read = report.edges["recorder -> writer"], BLOCKS if partial else 2 * BATCH
    assert (BLOCKS, read, BLOCKS - read) == (edge.written, edge.read, edge.unread)
    frames = np.rint(np.fromfile(path, "f4") * SCALE).astype(int)
    wire_s = 10 / 115200
    assert math.ceil((TRIGGER_S + wire_s) * RATE) == frames[0]
    assert (np.arange(read * RATE) + frames[0] == frames).all()
