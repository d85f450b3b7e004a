"""Skeletal dilation maps (eq. 2, 4): where each character is, as thick strokes of its skeleton."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from posecast.geometry.skeleton import (
    FACE,
    FOOT_EDGES,
    HAND_EDGES,
    LEFT_EAR,
    LEFT_EYE,
    LEFT_HAND,
    LEFT_HIP,
    LEFT_SHOULDER,
    LEFT_WRIST,
    LIMBS,
    NECK,
    NOSE,
    RIGHT_EAR,
    RIGHT_EYE,
    RIGHT_HAND,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    present,
    skeleton_height,
)

MIN_RADIUS = 2.0
_MAX_THICKNESS = 32767  # cv2's own limit
_HEAD = (NOSE, RIGHT_EYE, LEFT_EYE, RIGHT_EAR, LEFT_EAR)
# Round the trunk in an order in which its outline does not cross itself when nobody is twisted.
_TRUNK = (RIGHT_SHOULDER, LEFT_SHOULDER, LEFT_HIP, RIGHT_HIP)
# Limbs that are not inside the head disc.
_STROKES = tuple((a, b) for a, b in LIMBS if not (a in _HEAD and b in _HEAD))


def _hand_strokes(hand: slice, wrist: int) -> tuple[tuple[int, int], ...]:
    edges = tuple((hand.start + a, hand.start + b) for a, b in HAND_EDGES)
    return ((wrist, hand.start), *edges)


_BODY_EDGES = np.array(_STROKES)
_WHOLE_EDGES = np.array(
    [
        *_STROKES,
        *FOOT_EDGES,
        *_hand_strokes(LEFT_HAND, LEFT_WRIST),
        *_hand_strokes(RIGHT_HAND, RIGHT_WRIST),
    ]
)


def dilation_radius(keypoints: Float[np.ndarray, "joints 3"], radius_fraction: float) -> float:
    """Half the width of a character's strokes in pixels: a fraction of its height, at least 2."""
    return max(MIN_RADIUS, radius_fraction * skeleton_height(keypoints))


def dilation_maps(
    keypoints: Float[np.ndarray, "characters joints 3"],
    size: tuple[int, int],
    radius_fraction: float = 0.08,
    out: UInt8[np.ndarray, "characters height width"] | None = None,
) -> UInt8[np.ndarray, "characters height width"]:
    """One 0/1 map a character, at `size` (height, width): its skeleton, dilated (section 4.1).

    The skeleton is rasterised as strokes with round ends, which is its dilation by a disc, and the
    trunk between shoulders and hips is filled: a body is no wire. Radius: `dilation_radius`. The
    head is a disc round the face points, of at least that radius. Feet and hands count where the
    layout has them. A character with no present joint has an empty map. The maps are written into
    `out` where it is given.
    """
    maps = np.empty((len(keypoints), *size), dtype=np.uint8) if out is None else out
    maps[...] = 0
    for canvas, person in zip(maps, keypoints, strict=True):
        seen = present(person)
        if seen.any():
            radius = dilation_radius(person, radius_fraction)
            points = np.where(seen[:, None], person[:, :2], 0.0).astype(np.float64)
            _draw_character(canvas, points, seen, radius)
    return maps


def _draw_character(
    canvas: np.ndarray, points: np.ndarray, seen: np.ndarray, radius: float
) -> None:
    whole = np.rint(points).astype(np.int32)
    pixels = whole.tolist()
    disc = min(round(radius), _MAX_THICKNESS // 2)
    edges = _BODY_EDGES if len(points) == 18 else _WHOLE_EDGES
    used = edges[seen[edges].all(axis=1)]
    for start, end in used.tolist():
        cv2.line(canvas, pixels[start], pixels[end], 1, thickness=2 * disc + 1)
    alone = seen.copy()
    alone[used] = False
    if len(points) > 18:
        alone[FACE] = False
    alone[list(_HEAD)] = False
    for joint in np.flatnonzero(alone).tolist():
        cv2.circle(canvas, pixels[joint], disc, 1, thickness=-1)
    trunk = [joint for joint in _TRUNK if seen[joint]]
    if len(trunk) > 2:
        cv2.fillConvexPoly(canvas, cv2.convexHull(whole[trunk]), 1)
    elif seen[NECK] and len(trunk) == 2 and seen[RIGHT_HIP] and seen[LEFT_HIP]:
        cv2.fillConvexPoly(canvas, whole[[NECK, *trunk]], 1)
    _draw_head(canvas, points, seen, radius)


def _draw_head(canvas: np.ndarray, points: np.ndarray, seen: np.ndarray, radius: float) -> None:
    head = points[list(_HEAD)][seen[list(_HEAD)]]
    if len(points) > 18:
        head = np.concatenate([head, points[FACE][seen[FACE]]])
    if not len(head):
        return
    low, high = head.min(axis=0), head.max(axis=0)
    centre = (low + high) / 2
    # Half a stroke beyond the outermost point: ears and chin have flesh around them.
    reach = float(np.hypot(*(head - centre).T).max()) + radius / 2
    disc = min(round(max(radius, reach)), _MAX_THICKNESS // 2)
    cv2.circle(canvas, np.rint(centre).astype(int).tolist(), disc, 1, thickness=-1)
