"""The server under the real PortAudio leaves nothing behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

from tests.contracts.cards import MISSING, PERIOD, RATE, is_installed
from tests.contracts.jack import of_server

PROGRAM = f"""
import sys
from tests.contracts.jack import JackServer
server = JackServer({RATE}, {PERIOD})
print(server.name, server.guard.pid, flush=True)
sys.stdin.read()
"""
LIMIT_S = 20

pytestmark = pytest.mark.skipif(not is_installed(), reason=MISSING)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_the_process_that_wanted_it(number):
    """Whatever ends that: no process is left, and nothing in shared memory."""
    command = [sys.executable, "-c", PROGRAM]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        name, guard = process.stdout.readline().split()
        guard_ended = os.pidfd_open(int(guard))
        assert of_server(name)
        process.send_signal(number)
    try:
        assert select.select([guard_ended], [], [], LIMIT_S)[0]
    finally:
        os.close(guard_ended)
    assert [] == of_server(name)
