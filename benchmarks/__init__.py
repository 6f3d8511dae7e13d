"""How fast the engine is, beside what the machine itself can do: `python -m benchmarks`."""
