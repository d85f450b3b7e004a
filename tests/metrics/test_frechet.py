"""The Frechet distance against the goldens, and against other ways to compute it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posecast.metrics.frechet import Moments, frechet_distance


def _moments(rows: np.ndarray, batch: int = 32) -> Moments:
    moments = Moments(rows.shape[1])
    for start in range(0, len(rows), batch):
        moments.update(rows[start : start + batch])
    return moments


def _features(seed: int, rows: int, dimension: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, dimension)) @ rng.standard_normal((dimension, dimension)) + 5


def test_frechet_distances_match_the_goldens(goldens):
    golden = json.loads((goldens / "metrics.json").read_text())["frechet"]
    with np.load(goldens / "frechet.npz") as arrays:
        x, y = arrays["x"], arrays["y"]

    def against(a: np.ndarray, b: np.ndarray) -> float:
        return frechet_distance(_moments(a), _moments(b))

    def expected(name: str) -> float:
        return golden[name]["symmetric_eigh"]

    assert against(x, y) == pytest.approx(expected("full_256x64"), rel=1e-9)
    single = against(x.astype(np.float32), y.astype(np.float32))
    assert single == pytest.approx(expected("float32_inputs_256x64"), rel=1e-9)
    deficient = against(x[:40], y[:40])
    assert deficient == pytest.approx(expected("rank_deficient_40x64"), rel=1e-7)
    assert against(x, x) == pytest.approx(0.0, abs=1e-9)


def test_fewer_rows_than_dimensions_by_singular_values():
    # tr (S1 S2)^(1/2) is the sum of singular values of X Y' / (n - 1), X and Y centred: a way that
    # takes no root of rounding errors.
    x, y = _features(1, 20, 48), _features(2, 20, 48)
    cx, cy = x - x.mean(0), y - y.mean(0)
    trace = np.linalg.svd(cx @ cy.T, compute_uv=False).sum()
    shift = x.mean(0) - y.mean(0)
    expected = shift @ shift + ((cx**2).sum() + (cy**2).sum() - 2 * trace) / 19
    assert frechet_distance(_moments(x), _moments(y)) == pytest.approx(expected, rel=1e-12)


def test_the_distance_of_two_gaussians_is_exact():
    # Along an axis each: (mean difference)^2 + (deviation difference)^2.
    x = np.array([[-1.0, 0.0], [1.0, 0.0]]) * np.sqrt(0.5)
    distance = frechet_distance(_moments(x), _moments(3.0 * x + 2.0))
    assert distance == pytest.approx(2.0**2 + 2.0**2 + (3.0 - 1.0) ** 2)


def test_a_copy_is_at_no_distance_and_no_distance_is_negative():
    x = _features(3, 30, 100)
    assert 0.0 <= frechet_distance(_moments(x), _moments(x)) < 1e-9 * np.trace(np.cov(x.T))


def test_moments_are_those_of_all_rows_together():
    x = _features(4, 57, 6)
    first, second = _moments(x[:20], batch=7), _moments(x[20:], batch=11)
    first.merge(second)
    first.merge(Moments(6))
    assert first.count == 57
    np.testing.assert_allclose(first.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(first.covariance, np.cov(x, rowvar=False), rtol=1e-11)


def test_moments_survive_a_large_mean():
    x = _features(5, 500, 3) + 1e7
    np.testing.assert_allclose(_moments(x).covariance, np.cov(x, rowvar=False), rtol=1e-7)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="two rows"):
        frechet_distance(_moments(np.zeros((1, 3))), _moments(np.zeros((5, 3))))
    with pytest.raises(ValueError, match="do not compare"):
        frechet_distance(_moments(np.zeros((5, 3))), _moments(np.zeros((5, 4))))
    with pytest.raises(ValueError, match="dimension 3"):
        Moments(3).update(np.zeros((5, 4)))
    with pytest.raises(ValueError, match="dimension 3"):
        Moments(3).merge(Moments(4))
    with pytest.raises(ValueError, match="not finite"):
        Moments(3).update(np.full((5, 3), np.nan))
