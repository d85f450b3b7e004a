"""How far what is hidden of trunks and legs goes on, and how round it is."""

from __future__ import annotations

import numpy as np
import pytest

from posecast.cutout.garments import Garment
from posecast.cutout.hidden import leg_behind, trunk_sides
from posecast.cutout.pieces import HALF_WIDTHS, LEFT_LEG, RIGHT_LEG
from posecast.cutout.stance import Stance
from tests.cutout.bodies import SIZE, body_of, extent, standing_pose


@pytest.fixture(scope="module")
def body() -> Stance:
    return body_of(standing_pose())


def hidden_leg(body: Stance, half: int = 3) -> np.ndarray:
    """A leg of which only the middle is seen, and that also above its hip, before a trunk."""
    bone = body.bones[RIGHT_LEG[0]]
    y, x = np.indices(SIZE)
    own = (abs(x - bone.start[0]) <= half) & (y < bone.end[1])
    return leg_behind(body, RIGHT_LEG, own, ~own, np.ones(SIZE, bool), (0, 0), None) > 0.5


def test_a_thigh_goes_on_above_its_hip_by_a_third_of_its_length(body: Stance) -> None:
    """As far as a leg that is lifted takes the trousers along (`_ABOVE`)."""
    above = -extent(hidden_leg(body), body.bones[RIGHT_LEG[0]])[0]
    assert 0.3 < above < 0.4


def test_the_corners_of_a_hidden_leg_are_round(body: Stance) -> None:
    """By three tenths of its half width (`_ROUND`): there a blur takes half of a pixel to 0.55
    standard deviations from the corner, on both sides.
    """
    bone, half = body.bones[RIGHT_LEG[0]], HALF_WIDTHS[RIGHT_LEG[0]] * body.height
    found = hidden_leg(body)
    top = np.flatnonzero(found[:, round(bone.start[0])])[0]
    right = np.flatnonzero(found[round(bone.start[1])])[-1]
    cut = next(k for k in range(100) if found[top + k, right - k])
    assert 0.13 < cut / half < 0.2


def test_a_coat_s_sides_are_measured_down_to_the_middle_of_the_thighs(body: Stance) -> None:
    """Half a trunk's length below the hips (`_DOWN`); without a coat a trunk ends at the hips."""
    legs = [
        np.stack([body.bones[limb[0]].start, body.bones[limb[0]].end, body.bones[limb[1]].end])
        for limb in (RIGHT_LEG, LEFT_LEG)
    ]
    middle = abs(np.indices(SIZE)[1] - body.trunk.top[0]) <= 3
    for garment, least, most in ((Garment((legs[0], legs[1]), (1, 1)), 1.35, 1.65), (None, 1, 1)):
        found = trunk_sides(body, middle, ~middle, (0, 0), garment)
        assert least - 0.01 < extent(found, body.down)[1] < most + 0.01
