"""Whether a stream can be opened.

Law: what is checked, in which order, and what is answered are those of PortAudio 19.6: first what `pa_front.c` checks for every
host API (`ValidateOpenStreamParameters`), then what the host API checks, which here is like JACK.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .buffers import FORMATS
from .errors import Code, Refused
from .host import Row
from .streams import NEVER_DROP_INPUT

RATES = (1_000.0, 768_000.0)
RATE_TOLERANCE = 1.0
MOST_BYTES = 1 << 30  # of one block
KNOWN_FLAGS, PLATFORM_FLAGS = 0xF, 0xFFFF0000  # PaStreamFlags


class Wish(NamedTuple):
    """What a program asks for: two `PaStreamParameters*`, either of which may be NULL, and the rest."""

    inputs: Any
    outputs: Any
    rate: float
    size: int = 0
    flags: int = 0
    has_callback: bool = False


def check(wish: Wish, rows: list[Row]) -> None:
    """Raise `Refused` if no stream can be opened like this on these devices."""
    _check_general(wish, len(rows))
    _check_devices(wish, rows)
    for side in (wish.inputs, wish.outputs):
        if side and wish.has_callback and wish.size * side.channelCount * FORMATS[side.sampleFormat].size > MOST_BYTES:
            raise Refused(Code.INSUFFICIENT_MEMORY)


def _check_general(wish: Wish, device_count: int) -> None:
    if not wish.inputs and not wish.outputs:
        raise Refused(Code.INVALID_DEVICE)
    for side in (wish.inputs, wish.outputs):
        if side:
            _check_side(side, device_count)
    if not RATES[0] <= wish.rate <= RATES[1]:
        raise Refused(Code.INVALID_SAMPLE_RATE)
    if wish.flags & ~PLATFORM_FLAGS & ~KNOWN_FLAGS:
        raise Refused(Code.INVALID_FLAG)
    if wish.flags & NEVER_DROP_INPUT and not (wish.has_callback and wish.inputs and wish.outputs and wish.size == 0):
        raise Refused(Code.INVALID_FLAG)


def _check_side(side: Any, device_count: int) -> None:
    if not 0 <= side.device < device_count:
        raise Refused(Code.INVALID_DEVICE)
    if side.channelCount <= 0:
        raise Refused(Code.INVALID_CHANNEL_COUNT)
    if side.sampleFormat not in FORMATS:
        raise Refused(Code.SAMPLE_FORMAT_NOT_SUPPORTED)
    if side.hostApiSpecificStreamInfo:
        raise Refused(Code.INCOMPATIBLE_STREAM_INFO)


def _check_devices(wish: Wish, rows: list[Row]) -> None:
    microphone = rows[wish.inputs.device].microphone if wish.inputs else None
    speaker = rows[wish.outputs.device].speaker if wish.outputs else None
    for side, device in ((wish.inputs, microphone), (wish.outputs, speaker)):
        if side and side.channelCount > (0 if device is None else device.channels):
            raise Refused(Code.INVALID_CHANNEL_COUNT)
    if any(device is not None and abs(wish.rate - device.rate) > RATE_TOLERANCE for device in (microphone, speaker)):
        raise Refused(Code.INVALID_SAMPLE_RATE)
