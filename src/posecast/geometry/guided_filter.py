"""The guided filter (He, Sun, Tang 2010): a coarse mask fitted to the edges of its picture."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

EDGE = 1e-3
"""Variance of colours (0..1) that is no edge yet."""
_LONGEST = 512
"""The filter's coefficients are found on a copy with no longer side: they are smooth."""


def fitted_to_edges(
    mask: Float32[np.ndarray, "height width"],
    picture: UInt8[np.ndarray, "height width 3"],
    radius: float,
) -> Float32[np.ndarray, "height width"]:
    """A soft mask 0..1 whose edges are those of the picture, as far as `radius` pixels away."""
    height, width = mask.shape
    scale = min(1.0, _LONGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    colours = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    coarse = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    slope, level = _linear(colours, coarse, max(1, round(radius * scale)))
    slope = cv2.resize(slope, (width, height), interpolation=cv2.INTER_LINEAR)
    level = cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)
    fine = np.einsum("hwc,hwc->hw", slope, picture.astype(np.float32)) / 255 + level
    return np.clip(fine, 0, 1).astype(np.float32)


def _linear(
    colours: Float32[np.ndarray, "h w 3"], mask: Float32[np.ndarray, "h w"], radius: int
) -> tuple[Float32[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
    """The mask as a linear function of the colours, around each pixel: ``slope, level``."""

    def mean(values: np.ndarray) -> np.ndarray:
        side = 2 * radius + 1
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT))

    mean_colour, mean_mask = mean(colours), mean(mask)
    together = mean(colours * mask[..., None]) - mean_colour * mean_mask[..., None]
    variance = np.empty((*mask.shape, 3, 3), np.float32)
    for a in range(3):
        for b in range(a, 3):
            product = mean(colours[..., a] * colours[..., b])
            variance[..., a, b] = product - mean_colour[..., a] * mean_colour[..., b]
            variance[..., b, a] = variance[..., a, b]
    variance += EDGE * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(variance, together[..., None])[..., 0]
    level = mean_mask - (slope * mean_colour).sum(axis=2)
    return mean(slope), mean(level)
