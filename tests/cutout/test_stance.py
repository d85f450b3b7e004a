"""Where pieces begin and end that no joint tells."""

from __future__ import annotations

import numpy as np
import pytest

from posecast.cutout.pieces import Piece
from posecast.geometry.skeleton import LEFT_ANKLE, LEFT_KNEE, LEFT_SHOULDER
from tests.cutout.bodies import body_of, standing_pose


def test_hands_and_feet_are_as_long_as_loosely_bent_fingers_and_feet_seen_from_the_front() -> None:
    """No joint says where they end: a hand is a quarter of a forearm's length and more."""
    body = body_of(standing_pose())
    hand, forearm = body.bones[Piece.LEFT_HAND], body.bones[Piece.LEFT_FOREARM]
    assert 0.25 < hand.length / forearm.length < 0.6
    foot, shin = body.bones[Piece.LEFT_FOOT], body.bones[Piece.LEFT_SHIN]
    assert 0.15 < foot.length / shin.length < 0.4
    np.testing.assert_allclose(hand.start, forearm.end)
    np.testing.assert_allclose(foot.start, shin.end)


@pytest.mark.parametrize(("lifted", "least", "most"), [(0.3, 0.29, 0.31), (0.7, 0.3, 0.5)])
def test_a_lifted_shoulder_slants_the_trunk_but_not_without_end(
    lifted: float, least: float, most: float
) -> None:
    """A shrug slants the line of the shoulders as it is; a joint that is far off, only in part."""
    pose = standing_pose()
    half = float(np.hypot(*body_of(pose).trunk.half_top))
    pose[LEFT_SHOULDER, 1] -= 2 * lifted * half
    trunk = body_of(pose).trunk
    along = (trunk.bottom - trunk.top) / np.hypot(*(trunk.bottom - trunk.top))
    across = np.array([along[1], -along[0]])
    slant = (trunk.half_top @ along) / (trunk.half_top @ across)
    assert least < abs(slant) < most


def test_a_foot_turns_less_than_half_as_far_as_its_shin() -> None:
    """Feet stay on the ground when shins swing; a foot that is lifted still turns a little."""
    pose = standing_pose()
    length = pose[LEFT_ANKLE, 1] - pose[LEFT_KNEE, 1]
    angle = np.radians(60)
    pose[LEFT_ANKLE, :2] = pose[LEFT_KNEE, :2] + length * np.array([np.sin(angle), np.cos(angle)])
    way = body_of(pose).bones[Piece.LEFT_FOOT].way
    assert 15 < np.degrees(np.arctan2(way[0], way[1])) < 30
