from __future__ import annotations

import numpy as np
import pytest

from posecast.geometry.identity import identity_codes, identity_map


def test_codes_are_seeded_directions_of_one_length():
    codes = identity_codes(np.random.default_rng(3), 5)
    assert codes.shape == (5, 8)
    assert codes.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 0.7 * np.sqrt(8), rtol=1e-6)
    np.testing.assert_array_equal(codes, identity_codes(np.random.default_rng(3), 5))
    many = identity_codes(np.random.default_rng(0), 4000, dims=4)
    assert np.abs(many.mean(axis=0)).max() < 0.06
    assert np.linalg.norm(many[0]) == pytest.approx(1.4)


def test_regions_hold_their_codes_and_the_front_wins():
    masks = np.array([[[1, 1, 0, 0]], [[0, 1, 1, 0]]], np.uint8)
    codes = identity_codes(np.random.default_rng(0), 2)
    front = identity_map(masks, np.array([0, 1]), codes)
    np.testing.assert_array_equal(front[:, 0].T, [codes[0], codes[0], codes[1], np.zeros(8)])
    back = identity_map(masks, np.array([1, 0]), codes)
    np.testing.assert_array_equal(back[:, 0].T, [codes[0], codes[1], codes[1], np.zeros(8)])


def test_whoever_has_no_rank_is_behind():
    masks = np.array([[[1, 1, 0]], [[0, 1, 1]]], np.uint8)
    codes = identity_codes(np.random.default_rng(0), 2)
    unranked = identity_map(masks, np.array([-1, 0]), codes)
    np.testing.assert_array_equal(unranked[:, 0].T, codes[[0, 1, 1]])


def test_without_order_contested_pixels_hold_the_mean_whatever_the_ranks():
    masks = np.array([[[1, 1, 0, 0]], [[0, 1, 1, 0]]], np.uint8)
    codes = identity_codes(np.random.default_rng(0), 2)
    expected = [codes[0], codes.mean(axis=0), codes[1], np.zeros(8)]
    for ranks in ([0, 1], [1, 0], [-1, 0]):
        mean = identity_map(masks, np.array(ranks), codes, overlaps="mean")
        np.testing.assert_allclose(mean[:, 0].T, expected, rtol=1e-6)
