"""How far a score may be off for the choice of videos: percentile bootstrap over videos."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

RESAMPLES = 10_000
LEVEL = 0.95
_AT_ONCE = 2_000_000  # Indices held in memory.


def interval_of_ratio(
    totals: Float64[np.ndarray, " videos"],
    counts: Float64[np.ndarray, " videos"],
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> tuple[float, float] | None:
    """The central ``level`` of ``sum(totals) / sum(counts)`` over resampled videos.

    Videos are drawn with replacement, as many as there are (Efron 1979): frames of one video are
    not independent, so frames are not what is drawn. Resamples in which nothing counts are left
    out. The same seed draws the same videos for every method, so that methods scored on the same
    videos meet the same ones. None for fewer than two videos with anything to count, for which
    there is nothing to say.
    """
    counted = counts > 0
    if counted.sum() < 2:
        return None
    totals = np.where(counted, totals, 0.0)
    rng = np.random.default_rng(seed)
    videos = len(totals)
    scores = []
    for begin in range(0, resamples, max(1, _AT_ONCE // videos)):
        rows = min(resamples - begin, max(1, _AT_ONCE // videos))
        drawn = rng.integers(0, videos, (rows, videos))
        below = counts[drawn].sum(axis=1)
        above = totals[drawn].sum(axis=1)[below > 0]
        scores.append(above / below[below > 0])
    # No interpolation: an infinite score has no point half-way to another.
    low, high = np.quantile(
        np.concatenate(scores), [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf"
    )
    return float(low), float(high)
