"""What hangs from the hips in one piece: told by the silhouette, moved without a tear."""

from __future__ import annotations

import copy

import cv2
import numpy as np
import pytest

from posecast.cutout.garments import (
    Drape,
    Garment,
    _axis,
    _hem,
    _Rows,
    _without_arms,
    garment_of,
)
from posecast.cutout.motion import Motion
from posecast.cutout.pieces import HALF_WIDTHS, LEFT_LEG, RIGHT_LEG, Piece
from posecast.cutout.stance import Stance, stance
from posecast.geometry.skeleton import (
    LEFT_ANKLE,
    LEFT_HIP,
    LEFT_KNEE,
    RIGHT_ANKLE,
    RIGHT_HIP,
    RIGHT_KNEE,
)
from tests.cutout.bodies import SIZE, body_of, standing_pose, width_at
from tests.cutout.conftest import BLUE, GROUND, RED, Painted
from tests.cutout.test_animator import near
from tests.cutout.test_moving import moving


def dressed(figure: Painted, hem: float, wider: float) -> Painted:
    """The figure in a blue skirt down to a level (hips 0, ankles 1), `wider` pixels at its hem."""
    worn = copy.copy(figure)
    pose = figure.poses.keypoints[0, 0, :, :2]
    right, left = pose[RIGHT_HIP] - (8, 8), pose[LEFT_HIP] + (8, -8)
    down = hem * (pose[RIGHT_ANKLE] - pose[RIGHT_HIP]) + (0, 8)
    corners = np.rint([right, left, left + down + (wider, 0), right + down - (wider, 0)])
    skirt = cv2.fillConvexPoly(np.zeros((280, 200), np.uint8), corners.astype(np.int32), 1) > 0
    worn.picture = figure.picture.copy()
    worn.picture[skirt] = BLUE
    worn.masks = np.maximum(figure.masks, skirt[None].astype(figure.masks.dtype))
    return worn


def found(figure: Painted) -> tuple[Stance, Garment | None]:
    pose = figure.poses.keypoints[0, 0]
    body = stance(pose, pose)
    assert body is not None
    return body, garment_of(figure.masks[0].astype(np.float32), body)


@pytest.mark.parametrize("hem", [0.3, 0.5, 0.8])
def test_a_skirt_is_found_and_so_is_its_hem(figure: Painted, hem: float) -> None:
    garment = found(dressed(figure, hem, 6))[1]
    assert garment is not None
    assert garment.hem[0] - 0.05 <= hem <= garment.hem[1] + 0.05
    assert garment.hem[1] - garment.hem[0] < 0.12


def test_trousers_are_no_skirt_nor_is_a_crotch_that_hangs_low(figure: Painted) -> None:
    assert found(figure)[1] is None
    low = dressed(figure, 0.0, 0)
    pose = figure.poses.keypoints[0, 0, :, :2]
    crotch = np.rint([pose[RIGHT_HIP], pose[LEFT_HIP], (100, pose[RIGHT_KNEE][1] + 10)])
    cv2.fillConvexPoly(low.masks[0], crotch.astype(np.int32), 1)
    assert found(low)[1] is None


def test_legs_that_stand_close_are_no_skirt() -> None:
    from tests.casting.conftest import person

    pose = person(60, 50, 80)
    pose[[RIGHT_HIP, RIGHT_KNEE, RIGHT_ANKLE], 0] = 96
    pose[[LEFT_HIP, LEFT_KNEE, LEFT_ANKLE], 0] = 104
    assert found(Painted((280, 200), [(pose, RED)]))[1] is None


def test_a_gown_to_the_ground_ends_at_the_ankles(figure: Painted) -> None:
    garment = found(dressed(figure, 1.15, 25))[1]
    assert garment is not None
    assert garment.hem == (1, 1)


def spread(pose: np.ndarray, step: float) -> None:
    """Move the knees apart by twice `step` pixels, and the ankles by four times that."""
    for sign, knee, ankle in ((-1, RIGHT_KNEE, RIGHT_ANKLE), (1, LEFT_KNEE, LEFT_ANKLE)):
        pose[..., knee, 0] += sign * step
        pose[..., ankle, 0] += 2 * sign * step


