"""Draws hands from their 21 known points, finger by finger."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from posecast.cutout.pieces import Piece
from posecast.geometry.skeleton import LEFT_WRIST, RIGHT_WRIST, present, skeleton_height

_SURE = 0.5
"""Minimum confidence of a hand's wrist point."""
_OFF = 0.08
"""Its wrist is no further off the body's, by the height."""
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
