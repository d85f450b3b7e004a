"""Who stands sideways in the picture moves more rigidly."""

from __future__ import annotations

import numpy as np
import pytest

from posecast.cutout.sideways import sideways, stiffened
from posecast.geometry.skeleton import (
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NECK,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
)
from tests.casting.conftest import person


def turned(apart: float) -> np.ndarray:
    """Somebody whose shoulders and hips are so far apart, by the length of the trunk."""
    pose = person(60, 50, 80)
    middle, length = pose[NECK, 0], 0.7 * 80
    for right, left in ((RIGHT_SHOULDER, LEFT_SHOULDER), (RIGHT_HIP, LEFT_HIP)):
        pose[right, 0], pose[left, 0] = middle - apart * length / 2, middle + apart * length / 2
    return pose


@pytest.mark.parametrize(("apart", "expected"), [(0.2, 1), (0.35, 1), (0.425, 0.5), (0.5, 0)])
def test_narrow_shoulders_are_seen_from_the_side(apart: float, expected: float) -> None:
    assert sideways(turned(apart)) == pytest.approx(expected, abs=0.01)


def test_who_shows_no_hips_does_not_stand_sideways() -> None:
    pose = turned(0.2)
    pose[RIGHT_HIP] = 0
    assert sideways(pose) == 0
    np.testing.assert_array_equal(stiffened(turned(0.2), pose, 1.0), pose)


def test_the_trunk_stays_as_narrow_and_arms_turn_little() -> None:
    source, target = turned(0.2), person(100, 50, 80)
    x, y = target[LEFT_ELBOW, :2] - target[LEFT_SHOULDER, :2]
    target[LEFT_ELBOW, :2] = target[LEFT_SHOULDER, :2] + (y, -x)
    target[LEFT_WRIST, :2] = target[LEFT_ELBOW, :2] + (2 * y, -2 * x)
    stiff = stiffened(source, target, 1.0)
    for right, left in ((RIGHT_SHOULDER, LEFT_SHOULDER), (RIGHT_HIP, LEFT_HIP)):
        np.testing.assert_allclose(
            stiff[left, :2] - stiff[right, :2], source[left, :2] - source[right, :2], atol=0.01
        )

    def angle(pose: np.ndarray, inner: int, outer: int) -> float:
        way = pose[outer, :2] - pose[inner, :2]
        return float(np.degrees(np.arctan2(way[1], way[0])))

    upper = angle(stiff, LEFT_SHOULDER, LEFT_ELBOW) - angle(source, LEFT_SHOULDER, LEFT_ELBOW)
    assert -20.1 < upper < -15
    lower = angle(stiff, LEFT_ELBOW, LEFT_WRIST) - angle(source, LEFT_ELBOW, LEFT_WRIST)
    assert -40.1 < lower < -30


def test_half_sideways_is_half_as_stiff_and_frontal_not_at_all() -> None:
    source, target = turned(0.2), person(100, 50, 80)
    np.testing.assert_array_equal(stiffened(source, target, 0.0), target)
    half, whole = (stiffened(source, target, share) for share in (0.5, 1.0))
    np.testing.assert_allclose(half[:, :2], (target + whole)[:, :2] / 2, atol=0.01)


def test_legs_of_somebody_sideways_turn_little() -> None:
    """They hide each other: a wide step would tear them."""
    source, target = turned(0.2), person(100, 50, 80)
    x, y = target[RIGHT_KNEE, :2] - target[RIGHT_HIP, :2]
    target[RIGHT_KNEE, :2] = target[RIGHT_HIP, :2] + (y, -x)
    stiff = stiffened(source, target, 1.0)
    way = stiff[RIGHT_KNEE, :2] - stiff[RIGHT_HIP, :2]
    was = source[RIGHT_KNEE, :2] - source[RIGHT_HIP, :2]
    turn = np.degrees(np.arctan2(way[1], way[0]) - np.arctan2(was[1], was[0]))
    assert 15 < abs(turn) < 20.1
    np.testing.assert_allclose(np.hypot(*way), np.hypot(*was), rtol=0.3)
