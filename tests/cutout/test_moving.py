from __future__ import annotations

import numpy as np
import pytest

from posecast.cutout import CutoutAnimator
from posecast.cutout.moving import MovingPicture, edge_shares
from posecast.geometry.skeleton import LEFT_EAR, LEFT_EYE, NOSE, RIGHT_EAR, RIGHT_EYE
from tests.cutout.conftest import BLUE, RED, Painted
from tests.cutout.test_animator import near


def halves(moving: MovingPicture, turn: float, figure: Painted) -> tuple[float, float]:
    """Shares of red and blue of a head that looks `turn` (pixels of its nose) to the side."""
    keypoints = figure.poses.keypoints[:, 0].copy()
    keypoints[0, [NOSE, RIGHT_EYE, LEFT_EYE], 0] += turn
    keypoints[0, RIGHT_EAR if turn < 0 else LEFT_EAR] = 0  # behind the head
    frame = moving.frame(keypoints, np.array([0]))[46:64, 88:112]
    red, blue = near(frame, RED).sum(), near(frame, BLUE).sum()
    return red / (red + blue), blue / (red + blue)


@pytest.mark.parametrize("turn", [-7.0, 7.0])
def test_a_photographs_face_stays_whole_whichever_way_it_turns(
    figure: Painted, turn: float
) -> None:
    picture = figure.picture.copy()
    head = (figure.masks[0] > 0) & (np.arange(280)[:, None] < 66)
    picture[head & (np.arange(200) >= 100)] = BLUE
    plan = CutoutAnimator().plan(picture, figure.moved((0, 0)), reference_poses=figure.poses)
    moving = MovingPicture.of(plan)
    assert moving.warp.flat_heads
    red, blue = halves(moving, turn, figure)
    assert 0.3 < red < 0.7
    assert 0.3 < blue < 0.7
    # A picture of somebody who looks to one side, and a driver who looks to the other.
    turned = figure.poses.keypoints.copy()
    turned[..., [NOSE, RIGHT_EYE, LEFT_EYE], 0] -= turn
    reference = figure.poses.with_keypoints(turned)
    plan = CutoutAnimator().plan(picture, figure.moved((0, 0)), reference_poses=reference)
    keypoints = plan.keypoints[:, 0].copy()
    keypoints[0, [NOSE, RIGHT_EYE, LEFT_EYE], 0] += turn
    frame = MovingPicture.of(plan).frame(keypoints, np.array([0]))[50:60]
    assert near(frame, RED)[:, 92:97].mean() > 0.9, "not mirrored"
    assert near(frame, BLUE)[:, 103:108].mean() > 0.9


def test_edges_are_partly_what_lies_beneath() -> None:
    body = np.zeros((9, 9), bool)
    body[3:, 3:] = True
    shares = edge_shares(body)
    assert (shares[~body] == 0).all()
    np.testing.assert_allclose(shares[4:, 4:], 1)  # the picture's border is no edge
    np.testing.assert_allclose(shares[3, 5:8], 6 / 9, atol=1e-6)
    assert shares[3, 3] == pytest.approx(4 / 9)


def test_small_pictures_are_moved_at_twice_their_size() -> None:
    from tests.casting.conftest import person

    small = Painted((65, 47), [(person(12, 8, 22), RED)])
    plan = CutoutAnimator().plan(small.picture, small.moved((0, 0)), reference_poses=small.poses)
    moving = MovingPicture.of(plan)
    assert (moving.scale, moving.plate.shape) == (2, (130, 94, 3))
    assert not moving.warp.flat_heads
    frame = moving.frame(plan.keypoints[:, 0], plan.ranks[0])
    assert frame.shape == small.picture.shape
    assert np.abs(frame.astype(int) - small.picture).mean() < 4
