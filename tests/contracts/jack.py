"""A sound card that needs no hardware: the dummy driver of a JACK server, paced by the machine's clock, for the real PortAudio.

Each server has a name of its own, so several can run at a time. The last to go removes what JACK keeps for all of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

SHARED = pathlib.Path("/dev/shm")
SEMAPHORE_KEY = "0x282929"  # JACK_SEMAPHORE_KEY in JACK's shm.c
NAME = "contracts"
LIMIT_S = 10
T = TypeVar("T")
OUTPUT, INPUT = "PortAudio:out_", "PortAudio:in_"


class JackServer:
    """A running server with two channels in and two out. While it lives, clients of this process find it by default. It has
    real-time scheduling where that is allowed, which keeps a busy machine from disturbing it."""

    def __init__(self, rate: int, period: int) -> None:
        self.name = f"{NAME}{os.getpid()}"
        self._environment = {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
        os.environ.update(self._environment)
        self._all = os.open(SHARED, os.O_RDONLY)
        fcntl.flock(self._all, fcntl.LOCK_SH)
        server = ["setpriv", "--pdeathsig", "TERM", "jackd", "--name", self.name, "--realtime", "--no-mlock"]
        server += ["--port-max", "64", "--timeout", "5000"]
        driver = ["-d", "dummy", "--rate", str(rate), "--period", str(period), "--capture", "2", "--playback", "2"]
        self._process = subprocess.Popen([*server, *driver], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._until(lambda: self._run("jack_wait", "--check") == "running", "a server that runs")
        except BaseException:
            self.close()
            raise

    def _until(self, done: Callable[[], T], what: str) -> T:
        """What `done()` returns once it is something: on a busy machine the server may not have time for a client."""
        until_s = time.monotonic() + LIMIT_S
        while not (found := done()):
            if self._process.poll() is not None or time.monotonic() > until_s:
                raise RuntimeError(f"jackd {self.name}: needed {what} within {LIMIT_S} s, was not; run jackd by hand and look")
        return found

    def _run(self, *command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    def join(self) -> None:
        """Lead the outputs of PortAudio's streams to the inputs, each to the one of the same number. They must run."""
        ports = self._until(lambda: self._run("jack_lsp").split(), "its ports")
        outputs, inputs = (sorted((port for port in ports if port.startswith(of)), key=number) for of in (OUTPUT, INPUT))
        for output, input in zip(outputs, inputs, strict=True):
            self._until(lambda pair=(output, input): self._connect(*pair), f"{output} joined to {input}")

    def _connect(self, output: str, input: str) -> bool:
        return subprocess.run(["jack_connect", output, input], check=False, capture_output=True).returncode == 0

    def close(self) -> None:
        """End the server; if it was the last, remove the registry and the semaphore of all servers."""
        self._process.terminate()
        self._process.wait()
        for left in SHARED.glob(f"jack*_{self.name}_*"):  # a server that was busy forgets some
            left.unlink()
        for name in self._environment:
            del os.environ[name]
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._all, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._remove_shared()
        os.close(self._all)

    def _remove_shared(self) -> None:
        for left in SHARED.glob(f"jack*_{NAME}*"):  # of servers of ours that were killed
            left.unlink()
        registry = SHARED / "jack-shm-registry"
        others = [entry for entry in SHARED.glob("jack*") if entry.is_socket()]  # of servers that nobody here started
        if not others and registry.exists() and registry.stat().st_uid == os.getuid():
            registry.unlink()
            shutil.rmtree(SHARED / f"jack_db-{os.getuid()}", ignore_errors=True)
            subprocess.run(["ipcrm", "--semaphore-key", SEMAPHORE_KEY], check=False, capture_output=True)


def number(port: str) -> int:
    """The number at the end of a port's name; PortAudio counts on from stream to stream."""
    return int(port.rpartition("_")[2])
