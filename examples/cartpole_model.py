"""The cart-pole as control theory sees it: four linear equations, and the gains that follow from them.

The state is (x, v, theta, omega): position and speed of the cart in m and m/s, angle and speed of the pole in rad and rad/s,
theta = 0 upright, positive towards +x. Everything here is about small angles; the plant itself is not linear, and knows nothing
of this file. Both gains come from one Riccati equation, solved in NumPy: no control package is needed to run the example.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

GRAVITY = 9.8  # m/s^2
CART_KG = 1.0
POLE_KG = 0.1
HALF_POLE_M = 0.5  # to the centre of mass of a uniform pole
PERIOD_S = 0.01  # the plant sends its state at 100 Hz
FORCE_LIMIT = 20.0  # N: what the motor can do

#: Standard deviation of the sensor noise: m, m/s, rad, rad/s. The plant adds it, the observer is tuned to it.
NOISE = np.array([0.002, 0.02, 0.002, 0.02])

#: d' STRANGE d > 1 for a difference d to what was expected that no cart makes, even if some readings were lost: 25 deviations.
STRANGE = np.diag((25 * NOISE) ** -2)

#: What the linear model does not know, as a force in N: the bend of the sine, and the 2 ms that a frame is on its way.
UNKNOWN_FORCE = 0.5


def linear() -> tuple[Matrix, Matrix]:
    """A (4, 4) and B (4, 1) of x' = A x + B force, the equations of motion at theta = 0."""
    total = CART_KG + POLE_KG
    inertia = HALF_POLE_M * (4 / 3 - POLE_KG / total)
    coupling = POLE_KG * HALF_POLE_M / total  # how much of the pole's acceleration the cart feels
    a, b = np.zeros((4, 4)), np.zeros((4, 1))
    a[0, 1] = a[2, 3] = 1.0
    a[3, 2] = GRAVITY / inertia
    b[3, 0] = -1 / (total * inertia)
    a[1, 2] = -coupling * a[3, 2]
    b[1, 0] = 1 / total - coupling * b[3, 0]
    return a, b


def discrete(a: Matrix, b: Matrix, period_s: float) -> tuple[Matrix, Matrix]:
    """F (4, 4) and G (4, 1) of x[k+1] = F x[k] + G force[k], exact while the force is held for `period_s`.

    Both are blocks of exp([[A, B], [0, 0]] period), summed as a power series: for a period of some ms it needs few terms.
    """
    n, m = b.shape
    step = np.zeros((n + m, n + m))
    step[:n, :n], step[:n, n:] = a * period_s, b * period_s
    total = term = np.eye(n + m)
    for k in range(1, 30):
        term = term @ step / k
        total = total + term
    return total[:n, :n], total[:n, n:]


def riccati(f: Matrix, g: Matrix, q: Matrix, r: Matrix) -> Matrix:
    """The stabilising P of P = F'P F - F'P G (R + G'P G)^-1 G'P F + Q, shape of Q.

    By doubling: each turn looks twice as far ahead as the last, so 20 turns look a million periods ahead.
    """
    one = np.eye(len(f))
    reach = g @ np.linalg.solve(r, g.T)
    p = q
    for _ in range(20):
        inverse = np.linalg.inv(one + reach @ p)
        f, reach, p = f @ inverse @ f, reach + f @ inverse @ reach @ f.T, p + f.T @ p @ inverse @ f
    return (p + p.T) / 2


def controller_gain(f: Matrix, g: Matrix, q: Matrix, r: Matrix) -> Matrix:
    """K (4,) of force = -K x, which makes the sum of x'Q x + force'R force smallest (LQR)."""
    p = riccati(f, g, q, r)
    gain: Matrix = np.linalg.solve(r + g.T @ p @ g, g.T @ p @ f)[0]
    return gain


def observer_gain(f: Matrix, q: Matrix, r: Matrix) -> Matrix:
    """L (4, 4) of x += L (readout - x): the gain a Kalman filter settles at, when all four states are measured.

    Args:
        f: the model, one period on.
        q: covariance of what the model misses in one period.
        r: covariance of the sensor noise.
    """
    p = riccati(f.T, np.eye(len(f)), q, r)  # an observer is the mirror image of a controller
    gain: Matrix = p @ np.linalg.inv(p + r)
    return gain


F, G = discrete(*linear(), PERIOD_S)
K = controller_gain(F, G, np.eye(4), np.eye(1))
L = observer_gain(F, UNKNOWN_FORCE**2 * G @ G.T + 1e-10 * np.eye(4), np.diag(NOISE**2))
