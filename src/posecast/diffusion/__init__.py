"""Noise schedule, objective, sampling loop and windows: arrays and callables, no networks."""
