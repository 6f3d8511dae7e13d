"""What a microphone hears: a function of time, an array, or a WAV file.

Law: sample n is the same whoever asks, when, and in however large pieces, as far as the function of time is one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]  # [n] or [n, channels], full scale +-1
Source = Callable[[npt.NDArray[np.int64], npt.NDArray[np.float64]], Samples]  # of the numbers and times of the samples
_FULL_SCALE = {"int8": 1 << 7, "int16": 1 << 15, "int32": 1 << 31}


def sine(hz: float, amplitude: float = 0.5) -> Callable[[npt.NDArray[np.float64]], Samples]:
    """A tone, for `World.microphone`: a function that gives amplitude * sin(2 pi hz t) for times t in seconds."""

    def tone(times: npt.NDArray[np.float64]) -> Samples:
        return amplitude * np.sin(2 * np.pi * hz * times)

    return tone


def as_source(source: Any, name: str, rate: int, channels: int) -> Source | None:
    """The source that `World.microphone` was given, in the form that a microphone uses. None is silence.

    Raises:
        TypeError: it is neither a function, an array, a path nor None.
        ValueError: an array or a WAV file does not fit the microphone.
        FileNotFoundError: there is no such WAV file.
    """
    where = f"microphone {name!r}"
    if source is None:
        return None
    if callable(source):
        return _of_function(source, channels)
    if isinstance(source, (str, os.PathLike)):
        return _of_array(_wav(source, where, rate), where, channels)
    try:
        array = np.asarray(source)
    except ValueError as error:
        raise TypeError(
            f"{where}: needed a function of time, an array or a WAV file as source, was {source!r} ({error})"
        ) from None
    return _of_array(_full_scale(array, where), where, channels)


def _of_function(function: Callable[[npt.NDArray[np.float64]], Any], channels: int) -> Source:
    def samples(numbers: npt.NDArray[np.int64], times: npt.NDArray[np.float64]) -> Samples:
        values = np.asarray(function(times))
        if values.dtype.kind not in "fiu":
            raise TypeError(f"needed samples that are real numbers, was {values.dtype.name}; mend the function")
        if values.shape not in ((len(times),), (len(times), channels)):
            raise ValueError(
                f"needed shape {(len(times),)} or {(len(times), channels)}, was {values.shape}; return one sample for each time"
            )
        _check_size(values, "mend the function")
        return values.astype(np.float64)

    return samples


def _of_array(array: Samples, where: str, channels: int) -> Source:
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != channels):
        raise ValueError(
            f"{where}: needed samples [n] or [n, {channels}], was shape {array.shape}; say channels= or choose columns"
        )
    _check_size(array, "mend the array", f"{where}: ")

    def samples(numbers: npt.NDArray[np.int64], times: npt.NDArray[np.float64]) -> Samples:
        values = np.zeros((len(numbers), *array.shape[1:]))
        inside = (numbers >= 0) & (numbers < len(array))
        values[inside] = array[numbers[inside]]
        return values

    return samples


def _check_size(values: npt.NDArray[Any], what_to_do: str, where: str = "") -> None:
    inside = np.abs(values.astype(np.float64)) <= np.finfo(np.float32).max
    if not inside.all():
        text = "needed finite samples, which a float32 can hold"
        raise ValueError(f"{where}{text}, was {values[~inside][0]} among them; {what_to_do}")


def _full_scale(array: npt.NDArray[Any], where: str) -> Samples:
    """Float samples as they are, integers by the full scale of their format."""
    kind = array.dtype.name
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    if kind == "uint8":
        return (array.astype(np.float64) - 128) / 128
    if kind not in _FULL_SCALE:
        raise TypeError(
            f"{where}: needed samples of float, int8, int16, int32 or uint8, was {kind}; convert them, full scale is 1.0"
        )
    return array.astype(np.float64) / _FULL_SCALE[kind]


def _wav(path: str | os.PathLike[str], where: str, rate: int) -> Samples:
    import wave  # here, because few need it

    try:
        with wave.open(os.fspath(path), "rb") as file:
            channels, width, found, frames, *_ = file.getparams()
            data = file.readframes(frames)
    except OSError as error:
        why = "there was none" if isinstance(error, FileNotFoundError) else f"cannot read it ({error.strerror})"
        raise type(error)(error.errno, f"{where}: needed a WAV file, {why}; check the path", str(path)) from None
    except (wave.Error, EOFError) as error:
        why = str(error) or "too short"
        raise ValueError(f"{where}: needed a WAV file of integer samples, {str(path)!r} was none ({why}); convert it") from None
    if len(data) != frames * width * channels:
        text = f"needed a whole WAV file, {str(path)!r} had {len(data)} of {frames * width * channels} bytes of sound"
        raise ValueError(f"{where}: {text}; copy it again, or cut it with an editor of sounds")
    if found != rate:
        raise ValueError(
            f"{where}: needed a WAV file of {rate} samples per second, {str(path)!r} was {found}; resample it or say rate={found}"
        )
    if width == 3:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        array: npt.NDArray[Any] = wide.view("<i4")[:, 0]
    else:
        array = np.frombuffer(data, {1: "u1", 2: "<i2", 4: "<i4"}[width])
    samples = _full_scale(array, where)
    return samples.reshape(-1, channels) if channels > 1 else samples
