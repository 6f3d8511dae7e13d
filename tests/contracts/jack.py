"""A sound card that needs no hardware: the dummy driver of a JACK server, paced by the machine's clock, for the real PortAudio.

Each server has a name of its own, so several can run at a time. A guard, which is a process of its own, starts it, and ends it when
the process that wanted it closes it or is gone, whatever ended that. The last guard removes what JACK keeps for all servers. If
the server dies, the guard ends that process soon after: PortAudio waits for ever for a server that is gone, or fails an assertion.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

SHARED = pathlib.Path("/dev/shm")
DATABASE = SHARED / f"jack_db-{os.getuid()}"  # of all servers of this user
SEMAPHORE_KEY = "0x282929"  # JACK_SEMAPHORE_KEY in JACK's shm.c
NAME = "contracts"
LIMIT_S = 10
COMMAND_LIMIT_S = 5
END_LIMIT_S = 3  # of a process that is asked to end, before it is made to
T = TypeVar("T")
OUTPUT, INPUT = "PortAudio:out_", "PortAudio:in_"
NOT_AFTER_ITS_PARENT = ["setpriv", "--pdeathsig", "KILL"]


class JackServer:
    """A running server with two channels in and two out. While it lives, clients of this process find it by default. It has
    real-time scheduling where that is allowed, which keeps a busy machine from disturbing it."""

    def __init__(self, rate: int, period: int) -> None:
        self.name = f"{NAME}{os.getpid()}"
        self._environment = {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
        os.environ.update(self._environment)
        command = [sys.executable, "-I", __file__, self.name, str(rate), str(period)]
        self.guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)  # Ctrl-C is not meant for it
        try:
            self._until(lambda: self._run("jack_wait", "--check").stdout.strip() == "running", "a server that runs")
        except BaseException:
            self.close()
            raise

    def check(self) -> None:
        """Raise RuntimeError: the server has ended."""
        assert self.guard.stdout is not None
        if select.select([self.guard.stdout], [], [], 0)[0]:
            raise RuntimeError(f"jackd {self.name}: needed a server that runs, it has ended; run jackd by hand and look")

    def _until(self, done: Callable[[], T], what: str) -> T:
        """What `done()` returns once it is something: on a busy machine the server may not have time for a client."""
        until_s = time.monotonic() + LIMIT_S
        while not (found := done()):
            self.check()
            if time.monotonic() > until_s:
                raise RuntimeError(f"jackd {self.name}: needed {what} within {LIMIT_S} s, was not; run jackd by hand and look")
        return found

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What became of a command; one that gets no answer failed."""
        command = (*NOT_AFTER_ITS_PARENT, *command)
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_LIMIT_S)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 1, "", "")

    def join(self) -> None:
        """Lead the outputs of PortAudio's streams to the inputs, each to the one of the same number. They must run."""
        ports = self._until(lambda: self._run("jack_lsp").stdout.split(), "its ports")
        outputs, inputs = (sorted((port for port in ports if port.startswith(of)), key=number) for of in (OUTPUT, INPUT))
        for pair in zip(outputs, inputs, strict=True):
            self._until(functools.partial(self._connect, *pair), f"{pair[0]} joined to {pair[1]}")

    def _connect(self, output: str, input: str) -> bool:
        """Whether they are joined; an earlier attempt that got no answer may have done it, and then this one fails."""
        if self._run("jack_connect", output, input).returncode == 0:
            return True
        return input in self._run("jack_lsp", "--connections", output).stdout.split()

    def close(self) -> None:
        """End the server, and wait until nothing of it is left."""
        with self.guard:
            pass  # its standard input is closed, and it is waited for
        for name in self._environment:
            del os.environ[name]


def number(port: str) -> int:
    """The number at the end of a port's name; PortAudio counts on from stream to stream."""
    return int(port.rpartition("_")[2])


def of_server(name: str) -> list[pathlib.Path]:
    """What bears the name of a server in shared memory."""
    return list(SHARED.glob(f"jack*{name}_*"))


def guard(name: str, rate: str, period: str) -> None:
    """Run a server until the other end of the standard input is closed."""
    everybody = os.open(SHARED, os.O_RDONLY)
    fcntl.flock(everybody, fcntl.LOCK_SH)
    command = ["jackd", "--name", name, "--realtime", "--no-mlock", "--port-max", "64", "--timeout", "5000"]
    driver = ["-d", "dummy", "--rate", rate, "--period", period, "--capture", "2", "--playback", "2"]
    null = subprocess.DEVNULL
    server = subprocess.Popen([*NOT_AFTER_ITS_PARENT, *command, *driver], stdin=null, stdout=null, stderr=null)
    select.select([sys.stdin, os.pidfd_open(server.pid)], [], [])
    server.terminate()
    try:
        server.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    os.close(sys.stdout.fileno())  # so that it is known
    for entry in of_server(name):  # a server that was busy forgets some
        entry.unlink(missing_ok=True)
    remove_unused(everybody)
    if not select.select([sys.stdin], [], [], END_LIMIT_S)[0]:
        os.kill(os.getppid(), signal.SIGABRT)


def remove_unused(everybody: int) -> None:
    """Remove what JACK keeps for all servers, unless a server of ours uses it. `everybody`: a descriptor of the folder."""
    with contextlib.suppress(BlockingIOError):  # there are others
        fcntl.flock(everybody, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove_shared()


def _remove_shared() -> None:
    for entry in of_server(f"{NAME}*"):  # of servers of ours whose guard was killed too
        entry.unlink(missing_ok=True)
    others = [entry for entry in SHARED.glob("jack*") if entry.is_socket()]  # of servers that nobody here started
    if others:
        return
    for entry in (SHARED / "jack-shm-registry", *SHARED.glob(f"jack-{os.getuid()}-*")):
        if entry.exists() and entry.stat().st_uid == os.getuid():
            entry.unlink()
    shutil.rmtree(DATABASE, ignore_errors=True)
    subprocess.run(["ipcrm", "--semaphore-key", SEMAPHORE_KEY], check=False, capture_output=True, timeout=COMMAND_LIMIT_S)


if __name__ == "__main__":
    guard(*sys.argv[1:])
