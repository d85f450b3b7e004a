"""Short sleeves and bare shoulders go with their arms, also in the colours of the trunk."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from posecast.cutout.parting import parted
from posecast.cutout.pieces import HALF_WIDTHS, Piece
from posecast.cutout.sleeves import OuterSide
from posecast.cutout.stance import Stance
from tests.cutout.bodies import SIZE, body_of, standing_pose

SKIN, SHIRT = (222, 172, 140), (40, 34, 60)
ARM = Piece.LEFT_UPPER_ARM


@pytest.fixture(scope="module")
def body() -> Stance:
    return body_of(standing_pose())


def point(body: Stance, along: float, out: float = 0.0) -> tuple[int, int]:
    """A pixel of the left arm: a share of the bone on, and so many half widths out from it."""
    bone = body.bones[ARM]
    across = np.array([-bone.way[1], bone.way[0]]) / bone.length
    if across @ (bone.start - body.trunk.top) < 0:
        across = -across
    place = bone.start + along * bone.way + out * HALF_WIDTHS[ARM] * body.height * across
    x, y = np.rint(place).astype(int).tolist()
    return x, y


def dressed(body: Stance, sleeve: float, out: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Somebody in a shirt whose sleeve covers a share of the upper arm, which lies `out`."""
    picture, mask = np.full((*SIZE, 3), 200, np.uint8), np.zeros(SIZE, np.uint8)
    thick = round(2 * HALF_WIDTHS[ARM] * body.height)
    corners = body.trunk.at(np.array([0.0, 0, 1, 1]), np.array([-1.0, 1, 1, -1]))
    for image, shirt, skin in ((picture, SHIRT, SKIN), (mask, (1,), (1,))):
        cv2.line(image, point(body, 0, out), point(body, 2, out), skin, thick)
        cv2.fillConvexPoly(image, np.rint(corners).astype(np.int32), shirt)
        if sleeve:
            cv2.line(image, point(body, 0, out), point(body, sleeve, out), shirt, thick + 2)
    return picture, mask.astype(np.float32)


def piece_at(body: Stance, dressed: tuple[np.ndarray, np.ndarray], place: tuple[int, int]) -> int:
    whole = slice(0, SIZE[0]), slice(0, SIZE[1])
    found = parted(*dressed, body, whole)
    places = np.array([place], np.float64)
    return int(np.argmin([found.at(piece, places)[0] for piece in Piece]))


@pytest.mark.parametrize("sleeve", [0.4, 0.6, 0.8])
def test_a_short_sleeve_goes_with_its_arm(body: Stance, sleeve: float) -> None:
    picture = dressed(body, sleeve)
    for along in (0.25, sleeve - 0.1, sleeve + 0.1):
        assert piece_at(body, picture, point(body, along, 0.6)) == ARM, along


def test_a_shirt_beside_a_bare_arm_stays_where_it_is(body: Stance) -> None:
    """The arm is further out than its joints say, which lie on the shirt's edge."""
    picture, mask = dressed(body, 0.0, out=1.2)
    thick = round(0.8 * HALF_WIDTHS[ARM] * body.height)
    for image, shirt in ((picture, SHIRT), (mask, 1.0)):
        cv2.line(image, point(body, 0.1, -0.1), point(body, 1, -0.1), shirt, thick)
    assert piece_at(body, (picture, mask), point(body, 0.6)) == Piece.TRUNK
    assert piece_at(body, (picture, mask), point(body, 0.6, 1.5)) == ARM


def outer(body: Stance, reach: float) -> OuterSide:
    """Of an arm that reaches so many half widths out."""
    mask = np.zeros(SIZE, np.uint8)
    thick = round(2 * reach * HALF_WIDTHS[ARM] * body.height)
    cv2.line(mask, point(body, -0.2), point(body, 1.2), 1, thick)
    return OuterSide.of(ARM, body, 1.0, (0, 0), mask > 0)


@pytest.mark.parametrize(("reach", "known"), [(2.2, True), (2.8, False)])
def test_wide_sleeves_are_arms_and_a_trunk_beneath_an_arm_is_none(
    body: Stance, reach: float, known: bool
) -> None:
    side = outer(body, reach)
    assert side.person[len(side.levels) // 2].any() == known


def alike(body: Stance, share: float, begin: float, end: float) -> np.ndarray:
    """The inner part of an arm's outer half, between two levels."""
    found = np.zeros(SIZE, np.uint8)
    corners = [(begin, -1.0), (begin, share), (end, share), (end, -1.0)]
    cv2.fillConvexPoly(found, np.array([point(body, *corner) for corner in corners]), 1)
    return found > 0


@pytest.mark.parametrize(("share", "covered"), [(0.3, False), (0.5, True)])
def test_a_sleeve_begins_at_the_shoulder(body: Stance, share: float, covered: bool) -> None:
    """There it covers nearly half of the arm's outer half; a bone that is off does not."""
    x, y = point(body, 0.3)
    side = outer(body, 1)
    assert side.covered(alike(body, share, -0.1, 0.2) | alike(body, 0.3, 0, 1))[y, x] == covered
    later = alike(body, 1.0, 0.2, 1)  # a trunk that hides an arm
    assert not side.covered(later).any()


@pytest.mark.parametrize(("begin", "covered"), [(0.04, True), (0.08, False)])
def test_a_strap_is_no_sleeve(body: Stance, begin: float, covered: bool) -> None:
    """The first tenth of the arm counts."""
    x, y = point(body, 0.3)
    assert outer(body, 1).covered(alike(body, 1.0, begin, 1))[y, x] == covered


@pytest.mark.parametrize(("share", "covered"), [(0.1, False), (0.25, True)])
def test_a_sleeve_goes_on_while_some_of_it_is_there(
    body: Stance, share: float, covered: bool
) -> None:
    shown = alike(body, 0.9, -0.1, 0.4) | alike(body, share, 0, 0.7)
    side = outer(body, 1)
    for along, expected in ((0.3, True), (0.6, covered), (0.8, False)):
        x, y = point(body, along)
        assert side.covered(shown)[y, x] == expected, along


@pytest.mark.parametrize(
    ("along", "out", "belongs"),
    [(0.2, 0.95, True), (0.2, 0.6, False), (0.04, 0.95, False), (0.5, 0.95, False)],
)
def test_the_outer_part_of_a_shoulder_is_the_arms(
    body: Stance, along: float, out: float, belongs: bool
) -> None:
    found = outer(body, 1.1).shoulder(0.35, SIZE).astype(np.uint8)
    x, y = point(body, along, out)
    assert bool(found[y - 1 : y + 2, x - 1 : x + 2].any()) == belongs
