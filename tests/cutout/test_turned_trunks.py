"""The trunk follows shoulders and hips, and says which arm is before it."""

from __future__ import annotations

import pytest

from posecast.cutout.stance import stance
from posecast.geometry.skeleton import (
    LEFT_EYE,
    LEFT_HIP,
    LEFT_SHOULDER,
    NECK,
    NOSE,
    RIGHT_EYE,
    RIGHT_HIP,
    RIGHT_SHOULDER,
)
from tests.casting.conftest import person


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("drop", [-4.0, 0.0, 4.0])
def test_a_trunk_tilts_as_its_shoulders_and_hips_do(drop: float, behind: bool) -> None:
    pose = person(60, 50, 80)
    pose[[RIGHT_SHOULDER, RIGHT_HIP], 1] -= drop
    pose[[LEFT_SHOULDER, LEFT_HIP], 1] += drop
    if behind:
        pose[[RIGHT_SHOULDER, LEFT_SHOULDER]] = pose[[LEFT_SHOULDER, RIGHT_SHOULDER]]
        pose[[RIGHT_HIP, LEFT_HIP]] = pose[[LEFT_HIP, RIGHT_HIP]]
    body = stance(pose, pose)
    assert body is not None
    pairs = ((RIGHT_SHOULDER, LEFT_SHOULDER), (RIGHT_HIP, LEFT_HIP))
    for (right, left), half in zip(
        pairs, (body.trunk.half_top, body.trunk.half_bottom), strict=True
    ):
        to_left = pose[left, :2] - pose[right, :2]
        assert half @ to_left > 0
        assert half[1] == pytest.approx(to_left[1] / 2, abs=0.5)


@pytest.mark.parametrize(("aside", "before"), [(0.0, True), (0.3, True), (1.0, False)])
def test_an_arm_is_behind_the_trunk_only_of_who_clearly_turns(aside: float, before: bool) -> None:
    pose = person(60, 50, 80)
    middle, half = pose[NECK, 0], pose[LEFT_SHOULDER, 0] - pose[NECK, 0]
    pose[RIGHT_SHOULDER, 0], pose[LEFT_SHOULDER, 0] = middle - 0.5 * half, middle + 0.5 * half
    wide = person(60, 50, 80)
    eyes = pose[LEFT_EYE, 0] - pose[RIGHT_EYE, 0]
    pose[NOSE, 0] += aside * eyes
    body = stance(pose, wide)
    assert body is not None
    assert min(body.before.values()) == before
    assert max(body.before.values())
