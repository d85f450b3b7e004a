"""The clean plate: the picture without its people."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from posecast.cutout.completion import completed

_ANY = 0.1
"""Pixels of which more than this share is a person's are removed."""
_MARGIN = 0.006
"""Margin around silhouettes, as a share of the picture's longest side: edges keep people's
colours."""
_FEATHER = 0.004
"""Standard deviation of the soft seam between picture and inpainting, as a share of that side."""


def clean_plate(
    picture: UInt8[np.ndarray, "height width 3"], people: Float32[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with its people (0..1) inpainted by example, with a soft seam.

    Without people the picture is unchanged. If people cover all of it, they stay.
    """
    longest = max(people.shape)
    margin = max(1, round(_MARGIN * longest))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    hole = cv2.dilate((people > _ANY).astype(np.uint8), disc) > 0
    invented = completed(picture, hole).astype(np.float32)
    share = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), max(0.5, _FEATHER * longest))
    share = np.where(people > _ANY, np.float32(1), share)[..., None]
    mixed = picture + (invented - picture) * share
    return np.rint(mixed).clip(0, 255).astype(np.uint8)
