"""A cart with a pole on it: exact equations, integrated with RK4.

State (x, v, theta, omega): theta = 0 is upright, positive towards +x. The pole is a uniform rod of half length l, without
friction, so its moment about the hinge is 4/3 m l^2. With M the mass of cart and pole together:

    t     = (F + m l omega^2 sin theta) / M
    alpha = (g sin theta - t cos theta) / (l (4/3 - m cos^2 theta / M))
    a     = t - m l alpha cos theta / M

These are the equations of Barto, Sutton and Anderson (1983), which `gymnasium` integrates too, with Euler steps of 20 ms. Physics
only: no sensor, no clock, no limit at which anything ends.
"""

from __future__ import annotations

from math import cos, sin

import numpy as np

MAX_STEP_NS = 1_000_000
Vector = tuple[float, float, float, float]


class CartPole:
    """A cart-pole. `state` is (x, v, theta, omega) in m, m/s, rad, rad/s; `force` acts on the cart, in N, until it is set anew.

    Args:
        x, v, theta, omega: the state at time 0.
        cart_kg, pole_kg: masses.
        half_length_m: from hinge to centre of the pole.
        gravity: in m/s^2.
    """

    def __init__(
        self,
        x: float = 0.0,
        v: float = 0.0,
        theta: float = 0.0,
        omega: float = 0.0,
        *,
        cart_kg: float = 1.0,
        pole_kg: float = 0.1,
        half_length_m: float = 0.5,
        gravity: float = 9.8,
    ) -> None:
        for name, value in (("cart_kg", cart_kg), ("pole_kg", pole_kg), ("half_length_m", half_length_m)):
            if not value > 0:
                raise ValueError(f"CartPole: needed {name} above 0, was {value!r}; give it in SI units")
        self.state: Vector = (float(x), float(v), float(theta), float(omega))
        self.force = 0.0
        self.time_ns = 0
        self.pole_kg, self.half_length_m, self.gravity = float(pole_kg), float(half_length_m), float(gravity)
        self.total_kg = float(cart_kg) + float(pole_kg)

    def derivative(self, state: Vector) -> Vector:
        """How `state` changes per second under the force in effect."""
        _, v, theta, omega = state
        sine, cosine = sin(theta), cos(theta)
        moment = self.pole_kg * self.half_length_m
        push = (self.force + moment * (omega * omega) * sine) / self.total_kg
        inertia = self.half_length_m * (4.0 / 3.0 - self.pole_kg * (cosine * cosine) / self.total_kg)
        alpha = (self.gravity * sine - cosine * push) / inertia
        return v, push - moment * alpha * cosine / self.total_kg, omega, alpha

    def advance(self, to_ns: int) -> Vector:
        """Integrate up to exactly `to_ns` under the force in effect; the state there.

        Sub-steps are equal and at most 1 ms, so the error is below 1e-10 over ten seconds.
        """
        span_ns = to_ns - self.time_ns
        if span_ns < 0:
            raise ValueError(f"CartPole: needed a time not before {self.time_ns} ns, was {to_ns} ns; a plant runs forward only")
        if span_ns:
            steps = -(-span_ns // MAX_STEP_NS)
            self.state = self._runge_kutta(steps, span_ns / steps * 1e-9)
            self.time_ns = to_ns
        return self.state

    def _runge_kutta(self, steps: int, h: float) -> Vector:
        """`steps` classical steps of `h` seconds. Written out: ten virtual seconds are 40 000 evaluations."""
        x, v, theta, omega = self.state
        force, gravity = self.force, self.gravity
        m, ml, l43, l_m = self._factors()
        half, sixth = h / 2.0, h / 6.0
        for _ in range(steps):
            s, c = sin(theta), cos(theta)
            t = (force + ml * omega * omega * s) * m
            alpha1 = (gravity * s - c * t) / (l43 - l_m * c * c)
            a1 = t - ml * m * alpha1 * c

            omega2 = omega + half * alpha1
            angle = theta + half * omega
            s, c = sin(angle), cos(angle)
            t = (force + ml * omega2 * omega2 * s) * m
            alpha2 = (gravity * s - c * t) / (l43 - l_m * c * c)
            a2 = t - ml * m * alpha2 * c

            omega3 = omega + half * alpha2
            angle = theta + half * omega2
            s, c = sin(angle), cos(angle)
            t = (force + ml * omega3 * omega3 * s) * m
            alpha3 = (gravity * s - c * t) / (l43 - l_m * c * c)
            a3 = t - ml * m * alpha3 * c

            omega4 = omega + h * alpha3
            angle = theta + h * omega3
            s, c = sin(angle), cos(angle)
            t = (force + ml * omega4 * omega4 * s) * m
            alpha4 = (gravity * s - c * t) / (l43 - l_m * c * c)
            a4 = t - ml * m * alpha4 * c

            x += sixth * (6.0 * v + h * (a1 + a2 + a3))
            v += sixth * (a1 + 2.0 * (a2 + a3) + a4)
            theta += sixth * (omega + 2.0 * (omega2 + omega3) + omega4)
            omega += sixth * (alpha1 + 2.0 * (alpha2 + alpha3) + alpha4)
        return x, v, theta, omega

    def _factors(self) -> tuple[float, float, float, float]:
        length = self.half_length_m
        return 1.0 / self.total_kg, self.pole_kg * length, 4.0 / 3.0 * length, self.pole_kg * length / self.total_kg

    def gym_compat(self, duration_s: float = 0.02) -> Vector:
        """One explicit Euler step, as `gymnasium`'s CartPole-v1 does it: for comparison only, it gains energy."""
        rates = self.derivative(self.state)
        x, v, theta, omega = (value + duration_s * rate for value, rate in zip(self.state, rates, strict=True))
        self.state = (x, v, theta, omega)
        self.time_ns += round(duration_s * 1e9)
        return self.state

    @property
    def energy_j(self) -> float:
        """Kinetic and potential energy; constant while `force` is 0."""
        _, v, theta, omega = self.state
        m, length = self.pole_kg, self.half_length_m
        kinetic = 0.5 * self.total_kg * v * v + m * length * v * omega * cos(theta) + 2.0 / 3.0 * m * length * length * omega * omega
        return kinetic + m * self.gravity * length * cos(theta)

    def linearised(self) -> tuple[np.ndarray, np.ndarray]:
        """A (4, 4) and B (4, 1) of state' = A state + B force, around upright and at rest."""
        length, ratio = self.half_length_m, self.pole_kg / self.total_kg
        inertia = length * (4.0 / 3.0 - ratio)
        fall = self.gravity / inertia
        turn = -1.0 / (self.total_kg * inertia)
        a = np.zeros((4, 4))
        a[0, 1] = a[2, 3] = 1.0
        a[1, 2], a[3, 2] = -ratio * length * fall, fall
        b = np.array([[0.0], [1.0 / self.total_kg - ratio * length * turn], [0.0], [turn]])
        return a, b
