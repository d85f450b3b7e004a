"""The guided filter, and masks shared out among people who overlap."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from posecast.geometry.guided_filter import fitted_to_edges
from posecast.geometry.mask_sharing import from_ids, shared_out, to_ids


def test_a_coarse_mask_is_fitted_to_the_picture() -> None:
    picture = np.full((200, 300, 3), (200, 60, 40), np.uint8)
    truth = np.zeros((200, 300), np.uint8)
    cv2.circle(truth, (150, 100), 60, 1, -1)
    picture[truth > 0] = (40, 90, 200)
    coarse = cv2.resize(cv2.resize(truth.astype(np.float32), (24, 16)), (300, 200))
    fine = fitted_to_edges(coarse, picture, 16)

    def off(mask: np.ndarray) -> int:
        return int(((mask > 0.5) != (truth > 0)).sum())

    assert off(coarse) > 200
    assert off(fine) < 0.1 * off(coarse)
    # Without edges it stays as it was, but for some blur.
    plain = fitted_to_edges(coarse, np.full_like(picture, 128), 4)
    assert np.abs(plain - coarse).mean() < 0.02


def person(x: float) -> np.ndarray:
    joints = np.zeros((18, 3), np.float32)
    for joint, (dx, y) in {
        0: (0, 10), 1: (0, 25), 2: (-10, 25), 5: (10, 25), 8: (-6, 60), 11: (6, 60), 9: (-6, 80),
        12: (6, 80), 10: (-6, 100), 13: (6, 100),
    }.items():  # fmt: skip
        joints[joint] = x + dx, y, 1
    return joints


def test_pixels_go_to_whose_bones_are_near_and_who_is_in_front() -> None:
    people = np.stack([person(40), person(80)])
    masks = np.zeros((2, 120, 120), np.float32)
    masks[0, 5:105, 20:75] = 1
    masks[1, 5:105, 45:105] = 0.9
    shared = shared_out(masks, people)
    assert shared.sum(axis=0).max() <= 1 + 1e-6
    ids = to_ids(shared)
    assert (ids[30:100, 50] == 1).all()
    assert (ids[30:100, 70] == 2).all()
    np.testing.assert_array_equal(shared[0, :, :44], masks[0, :, :44])
    # Half way it is who stands in front.
    for order, front in (((0, 1), 1), ((1, 0), 2)):
        assert (to_ids(shared_out(masks, people, order))[40:90, 60] == front).all()
    alone = masks.copy()
    alone[1, :, :76] = 0
    np.testing.assert_array_equal(shared_out(alone, people), alone)


def test_ids_convert_to_masks_and_back() -> None:
    ids = np.array([[0, 1], [2, 2]], np.uint8)
    masks = from_ids(ids, 3)
    assert masks.shape == (3, 2, 2)
    np.testing.assert_array_equal(to_ids(masks), ids)
    assert not to_ids(np.zeros((0, 2, 3), np.float32)).any()
    with pytest.raises(ValueError, match="256 characters"):
        to_ids(np.zeros((256, 1, 1), np.float32))
