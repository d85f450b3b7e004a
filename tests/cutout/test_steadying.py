from __future__ import annotations

import numpy as np
import pytest

from posecast.cutout import CutoutAnimator
from posecast.cutout.steadying import planted
from posecast.geometry.skeleton import LEFT_ANKLE, RIGHT_ANKLE, skeleton_height

FPS, FRAMES = 24.0, 48


@pytest.fixture
def person(standing):
    return standing(100)


@pytest.fixture
def tracks(person):
    """Somebody who stands, (1, 48, 18, 3), and whose joints are seen a little off."""
    shaking = np.repeat(person[None, None], FRAMES, axis=1).astype(np.float32)
    rng = np.random.default_rng(0)
    shaking[..., :2] += 0.01 * skeleton_height(person) * rng.uniform(-1, 1, shaking[..., :2].shape)
    return shaking.astype(np.float32)


def test_feet_that_stand_in_the_picture_stay_there_and_nothing_else_is_held(person, tracks):
    still = planted(tracks, person[None], FPS)
    for ankle in (RIGHT_ANKLE, LEFT_ANKLE):
        np.testing.assert_allclose(
            still[0, :, ankle, :2], np.tile(person[ankle, :2], (FRAMES, 1)), atol=1e-4
        )
    others = [joint for joint in range(18) if joint not in (RIGHT_ANKLE, LEFT_ANKLE)]
    np.testing.assert_array_equal(still[:, :, others], tracks[:, :, others])


def test_who_walks_walks_and_who_comes_to_stand_does_so_smoothly(person, tracks):
    height = skeleton_height(person)
    walking = tracks.copy()
    walking[0, :, RIGHT_ANKLE, 0] = person[RIGHT_ANKLE, 0] + np.arange(FRAMES) * 0.02 * height
    np.testing.assert_array_equal(
        planted(walking, person[None], FPS)[:, :, RIGHT_ANKLE], walking[:, :, RIGHT_ANKLE]
    )
    arriving = walking.copy()
    arriving[0, 24:, RIGHT_ANKLE, 0] = arriving[0, 24, RIGHT_ANKLE, 0]
    arriving[0, 24:, RIGHT_ANKLE, 1] = person[RIGHT_ANKLE, 1]
    arriving[0, :24, RIGHT_ANKLE, 1] = person[RIGHT_ANKLE, 1]
    still = planted(arriving, person[None], FPS)[0, :, RIGHT_ANKLE, :2]
    assert np.ptp(still[29:], axis=0).max() < 1e-3  # stands where it came to, not in the picture
    assert abs(still[-1, 0] - arriving[0, -1, RIGHT_ANKLE, 0]) < 1e-3
    assert np.abs(np.diff(still[:, 0])).max() < 0.03 * height  # no jump


def test_a_foot_that_is_lost_or_stands_for_a_moment_only_is_left_alone(person, tracks):
    lost = tracks.copy()
    lost[0, ::8, RIGHT_ANKLE, 2] = 0  # never half a second in one piece
    still = planted(lost, person[None], FPS)
    np.testing.assert_array_equal(still[:, :, RIGHT_ANKLE], lost[:, :, RIGHT_ANKLE])
    brief = tracks[:, :10]
    np.testing.assert_array_equal(planted(brief, person[None], FPS), brief)


def test_a_foot_that_stands_between_two_steps_comes_to_rest_within_a_quarter_of_a_second(
    person, tracks
):
    """For most of a second it is on the ground; easing in and out takes little of that."""
    walking = tracks.copy()
    ahead = np.minimum(np.arange(FRAMES), 15) + np.maximum(np.arange(FRAMES) - 33, 0)
    walking[0, :, RIGHT_ANKLE, 0] += ahead * 0.03 * skeleton_height(person)
    assert np.ptp(walking[0, 22:27, RIGHT_ANKLE, :2], axis=0).min() > 0.5
    still = planted(walking, person[None], FPS)[0, :, RIGHT_ANKLE, :2]
    assert np.ptp(still[22:27], axis=0).max() < 1e-3


def test_somebody_who_stands_elsewhere_than_in_the_picture_keeps_the_drivers_place(person, tracks):
    away = tracks.copy()
    away[..., 0] += 0.3 * skeleton_height(person)
    still = planted(away, person[None], FPS)[0, :, LEFT_ANKLE, :2]
    assert np.ptp(still, axis=0).max() < 1e-3
    np.testing.assert_allclose(still[0], np.median(away[0, :, LEFT_ANKLE, :2], axis=0), atol=1e-3)


def test_a_picture_does_not_slide_on_shaking_feet(figure):
    poses = figure.moved(*[(0, 0)] * 24)
    tracks = poses.keypoints.copy()
    shaking = np.random.default_rng(0).uniform(-1, 1, tracks[:, :, [10, 13], :2].shape)
    tracks[:, 1:, [10, 13], :2] += shaking[:, 1:]
    made = CutoutAnimator()(
        figure.picture,
        poses.with_keypoints(tracks),
        reference_poses=figure.poses,
        masks=figure.masks.astype(np.float32),
        mend=False,
    )
    assert (made.frames == made.frames[0]).all()
