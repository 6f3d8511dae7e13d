"""The functions of PortAudio, over simulated devices.

Laws: arguments, results and the order in which arguments are checked are those of PortAudio 19.6 (`pa_front.c`, then the host API, here
one that is like JACK); the texts are in `errors.py`. A function never raises where the real one returns a code.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from _sounddevice import ffi

from .blocking import BlockingStream
from .buffers import FORMATS, Format, format_of
from .callbacks import CallbackStream, seconds
from .errors import Code, Refused, text_of
from .host import NO_DEVICE, Host, Row
from .streams import ACTIVE, STARTING, STOPPED, Opening, Stream

VERSION = 1_246_720  # 19.6.0
VERSION_TEXT = b"PortAudio V19.6.0 of simulated devices"
HOST_API_NAME = b"Simulated audio"
IN_DEVELOPMENT = 0  # PaHostApiTypeId of a host API that has no number of its own
HANDLES = 1 << 60  # beyond any memory: no stream of the real library can be there
RATES = (1_000.0, 768_000.0)
RATE_TOLERANCE = 1.0
NEVER_DROP_INPUT, KNOWN_FLAGS, PLATFORM_FLAGS = 0x4, 0xF, 0xFFFF0000
HIGH_LATENCY_PERIODS = 4
_NEXT_HANDLE = HANDLES


def _coded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the code of what is refused."""

    @functools.wraps(function)
    def coded(*args: Any) -> Any:
        try:
            result = function(*args)
        except Refused as refused:
            return int(refused.code)
        return 0 if result is None else int(result)

    return coded


