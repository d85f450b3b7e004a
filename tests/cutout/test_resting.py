"""Where nobody moves, frames show the picture itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posecast.cutout.resting import Move, Resting
from posecast.geometry.skeleton import RIGHT_ELBOW, RIGHT_WRIST, skeleton_height
from tests.cutout.conftest import Painted
from tests.cutout.test_moving import moving

RANKS = np.array([0])
HEIGHT = 100.0


def test_the_pictures_own_pose_gives_the_picture(figure: Painted) -> None:
    picture, pose = moving(figure)
    assert np.array_equal(picture.frame(pose, RANKS), figure.picture)
    alone = replace(picture, resting=None).frame(pose, RANKS)
    assert not np.array_equal(alone, figure.picture)


def test_nothing_of_the_picture_stays_where_a_limb_has_left(figure: Painted) -> None:
    picture, pose = moving(figure)
    raised = pose.copy()
    height = skeleton_height(pose[0])
    raised[0, RIGHT_WRIST, :2] = raised[0, RIGHT_ELBOW, :2] - (0, 0.15 * height)
    frame = picture.frame(raised, RANKS).astype(int)
    alone = replace(picture, resting=None).frame(raised, RANKS).astype(int)
    x, y = np.rint(pose[0, RIGHT_WRIST, :2]).astype(int)
    around = slice(y - 8, y + 9), slice(x - 8, x + 9)
    assert np.array_equal(frame[around], alone[around])


def test_nothing_stays_of_who_is_absent(figure: Painted) -> None:
    picture, pose = moving(figure)
    assert np.array_equal(picture.frame(np.zeros_like(pose), RANKS), picture.plate)


def given(shift: float) -> np.ndarray:
    """The share in the middle of a body's mesh that has moved by `shift` pixels."""
    grey = np.full((60, 60, 3), 100, np.uint8)
    resting = Resting.of(grey + np.uint8(10), grey, HEIGHT)
    assert resting is not None
    rest = np.stack(np.meshgrid(np.arange(0, 40.0), np.arange(0, 60.0)), -1).reshape(-1, 2)
    return resting.share([Move(rest, rest + (shift, 0), HEIGHT)])


@pytest.mark.parametrize(("shift", "share"), [(0, 1), (0.5, 0.75), (1, 0.5), (2, 0), (30, 0)])
def test_the_share_falls_to_nothing_over_a_fiftieth_of_a_body(shift: float, share: float) -> None:
    np.testing.assert_allclose(given(shift)[10:50, 5:35], share, atol=1e-5)


def test_where_no_layer_is_near_nothing_is_added() -> None:
    assert (given(0)[:, 52:] == 0).all()


def test_a_picture_that_is_made_up_exactly_lacks_nothing() -> None:
    grey = np.full((20, 20, 3), 100, np.uint8)
    assert Resting.of(grey, grey, HEIGHT) is None
