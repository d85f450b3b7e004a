"""Means of the figures of steps, and the time of a run."""

from __future__ import annotations

import math
import time


class Meter:
    """Collects figures of steps; `flush` gives their means and the speed."""

    def __init__(self, samples_per_step: int) -> None:
        self._samples_per_step = samples_per_step
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._steps = 0
        self._since = time.monotonic()

    def add(self, figures: dict[str, float]) -> None:
        """The figures of one step; those that are not finite are left out of the means."""
        self._steps += 1
        for name, value in figures.items():
            if math.isfinite(value):
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1

    def flush(self) -> dict[str, float]:
        """Means since the last call, and ``samples_per_second``."""
        now = time.monotonic()
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        elapsed = max(now - self._since, 1e-9)
        means["samples_per_second"] = self._steps * self._samples_per_step / elapsed
        self._sums, self._counts, self._steps, self._since = {}, {}, 0, now
        return means


class Clock:
    """Time spent on the run, over all its resumes, and since the last checkpoint."""

    def __init__(self, before: float) -> None:
        self._start = time.monotonic() - before
        self._saved = time.monotonic()

    def seconds(self) -> float:
        """Of the run, with what it took before the last resume."""
        return time.monotonic() - self._start

    def saved(self) -> None:
        """Note that a checkpoint is written now."""
        self._saved = time.monotonic()

    def minutes_unsaved(self) -> float:
        """Since the last checkpoint, or the start."""
        return (time.monotonic() - self._saved) / 60
