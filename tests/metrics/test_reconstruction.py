from __future__ import annotations

import inspect

import numpy as np
import pytest

from posecast.metrics.reconstruction import (
    background_region,
    character_region,
    psnr_of_mse,
    region_psnr,
    region_psnr_curve,
    squared_error,
)


def _clip(value: int) -> np.ndarray:
    return np.full((3, 8, 8, 3), value, np.uint8)


def _ids() -> np.ndarray:
    ids = np.zeros((3, 8, 8), np.uint8)
    ids[0, :4] = 1
    ids[1, :2] = 2
    return ids  # Nobody in the third frame.


def test_psnr_of_a_known_error():
    everywhere = np.ones((3, 8, 8), bool)
    # Off by 51 = 255 / 5 at each value: 10 log10(25).
    assert region_psnr(_clip(151), _clip(100), everywhere) == pytest.approx(13.9794000867)


def test_squares_do_not_wrap_as_uint8():
    # 100 - 116 = 240 in uint8, and 16 ** 2 = 256 = 0 in uint8: a wrapped PSNR would be infinite.
    value = region_psnr(_clip(100), _clip(116), np.ones((3, 8, 8), bool))
    assert value == pytest.approx(10 * np.log10(255**2 / 256))


def test_same_pixels_are_infinitely_good_and_no_pixels_say_nothing():
    assert region_psnr(_clip(9), _clip(9), np.ones((3, 8, 8), bool)) == np.inf
    assert np.isnan(region_psnr(_clip(9), _clip(9), np.zeros((3, 8, 8), bool)))
    assert psnr_of_mse(0.0) == np.inf


def test_character_and_background_do_not_see_each_other():
    truth, ids = _clip(100), _ids()
    generated = truth.copy()
    generated[ids > 0] = 130
    assert region_psnr(generated, truth, background_region(ids)) == np.inf
    character = region_psnr(generated, truth, character_region(ids))
    assert character == pytest.approx(10 * np.log10(255**2 / 900))


def test_errors_are_pooled_over_pixels_not_over_frames():
    truth, ids = _clip(100), _ids()
    generated = truth.copy()
    generated[0][ids[0] > 0] = 110  # 32 pixels, squared error 100; 16 others right.
    pooled = region_psnr(generated, truth, character_region(ids))
    assert pooled == pytest.approx(10 * np.log10(255**2 / (100 * 32 / 48)))


def test_curve_names_the_bad_frame():
    truth, ids = _clip(100), _ids()
    generated = truth.copy()
    generated[1] += 10
    curve = region_psnr_curve(generated, truth, character_region(ids))
    assert curve[0] == np.inf
    assert curve[1] == pytest.approx(10 * np.log10(255**2 / 100))
    assert np.isnan(curve[2])


def test_other_lengths_are_refused():
    unchecked = inspect.unwrap(squared_error)  # Without the shape checks that tests alone have.
    with pytest.raises(ValueError, match="same frames"):
        unchecked(_clip(1)[:2], _clip(1), np.ones((3, 8, 8), bool))
    with pytest.raises(ValueError, match="same frames"):
        unchecked(_clip(1), _clip(1), np.ones((2, 8, 8), bool))
