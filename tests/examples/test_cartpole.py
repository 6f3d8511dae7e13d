"""The main job: the pole stands, the same way every time, and the cart is left without force."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cartpole
import numpy as np
import pytest
import serial
from cartpole_frames import Frames
from cartpole_picture import draw
from cartpole_plant import Plant, started

from dfcore import record
from sim import World

EXAMPLES = Path(cartpole.__file__).parent


def program(*words: str, hash_seed: str = "random", timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """The finished program, run as a user runs it."""
    return subprocess.run(
        [sys.executable, EXAMPLES / "cartpole.py", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(EXAMPLES.parent)},
    )


def digest(output: str) -> str:
    """The digest that a run printed."""
    return re.search(r"^digest: (\S+)$", output, re.MULTILINE)[1]


def virtual_run(theta: float = 0.2, seed: int = 0, duration_s: float = 10.0) -> tuple[cartpole.CartPole, bytes]:
    """The graph after a run in a world, and all bytes that the cart was sent."""
    with World(seed=seed) as world:
        line = world.serial(cartpole.SIMULATED, Plant(theta))
        graph = cartpole.CartPole(cartpole.SIMULATED)
        graph.run(duration_s, seed=seed)
        return graph, line.sent


def forces(data: bytes) -> list[float]:
    """The forces in a stream of frames."""
    frames, found = Frames("<f"), []
    frames.feed(data)
    while (values := frames.take()) is not None:
        found.append(values[0])
    return found


def test_the_pole_stands():
    """From 0.2 rad the pole is upright within 5 s and stays so, and the cart stays near."""
    graph, _ = virtual_run()
    assert graph.report.ended == "duration"
    records, times_s = graph.estimates.records, graph.estimates.times_ns / 1e9
    assert abs(records["theta"][0]) > 0.19
    assert abs(records["theta"][times_s > 5]).max() < 0.05
    assert abs(records["x"]).max() < 1.0
    assert abs(np.array(graph.forces.records)).max() <= 20.0


@pytest.mark.parametrize(("theta", "seed"), [(-0.2, 1), (0.5, 2), (0.0, 3)])
def test_the_pole_stands_from_other_angles(theta, seed):
    """The same holds for other first angles and other noise."""
    graph, _ = virtual_run(theta, seed)
    late = graph.estimates.times_ns > 5e9
    assert abs(graph.estimates.records["theta"][late]).max() < 0.05


def test_every_reading_is_used():
    """Frames come at 100 Hz and each one makes one force: nothing is lost, nothing is late in virtual time."""
    graph, _ = virtual_run(duration_s=2.0)
    report = graph.report
    assert graph.sensor.result == 0  # bytes rejected
    assert 199 <= len(graph.log) <= 201
    assert report.nodes["controller"].firings == report.nodes["observer"].firings == len(graph.log)
    assert report.edges["controller -> motor"].overwritten == 0
    assert sum(node.deadline_misses for node in report.nodes.values()) == 0
    assert np.ptp(np.diff(graph.log.times_ns)) < 1_000_000


def test_observer_is_quieter_than_the_sensor():
    """The estimate of the angle moves less from one period to the next than the reading does."""
    graph, _ = virtual_run()
    late = slice(500, None)
    measured, estimated = graph.log.records["theta"][late], graph.estimates.records["theta"][late]
    assert np.diff(estimated).std() < np.diff(measured).std() / 5


def test_the_last_force_is_zero():
    """However the run ends, the motor is left without force."""
    graph, sent = virtual_run(duration_s=0.5)
    assert abs(forces(sent)[0]) > 1.0
    assert forces(sent)[-1] == 0.0
    assert forces(sent)[: len(graph.forces)] == np.float32(graph.forces.records).tolist()


def test_a_fallen_pole_ends_the_run_safely():
    """Beyond what the motor can hold the sensor ends its stream, and force 0 is the last one."""
    graph, sent = virtual_run(theta=1.3)
    assert graph.report.ended == "finished"
    assert "the pole fell" in cartpole.verdict(graph, graph.report)
    assert forces(sent)[-1] == 0.0


def test_a_stale_force_is_no_force():
    """A cart that falls silent is sent force 0 after 50 ms, not the last force for ever."""

    class Silent(Plant):
        def measure(self) -> None:
            if self.now_ns < 300_000_000:
                super().measure()
            elif self.now_ns > 400_000_000:
                silent_forces.append(self.plant.force)

    silent_forces: list[float] = []
    with World(seed=0) as world:
        world.serial(cartpole.SIMULATED, Silent(0.2))
        graph = cartpole.CartPole(cartpole.SIMULATED)
        graph.run(1.0)
    assert set(silent_forces) == {0.0}


def test_garbage_on_the_line_does_not_fell_the_pole():
    """Bytes between the frames are rejected and counted, and the pole stands."""

    class Noisy(Plant):
        def measure(self) -> None:
            self.send(bytes([0xAA, 1, 2, 0xAA]))
            super().measure()

    with World(seed=0) as world:
        world.serial(cartpole.SIMULATED, Noisy(0.2))
        graph = cartpole.CartPole(cartpole.SIMULATED)
        graph.run(6.0)
    assert graph.sensor.result > 1000
    assert abs(graph.estimates.records["theta"][-100:]).max() < 0.05


def test_observer_believes_a_jump_when_it_is_said_three_times():
    """A reading far off is passed over; the third in a row is the new state."""
    observer = cartpole.Observer()
    observer.open()
    here, there = record(cartpole.STATE, theta=0.01), record(cartpole.STATE, x=5.0)
    for _ in range(5):
        observer.compute(here, 0.0)
    assert [observer.compute(there, 0.0)[0] > 1 for _ in range(3)] == [False, False, True]
    observer.compute(here, 0.0)
    assert observer.state[0] > 4.9


def test_controller_is_plain_arithmetic():
    """Outside a run `compute` is an ordinary call: force = -K x, and never more than the motor can do."""
    controller = cartpole.Controller()
    state = record(cartpole.STATE, x=0.1, theta=0.05)
    assert controller.compute(state) == pytest.approx(-(cartpole.K[0] * 0.1 + cartpole.K[2] * 0.05))
    assert controller.compute(state, gain=np.full(4, 1e6)) == -20.0


@pytest.mark.parametrize(("terminal", "lines"), [(False, 2), (True, 20)])
def test_progress_is_sparse_where_nobody_watches(terminal, lines, monkeypatch, capsys):
    """Ten lines a second, one over the other, on a terminal; else one a second."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    virtual_run(duration_s=2.05)
    output = capsys.readouterr().out
    assert output.count("angle") == lines
    assert output.count("\r") == (lines if terminal else 0)


