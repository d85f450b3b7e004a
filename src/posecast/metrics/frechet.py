"""Frechet distance of two sets of features, from moments that are gathered as features come."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64


class Moments:
    """Number, mean and scatter of feature vectors, gathered batch by batch.

    Memory is that of one ``dimension x dimension`` matrix, however many features come. Batches and
    merges give the moments of all rows together up to rounding in float64; the same batches in the
    same order give the same bits.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.count = 0
        self._mean = np.zeros(dimension)
        self._scatter = np.zeros((dimension, dimension))

    def update(self, features: Float[np.ndarray, "rows dimension"]) -> None:
        """Take in a batch of feature vectors; computed in float64.

        Raises:
            ValueError: another dimension, or a value that is not finite.
        """
        if features.shape[1] != self.dimension:
            raise ValueError(f"features have dimension {self.dimension}, not {features.shape[1]}")
        if not np.isfinite(features).all():
            raise ValueError("features hold values that are not finite")
        if not len(features):
            return
        rows = features.astype(np.float64)
        mean = rows.mean(axis=0)
        rows -= mean
        self._add(len(rows), mean, rows.T @ rows)

    def merge(self, other: Moments) -> None:
        """Take in all that another has gathered.

        Raises:
            ValueError: another dimension.
        """
        if other.dimension != self.dimension:
            raise ValueError(f"features have dimension {self.dimension}, not {other.dimension}")
        if other.count:
            self._add(other.count, other._mean, other._scatter)

    @property
    def mean(self) -> Float64[np.ndarray, " dimension"]:
        """Mean of the rows; NaN without any."""
        return self._mean.copy() if self.count else np.full(self.dimension, np.nan)

    @property
    def covariance(self) -> Float64[np.ndarray, "dimension dimension"]:
        """Sample covariance of the rows (divisor count - 1); NaN with fewer than two."""
        if self.count < 2:
            return np.full((self.dimension, self.dimension), np.nan)
        return self._scatter / (self.count - 1)

    def _add(
        self,
        count: int,
        mean: Float64[np.ndarray, " dimension"],
        scatter: Float64[np.ndarray, "dimension dimension"],
    ) -> None:
        # Chan, Golub, LeVeque 1983: exact for any split, without the cancellation of raw squares.
        total = self.count + count
        shift = mean - self._mean
        self._scatter += scatter
        self._scatter += np.outer(shift, shift * (self.count * count / total))
        self._mean += shift * (count / total)
        self.count = total


def frechet_distance(a: Moments, b: Moments) -> float:
    """`|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)`, in float64; 0 for the same features.

    The last trace is the sum of the square roots of the eigenvalues of S1^(1/2) S2 S1^(1/2), which
    is symmetric: it has no imaginary part to drop and needs no offset where covariances are
    singular. Eigenvalues that rounding makes negative are 0, and so is a negative distance.

    Raises:
        ValueError: other dimensions, or fewer than two rows on a side.
    """
    if a.dimension != b.dimension:
        raise ValueError(f"features of dimension {a.dimension} and {b.dimension} do not compare")
    if min(a.count, b.count) < 2:
        raise ValueError(f"a covariance needs two rows; got {a.count} and {b.count}")
    first, second = a.covariance, b.covariance
    values, vectors = np.linalg.eigh(first)
    # What is left of S1 in its own eigenvectors: with fewer rows than dimensions most of them
    # carry nothing but rounding, whose square root would not be small.
    kept = values > values[-1] * a.dimension * np.finfo(np.float64).eps
    root = vectors[:, kept] * np.sqrt(values[kept])
    inner = np.linalg.eigvalsh(root.T @ second @ root)
    trace = float(np.sqrt(np.clip(inner, 0.0, None)).sum())
    shift = a.mean - b.mean
    distance = float(shift @ shift + np.trace(first) + np.trace(second)) - 2.0 * trace
    return max(0.0, distance)
