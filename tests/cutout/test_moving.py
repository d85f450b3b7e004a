from __future__ import annotations

import copy
from functools import cache

import cv2
import numpy as np
import pytest

from posecast.cutout import CutoutAnimator
from posecast.cutout.hidden import cores
from posecast.cutout.layers import BODY, _beside
from posecast.cutout.motion import Turn, _sharpened
from posecast.cutout.moving import (
    MovingPicture,
    _cut_off,
    mirror_image,
    with_joints_outside,
    without_ground,
)
from posecast.cutout.parting import parted
from posecast.cutout.pieces import HALF_WIDTHS, LEFT_ARM, RIGHT_LEG, Piece
from posecast.cutout.stance import Bone, stance
from posecast.geometry.skeleton import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_EYE,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NECK,
    NOSE,
    RIGHT_ANKLE,
    RIGHT_ELBOW,
    RIGHT_EYE,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    present,
    skeleton_height,
)
from tests.casting.conftest import person
from tests.cutout.conftest import BLUE, GROUND, RED, Painted
from tests.cutout.test_animator import near


def moving(figure: Painted) -> tuple[MovingPicture, np.ndarray]:
    """A figure cut by its mask, and its pose in the picture."""
    cut, pose = _cut(figure)
    return cut, pose.copy()


@cache
def _cut(figure: Painted) -> tuple[MovingPicture, np.ndarray]:
    """Made once: what is behind somebody takes most of a second to paint."""
    plan = CutoutAnimator().plan(
        figure.picture,
        figure.moved((0, 0)),
        reference_poses=figure.poses,
        masks=figure.masks,
    )
    return MovingPicture.of(plan), plan.keypoints[:, 0]


def test_a_foreshortened_bone_stretches_what_is_along_it_and_nothing_behind_its_joint() -> None:
    bone, target = (
        Bone(np.array([10.0, 10]), np.array([5.0, 0])),
        Bone(np.zeros(2), np.array([0, 20.0])),
    )
    turn = Turn.of(bone, target, along=4.0, across=1.5, behind=1.5)
    places = np.array([[10, 10], [15, 10], [10, 14], [6, 10], [10 - 1e-6, 12]])
    np.testing.assert_allclose(
        turn(places), [[0, 0], [0, 20], [-6, 0], [0, -6], [-3, 0]], atol=1e-4
    )


@pytest.fixture(scope="module")
def two_coloured(figure: Painted) -> Painted:
    """The left half of the face, which is at the right, is blue."""
    painted = copy.copy(figure)
    painted.picture = figure.picture.copy()
    head = (figure.masks[0] > 0) & (np.arange(280)[:, None] < 66)
    painted.picture[head & (np.arange(200) >= 100)] = BLUE
    return painted


@pytest.mark.parametrize("turn", [-7.0, 7.0])
def test_a_photographs_face_stays_whole_whichever_way_it_turns(
    two_coloured: Painted, turn: float
) -> None:
    cut, pose = moving(two_coloured)
    pose[0, [NOSE, RIGHT_EYE, LEFT_EYE], 0] += turn
    frame = cut.frame(pose, np.array([0]))[46:64, 80:120]
    red, blue = near(frame, RED).sum(), near(frame, BLUE).sum()
    assert 0.3 < red / (red + blue) < 0.7
    columns = np.arange(frame.shape[1])
    assert (
        near(frame, RED)[:, columns].mean(axis=0).argmax() < near(frame, BLUE).mean(axis=0).argmax()
    ), "not mirrored"