def test_runs_are_bit_identical():
    """The same seed gives the same digest and the same records; another seed gives others."""
    (first, _), (second, _), (other, _) = (
        virtual_run(duration_s=2.0),
        virtual_run(duration_s=2.0),
        virtual_run(seed=1, duration_s=2.0),
    )
    assert first.report.digest == second.report.digest
    assert first.log.records.tobytes() == second.log.records.tobytes()
    assert first.report.digest != other.report.digest


def test_the_program_is_bit_identical_under_any_hash_seed(tmp_path):
    """`--virtual` prints the same digest in two processes with different string hashes."""
    runs = [program("--virtual", "--duration", "2", "--no-png", hash_seed=seed) for seed in ("1", "2")]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    assert digest(runs[0].stdout) == digest(runs[1].stdout)


def test_the_program_draws(tmp_path):
    """The picture is a PNG of some size, and its path is printed."""
    picture = tmp_path / "pole.png"
    run = program("--virtual", "--duration", "1", "--png", str(picture))
    assert run.returncode == 0, run.stderr
    assert f"picture: {picture}" in run.stdout
    data = picture.read_bytes()
    assert (data[:8], len(data) > 10_000) == (b"\x89PNG\r\n\x1a\n", True)


def test_no_matplotlib_is_one_sentence(monkeypatch):
    """Without matplotlib the run goes through, and a sentence says why there is no picture."""
    graph, _ = virtual_run(duration_s=0.2)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    sentence = draw(graph, Path("pole.png"))
    assert sentence == "picture: none, it needs matplotlib; install it with `python -m pip install matplotlib`."


def test_a_picture_that_cannot_be_written_is_one_sentence(tmp_path):
    """A path that is a folder: a sentence with the reason, no traceback."""
    graph, _ = virtual_run(duration_s=0.2)
    assert draw(graph, tmp_path) == f"picture: none, {tmp_path} could not be written: Is a directory."


def test_a_silent_port_is_one_sentence():
    """A port on which nothing comes: exit code 1 and a sentence that says what to check."""
    master, slave = os.openpty()
    run = program("--port", os.ttyname(slave), "--duration", "0.2", "--no-png")
    assert run.returncode == 1
    assert re.fullmatch(
        r"cartpole: no frame came from /dev/pts/\d+ in 0\.2\d* s; check the cable and 115200 baud\.\n", run.stderr
    )
    os.close(master)
    os.close(slave)


