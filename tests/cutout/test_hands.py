"""Hands whose points are known are taken whole, whatever they lie on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import posecast.cutout.moving as moving_module
from posecast.casting.masks import found_hands
from posecast.cutout.hands import FINGER, draw_hand, hands_before, seen_hands, with_hands
from posecast.cutout.layers import stacked
from posecast.cutout.pieces import RIGHT_ARM, Piece
from posecast.cutout.stance import Stance, stance
from posecast.geometry.skeleton import (
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_SHOULDER,
    LEFT_WRIST,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    skeleton_height,
)
from posecast.media.images import read_image
from posecast.media.poses import read_poses
from tests.casting.conftest import person
from tests.cutout.conftest import BLUE, RED, Painted
from tests.cutout.test_animator import near
from tests.cutout.test_moving import moving

IMAGES = Path(__file__).resolve().parents[3] / "shared" / "real" / "images"


def open_hand(wrist: np.ndarray, size: float) -> np.ndarray:
    """21 points of a hand that hangs down from a wrist: x, y and a confidence of 1."""
    points = [(0.0, 0.0)]
    for angle, reach in ((-50, 0.9), (-20, 1.6), (-5, 1.75), (10, 1.6), (25, 1.4)):
        way = np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
        points += [tuple(way * reach * share) for share in (0.6, 0.75, 0.9, 1.0)]
    places = np.array(points) * size + wrist
    return np.concatenate([places, np.ones((21, 1))], axis=1).astype(np.float32)


def test_hands_are_those_that_are_sure_and_near_their_wrists() -> None:
    pose = person(60, 50, 80)
    hands = np.stack([open_hand(pose[wrist, :2], 10) for wrist in (RIGHT_WRIST, LEFT_WRIST)])
    assert set(seen_hands(hands, pose)) == {Piece.RIGHT_HAND, Piece.LEFT_HAND}
    unsure = hands.copy()
    unsure[:, :, 2] = [[0.49], [0.51]]
    assert set(seen_hands(unsure, pose)) == {Piece.LEFT_HAND}
    for off, expected in ((0.07, True), (0.09, False)):
        away = hands.copy()
        away[1, :, 0] += off * float(skeleton_height(pose))
        assert (Piece.LEFT_HAND in seen_hands(away, pose)) == expected
    pose[RIGHT_WRIST] = 0
    assert set(seen_hands(hands, pose)) == {Piece.LEFT_HAND}


@pytest.mark.parametrize(
    ("place", "before"),
    [
        (lambda body: body.trunk.at(np.array([0.5]), np.array([0.3]))[0], True),
        (lambda body: body.bones[Piece.HEAD].start, True),
        (lambda body: body.bones[Piece.RIGHT_THIGH].start, True),
        (lambda body: body.trunk.at(np.array([0.5]), np.array([-3.0]))[0], False),
    ],
)
def test_an_arm_is_before_the_body_that_its_hand_is_seen_on(
    place: Callable[[Stance], np.ndarray], before: bool
) -> None:
    pose = person(60, 50, 80)
    body = stance(pose, pose)
    assert body is not None
    behind = replace(body, before=dict.fromkeys(body.before, False))
    hand = open_hand(place(body), 2)[:, :2].astype(np.float64)
    seen = with_hands(behind, {Piece.RIGHT_HAND: hand})
    assert hands_before(seen) == [RIGHT_ARM[0]] * before
    assert seen.before == {**behind.before, RIGHT_ARM[0]: before}


@pytest.mark.parametrize(("points", "before"), [(5, False), (6, True)])
def test_a_quarter_of_a_hand_on_the_body_is_enough(points: int, before: bool) -> None:
    """Of 21 points (`_ON`); fewer may be a thumb that seems to touch the hip."""
    pose = person(60, 50, 80)
    body = stance(pose, pose)
    assert body is not None
    hand = np.full((21, 2), -100.0)
    hand[:points] = body.trunk.at(np.array([0.5]), np.array([0.0]))
    assert hands_before(replace(body, hands={Piece.RIGHT_HAND: hand})) == [RIGHT_ARM[0]] * before


def test_an_arm_seen_before_the_body_stays_there_unless_the_driver_turns_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pose = person(60, 50, 80)
    figure = Painted((280, 200), [(pose, RED)])
    on_belly = pose[[RIGHT_HIP, LEFT_HIP], :2].mean(axis=0) - (0, 12)
    hand = open_hand(on_belly, 4)
    none = np.zeros_like(hand)
    monkeypatch.setattr(moving_module, "found_hands", lambda *_: np.stack([hand, none])[None])
    figure.poses.keypoints[0, 0, RIGHT_WRIST, :2] = on_belly
    picture, keypoints = moving(figure)
    assert picture.people[0].before == {RIGHT_ARM[0]}
    stacks = []
    monkeypatch.setattr(
        moving_module, "stacked", lambda body: stacks.append(dict(body.before)) or stacked(body)
    )
    turned = keypoints.copy()
    for right, left in ((RIGHT_SHOULDER, LEFT_SHOULDER), (RIGHT_HIP, LEFT_HIP)):
        turned[:, [right, left]] = turned[:, [left, right]]
    monkeypatch.setattr(moving_module, "stance", lambda *poses: _all_behind(stance(*poses)))
    for target in (keypoints, turned):
        picture.frame(target, np.array([0]))
    assert [stack[RIGHT_ARM[0]] for stack in stacks] == [True, False]


def _all_behind(body: Stance | None) -> Stance | None:
    return body and replace(body, before=dict.fromkeys(body.before, False))


def test_fingers_are_as_thick_as_the_hand_is_large() -> None:
    def thumb(size: float, thick: float) -> float:
        image = np.zeros((160, 200), np.uint8)
        hand = open_hand(np.array([100, 10]), size)[:, :2].astype(np.float64)
        hand[5:] = hand[9]  # the other fingers are no wider than a point
        hand[:5, 0] = np.linspace(100, 20, 5)
        hand[1:5, 1] = 10
        draw_hand(image, hand, 1, thick)
        return float(image[:, 30:50].sum(axis=0).mean())

    length = 0.6 * 1.75  # from wrist to knuckle
    for size, thick in ((40.0, 1.0), (60.0, 1.0), (40.0, 2.0)):
        assert thumb(size, thick) == pytest.approx(FINGER * thick * size * length, abs=2.5)


def test_fingers_that_are_held_together_close_and_spread_ones_do_not() -> None:
    """A finger is about as thick as a quarter of the palm is long."""

    def covered(apart: float) -> float:
        hand = np.zeros((21, 2))
        hand[0] = 150, 20
        hand[1:5] = 150, 40  # no thumb
        for finger in range(4):
            hand[5 + 4 * finger : 9 + 4 * finger, 0] = 150 + apart * (finger - 1.5)
            hand[5 + 4 * finger : 9 + 4 * finger, 1] = 120, 150, 180, 210
        image = np.zeros((240, 300), np.uint8)
        draw_hand(image, hand, 1)
        first, last = round(hand[5, 0]), round(hand[17, 0])
        return float(image[180, first:last].mean())

    assert covered(25) > 0.8
    assert covered(45) < 0.7


def test_a_hand_on_clothes_comes_along_whole_and_leaves_nothing(
    figure: Painted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thumb lies far on the trunk, where nothing but the points says that it is the hand's."""
    pose = person(60, 50, 80)
    pose[LEFT_ELBOW, :2], pose[LEFT_WRIST, :2] = (132, 100), (126, 118)
    worn = Painted((280, 200), [(pose, BLUE)])
    hand = open_hand(pose[LEFT_WRIST, :2], 10)
    hand[1:5, :2] += np.array([-6, 2])
    skin = np.zeros((280, 200), np.uint8)
    draw_hand(skin, hand[:, :2].astype(np.float64), 1)
    worn.masks = np.maximum(worn.masks, skin[None])
    worn.picture[skin > 0] = RED
    hands = np.stack([np.zeros_like(hand), hand])[None]
    monkeypatch.setattr(moving_module, "found_hands", lambda picture, people: hands.copy())
    cut, target = moving(worn)
    shoulder = target[0, LEFT_SHOULDER, :2].copy()
    for joint in (LEFT_ELBOW, LEFT_WRIST):
        x, y = target[0, joint, :2] - shoulder
        target[0, joint, :2] = shoulder + (y, -x)  # a quarter turn upwards
    frame = near(cut.frame(target, np.array([0])), RED)
    there = np.zeros_like(frame)
    column, row = np.rint(target[0, LEFT_WRIST, :2]).astype(int)
    there[max(row - 24, 0) : row + 25, column - 8 :] = True
    assert (frame & there).sum() > 0.8 * skin.sum()
    assert (frame & ~there).sum() < 0.03 * skin.sum()


@pytest.mark.skipif(not IMAGES.is_dir(), reason="../shared/real is not there")
def test_both_hands_of_a_photograph_are_found() -> None:
    picture = read_image(IMAGES / "man_red_jacket.png")
    pose = read_poses(IMAGES / "man_red_jacket.poses.json").keypoints[:, 0]
    found = seen_hands(found_hands(picture, pose)[0], pose[0])
    assert set(found) == {Piece.RIGHT_HAND, Piece.LEFT_HAND}
    for piece, wrist in ((Piece.RIGHT_HAND, RIGHT_WRIST), (Piece.LEFT_HAND, LEFT_WRIST)):
        assert (found[piece][[8, 12, 16], 1] > pose[0, wrist, 1]).all(), "they hang"
