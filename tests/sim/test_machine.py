"""The state machine for drivers: it holds for the simulated port, with every profile and with faults, and finds planted bugs."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import sim.tty
from sim import Delay, Drop, Duplicate, Flip, Insert, Jitter, Noise, uart16550
from sim.lane import Lane
from sim.line import Line
from sim.machine import SerialMachine
from sim.tty import Tty

BOTH = [
    Drop(byte=3), Flip(byte=7, mask=5), Insert(byte=0, data=b"?!"), Duplicate(frame=1), Delay(byte=5, delay_s=0.003), Jitter([0, 700]),
    Drop(byte=2, towards="device"), Insert(frame=1, towards="device"), Duplicate(byte=9, towards="device"),
]  # fmt: skip
SETTINGS = settings(max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), database=None)
HUNT = settings(SETTINGS, max_examples=2000, derandomize=True, phases=[Phase.generate])


def machine(**attributes):
    return type("Machine", (SerialMachine,), attributes)


@pytest.mark.parametrize("profile", ["ideal", "ftdi", "cdc_acm", "uart16550"])
@pytest.mark.parametrize("faults", [[], BOTH], ids=["no faults", "faults"])
def test_the_simulated_port_keeps_the_laws(profile, faults):
    """Whatever a program and a device do."""
    run_state_machine_as_test(machine(profile=profile, faults=faults), settings=SETTINGS)


def drop_on_read(monkeypatch):
    real = Tty.read
    monkeypatch.setattr(Tty, "read", lambda self, size: real(self, size)[:-1] if size > 300 else real(self, size))


def no_limit(monkeypatch):
    monkeypatch.setattr(sim.tty, "RX_BYTES", 4096)


def too_early(monkeypatch):
    real = Lane.set_rate
    monkeypatch.setattr(Lane, "set_rate", lambda self, bits, baud: real(self, bits - 1, baud))


def stale_after_replug(monkeypatch):
    monkeypatch.setattr(Tty, "hang_up", lambda self: (setattr(self, "hung", True), self.changed()))
    monkeypatch.setattr(Line, "replug", lambda self, name=None: (setattr(self, "_plugged", True), setattr(self.tty, "hung", False),
                                                                 self._world.claim(self.name, self))[-1])  # fmt: skip


def rts_forgotten(monkeypatch):
    real = Line.tell_lines
    monkeypatch.setattr(Line, "tell_lines", lambda self: None if not self.tty.rts and self.tty.dtr else real(self))


def faults_forgotten(monkeypatch):
    real = Line._meet_faults
    monkeypatch.setattr(Line, "_meet_faults", lambda self, data, tty: self._hear(data, tty) if len(data) > 40 else real(self, data, tty))


def swapped(monkeypatch):
    monkeypatch.setattr(Tty, "transmit", lambda self, data: (self.lane_out.put(self.kernel.now, data[::-1]), self.line.expect()))


BUGS = [drop_on_read, no_limit, too_early, stale_after_replug, rts_forgotten, faults_forgotten, swapped]


@pytest.mark.parametrize("plant", BUGS)
def test_a_planted_bug_is_found(plant, monkeypatch):
    """Each is caught by an assertion of the machine."""
    plant(monkeypatch)
    with pytest.raises(AssertionError, match="what|a read|bytes wait|a byte was|does not see"):
        run_state_machine_as_test(machine(faults=BOTH if plant is faults_forgotten else []), settings=HUNT)


def test_a_driver_takes_the_place_of_the_port():
    """A subclass with a driver that reads in pieces passes; one that loses the end of a full piece is caught."""

    class InPieces(SerialMachine):
        kept = 50

        def take(self, size):
            data = b""
            while piece := self.port.read(min(50, size - len(data))):
                data += piece[: self.kept]
            return data

    run_state_machine_as_test(InPieces, settings=SETTINGS)
    with pytest.raises(AssertionError, match="what was read is not what was sent|a read gave less"):
        run_state_machine_as_test(type("Leaky", (InPieces,), {"kept": 49}), settings=HUNT)


def test_faults_that_are_rules_are_refused():
    """Noise has no place in a model that predicts each byte."""
    with pytest.raises(ValueError, match="SerialMachine: needed faults by byte or frame, was Noise"):
        machine(faults=[Noise(0)])()


def test_a_fifo_that_may_run_over_is_no_port_for_the_model():
    """A receiver that is read too late loses bytes: the machine says so."""
    with pytest.raises(AssertionError, match="what was read is not what was sent"):
        run_state_machine_as_test(machine(profile=uart16550(2000)), settings=HUNT)
