"""How far layers trust their neighbours, and what they are measured on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from posecast.cutout.hidden import closed
from posecast.cutout.layers import BODY, Seen, _beside, _box, _Cut, _given, stacked
from posecast.cutout.parting import Parting
from posecast.cutout.pieces import LEFT_LEG, RIGHT_LEG, Piece
from posecast.cutout.stance import Stance
from tests.cutout.bodies import SIZE, body_of, standing_pose

HEIGHT = 1000.0
"""Of a body, pixels: a hundredth of it is ten."""


@pytest.fixture(scope="module")
def body() -> Stance:
    return body_of(standing_pose())


@pytest.mark.parametrize(
    ("pieces", "shadow", "clear"), [(BODY, 9, 12), (LEFT_LEG, 18, 23)], ids=["trunk", "leg"]
)
def test_colours_beside_an_arm_are_not_used(
    body: Stance, pieces: tuple, shadow: int, clear: int
) -> None:
    """An outline is a hundredth of the height wide; a hand's shadow on a leg is twice as wide."""
    stack = stacked(body)
    own = stack.index(pieces)
    arm = next(i for i, other in enumerate(stack) if other not in (BODY, pieces) and i > own)
    winner = np.full((3, 100), own)
    winner[:, :50] = arm
    doubted = _beside(winner, stack, pieces, HEIGHT)[1]
    assert doubted[49 + shadow]
    assert not doubted[49 + clear]


def test_a_hidden_arm_is_as_wide_as_an_arm(body: Stance) -> None:
    """A trunk was seen where a bone of an arm lies: the arm is hidden for about its half width."""
    given = np.zeros((101, 101), bool)
    given[50, 50] = True
    parting = Parting(np.zeros((len(Piece), 101, 101), np.float32), 1.0, (0, 0), given)
    hidden = _given(parting, replace(body, height=HEIGHT), given.shape)[50]
    assert hidden[50 + 27]
    assert not hidden[50 + 34]


def test_legs_go_on_beneath_the_trunk_a_little(body: Stance) -> None:
    """By one and a half hundredths of the height (`_HIP`): so wide a gap opens as they turn."""
    stack = stacked(body)
    hips = round(float(body.down.end[1]))
    y, x = np.indices(SIZE)
    leg = np.where(x < body.down.end[0], stack.index(RIGHT_LEG), stack.index(LEFT_LEG))
    winner = np.where(y < hips, stack.index(BODY), leg)
    nowhere = np.zeros(SIZE, bool)
    seen = Seen(np.zeros((*SIZE, 3), np.uint8), np.ones(SIZE, np.float32), nowhere)
    parting = Parting(np.zeros((len(Piece), 2, 2), np.float32), 1.0, (0, 0), nowhere[:2, :2])
    distances = np.zeros((len(stack), *SIZE), np.float32)
    cut = _Cut(seen, body, (0, 0), None, parting, stack, distances, winner)
    outside = cut._core(RIGHT_LEG, nowhere)[:, 10] > 0.5  # far from the bone
    beneath = (hips - np.flatnonzero(outside)[0]) / body.height
    assert 0.0125 < beneath < 0.0175


def test_a_box_has_room_for_hidden_hands_and_hair(body: Stance) -> None:
    """Nothing of a person is seen but the belly; still what is completed needs a place."""
    matte = np.zeros((2000, 2000), np.float32)
    matte[500:510, 250:260] = 1
    points = np.concatenate([[bone.start, bone.end] for bone in body.bones.values()])
    box = _box(matte, body)
    assert box is not None
    beyond = (box[1].stop - points[:, 0].max()) / body.height
    assert 0.125 < beyond < 0.175


def test_notches_are_closed_as_finely_as_a_finger_and_no_finer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a copy whose pixels are a 256th of the body: its edges are within that of the truth.

    A large picture costs no more than a small one.
    """
    sizes = []
    close = cv2.morphologyEx

    def counted(picture: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
        sizes.append(picture.shape)
        return close(picture, *arguments, **options)

    monkeypatch.setattr(cv2, "morphologyEx", counted)
    own = np.zeros((2048, 256), bool)
    own[:, :101] = True
    edge = closed(own, 2048.0)[1024]
    assert np.flatnonzero((edge > 0.02) & (edge < 0.98)).size <= 2 * 2048 / 256
    assert sizes[0][0] <= 2048 / 7