class PortAudio:
    """What `sounddevice._lib` is in a world.

    Args:
        host: whose devices there are; None: none.
        initialized: how often `Pa_Initialize` was called.
    """

    def __init__(self, host: Host | None = None, initialized: int = 1) -> None:
        self._host = host
        self._kernel = None if host is None else host.kernel
        self._initialized = initialized
        self._gone: set[Row] = set()  # unplugged when PortAudio was initialised
        self._streams: dict[int, Stream] = {}
        self._numbers = 0
        self._texts: dict[bytes, Any] = {}
        self._infos: dict[Row, Any] = {}
        self._kept: list[Any] = []  # memory that programs may still look at

    # the library ------------------------------------------------------------------------------------------------------------------

    def Pa_GetVersion(self) -> int:
        """The release, as a number."""
        return VERSION

    def Pa_GetVersionText(self) -> Any:
        """The release, in words."""
        return self._text(VERSION_TEXT)

    def Pa_GetErrorText(self, code: int) -> Any:
        """What a code means."""
        return self._text(text_of(code).encode())

    def Pa_Initialize(self) -> int:
        """Begin; the table of devices is made anew the first time."""
        if not self._initialized:
            self._gone = {row for row in self._all_rows() if not row.plugged}
        self._initialized += 1
        return 0

    @_coded
    def Pa_Terminate(self) -> None:
        """End; the last time every stream is closed."""
        self._check_initialized()
        self._initialized -= 1
        if not self._initialized:
            self.close_streams()

    def Pa_Sleep(self, milliseconds: int) -> None:
        """Let time pass."""
        if self._kernel is None:
            time.sleep(milliseconds / 1e3)
        else:
            self._kernel.park(self._kernel.now + int(milliseconds) * 1_000_000)

    def Pa_GetLastHostErrorInfo(self) -> Any:
        """More about the last error -9999."""
        code, text = (0, "") if self._host is None else self._host.last_error
        return self._keep(ffi.new("PaHostErrorInfo*", (IN_DEVELOPMENT, code, self._text(text.encode()))))

    # host APIs and devices ----------------------------------------------------------------------------------------------------

    @_coded
    def Pa_GetHostApiCount(self) -> int:
        """One."""
        self._check_initialized()
        return 1

    @_coded
    def Pa_GetDefaultHostApi(self) -> int:
        """The only one."""
        self._check_initialized()
        return 0

    def Pa_GetHostApiInfo(self, index: int) -> Any:
        """A `PaHostApiInfo*`, or NULL."""
        if not self._initialized or index != 0:
            return ffi.NULL
        name, count = self._text(HOST_API_NAME), len(self._rows())
        inputs, outputs = self.Pa_GetDefaultInputDevice(), self.Pa_GetDefaultOutputDevice()
        return self._keep(ffi.new("PaHostApiInfo*", (1, IN_DEVELOPMENT, name, count, inputs, outputs)))

    @_coded
    def Pa_HostApiTypeIdToHostApiIndex(self, kind: int) -> int:
        """The index of a kind of host API."""
        self._check_initialized()
        if kind != IN_DEVELOPMENT:
            raise Refused(Code.HOST_API_NOT_FOUND)
        return 0

    @_coded
    def Pa_HostApiDeviceIndexToDeviceIndex(self, index: int, device: int) -> int:
        """The index of a device of a host API among all devices."""
        self._check_initialized()
        if index != 0:
            raise Refused(Code.INVALID_HOST_API)
        if not 0 <= device < len(self._rows()):
            raise Refused(Code.INVALID_DEVICE)
        return device

    @_coded
    def Pa_GetDeviceCount(self) -> int:
        """How many devices there are."""
        self._check_initialized()
        return len(self._rows())

    def Pa_GetDefaultInputDevice(self) -> int:
        """The device of the first microphone, or -1."""
        return next((index for index, row in self._numbered() if row.microphone is self._first("microphones")), NO_DEVICE)

    def Pa_GetDefaultOutputDevice(self) -> int:
        """The device of the first speaker, or -1."""
        return next((index for index, row in self._numbered() if row.speaker is self._first("speakers")), NO_DEVICE)

    def Pa_GetDeviceInfo(self, index: int) -> Any:
        """A `PaDeviceInfo*`, or NULL."""
        rows = self._rows()
        if not self._initialized or not 0 <= index < len(rows):
            return ffi.NULL
        row = rows[index]
        channels = [0 if device is None else device.channels for device in (row.microphone, row.speaker)]
        latencies = [0.0 if device is None else device.period / device.rate for device in (row.microphone, row.speaker)]
        rate = (row.microphone or row.speaker).rate  # type: ignore[union-attr]
        high = [HIGH_LATENCY_PERIODS * latency for latency in latencies]
        self._infos[row] = ffi.new("PaDeviceInfo*", (2, self._text(row.name.encode()), 0, *channels, *latencies, *high, float(rate)))
        return self._infos[row]

    # streams ----------------------------------------------------------------------------------------------------------------------

    @_coded
    def Pa_IsFormatSupported(self, inputs: Any, outputs: Any, rate: float) -> None:
        """Whether a stream could be opened."""
        self._check_initialized()
        self._check_general(inputs, outputs, rate, 0, 0, ffi.NULL)
        self._check_devices(inputs, outputs, rate)

    @_coded
    def Pa_OpenStream(
        self, stream: Any, inputs: Any, outputs: Any, rate: float, size: int, flags: int, callback: Any, userdata: Any
    ) -> None:
        """Open a stream and put its handle into `stream`."""
        self._check_initialized()
        size, flags = ffi.new("unsigned long*", size)[0], ffi.new("unsigned long*", flags)[0]
        self._check_general(inputs, outputs, rate, size, flags, callback)
        self._check_devices(inputs, outputs, rate)
        source, form_in = self._direction(inputs)
        target, form_out = self._direction(outputs)
        opening = Opening(
            None if source is None else source.microphone, None if target is None else target.speaker, form_in, form_out,
            inputs.channelCount if inputs else 0, outputs.channelCount if outputs else 0, size, flags,
            max(side.suggestedLatency for side in (inputs, outputs) if side), callback or None, userdata,
        )  # fmt: skip
        self._open(stream, opening)

    def _open(self, stream: Any, opening: Opening) -> None:
        global _NEXT_HANDLE
        assert self._host is not None
        if not all(device.plugged for device in (opening.microphone, opening.speaker) if device is not None):
            raise Refused(Code.DEVICE_UNAVAILABLE)
        self._numbers += 1
        made = (BlockingStream if opening.callback is None else CallbackStream)(self._host, self._numbers, opening)
        _NEXT_HANDLE += 1
        self._streams[_NEXT_HANDLE] = made
        self._kept.append(made)
        stream[0] = ffi.cast("void*", _NEXT_HANDLE)

    @_coded
    def Pa_CloseStream(self, stream: Any) -> None:
        """Close a stream."""
        found = self._find(stream)
        del self._streams[int(ffi.cast("uintptr_t", stream))]
        found.close()

    @_coded
    def Pa_SetStreamFinishedCallback(self, stream: Any, callback: Any) -> None:
        """What to call when the stream becomes inactive."""
        self._find(stream).set_finished_callback(callback)

    @_coded
    def Pa_StartStream(self, stream: Any) -> None:
        """Start a stream."""
        self._find(stream).start()

    @_coded
    def Pa_StopStream(self, stream: Any) -> None:
        """Play what is pending, then stop."""
        self._find(stream).stop()

    @_coded
    def Pa_AbortStream(self, stream: Any) -> None:
        """Stop at once."""
        self._find(stream).abort()

    @_coded
    def Pa_IsStreamStopped(self, stream: Any) -> bool:
        """1 or 0."""
        return self._look(stream).state in (STOPPED, STARTING)

    @_coded
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

    @_coded
    def Pa_ReadStream(self, stream: Any, buffer: Any, frames: int) -> Code:
        """Wait for `frames` frames."""
        found = self._running(stream, buffer, frames)
        if found is None:
            return Code.NO_ERROR
        if not isinstance(found, BlockingStream):
            raise Refused(Code.CANNOT_READ_FROM_CALLBACK_STREAM)
        return found.read(buffer, frames)

    @_coded
    def Pa_WriteStream(self, stream: Any, buffer: Any, frames: int) -> Code:
        """Wait until `frames` frames have been taken."""
        found = self._running(stream, buffer, frames)
        if found is None:
            return Code.NO_ERROR
        if not isinstance(found, BlockingStream):
            raise Refused(Code.CANNOT_WRITE_TO_CALLBACK_STREAM)
        if not isinstance(buffer, ffi.CData):
            buffer = ffi.new("unsigned char[]", [value & 0xFF for value in buffer])
        return found.write(buffer, frames)

    @_coded
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

    @_coded
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

    @_coded
    def Pa_GetSampleSize(self, value: int) -> int:
        """Bytes of a sample."""
        return format_of(value).size

    def close_streams(self) -> None:
        """Close every stream that is open."""
        while self._streams:
            _, stream = self._streams.popitem()
            stream.close()

    # checks -------------------------------------------------------------------------------------------------------------------------

    def _check_initialized(self) -> None:
        if not self._initialized:
            raise Refused(Code.NOT_INITIALIZED)

    def _check_general(self, inputs: Any, outputs: Any, rate: float, size: int, flags: int, callback: Any) -> None:
        """What PortAudio checks before it asks the host API."""
        if not inputs and not outputs:
            raise Refused(Code.INVALID_DEVICE)
        for side in (inputs, outputs):
            if side:
                self._check_side(side)
        if not RATES[0] <= rate <= RATES[1]:
            raise Refused(Code.INVALID_SAMPLE_RATE)
        if flags & ~PLATFORM_FLAGS & ~KNOWN_FLAGS:
            raise Refused(Code.INVALID_FLAG)
        if flags & NEVER_DROP_INPUT and not (callback and inputs and outputs and size == 0):
            raise Refused(Code.INVALID_FLAG)

    def _check_side(self, side: Any) -> None:
        if not 0 <= side.device < len(self._rows()):
            raise Refused(Code.INVALID_DEVICE)
        if side.channelCount <= 0:
            raise Refused(Code.INVALID_CHANNEL_COUNT)
        if side.sampleFormat not in FORMATS:
            raise Refused(Code.SAMPLE_FORMAT_NOT_SUPPORTED)
        if side.hostApiSpecificStreamInfo:
            raise Refused(Code.INCOMPATIBLE_STREAM_INFO)

    def _check_devices(self, inputs: Any, outputs: Any, rate: float) -> None:
        """What the host API checks."""
        rows = self._rows()
        sides = [(inputs, rows[inputs.device].microphone)] if inputs else []
        sides += [(outputs, rows[outputs.device].speaker)] if outputs else []
        for side, device in sides:
            if side.channelCount > (0 if device is None else device.channels):
                raise Refused(Code.INVALID_CHANNEL_COUNT)
        if any(device is not None and abs(rate - device.rate) > RATE_TOLERANCE for _, device in sides):
            raise Refused(Code.INVALID_SAMPLE_RATE)

    def _direction(self, side: Any) -> tuple[Row | None, Format | None]:
        return (self._rows()[side.device], format_of(side.sampleFormat)) if side else (None, None)

    # looking things up ----------------------------------------------------------------------------------------------------------

    def _all_rows(self) -> list[Row]:
        return [] if self._host is None else self._host.rows

    def _rows(self) -> list[Row]:
        return [row for row in self._all_rows() if row not in self._gone] if self._gone else self._all_rows()

    def _numbered(self) -> list[tuple[int, Row]]:
        return list(enumerate(self._rows())) if self._initialized else []

    def _first(self, what: str) -> Any:
        """The first microphone or speaker; when there is none, something that no row has."""
        return next(iter(getattr(self._host, what, ())), self)

    def _find(self, stream: Any) -> Stream:
        self._check_initialized()
        found = self._streams.get(int(ffi.cast("uintptr_t", stream)))
        if found is None:
            raise Refused(Code.BAD_STREAM_PTR)
        return found

    def _look(self, stream: Any) -> Stream:
        """The same for a question, which costs what a question costs: a program may ask again and again."""
        found = self._find(stream)
        found._kernel.poll()
        return found

    def _running(self, stream: Any, buffer: Any, frames: int) -> Stream | None:
        """The stream to read or write; None: there is nothing to do."""
        found = self._find(stream)
        if frames == 0:
            return None
        if isinstance(buffer, ffi.CData) and buffer == ffi.NULL:
            raise Refused(Code.BAD_BUFFER_PTR)
        if found.state in (STOPPED, STARTING):
            raise Refused(Code.STREAM_IS_STOPPED)
        return found

    def _text(self, text: bytes) -> Any:
        if text not in self._texts:
            self._texts[text] = ffi.new("char[]", text)
        return self._texts[text]

    def _keep(self, memory: Any) -> Any:
        self._kept.append(memory)
        return memory
