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

SHARED = pathlib.Path("/dev/shm")
SEMAPHORE_KEY = "0x282929"  # JACK_SEMAPHORE_KEY in JACK's shm.c
START_LIMIT_S = 10
OUTPUT, INPUT = "PortAudio:out_", "PortAudio:in_"


class JackServer:
    """A running server with two channels in and two out. While it lives, clients of this process find it by default."""

    def __init__(self, rate: int, period: int) -> None:
        self.name = f"contracts{os.getpid()}"
        self._environment = {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
        os.environ.update(self._environment)
        self._all = os.open(SHARED, os.O_RDONLY)
        fcntl.flock(self._all, fcntl.LOCK_SH)
        server = ["setpriv", "--pdeathsig", "TERM", "jackd", "--no-realtime", "--name", self.name, "--port-max", "64", "--timeout", "5000"]
        driver = ["-d", "dummy", "--rate", str(rate), "--period", str(period), "--capture", "2", "--playback", "2"]
        self._process = subprocess.Popen([*server, *driver], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def _wait(self) -> None:
        until_s = time.monotonic() + START_LIMIT_S
        while self._run("jack_wait", "--check") != "running":
            if self._process.poll() is not None or time.monotonic() > until_s:
                raise RuntimeError(f"jackd {self.name}: needed a server within {START_LIMIT_S} s, was none; run jackd by hand and look")

    def _run(self, *command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    def join(self) -> None:
        """Lead the outputs of PortAudio's streams to the inputs, each to the one of the same number. They must run."""
        ports = self._run("jack_lsp").split()
        outputs, inputs = (sorted((port for port in ports if port.startswith(of)), key=number) for of in (OUTPUT, INPUT))
        for pair in zip(outputs, inputs, strict=True):
            subprocess.run(["jack_connect", *pair], check=True, capture_output=True)

    def close(self) -> None:
        """End the server; if it was the last, remove the registry and the semaphore of all servers."""
        self._process.terminate()
        self._process.wait()
        for name in self._environment:
            del os.environ[name]
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._all, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._remove_shared()
        os.close(self._all)

    def left(self) -> list[str]:
        """What bears the name of this server in shared memory: nothing, once it is closed."""
        return [entry.name for entry in SHARED.glob(f"jack*{self.name}*")]

    def _remove_shared(self) -> None:
        registry = SHARED / "jack-shm-registry"
        others = [entry for entry in SHARED.glob("jack*") if entry.is_socket()]  # of servers that nobody here started
        if not others and registry.exists() and registry.stat().st_uid == os.getuid():
            registry.unlink()
            shutil.rmtree(SHARED / f"jack_db-{os.getuid()}", ignore_errors=True)
            subprocess.run(["ipcrm", "--semaphore-key", SEMAPHORE_KEY], check=False, capture_output=True)


def number(port: str) -> int:
    """The number at the end of a port's name; PortAudio counts on from stream to stream."""
    return int(port.rpartition("_")[2])
