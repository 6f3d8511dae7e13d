"""What one stream exchanges with its devices, host period by host period.

Laws: a stream runs on the grid of one device, its microphone if it has one. It begins with the next host period that ends. A
period is exchanged whole or lost whole, and what is lost is counted at the device and logged. Two devices with one clock never
part; two with different clocks have a reserve of one period between them, and when it is used up or doubled, a period of
silence is inserted or a period of output is thrown away.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .devices import Microphone, Speaker

INPUT_UNDERFLOW, INPUT_OVERFLOW, OUTPUT_UNDERFLOW, OUTPUT_OVERFLOW = 1, 2, 4, 8  # PaStreamCallbackFlags


class Link:
    """Joins a stream to a microphone, a speaker or both.

    Attributes: `period` (frames), `block` (of the grid, the one that comes next), `due_ns` (when it is there), `slot` (the next
    frame of the speaker), `flags` (what went wrong since they were last taken), `plugged` (all devices, since it was made).
    """

    def __init__(self, microphone: Microphone | None, speaker: Speaker | None) -> None:
        driver = microphone or speaker
        assert driver is not None
        self.microphone, self.speaker, self._driver = microphone, speaker, driver
        self.period = driver.period
        self.block = self.slot = self.flags = self.due_ns = 0
        self.plugged = True
        self._one_clock = microphone is None or speaker is None or microphone.clock.same_as(speaker.clock)

    @property
    def devices(self) -> list[Microphone | Speaker]:
        """Those there are."""
        return [device for device in (self.microphone, self.speaker) if device is not None]

    @property
    def reserve(self) -> int:
        """Frames of output that wait between two clocks."""
        return 0 if self._one_clock else self.period

    def input_ns(self, frame: int) -> int:
        """When frame `frame` of the next block was taken; negative: of one before."""
        assert self.microphone is not None
        return self.microphone.clock.time_ns((self.block - 1) * self.period + frame)

    def output_ns(self, frame: int) -> int:
        """When frame `frame` of the next period of output is played."""
        assert self.speaker is not None
        return self.speaker.clock.time_ns(self.slot + frame)

    def begin(self, now_ns: int) -> None:
        """Start with the first block of the grid that ends after `now_ns`."""
        self.block, self.flags = self._driver.block_after(now_ns), 0
        if self.microphone is not None:
            self.microphone.start_at((self.block - 1) * self.period)
            self._one_clock = self.speaker is None or self.microphone.clock.same_as(self.speaker.clock)
        self._pass(0)
        if self.speaker is not None:
            self.slot = self.speaker.clock.first_at(self.due_ns) + self.reserve
            self.speaker.start_at(self.slot)

    def missed(self, now_ns: int) -> int:
        """How many blocks had ended before `now_ns` and were not exchanged."""
        return max(0, self._driver.block_after(now_ns - 1) - self.block)

    def fails(self) -> bool:
        """Whether a fault takes the next block."""
        deaf = self.microphone is not None and self.microphone.fails_at((self.block - 1) * self.period, self.period)
        mute = self.speaker is not None and self.speaker.fails_at(self.slot, self.period)
        return deaf or mute

    def hear(self) -> npt.NDArray[np.float64] | None:
        """The next block of input: float64[period, channels of the microphone]."""
        return None if self.microphone is None else self.microphone.block(self.block)

    def play(self, samples: npt.NDArray[np.float32] | None) -> None:
        """Play a period of output; None leaves the speaker alone."""
        speaker = self.speaker
        if speaker is None or samples is None:
            return
        if not self._one_clock:
            here = speaker.clock.first_at(self.due_ns)
            if self.slot < here:
                speaker.log("xrun", f"output underflow, {self.period} frames inserted")
                speaker.insert_silence(self.slot, self.period)
                self.flags |= OUTPUT_UNDERFLOW
                self.slot += self.period
            elif self.slot > here + 2 * self.period:
                speaker.log("xrun", f"output overflow, {self.period} frames lost")
                speaker.count_lost(self.period)
                self.flags |= OUTPUT_OVERFLOW
                self.slot -= self.period
                return
        speaker.play(self.slot, samples)

    def advance(self) -> None:
        """The next block is done with."""
        self._pass(1)

    def skip(self, blocks: int, *, lost: bool, silence: bool) -> None:
        """Lose `blocks` blocks: `lost` ones of input, and as much output, for which there is `silence`."""
        frames = blocks * self.period
        if self.microphone is not None and lost:
            self.microphone.count_lost(frames)
            self.microphone.log("xrun", f"input overflow, {frames} frames lost")
            self.flags |= INPUT_OVERFLOW
        if self.speaker is not None and silence:
            self.speaker.insert_silence(self.slot, frames)
            self.speaker.log("xrun", f"output underflow, {frames} frames inserted")
            self.flags |= OUTPUT_UNDERFLOW
        self._pass(blocks)

    def _pass(self, blocks: int) -> None:
        self.block += blocks
        self.slot += blocks * self.period
        self.due_ns = self._driver.clock.time_ns(self.block * self.period)

    def take_flags(self) -> int:
        """What went wrong since the last time."""
        flags, self.flags = self.flags, 0
        return flags
