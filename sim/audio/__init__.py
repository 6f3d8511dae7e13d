"""Simulated sound cards: a PortAudio of simulated devices under the real sounddevice."""
