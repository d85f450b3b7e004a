from __future__ import annotations

import numpy as np
import pytest

from posecast.geometry.skeleton import NECK, NOSE, RIGHT_HIP
from posecast.metrics.pose_following import PCK_THRESHOLD, matched_people, oks, pck


def person(x: float = 0.0, size: float = 100.0) -> np.ndarray:
    """18 joints in a box of ``size`` x ``size``."""
    joints = np.random.default_rng(4).random((18, 3)) * size
    joints[0, :2], joints[1, :2] = 0, size
    joints[:, 0] += x
    joints[:, 2] = 1.0
    return joints.astype(np.float32)


def test_the_driving_poses_themselves_are_followed():
    driving = np.stack([person(), person(300)])
    assert pck(driving, driving).all()
    np.testing.assert_array_equal(oks(driving, driving), [1.0, 1.0])


def test_a_joint_is_right_up_to_a_tenth_of_the_box():
    driving = person()[None]
    estimated = driving.copy()
    estimated[0, NOSE, 0] += PCK_THRESHOLD * 100 - 0.1
    assert pck(estimated, driving).all()
    estimated[0, NOSE, 0] += 0.2
    right = pck(estimated, driving)
    assert not right[0, NOSE]
    assert right.sum() == 17


def test_oks_follows_cocos_formula():
    driving = person()[None]
    estimated = driving.copy()
    estimated[0, RIGHT_HIP, 1] += 20.0
    area, sigma = 0.53 * 100 * 100, 0.107
    close = np.exp(-(20.0**2) / (2 * area * (2 * sigma) ** 2))
    assert oks(estimated, driving)[0] == pytest.approx((16 + close) / 17)
    # The neck has no sigma and does not count.
    estimated = driving.copy()
    estimated[0, NECK] = 0
    assert oks(estimated, driving)[0] == 1.0


def test_absent_joints_do_not_count():
    driving = person()[None]
    driving[0, 5:] = 0
    nothing = np.zeros_like(driving)
    assert not pck(nothing, driving).any()
    assert oks(nothing, driving)[0] == 0.0
    # What the driving pose does not have is not asked for.
    whole = person()[None]
    assert pck(whole, driving).sum() == 5
    assert oks(whole, driving)[0] == 1.0
    assert np.isnan(oks(whole, nothing)[0])


def test_people_are_matched_by_what_fits_and_nobody_twice():
    driving = np.stack([person(), person(300), person(600)])
    found = np.stack([person(602), person(1)])
    matched = matched_people(found, driving)
    np.testing.assert_array_equal(matched[0], found[1])
    np.testing.assert_array_equal(matched[1], np.zeros((18, 3)))
    np.testing.assert_array_equal(matched[2], found[0])
    assert matched_people(found[:0], driving).sum() == 0
    crowd = np.concatenate([person(900)[None], driving[::-1]])
    np.testing.assert_array_equal(matched_people(crowd, driving), driving)


def test_exchanged_people_are_told_by_place_not_by_order():
    driving = np.stack([person(), person(300)])
    np.testing.assert_array_equal(matched_people(driving[::-1], driving), driving)
