"""Samples drawn from several sources, each its share of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecast.data.samples import Sample, Source


@dataclass(frozen=True)
class MixedSource:
    """Each index belongs to one of the sources, drawn by their weights."""

    sources: tuple[Source, ...]
    weights: tuple[float, ...]
    """Positive, one a source, of any sum."""
    seed: int = 0

    def sample(self, index: int) -> Sample:
        """The sample of an index: a pure function of it, the sources and the seed."""
        weights = np.asarray(self.weights, dtype=float)
        rng = np.random.default_rng((self.seed, index, len(self.sources)))
        return self.sources[rng.choice(len(weights), p=weights / weights.sum())].sample(index)
