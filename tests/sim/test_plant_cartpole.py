"""The cart-pole against three independent truths: a general solver, gymnasium, and the conservation of energy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sim.plants import CartPole

SECOND_NS = 1_000_000_000


def reference(_, y, force):
    """The equations once more, in the form of a 2x2 mass matrix, which is not how the plant computes them."""
    _, v, theta, omega = y
    m, length, total, g = 0.1, 0.5, 1.1, 9.8
    c, s = math.cos(theta), math.sin(theta)
    mass = np.array([[total, m * length * c], [m * length * c, 4 / 3 * m * length**2]])
    a, alpha = np.linalg.solve(mass, [force + m * length * omega**2 * s, m * g * length * s])
    return [v, a, omega, alpha]


def test_ten_seconds_agree_with_a_general_solver():
    """RK4 with 1 ms steps stays within 1e-8 of DOP853 at 1e-12, through four full swings and a changing force."""
    plant = CartPole(theta=0.2)
    y = np.array(plant.state)
    for second, force in enumerate([0.0, 1.5, -3.0, 0.0, 2.0] * 2):
        plant.force = force
        plant.advance((second + 1) * SECOND_NS)
        y = solve_ivp(reference, (0, 1), y, "DOP853", args=(force,), rtol=1e-12, atol=1e-12).y[:, -1]
    assert np.abs(y - plant.state).max() < 1e-8


def test_an_euler_step_is_that_of_gymnasium():
    """`gym_compat` follows CartPole-v1 to 1e-12 until the episode ends."""
    gymnasium = pytest.importorskip("gymnasium")
    environment = gymnasium.make("CartPole-v1").unwrapped
    environment.reset(seed=1)
    plant = CartPole(*environment.state)
    ended, steps = False, 0
    while not ended and steps < 400:
        action = int(plant.state[2] + 0.5 * plant.state[3] > 0)
        plant.force = 10.0 if action else -10.0
        _, _, ended, _, _ = environment.step(action)
        assert plant.gym_compat() == pytest.approx(tuple(environment.state), abs=1e-12)
        steps += 1
    assert steps > 50


def test_energy_is_conserved_without_a_force():
    """Ten free seconds change the energy by less than 1e-11 J."""
    plant = CartPole(theta=0.5, v=0.3)
    before = plant.energy_j
    plant.advance(10 * SECOND_NS)
    assert abs(plant.energy_j - before) < 1e-11


def test_linearised_is_the_derivative_at_upright():
    """A and B are the central differences of the equations, and the numbers known for these constants."""
    plant = CartPole()
    a, b = plant.linearised()
    step = 1e-6
    columns = []
    for axis in range(4):
        point = [0.0] * 4
        point[axis] = step
        up = np.array(plant.derivative(tuple(point)))
        point[axis] = -step
        columns.append((up - plant.derivative(tuple(point))) / (2 * step))
    assert np.allclose(a, np.array(columns).T, atol=1e-8)
    plant.force = 1.0
    assert np.allclose(b[:, 0], plant.derivative((0.0, 0.0, 0.0, 0.0)), atol=1e-12)
    assert a[1, 2] == pytest.approx(-0.717073, abs=1e-6)
    assert a[3, 2] == pytest.approx(15.775610, abs=1e-6)
    assert b[3, 0] == pytest.approx(-1.463415, abs=1e-6)


def test_advance_reaches_the_time_asked_for_exactly():
    """Whole and odd spans end at `to_ns`, and splitting a span at whole milliseconds changes nothing."""
    whole, split = CartPole(theta=0.1), CartPole(theta=0.1)
    whole.advance(10_000_000)
    for millisecond in range(1, 11):
        split.advance(millisecond * 1_000_000)
    assert whole.state == split.state
    whole.advance(10_000_001)
    assert whole.time_ns == 10_000_001


def test_a_plant_does_not_run_backwards():
    """A time in the past is an error that names both times."""
    plant = CartPole()
    plant.advance(5)
    with pytest.raises(ValueError, match="not before 5 ns, was 4 ns"):
        plant.advance(4)