def test_a_skirt_stays_whole_when_the_legs_part(figure: Painted) -> None:
    cut, pose = moving(dressed(figure, 0.7, 6))
    spread(pose[0], 14)
    frame = cut.frame(pose, np.array([0]))
    hem_row = round(float(pose[0, RIGHT_KNEE, 1]) + 6)
    between = slice(*np.rint(pose[0, [RIGHT_KNEE, LEFT_KNEE], 0]).astype(int))
    assert near(frame, BLUE)[hem_row, between].all()
    ankles = round(float(pose[0, RIGHT_ANKLE, 1])) - 4
    assert near(frame, GROUND)[ankles, 95:105].all(), "and ends where it did"
    for ankle in (RIGHT_ANKLE, LEFT_ANKLE):
        x, y = np.rint(pose[0, ankle, :2]).astype(int)
        assert near(frame, RED)[y - 2, x], "the legs beneath it go on"


def draped(figure: Painted, change: float) -> tuple[Drape, np.ndarray, np.ndarray]:
    """Of a skirt: the drape, its places, and where they go when the ankles part by a change."""
    body, garment = found(dressed(figure, 0.7, 6))
    assert garment is not None
    y, x = np.mgrid[130:180:5, 76:125:4]
    places = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float64)
    pose = figure.poses.keypoints[0, 0].copy()
    spread(pose, change)
    target = stance(pose, pose)
    assert target is not None
    motion = Motion.between(body, target, 1.0)
    drape = Drape.of(garment, places, np.ones(len(places), bool))
    return drape, places[drape.places], drape.moved(motion, places[drape.places])


def test_cloth_does_not_move_in_the_pictures_pose(figure: Painted) -> None:
    _, places, moved = draped(figure, 0)
    np.testing.assert_allclose(moved, places, atol=0.05)


@pytest.mark.parametrize("change", [-20.0, -10.0, 10.0, 20.0])
def test_cloth_never_folds_over(figure: Painted, change: float) -> None:
    """Also when the legs cross: from right to left it stays in order, level by level."""
    drape, places, moved = draped(figure, change)
    for row in np.unique(places[:, 1]):
        same = places[:, 1] == row
        assert (np.diff(moved[same][np.argsort(places[same, 0])][:, 0]) > 0).all()
    assert len(drape.places) > 50


def test_cloth_beside_a_leg_turns_half_as_far_as_the_leg(figure: Painted) -> None:
    body, garment = found(dressed(figure, 0.7, 6))
    assert garment is not None
    knee = garment.axis(0, np.array([0.45]))[0]
    pose = figure.poses.keypoints[0, 0].copy()
    hip = pose[RIGHT_HIP, :2].copy()
    for joint in (RIGHT_KNEE, RIGHT_ANKLE):
        x, y = pose[joint, :2] - hip
        c, s = np.cos(0.6), np.sin(0.6)
        pose[joint, :2] = hip + (c * x - s * y, s * x + c * y)
    target = stance(pose, pose)
    assert target is not None
    motion = Motion.between(body, target, 1.0)
    places = np.array([knee, knee - (12, 0)])
    drape = Drape.of(garment, places, np.ones(2, bool))
    moved = drape.moved(motion, places)
    way = moved[1] - moved[0]
    turn = np.arctan2(-way[1], -way[0]) - motion.turns[0].angle
    assert turn == pytest.approx(0.3, abs=0.05)


def hung(figure: Painted, places: list[tuple[float, float]]) -> tuple[Stance, Drape, np.ndarray]:
    """A skirt's places by their level, and how far they are from the right leg to the left one."""
    body, garment = found(dressed(figure, 0.7, 6))
    assert garment is not None
    right, left = (garment.axis(side, np.array(places)[:, 0]) for side in (0, 1))
    where = right + np.array(places)[:, 1:] * (left - right)
    return body, Drape.of(garment, where, np.ones(len(where), bool)), where


def test_cloth_passes_from_the_trunk_to_the_legs_over_half_a_thigh(figure: Painted) -> None:
    _, drape, _ = hung(figure, [(0, 0.5), (0.15, 0.5), (0.3, 0.5)])
    assert drape.legs[0] < 0.05
    assert 0.4 < drape.legs[1] < 0.7
    assert drape.legs[2] > 0.99


def test_cloth_over_a_leg_goes_with_it_alone_and_between_them_with_both(figure: Painted) -> None:
    _, drape, _ = hung(figure, [(0.5, share) for share in (0.0, 0.24, 0.4, 0.5, 0.76, 1.0)])
    assert drape.left[[0, 1, 4, 5]].tolist() == [0, 0, 1, 1]
    assert 0.1 < drape.left[2] < drape.left[3] == pytest.approx(0.5)


def moved_by(figure: Painted, body: Stance, drape: Drape, where: np.ndarray, **steps: float):
    """Where a skirt's places go when knees and ankles make steps to the left or right, pixels."""
    pose = figure.poses.keypoints[0, 0].copy()
    for joints, name in (
        ((RIGHT_KNEE, LEFT_KNEE), "knees"), ((RIGHT_ANKLE, LEFT_ANKLE), "ankles"),
    ):  # fmt: skip
        pose[list(joints), 0] += np.array([1, -1]) * steps[name]
    target = stance(pose, pose)
    assert target is not None
    return drape.moved(Motion.between(body, target, 1.0), where)