def test_a_foreshortened_forearm_keeps_its_width_and_its_hand(figure: Painted) -> None:
    cut, pose = moving(figure)
    elbow, wrist = pose[0, [LEFT_ELBOW, LEFT_WRIST], :2]
    length = float(np.hypot(*(wrist - elbow)))
    near_arm = np.zeros(figure.picture.shape[:2], bool)
    y, x = np.mgrid[:280, :200]
    near_arm |= np.hypot(x - elbow[0], y - elbow[1]) < 1.6 * length
    before = near(cut.frame(pose, np.array([0])), RED) & near_arm
    pose[0, LEFT_WRIST, :2] = elbow + 0.3 * (wrist - elbow)
    after = near(cut.frame(pose, np.array([0])), RED) & near_arm
    assert after.sum() < before.sum(), "it is shorter"
    assert (after & ~before).sum() < 0.03 * before.sum(), "and nowhere wider"


def test_an_arm_takes_its_sleeve_along_and_leaves_the_ground(figure: Painted) -> None:
    cut, pose = moving(figure)
    shoulder = pose[0, 5, :2].copy()
    for joint in (LEFT_ELBOW, LEFT_WRIST):
        x, y = pose[0, joint, :2] - shoulder
        pose[0, joint, :2] = shoulder + (y, -x)  # a quarter turn upwards
    frame = cut.frame(pose, np.array([0]))
    column, row = np.rint(pose[0, LEFT_WRIST, :2]).astype(int)
    assert near(frame, RED)[row - 2 : row + 3, column - 2 : column + 3].all()
    column, row = np.rint(figure.poses.keypoints[0, 0, LEFT_WRIST, :2]).astype(int)
    assert near(frame, GROUND)[row - 2 : row + 3, column - 2 : column + 3].all()


def test_a_folded_arm_that_straightens_leaves_a_whole_neck_and_does_not_curl() -> None:
    straight = person(60, 50, 80)
    folded = straight.copy()
    folded[LEFT_WRIST, :2] = straight[NECK, :2] - (4, 8)  # at the throat, before it
    cut, pose = moving(Painted((280, 200), [(folded, RED)]))
    pose[0, LEFT_WRIST] = straight[LEFT_WRIST]
    frame = near(cut.frame(pose, np.array([0])), RED)
    bones = ((NOSE, NECK, 1.0), (LEFT_SHOULDER, LEFT_ELBOW, 0.95), (LEFT_ELBOW, LEFT_WRIST, 0.9))
    for one, other, least in bones:
        ends = pose[0, [one, other], :2]
        share = np.linspace(0.1, 0.9, 30)[:, None]
        columns, rows = np.rint(ends[0] + share * (ends[1] - ends[0])).astype(int).T
        assert frame[rows, columns].mean() >= least, (one, other)


@pytest.mark.parametrize(("elbow", "soft", "hard"), [(True, 20, 50), (False, 60, 120)])
def test_joints_that_turn_far_are_hard(elbow: bool, soft: float, hard: float) -> None:
    share, outer = np.array([0.0, 0.2, 0.45, 0.55, 0.8, 1.0]), np.arange(6) > 2

    def sharpened(degrees: float) -> np.ndarray:
        return _sharpened(share, outer, np.radians(degrees), elbow)

    np.testing.assert_array_equal(sharpened(soft - 1), share)
    np.testing.assert_array_equal(sharpened(hard + 1), outer)
    np.testing.assert_allclose(sharpened((soft + hard) / 2), [0, 0, 0.4, 0.6, 1, 1])


def test_what_a_layer_has_beneath_an_elbow_goes_with_its_own_bone() -> None:
    share, outer = np.array([0.2, 0.8]), np.array([True, False])
    bend = np.radians(121)
    np.testing.assert_allclose(_sharpened(share, outer, bend, True), [1, 0], atol=0.01)
    np.testing.assert_allclose(_sharpened(share, outer, bend, False), [0, 1], atol=0.01)


