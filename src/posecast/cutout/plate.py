"""The picture without its people: what shows where somebody stood."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

_LONGEST = 512
"""Longest side of the picture that is inpainted, pixels: what is invented has no finer detail."""
_MARGIN = 0.012
"""Grown around the silhouettes, by the picture's longest side: edges hold the people's colours."""
_RADIUS = 4.0
"""How far around a pixel inpainting looks, pixels of the picture that is inpainted."""
_FEATHER = 0.004
"""Standard deviation of the seam between picture and invention, by the longest side."""


def clean_plate(
    picture: UInt8[np.ndarray, "height width 3"], people: Bool[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with its people inpainted (Telea 2004, OpenCV's), soft at the seam.

    Nothing is invented where there is nobody; where there is nothing but people, they stay.
    """
    height, width = people.shape
    longest = max(height, width)
    margin = max(1, round(_MARGIN * longest))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    hole = cv2.dilate(people.astype(np.uint8), disc)
    if not hole.any() or hole.all():
        return picture.copy()
    scale = min(1.0, _LONGEST / longest)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Means of the ground alone: a pixel at the border of the hole must not hold people's colours.
    small_hole = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    small = cv2.inpaint(
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA),
        small_hole.astype(np.uint8),
        _RADIUS,
        cv2.INPAINT_TELEA,
    )
    invented = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    share = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), max(0.5, _FEATHER * longest))
    share = np.where(people, np.float32(1), share)[..., None]
    mixed = picture + (invented.astype(np.float32) - picture) * share
    return np.rint(mixed).clip(0, 255).astype(np.uint8)
