"""Fills holes in pictures from their surroundings."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

_LEAST = 1e-3
"""If less than this weight is known nearby, the mean comes from further away."""


def filled(
    colours: Float32[np.ndarray, "height width 3"], known: Float32[np.ndarray, "height width"]
) -> Float32[np.ndarray, "height width 3"]:
    """Fill holes with the weighted mean of their surroundings, from a pyramid of means."""
    levels = [(colours * known[..., None], known)]
    while min(levels[-1][1].shape) > 1:
        levels.append((cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])))
    total, weight = levels.pop()
    picture = total / np.maximum(weight, _LEAST)[..., None]
    for total, weight in reversed(levels):
        rows, columns = weight.shape
        around = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_LINEAR)
        share = np.minimum(weight, 1)[..., None]
        picture = total / np.maximum(weight, _LEAST)[..., None] * share + around * (1 - share)
    return picture