@pytest.mark.parametrize("degrees", [30, 60, 90, 120, 150])
def test_a_bent_elbow_is_round_and_whole(figure: Painted, degrees: float) -> None:
    """All around the elbow, within the arm's half width, there is arm: no gap, no torn sleeve."""
    cut, pose = moving(figure)
    before = near(cut.frame(pose, np.array([0])), RED)
    shoulder, elbow = pose[0, [LEFT_SHOULDER, LEFT_ELBOW], :2]
    raised = elbow + (30, -10)  # away from the trunk
    way, angle = raised - elbow, np.radians(-degrees)
    c, s = np.cos(angle), np.sin(angle)
    pose[0, LEFT_ELBOW, :2] = raised
    straight = (raised - shoulder) / np.hypot(*(raised - shoulder)) * np.hypot(*way) * 1.1
    pose[0, LEFT_WRIST, :2] = raised + np.array([[c, -s], [s, c]]) @ straight
    frame = near(cut.frame(pose, np.array([0])), RED)
    y, x = np.mgrid[:280, :200]
    wide = 0.7 * before[round(float(elbow[1])), round(float(elbow[0])) - 12 :].sum() / 2
    assert frame[np.hypot(x - raised[0], y - raised[1]) < min(wide, 5)].all()


def test_a_bare_arm_behind_a_shirt_leaves_the_shirt_and_is_whole(figure: Painted) -> None:
    """The bone of the upper arm lies on the shirt: the shirt stays, and the arm goes on behind."""
    shirt = cv2.fillConvexPoly(
        np.zeros((280, 200), np.uint8),
        np.array([(88, 86), (126, 86), (126, 94), (110, 128), (90, 128)]),
        1,
    )
    worn = copy.copy(figure)
    worn.picture = np.where(shirt[..., None] > 0, np.uint8(BLUE), figure.picture)
    worn.masks = np.maximum(figure.masks, shirt[None])
    cut, pose = moving(worn)
    shoulder = pose[0, LEFT_SHOULDER, :2].copy()
    for joint in (LEFT_ELBOW, LEFT_WRIST):
        x, y = pose[0, joint, :2] - shoulder
        pose[0, joint, :2] = shoulder + (y, -x)  # a quarter turn upwards
    frame = cut.frame(pose, np.array([0]))
    share = np.linspace(0.3, 0.95, 20)[:, None]
    columns, rows = np.rint(shoulder + share * (pose[0, LEFT_ELBOW, :2] - shoulder)).astype(int).T
    assert near(frame, RED)[rows, columns].mean() > 0.9
    assert near(frame, BLUE)[:, 136:].sum() < 10, "84 pixels of the shirt would come along"
    assert near(frame, BLUE)[88:96, 100:122].mean() > 0.9


def test_a_bare_hand_of_the_trunks_colours_goes_with_its_sleeve(figure: Painted) -> None:
    worn = copy.copy(figure)
    worn.picture = figure.picture.copy()
    pose = figure.poses.keypoints[0, 0]
    for joints in (
        (LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST),
        (RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST),
    ):
        line = np.rint(pose[list(joints), :2]).astype(np.int32)
        line[2] = (line[1] + line[2]) // 2  # the sleeve ends before the wrist
        sleeve = cv2.polylines(np.zeros((280, 200), np.uint8), [line], False, 1, 22) > 0
        worn.picture[sleeve & (figure.masks[0] > 0)] = BLUE
    cut, pose = moving(worn)
    shoulder = pose[0, LEFT_SHOULDER, :2].copy()
    for joint in (LEFT_ELBOW, LEFT_WRIST):
        x, y = pose[0, joint, :2] - shoulder
        pose[0, joint, :2] = shoulder + (y, -x)  # a quarter turn upwards
    frame = cut.frame(pose, np.array([0]))
    red = near(frame, RED)
    x, y = np.rint(pose[0, LEFT_WRIST, :2]).astype(int)
    assert red[y - 10 : y + 11, x - 10 : x + 11].mean() > 0.25
    x, y = np.rint(figure.poses.keypoints[0, 0, LEFT_WRIST, :2]).astype(int)
    assert not red[y : y + 20, x : x + 20].any()  # nothing hangs where the hand was