def test_the_program_says_that_the_pole_fell():
    """A pole that cannot be held is exit code 1 and one sentence."""
    run = program("--virtual", "--theta", "1.3", "--no-png")
    assert run.returncode == 1
    assert re.fullmatch(r"cartpole: the pole fell, \d\.\d\d s after the start\.\n", run.stderr)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--port", "/dev/no-such-port"], "argument --port: needed a serial port, was '/dev/no-such-port', which does not exist"),
        (["--port", "/dev/null", "--virtual"], "argument --virtual: not allowed with argument --port"),
        (["--duration", "-1"], "argument --duration: needed a number from 0.1 to 86400, was '-1'"),
        (["--duration", "nan"], "argument --duration: needed a number from 0.1 to 86400, was 'nan'"),
        (["--theta", "upright"], "argument --theta: needed a number from -1.5 to 1.5, was 'upright'"),
        (["--seed", "-3"], "argument --seed: needed a number from 0, was -3"),
        (["--png", "/no/such/folder/pole.png"], "argument --png: needed a path in a folder that exists"),
    ],
)
def test_bad_input_is_one_sentence(words, sentence, capsys):
    """Each mistake on the command line is exit code 2 and one line that names it."""
    with pytest.raises(SystemExit) as raised:
        cartpole.main(words)
    error = capsys.readouterr().err
    assert raised.value.code == 2
    assert error.startswith("cartpole: ")
    assert sentence in error
    assert error.count("\n") == 1


def test_a_port_that_is_no_serial_port_is_one_sentence():
    """A file that cannot be a port: exit code 1, no traceback, and the port is named."""
    run = program("--port", "/dev/null", "--duration", "1", "--no-png")
    assert run.returncode == 1
    assert "/dev/null" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_program_in_real_time():
    """The default: real processes, a simulated cart behind a pseudo-terminal, progress, latency, exit code 0."""
    run = program("--duration", "1.5", "--no-png")
    assert run.returncode == 0, run.stderr
    assert "angle" in run.stdout
    assert re.search(r"sensor to force: p50 \d+\.\d+ ms, p99 \d+\.\d+ ms", run.stdout)
    assert "deadline misses:" in run.stdout


@contextmanager
def running_program() -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """The program in real time, once the pole is being balanced, and pidfds of its processes: contexts and simulated cart."""
    command = [sys.executable, EXAMPLES / "cartpole.py", "--duration", "60", "--no-png"]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True) as process:
        fds: list[int] = []
        try:
            assert "angle" in process.stdout.readline()
            tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
            fds += [os.pidfd_open(int(pid)) for task in tasks for pid in task.read_text().split()]
            assert len(fds) == 3
            yield process, fds
        finally:
            process.kill()
            for fd in fds:
                os.close(fd)


def all_end(fds: list[int], within_s: float) -> bool:
    """Whether the processes behind `fds` end in time."""
    return all(select.select([fd], [], [], within_s)[0] for fd in fds)


def test_ctrl_c_drains_and_reports():
    """Ctrl-C, which a terminal sends to the whole group: a report, exit code 130, no process left."""
    with running_program() as (process, fds):
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (130, "")
        assert "sensor to force" in output
        assert all_end(fds, 0)


def test_a_crash_leaves_no_process():
    """Killed, the program cannot tidy up: its contexts and the simulated cart end by themselves."""
    with running_program() as (process, fds):
        process.kill()
        assert all_end(fds, 10)


def test_a_crash_leaves_no_force():
    """When the program is killed in mid-run, its io process still sends force 0, and nothing after it."""
    master, slave = os.openpty()
    tty.setraw(slave)
    reading, forces_seen, frames = Frames("<4f").pack(0.0, 0.0, 0.1, 0.0), [], Frames("<f")
    command = [sys.executable, EXAMPLES / "cartpole.py", "--port", os.ttyname(slave), "--duration", "60", "--no-png"]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        while len(forces_seen) < 20 and process.poll() is None:
            os.write(master, reading)
            forces_seen += forces_until(master, frames, 0.01)
        process.kill()
    while forces_seen[-1] != 0.0 and (more := forces_until(master, frames, 10)):
        forces_seen += more
    os.close(slave)
    os.close(master)
    assert abs(forces_seen[0]) > 1.0
    assert forces_seen[-1] == 0.0


def forces_until(file: int, frames: Frames, timeout_s: float) -> list[float]:
    """The forces that come from `file`, waiting for the first bytes at most so long."""
    found = []
    if select.select([file], [], [], timeout_s)[0]:
        frames.feed(os.read(file, 4096))
        while (values := frames.take()) is not None:
            found.append(values[0])
    return found


def test_a_dead_cart_is_one_sentence():
    """When the simulated cart dies in mid-run the program says so and ends."""
    with running_program() as (process, fds):
        cart = next(fd for fd in fds if "cartpole_plant" in command_of(fd))
        signal.pidfd_send_signal(cart, signal.SIGKILL)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 1
        assert errors.startswith("cartpole at the simulated port: sensor: compute raised SerialException")
        assert "Traceback" not in errors
        assert all_end(fds, 0)


def command_of(pidfd: int) -> str:
    """The command line of the process behind `pidfd`."""
    fields = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    return Path("/proc", re.search(r"^Pid:\s+(\d+)$", fields, re.MULTILINE)[1], "cmdline").read_text()


def test_the_simulated_cart_ends_with_its_user():
    """The process that serves the pseudo-terminal is gone when the block is left."""
    with started(0.2, 0) as port:
        assert Path(port).is_char_device()
    with pytest.raises(serial.SerialException):
        serial.Serial(port)
