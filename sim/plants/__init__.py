"""Plants: physics for devices to stand on, checked against independent solvers."""

from .cartpole import CartPole as CartPole
