"""The server under the real PortAudio leaves nothing behind."""

from __future__ import annotations

import os
import pathlib
import select
import signal
import subprocess
import sys

import pytest

from tests.contracts.cards import MISSING, PERIOD, RATE, is_installed
from tests.contracts.jack import of_server

PROGRAM = f"""
import resource
import sys
from tests.contracts.jack import JackServer
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
server = JackServer({RATE}, {PERIOD})
print(server.name, server.guard.pid, flush=True)
sys.stdin.read()
"""
LIMIT_S = 20

pytestmark = pytest.mark.skipif(not is_installed(), reason=MISSING)


@pytest.fixture
def program():
    """A process that has a server, and the name of the server and the process that guards it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        name, guard = process.stdout.readline().split()
        yield process, name, int(guard)


def wait(process):
    """Until it has ended, which it must."""
    assert select.select([process], [], [], LIMIT_S)[0]
    os.close(process)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_the_process_that_wanted_it(program, number):
    """Whatever ends that: no process is left, and nothing in shared memory."""
    process, name, guard = program
    guard_ended = os.pidfd_open(guard)
    assert of_server(name)
    process.send_signal(number)
    wait(guard_ended)
    assert [] == of_server(name)


def test_a_process_does_not_wait_for_a_server_that_died(program):
    """It is ended, and nothing is left in shared memory."""
    process, name, guard = program
    server = int(pathlib.Path(f"/proc/{guard}/task/{guard}/children").read_text())
    os.kill(server, signal.SIGKILL)
    assert -signal.SIGABRT == process.wait(LIMIT_S)
    assert [] == of_server(name)
