"""What PortAudio answers when it refuses: its codes, and the texts that go with them.

Source: `portaudio.h` and `Pa_GetErrorText` of PortAudio 19.6; a contract test compares every text with the real library's.
"""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """The values of `PaErrorCode`."""

    NO_ERROR = 0
    NOT_INITIALIZED = -10000
    UNANTICIPATED_HOST_ERROR = -9999
    INVALID_CHANNEL_COUNT = -9998
    INVALID_SAMPLE_RATE = -9997
    INVALID_DEVICE = -9996
    INVALID_FLAG = -9995
    SAMPLE_FORMAT_NOT_SUPPORTED = -9994
    BAD_IO_DEVICE_COMBINATION = -9993
    INSUFFICIENT_MEMORY = -9992
    BUFFER_TOO_BIG = -9991
    BUFFER_TOO_SMALL = -9990
    NULL_CALLBACK = -9989
    BAD_STREAM_PTR = -9988
    TIMED_OUT = -9987
    INTERNAL_ERROR = -9986
    DEVICE_UNAVAILABLE = -9985
    INCOMPATIBLE_STREAM_INFO = -9984
    STREAM_IS_STOPPED = -9983
    STREAM_IS_NOT_STOPPED = -9982
    INPUT_OVERFLOWED = -9981
    OUTPUT_UNDERFLOWED = -9980
    HOST_API_NOT_FOUND = -9979
    INVALID_HOST_API = -9978
    CANNOT_READ_FROM_CALLBACK_STREAM = -9977
    CANNOT_WRITE_TO_CALLBACK_STREAM = -9976
    CANNOT_READ_FROM_OUTPUT_STREAM = -9975
    CANNOT_WRITE_TO_INPUT_STREAM = -9974
    INCOMPATIBLE_STREAM_HOST_API = -9973
    BAD_BUFFER_PTR = -9972


TEXTS = {
    Code.NO_ERROR: "Success",
    Code.NOT_INITIALIZED: "PortAudio not initialized",
    Code.UNANTICIPATED_HOST_ERROR: "Unanticipated host error",
    Code.INVALID_CHANNEL_COUNT: "Invalid number of channels",
    Code.INVALID_SAMPLE_RATE: "Invalid sample rate",
    Code.INVALID_DEVICE: "Invalid device",
    Code.INVALID_FLAG: "Invalid flag",
    Code.SAMPLE_FORMAT_NOT_SUPPORTED: "Sample format not supported",
    Code.BAD_IO_DEVICE_COMBINATION: "Illegal combination of I/O devices",
    Code.INSUFFICIENT_MEMORY: "Insufficient memory",
    Code.BUFFER_TOO_BIG: "Buffer too big",
    Code.BUFFER_TOO_SMALL: "Buffer too small",
    Code.NULL_CALLBACK: "No callback routine specified",
    Code.BAD_STREAM_PTR: "Invalid stream pointer",
    Code.TIMED_OUT: "Wait timed out",
    Code.INTERNAL_ERROR: "Internal PortAudio error",
    Code.DEVICE_UNAVAILABLE: "Device unavailable",
    Code.INCOMPATIBLE_STREAM_INFO: "Incompatible host API specific stream info",
    Code.STREAM_IS_STOPPED: "Stream is stopped",
    Code.STREAM_IS_NOT_STOPPED: "Stream is not stopped",
    Code.INPUT_OVERFLOWED: "Input overflowed",
    Code.OUTPUT_UNDERFLOWED: "Output underflowed",
    Code.HOST_API_NOT_FOUND: "Host API not found",
    Code.INVALID_HOST_API: "Invalid host API",
    Code.CANNOT_READ_FROM_CALLBACK_STREAM: "Can't read from a callback stream",
    Code.CANNOT_WRITE_TO_CALLBACK_STREAM: "Can't write to a callback stream",
    Code.CANNOT_READ_FROM_OUTPUT_STREAM: "Can't read from an output only stream",
    Code.CANNOT_WRITE_TO_INPUT_STREAM: "Can't write to an input only stream",
    Code.INCOMPATIBLE_STREAM_HOST_API: "Incompatible stream host API",
    Code.BAD_BUFFER_PTR: "Bad buffer pointer",
}


def text_of(code: int) -> str:
    """What PortAudio says about `code`, also about one that it does not know."""
    if code in TEXTS:
        return TEXTS[Code(code)]
    return "Invalid error code (value greater than zero)" if code > 0 else "Invalid error code"


class Refused(Exception):
    """A call that PortAudio refuses with `code`. It never reaches a program: the function that was called returns the code."""

    def __init__(self, code: Code) -> None:
        super().__init__(TEXTS[code])
        self.code = code
