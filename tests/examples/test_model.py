"""The gains of the cart-pole, against independent solvers and the non-linear plant."""

from __future__ import annotations

import cartpole_model as model
import numpy as np
from scipy import linalg

ONE, FOUR = np.eye(1), np.eye(4)


def test_linear_is_the_published_matrix():
    """A and B of the frictionless cart-pole with a uniform pole of 1 m and 0.1 kg on a cart of 1 kg."""
    a, b = model.linear()
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[2, 3] = 1
    expected[1, 2], expected[3, 2] = -0.717073, 15.775610
    np.testing.assert_allclose(a, expected, atol=1e-6)
    np.testing.assert_allclose(b, [[0], [0.975610], [0], [-1.463415]], atol=1e-6)


def test_linear_is_the_slope_of_the_plant():
    """One short step of the non-linear plant moves as A x + B force says, for every unit state and force."""
    from sim.plants import CartPole

    a, b = model.linear()
    small, step_ns = 1e-4, 10_000
    for i in range(5):
        start = np.zeros(5)
        start[i] = small
        plant = CartPole(x=start[0], v=start[1], theta=start[2], omega=start[3])
        plant.force = start[4]
        plant.advance(step_ns)
        slope = (np.array(plant.state) - start[:4]) / (step_ns * 1e-9) / small
        np.testing.assert_allclose(slope, np.hstack([a, b])[:, i], atol=1e-3)


def test_linear_is_unstable():
    """The upright pole falls: one pole of A lies at the square root of its stiffness (the often-copied matrix has none)."""
    a, _ = model.linear()
    np.testing.assert_allclose(max(np.linalg.eigvals(a).real), np.sqrt(15.775610), rtol=1e-6)


def test_discrete_is_the_matrix_exponential():
    """F and G are the blocks of the matrix exponential, for periods from 1 ms to 0.1 s."""
    a, b = model.linear()
    for period_s in (0.001, 0.01, 0.1):
        exact = linalg.expm(np.block([[a, b], [np.zeros((1, 5))]]) * period_s)
        f, g = model.discrete(a, b, period_s)
        np.testing.assert_allclose(f, exact[:4, :4], atol=1e-14)
        np.testing.assert_allclose(g, exact[:4, 4:], atol=1e-14)


def test_riccati_is_scipys():
    """The doubling iteration ends where the discrete Riccati solver of SciPy does."""
    expected = linalg.solve_discrete_are(model.F, model.G, FOUR, ONE)
    np.testing.assert_allclose(model.riccati(model.F, model.G, FOUR, ONE), expected, rtol=1e-9)


def test_controller_gain_tends_to_the_continuous_one():
    """For short periods K is that of the continuous problem with Q = I and R = 1."""
    a, b = model.linear()
    period_s = 1e-4
    f, g = model.discrete(a, b, period_s)
    k = model.controller_gain(f, g, FOUR * period_s, ONE * period_s)
    exact = (b.T @ linalg.solve_continuous_are(a, b, FOUR, ONE))[0]
    np.testing.assert_allclose(k, exact, rtol=2e-3)
    np.testing.assert_allclose(exact, [-1.0, -2.303, -31.868, -8.175], atol=1e-3)


def test_controller_stabilises():
    """Every pole of F - G K lies inside the unit circle, the slowest at about exp(-0.81 period)."""
    slowest = max(abs(np.linalg.eigvals(model.F - model.G * model.K)))
    np.testing.assert_allclose(slowest, np.exp(-0.8 * model.PERIOD_S), atol=1e-3)


def test_observer_gain_is_the_kalman_gain():
    """L is where the covariance recursion of a Kalman filter settles."""
    q, r = model.UNKNOWN_FORCE**2 * model.G @ model.G.T + 1e-10 * FOUR, np.diag(model.NOISE**2)
    p = r
    for _ in range(3000):
        ahead = model.F @ p @ model.F.T + q
        gain = ahead @ np.linalg.inv(ahead + r)
        p = (FOUR - gain) @ ahead
    np.testing.assert_allclose(model.L, gain, atol=1e-9)


def test_observer_error_dies_out():
    """Every pole of the estimate's error lies inside the unit circle."""
    assert max(abs(np.linalg.eigvals((FOUR - model.L) @ model.F))) < 0.99
