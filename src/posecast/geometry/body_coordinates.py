"""Body coordinates: which part of a body a place belongs to, and how far along and across it.

Ours, not the paper's. Every place near a skeleton gets its coordinates on one canonical body that
stands with its arms out, so that the same spot of a person has the same coordinates in every pose.
Keyed reference attention compares them (`models.correspondence`). Between people who overlap, their
order decides where it is given, else nearness to the skeletons alone.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int

from posecast.geometry.depth_order import paint_order
from posecast.geometry.skeleton import (
    HEAD,
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NECK,
    RIGHT_ANKLE,
    RIGHT_ELBOW,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    present,
    skeleton_height,
)

STRIDE = 2
"""Pixels from one value of the map to the next."""
_FIRST = 1.5
"""Pixel of the first value: the middle of a cell of 4 pixels. Every second value is another cell's
middle; those between are the middles of cells half a cell on."""

# A limb: its two joints, and where both are on the canonical body (x to its left, y down, 0..1).
_LIMBS = (
    (RIGHT_SHOULDER, RIGHT_ELBOW, (0.38, 0.30), (0.20, 0.30)),
    (RIGHT_ELBOW, RIGHT_WRIST, (0.20, 0.30), (0.03, 0.30)),
    (LEFT_SHOULDER, LEFT_ELBOW, (0.62, 0.30), (0.80, 0.30)),
    (LEFT_ELBOW, LEFT_WRIST, (0.80, 0.30), (0.97, 0.30)),
    (RIGHT_HIP, RIGHT_KNEE, (0.42, 0.58), (0.42, 0.78)),
    (RIGHT_KNEE, RIGHT_ANKLE, (0.42, 0.78), (0.42, 0.96)),
    (LEFT_HIP, LEFT_KNEE, (0.58, 0.58), (0.58, 0.78)),
    (LEFT_KNEE, LEFT_ANKLE, (0.58, 0.78), (0.58, 0.96)),
)
_NECK_PLACE, _PELVIS_PLACE = (0.5, 0.27), (0.5, 0.56)
_TRUNK_HALF_WIDTH = 0.10
"""Of the canonical trunk; across is measured in half widths of the person's own."""

_LIMB_RADIUS, _HEAD_RADIUS, _TRUNK_RADIUS = 0.05, 0.09, 0.06
"""Radius of a part, in skeleton heights; for the trunk, beyond its half width."""
_TRUNK_LEVEL = 0.8
"""Distance inside a trunk, so that an arm over it is nearer."""
_BEYOND = 0.35
"""How far coordinates extend past a limb's ends, in limb lengths: hands and feet."""
_REACH = 2.5
"""Places farther than this from every part belong to no body, in radii."""
_COVERED = 1.6
"""Within this many radii a person covers those behind: about its dilation map."""


