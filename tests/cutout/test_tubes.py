"""Limbs as tubes: what bulges out of them, and how they go on behind something."""

from __future__ import annotations

import numpy as np
import pytest

from posecast.cutout.stance import Bone
from posecast.cutout.tubes import bulges, limb_behind, trunk_behind

AXIS = Bone(np.array([20.0, 50.0]), np.array([100.0, 0.0]))
HALF = 10


def limb(half: int = HALF) -> np.ndarray:
    """A limb along `AXIS` that reaches `half` pixels to both sides."""
    own = np.zeros((100, 140), bool)
    own[50 - half : 50 + half + 1, 20:121] = True
    return own


@pytest.mark.parametrize(("reach", "cut"), [(12, False), (15, True)])
def test_only_what_reaches_a_third_farther_bulges(reach: int, cut: bool) -> None:
    own = limb()
    own[50 : 50 + reach + 1, 80:95] = True
    found = bulges(own, AXIS, HALF)
    assert found[50 + reach, 80:95].all() == cut
    assert not found[limb()].any()


@pytest.mark.parametrize(("length", "cut"), [(9, True), (26, False)])
def test_a_long_wide_part_is_a_sleeve(length: int, cut: bool) -> None:
    """A bulge takes less than half of the fifths of the bone to both sides (`_WINDOW`)."""
    own = limb()
    own[50:67, 70 - length : 70 + length] = True
    assert bulges(own, AXIS, HALF)[66, 70] == cut


def test_what_lies_beyond_the_ends_is_no_bulge() -> None:
    own = limb()
    own[20:80, 5:19] = True
    assert not bulges(own, AXIS, HALF).any()


def test_a_leg_is_as_wide_behind_a_hand_as_around_it() -> None:
    whole = limb()
    hand = np.zeros_like(whole)
    hand[54:75, 60:90] = True
    found = limb_behind(whole & ~hand, hand, AXIS, np.linspace(0, 1, 65), HALF)
    assert found[59, 62:88].all()
    assert not found[63, 62:88].any()


def test_a_leg_ends_where_none_of_it_is_visible() -> None:
    own = limb()
    own[:, :60] = False
    found = limb_behind(own, np.zeros_like(own), AXIS, np.linspace(0, 1, 65), HALF)
    assert not found[50 + 5, :55].any()
    assert found[50 + 5, 65:115].all()


def test_a_leg_whose_sides_are_hidden_is_as_wide_as_legs_are() -> None:
    hidden = ~limb(2)
    found = limb_behind(limb(2), hidden, AXIS, np.linspace(0, 1, 65), HALF)
    assert found[50 + HALF - 1, 30:110].all()
    assert not found[50 + HALF + 2].any()


def test_a_trunk_behind_both_arms_leads_from_the_shoulders_to_what_is_seen_of_the_hips() -> None:
    own = limb(12)
    own[:, :90] &= limb(1)[:, :90]  # but for the last three tenths only its middle is seen
    found = trunk_behind(own, ~own, AXIS, np.linspace(0, 1, 65), HALF, shoulder=6)
    widths = found[50:].sum(axis=0) - 1
    assert widths[24] == pytest.approx(6, abs=1)
    assert widths[55] == pytest.approx(9, abs=1)
    assert widths[85] == pytest.approx(11, abs=1.5)
    assert np.abs(np.diff(widths[21:119])).max() <= 1, "no corner"


def test_a_trunk_has_its_waist_on_the_hidden_side_too() -> None:
    own = limb(12)
    own[:50, 50:80] &= limb(4)[:50, 50:80]
    own[51:, :] = False
    hidden = np.zeros_like(own)
    hidden[51:] = True
    own[50:63, 110:121], hidden[51:, 110:] = True, False
    found = trunk_behind(own, hidden, AXIS, np.linspace(0, 1, 65), HALF, shoulder=10)
    widths = found[50:].sum(axis=0) - 1
    assert widths[65] == pytest.approx(4, abs=1.5)
    assert widths[100] == pytest.approx(12, abs=1.5)


def test_no_leg_is_continued_wider_than_a_third_more_than_usual() -> None:
    """What reaches farther is no leg (`_WIDEST`)."""
    found = limb_behind(limb(25), np.zeros((100, 140), bool), AXIS, np.linspace(0, 1, 65), HALF)
    assert found[50 + 12, 30:110].all()
    assert not found[50 + 15].any()


def test_a_trunks_sides_are_rounded_over_a_sixth_of_their_length() -> None:
    """The blur (`_SMOOTH`) spreads nine tenths of a step over 2.6 standard deviations."""
    own = limb(10)
    own[:, 70:] = limb(40)[:, 70:]
    levels = np.linspace(0, 1, 65)
    found = trunk_behind(own, np.zeros_like(own), AXIS, levels, half=40, shoulder=10)
    widths = found[50:].sum(axis=0) - 1
    spread = np.flatnonzero((widths[21:120] > 13) & (widths[21:120] < 37)).size
    assert 13 < spread < 18
