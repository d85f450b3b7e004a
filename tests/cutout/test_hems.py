"""What a silhouette says of skirts: where cloth ends, and what is no cloth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from posecast.cutout.garments import Garment, garment_of
from posecast.geometry.skeleton import (
    LEFT_ANKLE,
    LEFT_HIP,
    LEFT_KNEE,
    RIGHT_ANKLE,
    RIGHT_HIP,
    RIGHT_KNEE,
)
from tests.cutout.bodies import SIZE, body_of, standing_pose

Profile = Callable[[float], float]
MIDDLE = 260


def worn(outer: Profile, gap: Profile, apart: float = 0.158) -> Garment | None:
    """What is found on somebody whose legs stand so far `apart`, by the height of the body.

    By the level (hips 0, ankles 1): how far the silhouette goes on beside the legs' axes, by the
    height, and how much of what is between the axes is open, as a share.
    """
    pose = standing_pose()
    height = body_of(pose).height
    for joints, side in (
        ((RIGHT_HIP, RIGHT_KNEE, RIGHT_ANKLE), -1),
        ((LEFT_HIP, LEFT_KNEE, LEFT_ANKLE), 1),
    ):
        pose[list(joints), 0] = MIDDLE + side * apart / 2 * height
    rows = pose[[RIGHT_HIP, RIGHT_KNEE, RIGHT_ANKLE], 1]
    matte = np.zeros(SIZE, np.float32)
    for row in range(round(float(rows[0])) - 60, SIZE[0]):
        level = float(np.interp(row, rows, (0, 0.5, 1)))
        half = (apart / 2 + outer(level)) * height
        matte[row, round(MIDDLE - half) : round(MIDDLE + half)] = 1
        opened = gap(level) * apart / 2 * height
        matte[row, round(MIDDLE - opened) : round(MIDDLE + opened)] = 0
    return garment_of(matte, body_of(pose))


def step(at: float, above: float, below: float, over: float = 1e-6) -> Profile:
    """One value down to a level, another from there on, evenly between them `over` some levels."""
    return lambda level: float(np.interp(level, (at - over / 2, at + over / 2), (above, below)))


@pytest.mark.parametrize(("hem", "found"), [(0.1, False), (0.2, True), (0.5, True), (0.85, True)])
def test_a_short_skirt_is_one_a_leotard_is_not(hem: float, found: bool) -> None:
    """Trousers and leotards, too, are filled down to an eighth of a leg."""
    garment = worn(step(hem, 0.07, 0.03), step(hem, 0, 0.6))
    assert (garment is not None) == found
    if garment is not None:
        assert garment.hem == pytest.approx((hem, hem), abs=0.03)


def test_a_slanting_hem_is_a_hem() -> None:
    garment = worn(step(0.5, 0.07, 0.03, over=0.12), step(0.5, 0, 0.6, over=0.12))
    assert garment is not None
    assert 0.42 < garment.hem[0] < 0.48
    assert 0.52 < garment.hem[1] < 0.58


def test_a_pencil_skirt_has_no_flare() -> None:
    """It is as wide as the legs beneath it, but they cannot have filled what is between them."""
    assert worn(lambda level: 0.05, step(0.5, 0, 0.67)) is not None


def test_a_skirt_over_thick_legs() -> None:
    """They leave a third of what is between their axes open, from the hem on at once."""
    assert worn(step(0.5, 0.08, 0.035), step(0.5, 0, 0.3)) is not None


def test_a_skirt_over_legs_that_stand_close() -> None:
    """It steps in on both sides by more than a trouser leg's fold."""
    assert worn(step(0.5, 0.05, 0.028), lambda level: 0, apart=0.06) is not None
    assert worn(step(0.5, 0.03, 0.019), lambda level: 0, apart=0.02) is None


@pytest.mark.parametrize(
    ("outer", "gap", "apart"),
    [
        pytest.param(step(0.5, 0.07, 0.03), step(0.1, 0, 0.3), 0.158, id="wide shorts"),
        pytest.param(
            step(0.4, 0.07, 0.03, over=0.06), step(0.38, 0, 0.4, over=0.16), 0.158,
            id="tapering trousers with a low crotch",
        ),
        pytest.param(
            step(0.4, 0.05, 0.02, over=0.06), step(0.38, 0, 0.8, over=0.16), 0.06,
            id="the same, legs close",
        ),
        pytest.param(step(0.6, 0.09, 0.03, over=0.4), lambda level: 0, 0.08, id="baggy trousers"),
        pytest.param(step(0.6, 0.065, 0.04), lambda level: 0, 0.12, id="trousers in boots"),
        pytest.param(lambda level: 0.05, lambda level: 0, 0.158, id="wide trousers to the ground"),
    ],
)  # fmt: skip
def test_trousers_are_no_skirt(outer: Profile, gap: Profile, apart: float) -> None:
    assert worn(outer, gap, apart) is None


@pytest.mark.parametrize(("hips", "ground"), [(0.04, 0.1), (0.061, 0.17)])
def test_a_gown_widens_to_the_ground(hips: float, ground: float) -> None:
    """By half, or so wide that its hem is more than a third of the body's height."""
    garment = worn(step(0.5, hips, ground, over=0.75), lambda level: 0)
    assert garment is not None
    assert garment.hem == (1, 1)
