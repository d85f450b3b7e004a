from __future__ import annotations

import numpy as np
import pytest

from posecast.geometry.own_joints import keep_own_joints

LEGS = [9, 10, 12, 13]


def turned(person: np.ndarray, degrees: float, size: float = 1.0) -> np.ndarray:
    """The person turned about its neck, in another size, 40 pixels further right."""
    angle = np.deg2rad(degrees)
    matrix = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = person.copy()
    moved[:, :2] = (person[:, :2] - person[1, :2]) @ matrix.T + person[1, :2] + (40, 0)
    return moved.astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 20, -70, 90, 180])
def test_legs_go_with_the_trunk(standing, degrees):
    reference = standing(200)
    whole = np.stack([turned(reference, degrees + i, 1.3) for i in range(5)])
    driver = whole.copy()
    driver[:, LEGS] = 0
    np.testing.assert_allclose(keep_own_joints(driver, reference), whole, atol=1e-3)


@pytest.mark.parametrize("degrees", [0, 10, 85, -85, 180])
def test_without_hips_they_go_with_the_shoulders_over_the_whole_clip(standing, degrees):
    reference = standing(200)
    whole = np.stack([turned(reference, degrees)] * 5)
    driver = whole.copy()
    driver[:, [8, 11, *LEGS]] = 0
    np.testing.assert_allclose(keep_own_joints(driver, reference), whole, atol=1e-3)
    # One shoulder goes up for a moment: the legs stay.
    driver[2, 5, 1] -= 15
    kept = keep_own_joints(driver, reference)
    assert np.abs(kept[2, LEGS] - kept[1, LEGS]).max() < 4


def test_somebody_seen_from_behind_stands_upright_too(standing):
    reference = standing(200)
    behind = reference.copy()
    behind[:, 0] = 2 * reference[1, 0] - reference[:, 0]  # left is right
    driver = np.stack([behind] * 3)
    driver[:, [8, 11, *LEGS]] = 0
    kept = keep_own_joints(driver, reference)
    assert (kept[:, LEGS, 1] > kept[:, 1:2, 1]).all()


def test_a_hand_goes_with_its_forearm(standing):
    reference = standing(200, joints=134)
    reference[92:113] = reference[7] + np.arange(21)[:, None] * (1, 0.5, 0)
    driver = np.stack([standing(200, joints=134)] * 3)
    driver[1, 7, :2] = driver[1, 6, :2] + (0, -30)  # the forearm points up
    kept = keep_own_joints(driver, reference)
    np.testing.assert_allclose(kept[0, 92:113], reference[92:113], atol=1e-3)
    forearm = reference[7, :2] - reference[6, :2]
    own = np.linalg.norm(reference[112, :2] - reference[7, :2])
    assert np.linalg.norm(kept[1, 112, :2] - kept[1, 7, :2]) == pytest.approx(own, rel=0.05)
    cosine = np.dot(reference[112, :2] - reference[7, :2], forearm)
    turned = np.dot(kept[1, 112, :2] - kept[1, 7, :2], kept[1, 7, :2] - kept[1, 6, :2])
    assert turned / 30 == pytest.approx(cosine / np.linalg.norm(forearm), rel=0.05)
    # A face that is held still on a head that turns is worse than none.
    reference[24:92] = reference[0]
    assert not keep_own_joints(driver, reference)[:, 24:92].any()


def test_a_head_that_is_turned_away_is_no_head_without_ears(standing):
    reference = standing(200)
    driver = np.stack([standing(200)] * 2)
    driver[:, [15, 17]] = 0  # a profile
    assert np.array_equal(keep_own_joints(driver, reference), driver)
    driver[:, [0, 14, 16]] = 0  # cut at the neck
    np.testing.assert_allclose(keep_own_joints(driver, reference)[0], reference, atol=1e-3)


def test_what_the_driver_shows_now_and_then_is_the_drivers(standing):
    reference = standing(200)
    driver = np.stack([standing(200, left=5)] * 4)
    driver[0, LEGS] = 0
    driver[2] = 0
    kept = keep_own_joints(driver, reference)
    assert np.array_equal(kept, driver)
    driver[:, 10] = 0
    kept = keep_own_joints(driver, reference)
    assert (kept[[0, 1, 3], 10, 2] > 0).all()
    assert not kept[2].any()  # nobody is there in this frame


def test_a_stray_joint_of_an_estimator_is_none(standing):
    reference = standing(200)
    driver = np.stack([standing(200)] * 100)
    driver[:, [8, *LEGS]] = 0
    driver[40, 8] = (3, 3, 0.9)
    np.testing.assert_allclose(
        keep_own_joints(driver, reference), np.stack([reference] * 100), atol=1e-3
    )


def test_what_neither_shows_stays_absent(standing):
    reference = standing(200)
    reference[[10, 13]] = 0
    driver = np.stack([standing(200)] * 2)
    driver[:, LEGS] = 0
    kept = keep_own_joints(driver, reference)
    assert kept[:, [9, 12], 2].all()
    assert not kept[:, [10, 13]].any()
    driver[:, :18] = 0
    driver[:, 0] = reference[0]  # a nose: nothing to hang legs on
    assert not keep_own_joints(driver, reference)[:, 9].any()
