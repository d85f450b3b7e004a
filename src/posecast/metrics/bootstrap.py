"""Confidence intervals of scores by a percentile bootstrap over videos."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64, Int64

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
    scores = []
    for drawn in _draws(len(totals), seed, resamples):
        below = counts[drawn].sum(axis=1)
        above = totals[drawn].sum(axis=1)[below > 0]
        scores.append(above / below[below > 0])
    return _central(np.concatenate(scores), level)


def interval_of_difference(
    first: tuple[Float64[np.ndarray, " videos"], Float64[np.ndarray, " videos"]],
    second: tuple[Float64[np.ndarray, " videos"], Float64[np.ndarray, " videos"]],
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> tuple[float, float] | None:
    """The same of how much more ``first`` scores than ``second`` on the same videos.

    Both are ``(totals, counts)`` as in `interval_of_ratio`. What makes a video hard is hard for
    both, so this is much narrower than the two intervals suggest. None as there, for either.
    """
    scores = []
    pairs = [(np.where(counts > 0, totals, 0.0), counts) for totals, counts in (first, second)]
    if any((counts > 0).sum() < 2 for _, counts in pairs):
        return None
    for drawn in _draws(len(first[0]), seed, resamples):
        below = [counts[drawn].sum(axis=1) for _, counts in pairs]
        known = (below[0] > 0) & (below[1] > 0)
        ours, theirs = (
            totals[drawn].sum(axis=1)[known] / count[known]
            for (totals, _), count in zip(pairs, below, strict=True)
        )
        scores.append(ours - theirs)
    return _central(np.concatenate(scores), level)


def _draws(videos: int, seed: int, resamples: int) -> Iterator[Int64[np.ndarray, "rows videos"]]:
    rng = np.random.default_rng(seed)
    for begin in range(0, resamples, max(1, _AT_ONCE // videos)):
        rows = min(resamples - begin, max(1, _AT_ONCE // videos))
        yield rng.integers(0, videos, (rows, videos))


def _central(scores: Float64[np.ndarray, " resamples"], level: float) -> tuple[float, float]:
    # No interpolation, since infinite scores cannot be interpolated.
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return float(low), float(high)