def test_a_joint_that_a_pose_lacks_goes_with_the_one_before(figure: Painted) -> None:
    cut, pose = moving(figure)
    whole = cut.frame(pose, np.array([0]))
    pose[0, [LEFT_WRIST, RIGHT_WRIST]] = 0
    without = cut.frame(pose, np.array([0]))
    assert (np.abs(whole.astype(int) - without).max(axis=-1) > 40).mean() < 0.002


def test_small_pictures_are_moved_at_twice_their_size() -> None:
    small = Painted((65, 47), [(person(12, 8, 22), RED)])
    cut, pose = moving(small)
    assert (cut.scale, cut.plate.shape) == (2, (130, 94, 3))
    frame = cut.frame(pose, np.array([0]))
    assert frame.shape == small.picture.shape
    assert np.abs(frame.astype(int) - small.picture).mean() < 4


def test_edges_are_freed_from_what_is_behind_them() -> None:
    share = np.array([[1.0, 0.75, 0.5]], np.float32)
    plate = np.full((1, 3, 3), 200, np.uint8)
    picture = np.rint(plate * (1 - share[..., None]) + 40 * share[..., None]).astype(np.uint8)
    freed = without_ground(picture, share, plate)
    np.testing.assert_allclose(freed, 40, atol=2)


def test_noise_of_pixels_that_are_hardly_anybodys_is_not_blown_up() -> None:
    """Of a twentieth of somebody the colour cannot be known: it is taken twice as far at most."""
    plate = np.full((1, 1, 3), 200, np.uint8)
    freed = without_ground(plate - np.uint8(10), np.full((1, 1), 0.05, np.float32), plate)
    assert 178 <= freed.min() <= freed.max() < 190


def test_limbs_that_the_border_cuts_go_on(figure: Painted) -> None:
    pose = figure.poses.keypoints[0, 0].copy()
    knee = pose[LEFT_KNEE, :2]
    pose[LEFT_ANKLE] = 0
    cut = with_joints_outside(pose, (int(knee[1]) + 5, 200))
    shin, thigh = cut[LEFT_ANKLE, 1] - knee[1], knee[1] - pose[LEFT_HIP, 1]
    assert 0.7 < shin / thigh < 1.1, "shins are a little shorter than thighs"
    hidden = with_joints_outside(pose, (2000, 2000))  # not cut: somebody hides it
    assert not present(hidden[LEFT_ANKLE])


def test_who_is_cut_goes_on_beyond_the_border_where_limbs_do_and_fades() -> None:
    """Beyond it a limb is a little wider than a thigh, and is gone at the end of the border.

    All else, as cloth or a trunk, ends softly within a tenth of it.
    """
    pose, border = person(60, 50, 80), 60
    pose[:, :2] += border
    pose[RIGHT_ANKLE, 1] = 310
    pose[LEFT_ANKLE] = 0
    size = (190 + 2 * border, 200 + 2 * border)
    matte = _cut_off(np.ones(size, np.float32), pose, border)
    leg, beside = matte[:, round(float(pose[RIGHT_KNEE, 0]))], matte[:, 100]
    assert (leg[border:270] == 1).all()
    assert 0.4 < leg[295] < 0.53
    assert leg[309] < 0.05
    assert 0.3 < beside[251] < 0.8
    assert (beside[255:] == 0).all()
    thigh = 2 * HALF_WIDTHS[Piece.RIGHT_THIGH] * skeleton_height(pose)
    assert 1.15 < (matte[265] > 0.5).sum() / thigh < 1.5


def test_who_is_cut_at_the_shins_can_rise_by_a_tenth_of_the_picture() -> None:
    """The legs go on; not for ever, which nobody has seen."""
    low = Painted((180, 200), [(person(60, 50, 80), RED)])
    cut, pose = moving(low)
    column = round(float(pose[0, RIGHT_KNEE, 0]))

    def risen(by: float) -> np.ndarray:
        target = pose.copy()
        target[..., 1] -= by
        return cut.frame(target, np.array([0]))[:, column]

    assert near(risen(20)[150:172], RED).all()
    assert near(risen(50)[165:], GROUND).all()


