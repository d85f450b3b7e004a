"""Optical flow: direction, sign and scale on textures that were moved by a known amount."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from posecast.errors import InputError
from posecast.estimators.flow import flow_estimator, motion_since


def texture(height: int, width: int) -> np.ndarray:
    """Blobs of several sizes, something for a matcher to hold on to."""
    noise = np.random.default_rng(7).normal(size=(height, width, 3))
    layers = [cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.5, 4, 10)]
    mixed = sum(layers[1:], layers[0])
    return np.clip(128 + 40 * mixed / mixed.std(), 0, 255).astype(np.uint8)


def moved(picture: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Moved by any fraction of a pixel, exactly (by phases; what leaves comes in again)."""
    rows, columns = (np.fft.fftfreq(side) for side in picture.shape[:2])
    phases = np.exp(-2j * np.pi * (dy * rows[:, None] + dx * columns))[..., None]
    spectrum = np.fft.fft2(picture, axes=(0, 1)) * phases
    return np.round(np.fft.ifft2(spectrum, axes=(0, 1)).real.clip(0, 255)).astype(np.uint8)


@pytest.mark.parametrize("shift", [(3.0, -2.0), (0.5, 0.25), (-11.0, 6.0), (0.0, 0.0)])
def test_dis_says_where_pixels_went(shift: tuple[float, float]) -> None:
    first = texture(181, 240)
    flow = flow_estimator("dis")(first, moved(first, *shift))
    assert flow.shape == (2, 181, 240)
    assert flow.dtype == np.float32
    inner = flow[:, 20:-20, 20:-20].reshape(2, -1)
    np.testing.assert_allclose(inner.mean(axis=1), shift, atol=0.05)
    assert np.abs(inner - np.array(shift)[:, None]).mean() < 0.05


def test_flow_lies_on_the_first_frames_grid() -> None:
    """A patch that moves alone: the flow is where it was, its motion since where it is."""
    before = texture(160, 200)
    after = before.copy()
    patch = texture(400, 400)[300:340, 300:340]
    before[60:100, 40:80] = patch
    after[60:100, 52:92] = patch
    estimator = flow_estimator()
    went = estimator(before, after)
    assert np.median(went[0, 65:95, 44:50]) == pytest.approx(12, abs=1)
    came = motion_since(estimator, after, before)
    assert np.median(came[0, 65:95, 82:88]) == pytest.approx(12, abs=1)
    assert abs(np.median(came[0, 65:95, 10:30])) < 0.1


def test_one_estimator_keeps_nothing_of_earlier_frames() -> None:
    first = texture(120, 120)
    second = moved(first, 4, 1)
    estimator = flow_estimator()
    fresh = estimator(first, second)
    estimator(second, moved(first, -9, 5))
    np.testing.assert_array_equal(estimator(first, second), fresh)


def test_bad_input() -> None:
    with pytest.raises(InputError, match="flow estimator 'horn-schunck': expected one of dis"):
        flow_estimator("horn-schunck")
    small = np.zeros((9, 40, 3), np.uint8)
    with pytest.raises(InputError, match="40x9 pixels: optical flow needs 12"):
        flow_estimator("dis")(small, small)
