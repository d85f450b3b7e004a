"""Regions of people for the landmark network: upright squares around the whole body.

A region is ``x, y, side, angle``: its centre and side in pixels of the frame (pixel centres are
integers), and its clockwise rotation in radians.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from posecast.estimators.builtin.landmarks import SIDE

MARGIN = 1.25
"""Side of a region, as a multiple of the diameter of the circle around the body."""
_SMOOTHED = 1.5
"""Crops that shrink the frame by more than this come from a smaller copy, to avoid aliasing."""

Frame = UInt8[np.ndarray, "height width 3"]
Regions = Float[np.ndarray, "people 4"]


def regions_between(
    hips: Float[np.ndarray, "people 2"], circle: Float[np.ndarray, "people 2"]
) -> Regions:
    """Regions of people from a circle with its centre at the hips, through a point above.

    For a person who stands upright, the point lies above the head.
    """
    up = circle - hips
    angle = np.arctan2(up[:, 0], -up[:, 1])
    side = 2 * MARGIN * np.hypot(up[:, 0], up[:, 1])
    return np.column_stack([hips, side, angle])


def to_frame(regions: Regions, side: int = SIDE) -> Float[np.ndarray, "people 2 3"]:
    """Affine maps from crops (pixel edges at integers) to the frame (pixel centres at integers).

    Crops are `side` pixels high and wide.
    """
    centre, scale, angle = regions[:, :2], regions[:, 2] / side, regions[:, 3]
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    turn = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)
    shift = centre - turn @ np.full(2, side / 2)
    return np.concatenate([turn, shift[:, :, None]], axis=2)


def between(region: Regions, other: Regions) -> Float[np.ndarray, "2 3"]:
    """The affine map from one region's crop to another's, pixel centres at integers in both."""
    here, there = (np.vstack([to_frame(r)[0], (0, 0, 1)]) for r in (region, other))
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    return np.asarray((np.linalg.inv(there @ shift) @ here @ shift)[:2])


def placed(
    points: Float[np.ndarray, "people points 2"], maps: Float[np.ndarray, "people 2 3"]
) -> Float[np.ndarray, "people points 2"]:
    """Points of crops in pixels of the frame."""
    return np.asarray(points @ maps[:, :, :2].transpose(0, 2, 1) + maps[:, None, :, 2])


def cut_out(
    frame: Frame, regions: Regions, side: int = SIDE
) -> UInt8[np.ndarray, "people side side 3"]:
    """The crops of the regions, `side` pixels high and wide; black outside of the frame."""
    crops = np.empty((len(regions), side, side, 3), np.uint8)
    smaller = {1: frame}
    for crop, region, inverse in zip(crops, regions, to_frame(regions, side), strict=True):
        shrink = 1
        while region[2] / side / shrink > _SMOOTHED and min(frame.shape[:2]) // (2 * shrink) > 1:
            shrink *= 2
            if shrink not in smaller:
                half = smaller[shrink // 2]
                size = (max(1, half.shape[1] // 2), max(1, half.shape[0] // 2))
                smaller[shrink] = cv2.resize(half, size, interpolation=cv2.INTER_AREA)
        source = smaller[shrink]
        scale = np.array(source.shape[1::-1]) / np.array(frame.shape[1::-1])
        # Pixel centres are integers on both sides, as in OpenCV.
        inverse = inverse.copy()
        inverse[:, 2] += inverse[:, :2] @ (0.5, 0.5)
        inverse *= scale[:, None]
        inverse[:, 2] += 0.5 * scale - 0.5
        cv2.warpAffine(source, inverse, (side, side), crop, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return crops


def pasted(
    mask: Float32[np.ndarray, "256 256"], region: Regions, size: tuple[int, int]
) -> Float32[np.ndarray, "height width"]:
    """A crop's mask on a frame of `size` (height, width); 0 outside of the crop."""
    forward = to_frame(region)[0]
    forward[:, 2] += forward[:, :2] @ (0.5, 0.5)
    return cv2.warpAffine(mask, forward, (size[1], size[0]), flags=cv2.INTER_LINEAR)