def test_legs_that_close_narrow_a_skirt_by_a_quarter_at_most(figure: Painted) -> None:
    """It is stiff: it gathers no folds between them."""
    body, drape, where = hung(figure, [(0.6, 0.0), (0.6, 1.0)])
    moved = moved_by(figure, body, drape, where, knees=8, ankles=8)
    assert 0.7 < (moved[1] - moved[0])[0] / (where[1] - where[0])[0] < 0.8


def test_cloth_bends_with_the_knees_over_a_quarter_of_the_leg(figure: Painted) -> None:
    body, drape, where = hung(figure, [(0.45, 0.0), (0.45, -0.5)])
    moved = moved_by(figure, body, drape, where, knees=0, ankles=-20)
    way, before = moved[0] - moved[1], where[0] - where[1]
    turn = np.arctan2(way[1], way[0]) - np.arctan2(before[1], before[0])
    shin = np.arctan2(20, 36)
    assert 0.05 < turn / shin < 0.16


def test_an_arm_that_hangs_beside_a_skirt_is_no_part_of_its_outline() -> None:
    """A tenth more than its half width: sleeves are looser than skin (`_ARM`)."""
    body = body_of(standing_pose())
    bare = _without_arms(np.ones(SIZE, np.float32), body)
    for piece in (Piece.LEFT_UPPER_ARM, Piece.LEFT_FOREARM):
        wide = width_at(bare == 0, body.bones[piece]) / 2 / body.height
        assert 1.0 < wide / HALF_WIDTHS[piece] < 1.2


def rows_of(matte: np.ndarray) -> _Rows:
    """What is measured of a silhouette of somebody who is drawn large."""
    body = body_of(standing_pose())
    return _Rows.of(matte.astype(np.float32), body, (_axis(body, RIGHT_LEG), _axis(body, LEFT_LEG)))


def test_cloth_is_measured_as_far_as_the_hem_of_a_gown() -> None:
    """A third of the height to each side (`_REACH`): what is further off is something else."""
    rows = rows_of(np.ones((SIZE[0], 2 * SIZE[1])))
    assert np.median(rows.right) == pytest.approx(0.35, abs=0.03)


@pytest.mark.parametrize("wide", np.linspace(0.2, 0.21, 11))
def test_widths_are_measured_to_a_quarter_of_a_hundredth_of_the_height(wide: float) -> None:
    """A step at a hem is six times that (`_STEPS`); a finer measure takes longer."""
    body = body_of(standing_pose())
    middle = float(body.down.end[0])
    matte = np.tile(np.abs(np.arange(SIZE[1]) - middle) < wide / 2 * body.height, (SIZE[0], 1))
    measured = np.median(rows_of(matte).width[:20])
    assert measured == pytest.approx(wide, abs=0.0028)


def test_hems_are_found_to_a_sixty_fourth_of_the_leg() -> None:
    """A finer measure (`_LEVELS`) takes longer."""
    body = body_of(standing_pose())
    hip, ankle = body.bones[RIGHT_LEG[0]].start[1], body.bones[RIGHT_LEG[1]].end[1]
    off = []
    for hem in np.linspace(0.4, 0.5, 12):
        matte = np.ones(SIZE)
        matte[round(hip + hem * (ankle - hip)) :] = 0
        bare = np.flatnonzero(rows_of(matte).filled < 0.5)[0]
        off.append(bare / (len(rows_of(matte).filled) - 1) - hem)
    assert max(off) < 0.017


def test_a_hem_begins_and_ends_where_a_seventh_of_the_width_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or is not lost yet (`_EDGE`): less than that is a fold, and the legs' own taper."""
    lost = np.array([0, 0.12, 0.17, 0.3, 0.5, 0.7, 0.83, 0.88, 1])
    wide = np.concatenate([np.full(20, 0.3), 0.3 - 0.12 * lost, np.full(36, 0.18)])
    filled = np.where(np.arange(65) < 28, 1.0, 0.0)
    rows = _Rows(filled, np.full(65, 0.2), wide, wide / 2, wide / 2)
    monkeypatch.setattr(_Rows, "of", lambda *_: rows)
    body = body_of(standing_pose())
    hem = _hem(np.ones(SIZE, np.float32), body, (_axis(body, RIGHT_LEG), _axis(body, LEFT_LEG)))
    assert hem == (21 / 64, 27 / 64)
