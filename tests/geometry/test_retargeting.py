from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecast.geometry import retargeting
from posecast.geometry.retargeting import BONES, matching_frames, retarget
from posecast.puppets import PuppetSettings, plan_shots

BODY_BONES = BONES[:17]


@pytest.fixture(scope="module")
def motion() -> np.ndarray:
    """Two who dance, (2, 24, 18, 3), all joints seen."""
    plan = plan_shots(2, PuppetSettings(size=(200, 200), frames=24, characters=(0, 1)), 1)[0]
    points = np.stack([actor.points[:, :18] for actor in plan.actors]) * 200
    return np.concatenate([points, np.ones((*points.shape[:3], 1))], axis=3).astype(np.float32)


def scaled(track: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The same directions, each bone by a factor of its own."""
    out = track.copy()
    for (parent, child), factor in zip(BODY_BONES, factors, strict=True):
        out[..., child, :2] = out[..., parent, :2] + factor * (
            track[..., child, :2] - track[..., parent, :2]
        )
    return out


def lengths(track: np.ndarray) -> np.ndarray:
    ends = np.array(BODY_BONES)
    return np.linalg.norm(track[..., ends[:, 1], :2] - track[..., ends[:, 0], :2], axis=-1)


def directions(track: np.ndarray) -> np.ndarray:
    ends = np.array(BODY_BONES)
    steps = track[..., ends[:, 1], :2] - track[..., ends[:, 0], :2]
    return steps / np.linalg.norm(steps, axis=-1, keepdims=True)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), frame=st.integers(0, 23))
def test_bones_become_the_characters_and_angles_stay(motion, seed, frame):
    rng = np.random.default_rng(seed)
    own = motion[:1]
    driver = np.stack([scaled(own[0], rng.uniform(0.7, 1.4, 17))])
    driver[..., :2] = driver[..., :2] * rng.uniform(0.5, 2) + rng.uniform(-50, 50, 2)
    fitted = retarget(driver, own[:, frame])
    tied = int(matching_frames(driver, own[:, frame])[0])
    expected = lengths(driver) * (lengths(own[:, frame]) / lengths(driver[:, tied]))[:, None]
    np.testing.assert_allclose(lengths(fitted), expected, rtol=1e-3, atol=2e-3)
    long = lengths(fitted)[0] > 1.0
    np.testing.assert_allclose(directions(fitted)[0][long], directions(driver)[0][long], atol=2e-3)
    # In the frame that ties them, the character has its own bones at its own place.
    np.testing.assert_allclose(lengths(fitted)[0, tied], lengths(own)[0, frame], rtol=1e-3)
    np.testing.assert_allclose(fitted[0, tied, 1], own[0, frame, 1], atol=0.01)


def test_a_driver_that_fits_is_left_alone(motion):
    for frame in (0, 11):
        np.testing.assert_allclose(retarget(motion, motion[:, frame]), motion, atol=0.01)


def test_a_driver_in_another_place_and_size_comes_back(motion):
    far = motion.copy()
    far[..., :2] = far[..., :2] * 0.4 + (300, 20)
    np.testing.assert_allclose(retarget(far, motion[:, 5]), motion, atol=0.02)


def test_several_keep_their_relations(motion):
    """Both move by one scale, tied in one frame: who met, meets."""
    reference = motion[:, 7].copy()
    reference[1, :, :2] = (reference[1, :, :2] - reference[1, 1, :2]) * 1.2 + reference[1, 1, :2]
    fitted = retarget(motion, reference)
    steps = np.diff(fitted[:, :, 1, 0], axis=1)
    scale = np.median([1.0, 1.2])
    np.testing.assert_allclose(steps, scale * np.diff(motion[:, :, 1, 0], axis=1), atol=0.02)


def test_feet_keep_to_the_floor(motion):
    """Longer legs: the lower foot goes up and down as the driver's does, and nothing else."""
    reference = scaled(motion[:1], np.where(np.isin(np.arange(17), (7, 8, 10, 11)), 1.3, 1.0))
    fitted = retarget(motion[:1], reference[:, 3])
    tied = int(matching_frames(motion[:1], reference[:, 3])[0])
    lower = motion[0, :, [10, 13], 1].argmax(axis=0)
    feet = np.array([10, 13])[lower]
    driven = motion[0, np.arange(24), feet, 1]
    got = fitted[0, np.arange(24), feet, 1]
    ratio = (got - got[tied])[np.abs(driven - driven[tied]) > 1] / (driven - driven[tied])[
        np.abs(driven - driven[tied]) > 1
    ]
    np.testing.assert_allclose(ratio, ratio[0], rtol=0.01)


def test_missing_joints_are_tolerated(motion):
    driver = motion.copy()
    driver[0, 4:8, 1] = 0  # no neck
    driver[0, 2, [3, 9]] = 0  # a hand and a foot without what they hang on
    driver[1, 10] = 0
    reference = motion[:, 0].copy()
    reference[0, [6, 7]] = 0
    fitted = retarget(driver, reference)
    np.testing.assert_array_equal(fitted[..., 2], driver[..., 2])
    assert not fitted[1, 10].any()
    assert np.abs(fitted - driver).max() < 3
    nobody = np.zeros_like(reference)
    np.testing.assert_array_equal(retarget(driver, nobody), driver)


def test_hands_face_and_feet_go_with_their_parts(motion):
    whole = np.zeros((1, 24, 134, 3), np.float32)
    whole[:, :, :18] = motion[:1]
    rng = np.random.default_rng(0)
    for part, joint in ((slice(92, 113), 7), (slice(113, 134), 4), (slice(24, 92), 0)):
        count = part.stop - part.start
        whole[:, :, part, :2] = whole[:, :, joint, None, :2] + rng.uniform(-5, 5, (count, 2))
        whole[:, :, part, 2] = 1
    reference = whole[:, 0].copy()
    reference[..., :2] = reference[..., :2] * 2 + 30
    fitted = retarget(whole, reference)
    hand = whole[0, :, 92:113, :2] - whole[0, :, 7, None, :2]
    np.testing.assert_allclose(
        fitted[0, :, 92:113, :2] - fitted[0, :, 7, None, :2], 2 * hand, atol=0.02
    )
    face = whole[0, :, 24:92, :2] - whole[0, :, 0, None, :2]
    np.testing.assert_allclose(
        fitted[0, :, 24:92, :2] - fitted[0, :, 0, None, :2], 2 * face, atol=0.02
    )


@pytest.mark.parametrize(
    ("length", "counts"), [(0.4, True), (0.3, False), (2.5, True), (3.5, False)]
)
def test_a_bone_that_points_at_the_camera_gives_no_length(length: float, counts: bool) -> None:
    """Nobody's bones are three times as long as another's, by their size: it is foreshortened."""
    figure = np.ones((18, 3), np.float32)
    figure[:, 0], figure[:, 1] = np.arange(18) * 10, (np.arange(18) % 5) * 20
    pose = figure.copy()
    parent, child = next(bone for bone in BONES if bone[1] == 4)
    pose[child, :2] = pose[parent, :2] + (pose[child, :2] - pose[parent, :2]) / length
    ratio = retargeting._ratios(pose, figure, 1.0)[child]
    assert ratio == pytest.approx(length if counts else 1.0, rel=1e-3)
