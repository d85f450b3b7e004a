"""Skeletal dilation maps (eq. 2, 4): where each character is, as thick strokes of its skeleton."""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from posecast.geometry.skeleton import (
    FACE,
    FOOT_EDGES,
    HAND_EDGES,
    HEAD,
    LEFT_HAND,
    LEFT_WRIST,
    LIMBS,
    NECK,
    RIGHT_HAND,
    RIGHT_WRIST,
    TRUNK,
    present,
    skeleton_height,
)

MIN_RADIUS = 2.0
_MAX_THICKNESS = 32767  # cv2's own limit
# Limbs that are not inside the head disc.
_STROKES = tuple((a, b) for a, b in LIMBS if not (a in HEAD and b in HEAD))


def _hand_strokes(hand: slice, wrist: int) -> tuple[tuple[int, int], ...]:
    edges = tuple((hand.start + a, hand.start + b) for a, b in HAND_EDGES)
    return ((wrist, hand.start), *edges)


_BODY_EDGES = _STROKES
_WHOLE_EDGES = (
    *_STROKES,
    *FOOT_EDGES,
    *_hand_strokes(LEFT_HAND, LEFT_WRIST),
    *_hand_strokes(RIGHT_HAND, RIGHT_WRIST),
)
# The joints that strokes can join: of wholebody134 all but the face.
_JOINED = frozenset(joint for edge in _WHOLE_EDGES for joint in edge)


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
    seen = present(keypoints)
    positions = np.where(seen[..., None], keypoints[..., :2], 0.0).tolist()
    for index in np.flatnonzero(seen.any(axis=1)).tolist():
        radius = dilation_radius(keypoints[index], radius_fraction)
        _draw_character(maps[index], positions[index], seen[index].tolist(), radius)
    return maps


def _draw_character(
    canvas: np.ndarray, points: list[list[float]], there: list[bool], radius: float
) -> None:
    whole = [(round(x), round(y)) for x, y in points]
    disc = min(round(radius), _MAX_THICKNESS // 2)
    alone = set(_JOINED if len(points) > 18 else range(18)) - {*HEAD}
    for a, b in _BODY_EDGES if len(points) == 18 else _WHOLE_EDGES:
        if there[a] and there[b]:
            # cv2 draws thickness 2r as the pixels within r of the line, ends included.
            cv2.line(canvas, whole[a], whole[b], 1, thickness=2 * disc)
            alone -= {a, b}
    for joint in alone:
        if there[joint]:
            cv2.circle(canvas, whole[joint], disc, 1, thickness=-1)
    trunk = [whole[joint] for joint in TRUNK if there[joint]]
    if len(trunk) < 3 and there[NECK]:
        trunk.append(whole[NECK])
    if len(trunk) > 2:
        cv2.fillConvexPoly(canvas, cv2.convexHull(np.array(trunk, dtype=np.int32)), 1)
    head = [points[joint] for joint in HEAD if there[joint]]
    if len(points) > 18:
        head += [p for p, seen in zip(points[FACE], there[FACE], strict=True) if seen]
    if head:
        _draw_head(canvas, head, radius)


def _draw_head(canvas: np.ndarray, head: list[list[float]], radius: float) -> None:
    xs, ys = zip(*head, strict=True)
    centre = ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
    # Half a stroke beyond the outermost point: ears and chin have flesh around them.
    reach = max(math.dist(centre, point) for point in head) + radius / 2
    disc = min(round(max(radius, reach)), _MAX_THICKNESS // 2)
    cv2.circle(canvas, (round(centre[0]), round(centre[1])), disc, 1, thickness=-1)