def test_the_mirror_image_of_a_mirror_image_is_the_pose(figure: Painted) -> None:
    pose = figure.poses.keypoints[0, 0]
    turned = mirror_image(pose, 200)
    assert turned[LEFT_WRIST, 0] == 199 - pose[RIGHT_WRIST, 0]
    np.testing.assert_allclose(mirror_image(turned, 200), pose, atol=1e-4)


def test_an_upper_arm_begins_beside_the_forearm_that_is_folded_onto_it() -> None:
    pose = person(60, 50, 80)
    shoulder = pose[LEFT_SHOULDER, :2].copy()
    pose[LEFT_ELBOW, :2], pose[LEFT_WRIST, :2] = shoulder + (10, 26), shoulder + (8, 0)
    figure, body = Painted((280, 200), [(pose, RED)]), stance(pose, pose)
    assert body is not None
    mask = figure.masks[0].astype(np.float32)
    parting = parted(figure.picture, mask, body, (slice(0, 280), slice(0, 200)))
    beside = (shoulder + (4, 16))[None]
    upper, forearm = (float(parting.at(piece, beside)[0]) for piece in LEFT_ARM[:2])
    assert upper < forearm


def test_what_slopes_from_the_neck_to_a_shoulder_is_whole_beneath_a_hand() -> None:
    pose = person(60, 50, 80)
    body = stance(pose, pose)
    assert body is not None
    found = cores(body, BODY, (280, 200), (0, 0), None)
    neck, shoulder = pose[NECK, :2], pose[LEFT_SHOULDER, :2]
    for share, height, whole in ((0.5, 4, True), (0.7, 2, True), (0.9, 12, False)):
        x, y = np.rint(neck + share * (shoulder - neck) - (0, height)).astype(int)
        assert (found[y, x] > 0.9) == whole, share


@pytest.mark.parametrize(("layer", "reach"), [(RIGHT_LEG, 4), (BODY, 2), (LEFT_ARM[1:], 2)])
def test_colours_beside_a_hand_are_trusted_less_on_legs(
    layer: tuple[Piece, ...], reach: int
) -> None:
    other = BODY if layer == LEFT_ARM[1:] else LEFT_ARM[1:]
    winner = np.zeros((1, 40), int)
    winner[:, 20:] = 1
    near = _beside(winner, [layer, other], layer, 200.0)
    assert near[0, :20].sum() == reach


def test_who_turns_their_back_keeps_a_whole_body_and_their_head(figure: Painted) -> None:
    """All of it is mirrored but the face, which does not flicker where somebody turns sideways."""
    painted = copy.copy(figure)
    painted.picture = figure.picture.copy()
    half = (figure.masks[0] > 0) & (np.arange(200) >= 100)
    painted.picture[half] = BLUE
    cut, pose = moving(painted)
    front = cut.frame(pose, np.array([0]))
    behind = pose.copy()
    for right, left in ((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13)):
        behind[0, [right, left]] = behind[0, [left, right]]
    back = cut.frame(behind, np.array([0]))

    def coloured(frame: np.ndarray, rows: slice) -> tuple[float, float]:
        """Pixels of each colour, and the mean column of the red ones less that of the blue ones."""
        red, blue = near(frame[rows], RED), near(frame[rows], BLUE)
        apart = float(np.nonzero(red)[1].mean() - np.nonzero(blue)[1].mean())
        return float(red.sum() + blue.sum()), apart

    head, body = slice(40, 66), slice(76, 270)
    for rows, mirrored in ((head, 1), (body, -1)):
        (before, was), (after, now) = coloured(front, rows), coloured(back, rows)
        assert after > 0.95 * before
        assert now == pytest.approx(mirrored * was, abs=3)