def body_coordinates(
    keypoints: Float[np.ndarray, "characters joints 3"],
    size: tuple[int, int],
    ranks: Int[np.ndarray, " characters"] | None = None,
) -> Float32[np.ndarray, "3 rows columns"]:
    """Canonical `x, y` (0..1) and 1 near a body; all 0 elsewhere, at every `STRIDE` pixels.

    `keypoints` are pixels of a frame of `size` (height, width). With `ranks` (0 the front, -1 no
    rank, behind all others) people cover those behind them; without, the nearest skeleton decides.
    """
    rows, columns = (-(-side // STRIDE) for side in size)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) * STRIDE + np.float32(_FIRST)
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    nearest = np.full(len(places), np.float32(_REACH))
    found = np.zeros((3, len(places)), np.float32)
    there = present(keypoints)
    order = range(len(keypoints)) if ranks is None else paint_order(ranks)
    for index in order:
        person, seen = keypoints[index], there[index]
        height = np.float32(skeleton_height(person))
        if height <= 0:
            continue
        parts = _parts(person[:, :2], seen, height, places)
        if ranks is not None and parts:
            covered = np.min([distance for distance, _ in parts], axis=0) < _COVERED
            nearest[covered] = np.float32(_REACH)
        for distance, canonical in parts:
            closer = distance < nearest
            nearest[closer] = distance[closer]
            found[:2, closer] = canonical[closer].T
            found[2, closer] = 1
    return found.reshape(3, rows, columns)


def _parts(
    points: np.ndarray, seen: np.ndarray, height: np.float32, places: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each part's distance from every place, in its radii, and canonical coordinates there."""
    parts = []
    for a, b, start, end in _LIMBS:
        if seen[a] and seen[b]:
            along, across = _along_and_across(points[a], points[b], places)
            length = max(np.float32(np.hypot(*(points[b] - points[a]))), np.float32(1e-3))
            past = np.maximum(np.abs(along - length / 2) - length / 2, 0)
            distance = np.hypot(past, across) / (_LIMB_RADIUS * height)
            share = np.clip(along / length, -_BEYOND, 1 + _BEYOND)
            parts.append((distance, _canonical(start, end, share, across / height)))
    parts += _trunk(points, seen, height, places)
    parts += _head(points, seen, height, places)
    return parts


def _trunk(
    points: np.ndarray, seen: np.ndarray, height: np.float32, places: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    corners = (RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_HIP, LEFT_HIP)
    if not seen[list(corners)].all():
        return []
    right_shoulder, left_shoulder, right_hip, left_hip = points[list(corners)]
    neck, pelvis = (right_shoulder + left_shoulder) / 2, (right_hip + left_hip) / 2
    along, across = _along_and_across(neck, pelvis, places)
    length = max(np.float32(np.hypot(*(pelvis - neck))), np.float32(1e-3))
    _, to_left = _along_and_across(neck, pelvis, left_shoulder[None])
    turned = np.float32(1 if to_left[0] >= 0 else -1)  # 1: the person's left is where across grows
    half = max(np.abs(to_left[0]), np.float32(0.05) * height)
    beside = np.maximum(np.abs(across) - half, 0)
    past = np.maximum(np.abs(along - length / 2) - length / 2, 0)
    distance = np.hypot(beside, past) / (_TRUNK_RADIUS * height) + np.float32(_TRUNK_LEVEL)
    share = np.clip(along / length, -0.1, 1.1)
    wide = np.clip(across / half, -1.5, 1.5) * turned * np.float32(_TRUNK_HALF_WIDTH)
    canonical = _canonical(_NECK_PLACE, _PELVIS_PLACE, share, np.zeros_like(across))
    canonical[:, 0] += wide
    return [(distance, canonical)]


def _head(
    points: np.ndarray, seen: np.ndarray, height: np.float32, places: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    there = [joint for joint in HEAD if seen[joint]]
    if not there or not seen[NECK]:
        return []
    centre = points[there].mean(axis=0)
    along, across = _along_and_across(points[NECK], centre, places)
    length = max(np.float32(np.hypot(*(centre - points[NECK]))), np.float32(1e-3))
    distance = np.hypot(along - length, across) / (_HEAD_RADIUS * height)
    up = np.clip(along / height, -0.1, 0.35)
    # Across a head is measured in the picture, since a face points where it looks.
    canonical = np.stack([np.float32(0.5) - across / height, np.float32(0.27) - up], axis=1)
    return [(distance, canonical.astype(np.float32))]


def _along_and_across(
    start: np.ndarray, end: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels from `start` towards `end`, and to the left of that direction as seen on screen."""
    axis = (end - start).astype(np.float32)
    axis /= max(np.float32(np.hypot(*axis)), np.float32(1e-3))
    offset = places - start.astype(np.float32)
    return offset @ axis, offset[:, 0] * axis[1] - offset[:, 1] * axis[0]


def _canonical(
    start: tuple[float, float], end: tuple[float, float], share: np.ndarray, across: np.ndarray
) -> np.ndarray:
    """The place at a fraction of the way between two canonical joints, and beside it."""
    (x0, y0), (x1, y1) = start, end
    length = np.float32(np.hypot(x1 - x0, y1 - y0))
    ax, ay = np.float32((x1 - x0) / length), np.float32((y1 - y0) / length)
    x = np.float32(x0) + share * np.float32(x1 - x0) + across * ay
    y = np.float32(y0) + share * np.float32(y1 - y0) - across * ax
    return np.stack([x, y], axis=1).astype(np.float32)
