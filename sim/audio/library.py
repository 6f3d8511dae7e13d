"""The functions of PortAudio that are about itself, its host APIs and its devices, over the simulated ones.

Laws: arguments and results are those of PortAudio 19.6, and what is refused is answered with the code that it has. Nothing
raises where the real function returns.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from _sounddevice import ffi

from .buffers import format_of
from .errors import Code, Refused, text_of
from .host import NO_DEVICE, Host, Row

VERSION = 1_246_720  # 19.6.0
VERSION_TEXT = b"PortAudio V19.6.0 of simulated devices"
HOST_API_NAME = b"Simulated audio"
IN_DEVELOPMENT = 0  # PaHostApiTypeId of a host API that has no number of its own
HIGH_LATENCY_PERIODS = 4
NON_INTERLEAVED = 0x80000000  # a flag in a `PaSampleFormat`


def coded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Answer with a code: that of what was refused, or the result."""

    @functools.wraps(function)
    def returned(*args: Any) -> Any:
        try:
            result = function(*args)
        except Refused as refused:
            return int(refused.code)
        return 0 if result is None else int(result)

    return returned


class Library:
    """PortAudio without its streams.

    Args:
        host: whose devices there are; None: none.
        initialized: how often `Pa_Initialize` was called.
    """

    def __init__(self, host: Host | None = None, initialized: int = 1) -> None:
        self._host = host
        self._kernel = None if host is None else host.kernel
        self._initialized = initialized
        self._gone: set[Row] = set()  # unplugged when PortAudio was initialised
        self._texts: dict[bytes, Any] = {}
        self._answers: dict[Any, Any] = {}

    def close_streams(self) -> None:
        """Close every stream that is open."""

    # the library ------------------------------------------------------------------------------------------------------------

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

    @coded
    def Pa_Terminate(self) -> None:
        """End; the last time every stream is closed."""
        self._check_initialized()
        self._initialized -= 1
        if not self._initialized:
            self.close_streams()

    def Pa_Sleep(self, milliseconds: int) -> None:
        """Let time pass."""
        milliseconds = ffi.new("long*", milliseconds)[0]
        if self._kernel is None:
            time.sleep(milliseconds / 1e3)
        else:
            self._kernel.park(self._kernel.now + milliseconds * 1_000_000)

    def Pa_GetLastHostErrorInfo(self) -> Any:
        """More about the last error -9999."""
        code, text = (0, "") if self._host is None else self._host.last_error
        return self._answer("error", ffi.new("PaHostErrorInfo*", (IN_DEVELOPMENT, code, self._text(text.encode()))))

    # host APIs and devices --------------------------------------------------------------------------------------------------

    @coded
    def Pa_GetHostApiCount(self) -> int:
        """One."""
        self._check_initialized()
        return 1

    @coded
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
        return self._answer("host", ffi.new("PaHostApiInfo*", (1, IN_DEVELOPMENT, name, count, inputs, outputs)))

    @coded
    def Pa_HostApiTypeIdToHostApiIndex(self, kind: int) -> int:
        """The index of a kind of host API."""
        self._check_initialized()
        if kind != IN_DEVELOPMENT:
            raise Refused(Code.HOST_API_NOT_FOUND)
        return 0

    @coded
    def Pa_HostApiDeviceIndexToDeviceIndex(self, index: int, device: int) -> int:
        """The index of a device of a host API among all devices."""
        self._check_initialized()
        if index != 0:
            raise Refused(Code.INVALID_HOST_API)
        if not 0 <= device < len(self._rows()):
            raise Refused(Code.INVALID_DEVICE)
        return device

    @coded
    def Pa_GetDeviceCount(self) -> int:
        """How many devices there are."""
        self._check_initialized()
        return len(self._rows())

    def Pa_GetDefaultInputDevice(self) -> int:
        """The device of the first microphone, or -1."""
        return self._index_of(self._host.default_microphone if self._host is not None else None)

    def Pa_GetDefaultOutputDevice(self) -> int:
        """The device of the first speaker, or -1."""
        return self._index_of(self._host.default_speaker if self._host is not None else None)

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
        info = ffi.new("PaDeviceInfo*", (2, self._text(row.name.encode()), 0, *channels, *latencies, *high, float(rate)))
        return self._answer(row, info)

    @coded
    def Pa_GetSampleSize(self, value: int) -> int:
        """Bytes of a sample."""
        return format_of(value & ~NON_INTERLEAVED).size

    # looking things up ------------------------------------------------------------------------------------------------------

    def _check_initialized(self) -> None:
        if not self._initialized:
            raise Refused(Code.NOT_INITIALIZED)

    def _all_rows(self) -> list[Row]:
        return [] if self._host is None else self._host.rows

    def _rows(self) -> list[Row]:
        return [row for row in self._all_rows() if row not in self._gone] if self._gone else self._all_rows()

    def _index_of(self, device: Any) -> int:
        """The index of the device that a microphone or speaker is part of."""
        if device is None or not self._initialized:
            return NO_DEVICE
        return next((index for index, row in enumerate(self._rows()) if device in (row.microphone, row.speaker)), NO_DEVICE)

    def _text(self, text: bytes) -> Any:
        if text not in self._texts:
            self._texts[text] = ffi.new("char[]", text)
        return self._texts[text]

    def _answer(self, what: Any, memory: Any) -> Any:
        """`memory`, which lives until the same is asked again."""
        self._answers[what] = memory
        return memory
