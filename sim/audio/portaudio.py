"""What `sounddevice._lib` is in a world: PortAudio over simulated devices.

Laws: those of `library.py`; a handle was never that of another stream, not even of another world, and is never the address of
one of the real library.
"""

from __future__ import annotations

import itertools
from typing import Any

from _sounddevice import ffi

from .blocking import BlockingStream
from .buffers import format_of
from .callbacks import CallbackStream, seconds
from .checks import Wish, check
from .errors import Code, Refused
from .host import Host
from .library import Library, coded
from .streams import ACTIVE, STARTING, STOPPED, Opening, Stream

HANDLES = 1 << 60  # beyond any memory
_handles = itertools.count(HANDLES + 1)


def _as(kind: str, value: Any) -> Any:
    """`value` as the C type that a function takes. Raises what cffi raises: TypeError or OverflowError."""
    return ffi.new(f"{kind}*", value)[0]


class PortAudio(Library):
    """All functions that sounddevice calls."""

    def __init__(self, host: Host | None = None, initialized: int = 1) -> None:
        super().__init__(host, initialized)
        self._streams: dict[int, Stream] = {}
        self._numbers = 0
        self._kept: list[Any] = []  # memory that programs may still look at

    # opening and closing ----------------------------------------------------------------------------------------------------

    @coded
    def Pa_IsFormatSupported(self, inputs: Any, outputs: Any, rate: float) -> None:
        """Whether a stream could be opened."""
        self._check_initialized()
        check(Wish(inputs, outputs, rate), self._rows())

    @coded
    def Pa_OpenStream(
        self, stream: Any, inputs: Any, outputs: Any, rate: float, size: int, flags: int, callback: Any, userdata: Any
    ) -> None:
        """Open a stream and put its handle into `stream`."""
        self._check_initialized()
        wish = Wish(inputs, outputs, _as("double", rate), _as("unsigned long", size), _as("unsigned long", flags), bool(callback))
        check(wish, self._rows())
        self._open(stream, self._opening(wish, callback, userdata))

    def _opening(self, wish: Wish, callback: Any, userdata: Any) -> Opening:
        rows, (inputs, outputs, _, size, flags, _) = self._rows(), wish
        return Opening(
            rows[inputs.device].microphone if inputs else None, rows[outputs.device].speaker if outputs else None,
            format_of(inputs.sampleFormat) if inputs else None, format_of(outputs.sampleFormat) if outputs else None,
            inputs.channelCount if inputs else 0, outputs.channelCount if outputs else 0, size, flags,
            max(side.suggestedLatency for side in (inputs, outputs) if side), callback or None, userdata,
        )  # fmt: skip

    def _open(self, stream: Any, opening: Opening) -> None:
        assert self._host is not None
        if not all(device.plugged for device in (opening.microphone, opening.speaker) if device is not None):
            raise Refused(Code.DEVICE_UNAVAILABLE)
        self._numbers += 1
        made = (BlockingStream if opening.callback is None else CallbackStream)(self._host, self._numbers, opening)
        handle = next(_handles)
        self._streams[handle] = made
        self._kept += made.memory()
        stream[0] = ffi.cast("void*", handle)

    @coded
    def Pa_CloseStream(self, stream: Any) -> None:
        """Close a stream."""
        found = self._find(stream)
        del self._streams[int(ffi.cast("uintptr_t", stream))]
        found.close()

    def close_streams(self) -> None:
        """Close every stream that is open."""
        while self._streams:
            _, stream = self._streams.popitem()
            stream.close()

    # starting, stopping and asking ------------------------------------------------------------------------------------------

    @coded
    def Pa_SetStreamFinishedCallback(self, stream: Any, callback: Any) -> None:
        """What to call when the stream becomes inactive."""
        self._find(stream).set_finished_callback(callback)

    @coded
    def Pa_StartStream(self, stream: Any) -> None:
        """Start a stream."""
        self._find(stream).start()

    @coded
    def Pa_StopStream(self, stream: Any) -> None:
        """Play what is pending, then stop."""
        self._find(stream).stop()

    @coded
    def Pa_AbortStream(self, stream: Any) -> None:
        """Stop at once."""
        self._find(stream).abort()

    @coded
    def Pa_IsStreamStopped(self, stream: Any) -> bool:
        """1 or 0."""
        return self._look(stream).state in (STOPPED, STARTING)

    @coded
    def Pa_IsStreamActive(self, stream: Any) -> bool:
        """1 or 0."""
        return self._look(stream).state is ACTIVE

    def Pa_GetStreamInfo(self, stream: Any) -> Any:
        """A `PaStreamInfo*`, or NULL."""
        try:
            return self._find(stream).info
        except Refused:
            return ffi.NULL

    def Pa_GetStreamTime(self, stream: Any) -> float:
        """World time in seconds; 0: no such stream."""
        try:
            self._look(stream)
        except Refused:
            return 0.0
        assert self._kernel is not None
        return seconds(self._kernel.now)

    def Pa_GetStreamCpuLoad(self, stream: Any) -> float:
        """The part of its time that the callback takes."""
        try:
            return self._look(stream).load
        except Refused:
            return 0.0

    # samples ----------------------------------------------------------------------------------------------------------------

    @coded
    def Pa_ReadStream(self, stream: Any, buffer: Any, frames: int) -> Code:
        """Wait for `frames` frames."""
        found = self._running(stream, _as("void*", buffer), _as("unsigned long", frames))
        if found is None:
            return Code.NO_ERROR
        if not isinstance(found, BlockingStream):
            raise Refused(Code.CANNOT_READ_FROM_CALLBACK_STREAM)
        return found.read(buffer, frames)

    @coded
    def Pa_WriteStream(self, stream: Any, buffer: Any, frames: int) -> Code:
        """Wait until `frames` frames have been taken."""
        found = self._running(stream, _as("void*", buffer), _as("unsigned long", frames))
        if found is None:
            return Code.NO_ERROR
        if not isinstance(found, BlockingStream):
            raise Refused(Code.CANNOT_WRITE_TO_CALLBACK_STREAM)
        return found.write(buffer, frames)

    @coded
    def Pa_GetStreamReadAvailable(self, stream: Any) -> int:
        """Frames that can be read without waiting."""
        if stream == ffi.NULL:
            return 0
        found = self._look(stream)
        if not isinstance(found, BlockingStream):
            raise Refused(Code.CANNOT_READ_FROM_CALLBACK_STREAM)
        if found.opening.microphone is None:
            raise Refused(Code.CANNOT_READ_FROM_OUTPUT_STREAM)
        return found.readable

    @coded
    def Pa_GetStreamWriteAvailable(self, stream: Any) -> int:
        """Frames that can be written without waiting."""
        if stream == ffi.NULL:
            return 0
        found = self._look(stream)
        if not isinstance(found, BlockingStream):
            raise Refused(Code.CANNOT_WRITE_TO_CALLBACK_STREAM)
        if found.opening.speaker is None:
            raise Refused(Code.CANNOT_WRITE_TO_INPUT_STREAM)
        return found.writable

    # looking streams up -----------------------------------------------------------------------------------------------------

    def _find(self, stream: Any) -> Stream:
        self._check_initialized()
        found = self._streams.get(int(ffi.cast("uintptr_t", stream)))
        if found is None:
            raise Refused(Code.BAD_STREAM_PTR)
        return found

    def _look(self, stream: Any) -> Stream:
        """The same for a question, which costs what a question costs: a program may ask again and again."""
        found = self._find(stream)
        found.poll()
        return found

    def _running(self, stream: Any, buffer: Any, frames: int) -> Stream | None:
        """The stream to read or write; None: there is nothing to do."""
        found = self._find(stream)
        if frames == 0:
            return None
        if buffer == ffi.NULL:
            raise Refused(Code.BAD_BUFFER_PTR)
        if found.state in (STOPPED, STARTING):
            raise Refused(Code.STREAM_IS_STOPPED)
        return found
