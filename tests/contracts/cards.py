"""Two sound cards under the real sounddevice: a simulated one in a world, and the real PortAudio on a dummy JACK server.

Both have a microphone and a speaker of two channels at 48 kHz, whose host handles 256 frames at a time. The module and the
library of the real one are copies of their own, whatever the program that runs the tests has done with the installed ones.
"""

from __future__ import annotations

import ctypes.util
import functools
import importlib.util
import pathlib
import shutil
import tempfile
import threading
import time
import types
from collections.abc import Callable
from typing import Any

from sim import World
from tests.contracts.jack import JackServer

RATE, PERIOD, CHANNELS = 48_000, 256, 2
LIMIT_S = 10  # of any wait, which only a failure reaches
A_WHILE_S = 0.03  # several host periods
MISSING = "needs the real PortAudio and a JACK server: apt-get install --no-install-recommends libportaudio2 jackd2"


class Card:
    """A sound card: `sd` is the module to use, `input` and `output` are its devices."""

    rate, period, channels = RATE, PERIOD, CHANNELS
    attempts: int

    def __init__(self, sd: types.ModuleType, input: int | str, output: int | str) -> None:
        self.sd, self.input, self.output = sd, input, output
        self._streams: list[Any] = []
        sd.default.device = input, output
        sd.default.samplerate = RATE

    def open(self, kind: str = "InputStream", callback: Callable[..., None] | None = None, **settings: Any) -> Any:
        """A stream of the class `kind`, closed with the card: of one channel, but of two where the program reads and writes,
        which is all that the real library can do on JACK."""
        settings = {"channels": CHANNELS if callback is None else 1, "blocksize": PERIOD, "dtype": "float32", **settings}
        stream = getattr(self.sd, kind)(callback=callback, **settings)
        self._streams.append(stream)
        return stream

    def wait(self, event: threading.Event) -> None:
        """Until it is set, which it must be."""
        assert event.wait(LIMIT_S)

    def go_on(self) -> None:
        """Let several host periods pass."""
        time.sleep(A_WHILE_S)

    def join(self) -> None:
        """Lead the speaker to the microphone, for the streams that run now."""
        raise NotImplementedError

    def expect(self, expected: Any, measure: Callable[[], Any]) -> None:
        """That `measure()` finds it. Where the machine is late on real time it can find anything, and is called again."""
        found = measure()
        for _ in range(self.attempts - 1):
            if found == expected:
                break
            found = measure()
        assert found == expected, f"{found} == {expected}"

    def close(self) -> None:
        """Close what is open."""
        self.sd.stop()
        for stream in self._streams:
            stream.close()
        self.sd.default.reset()


class SimCard(Card):
    """A simulated card, in its world."""

    attempts = 1

    def __init__(self, world: World) -> None:
        import sounddevice  # after sim, in case this machine has no PortAudio

        self._world = world
        self._microphone = world.microphone("Microphone", source=None, channels=CHANNELS)
        self._speaker = world.speaker("Speaker", channels=CHANNELS)
        self._joined = False
        super().__init__(sounddevice, "Microphone", "Speaker")

    def join(self) -> None:
        if not self._joined:
            self._joined = True
            self._world.room(self._speaker, self._microphone)


class RealCard(Card):
    """The real library."""

    attempts = 20

    def __init__(self, sd: types.ModuleType, server: JackServer) -> None:
        self._server = server
        host = next(api for api in sd.query_hostapis() if api["name"].startswith("JACK"))
        super().__init__(sd, host["default_input_device"], host["default_output_device"])

    def join(self) -> None:
        self._server.join()

    def close(self) -> None:
        super().close()
        self.sd._last_callback = None


def is_installed() -> bool:
    """Whether the packages of the real card are here."""
    return bool(ctypes.util.find_library("portaudio") and shutil.which("jackd"))


@functools.cache
def real_sounddevice() -> types.ModuleType:
    """A second copy of sounddevice on a second copy of the installed library, which is not initialised. A library is initialised
    once for all that use it, and the first copy may have been when there was no server."""
    found = importlib.util.find_spec("sounddevice")
    assert found is not None and found.origin is not None
    spec = importlib.util.spec_from_file_location("sounddevice_on_portaudio", found.origin)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module._terminate()
    with tempfile.NamedTemporaryFile(suffix=".so") as copy:
        copy.write(library().read_bytes())
        copy.flush()
        vars(module)["_lib"] = module._ffi.dlopen(copy.name)
    return module


def library() -> pathlib.Path:
    """The file of the PortAudio that this process has loaded."""
    maps = pathlib.Path("/proc/self/maps").read_text()
    return pathlib.Path(next(line.split()[-1] for line in maps.splitlines() if "/libportaudio" in line))
