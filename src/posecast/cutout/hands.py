"""Draws hands from their 21 known points, finger by finger."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, UInt8

from posecast.cutout.pieces import HALF_WIDTHS, LEFT_ARM, LEFT_LEG, RIGHT_ARM, RIGHT_LEG, Piece
from posecast.cutout.stance import Bone, Stance
from posecast.geometry.skeleton import LEFT_WRIST, RIGHT_WRIST, present, skeleton_height

_SURE = 0.5
"""Minimum confidence of a hand's wrist point."""
_OFF = 0.08
"""Its wrist is no further off the body's, by the height."""
_ON = 0.25
"""A hand is before the body that has so many of its points behind it."""
_FINGERS = tuple((0, *range(first, first + 4)) for first in (1, 5, 9, 13, 17))
_PALM = (0, 1, 5, 9, 13, 17)
_WRIST, _KNUCKLE = 0, 9
FINGER = 0.22
"""Thickness of fingers as a share of the length from the wrist to the middle knuckle."""
_SIDES = ((Piece.RIGHT_HAND, RIGHT_WRIST), (Piece.LEFT_HAND, LEFT_WRIST))


def seen_hands(
    points: Float[np.ndarray, "2 21 3"], pose: Float32[np.ndarray, "joints 3"]
) -> dict[Piece, Float64[np.ndarray, "21 2"]]:
    """The hands (right, left) that reliably belong to a pose; all in pixels."""
    found = {}
    off = _OFF * skeleton_height(pose)
    for (piece, wrist), hand in zip(_SIDES, points.astype(np.float64), strict=True):
        away = np.hypot(*(hand[_WRIST, :2] - pose[wrist, :2]))
        if present(pose[wrist]) and hand[_WRIST, 2] >= _SURE and away <= off:
            found[piece] = hand[:, :2]
    return found


def with_hands(body: Stance, hands: dict[Piece, Float64[np.ndarray, "21 2"]]) -> Stance:
    """A stance in the picture whose hands are seen, and whose arms they tell the place of.

    A hand that is seen over its body is before it, and so is its arm, whichever way the face looks.
    """
    seen = replace(body, hands=hands)
    return replace(seen, before={**body.before, **dict.fromkeys(hands_before(seen), True)})


def hands_before(body: Stance) -> list[Piece]:
    """Arms, by their first piece, whose hands are seen over the body."""
    return [
        arm[0]
        for arm in (RIGHT_ARM, LEFT_ARM)
        if arm[0] in body.before
        and arm[2] in body.hands
        and _on_body(body.hands[arm[2]], body).mean() >= _ON
    ]


def _on_body(points: Float64[np.ndarray, "n 2"], body: Stance) -> Bool[np.ndarray, " n"]:
    """Which places are on the trunk, the head or the legs."""
    along, across = body.trunk.coordinates(points)
    found = (along >= 0) & (along <= 1) & (np.abs(across) <= 1)
    for piece in (*RIGHT_LEG, *LEFT_LEG):
        if piece in body.bones:
            reach = HALF_WIDTHS[piece] * body.height
            found |= _away(points, body.bones[piece]) <= reach
    head = body.bones.get(Piece.HEAD)
    if head is not None:
        found |= np.hypot(*(points - head.start).T) <= head.length
    return found


def _away(points: Float64[np.ndarray, "n 2"], bone: Bone) -> Float64[np.ndarray, " n"]:
    """How far places are from a bone, pixels."""
    along = ((points - bone.start) @ bone.way / bone.length**2).clip(0, 1)
    return np.hypot(*(points - bone.start - along[:, None] * bone.way).T)


def draw_hand(
    image: UInt8[np.ndarray, "h w"],
    hand: Float64[np.ndarray, "21 2"],
    value: int,
    thick: float = 1.0,
) -> None:
    """Draw a hand from its points (pixels of the image), in place.

    `thick` multiplies the thickness of its fingers.
    """
    places = np.rint(hand.clip(-1e4, 1e4)).astype(np.int32)
    width = thick * FINGER * float(np.hypot(*(hand[_KNUCKLE] - hand[_WRIST])))
    cv2.fillPoly(image, [places[list(_PALM)]], value)
    for finger in _FINGERS:
        cv2.polylines(image, [places[list(finger)]], False, value, max(1, round(width)))
