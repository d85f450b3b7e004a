"""Pose frames as public pose guiders know them: the DWPose/OpenPose drawing convention.

Limbs are filled ellipses in their colour times 0.6, joints discs in full colour; hand edges run
round the hue circle with blue dots, face points are white (METHOD "Poses"; the constants are those
of DWPose's ``draw_bodypose``, ``draw_handpose`` and ``draw_facepose``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from posecast.geometry.skeleton import (
    FACE,
    HAND_COLOURS,
    HAND_EDGES,
    JOINT_COLOURS,
    LEFT_HAND,
    LIMB_COLOURS,
    LIMBS,
    RIGHT_HAND,
    present,
)

_LIMB_BLEND = 0.6
_BLENDED = tuple(tuple(int(_LIMB_BLEND * c) for c in colour) for colour in LIMB_COLOURS)
_LIMB_ENDS = np.array(LIMBS)
_HAND_DOT = (0, 0, 255)
_FACE_DOT = (255, 255, 255)
_FULL_SIZE = 256
"""From this length of the shorter side on, strokes have DWPose's own widths."""


@dataclass(frozen=True)
class Strokes:
    """Stroke sizes in pixels; the defaults are DWPose's at every size it was used at."""

    limb: int = 4
    joint: int = 4
    hand_line: int = 2
    hand_dot: int = 4
    face_dot: int = 3

    @classmethod
    def for_size(cls, size: tuple[int, int]) -> Strokes:
        """DWPose's widths; on canvases with a side under 256 px they shrink in proportion.

        Fixed 8 px limbs and hand dots would cover a small character whole. The half axis of a limb
        is at least 1 px.
        """
        full = cls()
        scale = min(1.0, min(size) / _FULL_SIZE)
        if scale == 1.0:
            return full
        return cls(
            limb=max(1, int(full.limb * scale)),
            joint=max(1, int(full.joint * scale)),
            hand_line=max(1, int(full.hand_line * scale)),
            hand_dot=int(full.hand_dot * scale) // 2,
            face_dot=int(full.face_dot * scale) // 2,
        )


def draw_poses(
    keypoints: Float[np.ndarray, "characters joints 3"],
    size: tuple[int, int],
    order: Sequence[int] | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw skeletons on black, RGB.

    `keypoints` are pixels of a canvas of `size` (height, width), 18 or 134 joints. `order` names
    the characters in drawing order, far ones first (default: as they come); a character it leaves
    out is not drawn. One person is drawn exactly as DWPose does; of several, each is drawn whole
    (limbs, joints, hands, face) before the next, so that a nearer one covers a farther one.
    """
    canvas = np.zeros((*size, 3), dtype=np.uint8)
    strokes = Strokes.for_size(size)
    for index in range(len(keypoints)) if order is None else order:
        person = keypoints[index]
        seen = present(person)
        if not seen.any():
            continue
        points = np.where(seen[:, None], person[:, :2], 0.0).astype(np.float64)
        _draw_body(canvas, points[:18], seen[:18], strokes)
        if len(person) > 18:
            for hand in (LEFT_HAND, RIGHT_HAND):
                _draw_hand(canvas, points[hand], seen[hand], strokes)
            for x, y in points[FACE][seen[FACE]].astype(int).tolist():
                cv2.circle(canvas, (x, y), strokes.face_dot, _FACE_DOT, thickness=-1)
    return canvas


def _draw_body(canvas: np.ndarray, points: np.ndarray, seen: np.ndarray, strokes: Strokes) -> None:
    first, second = points[_LIMB_ENDS[:, 0]], points[_LIMB_ENDS[:, 1]]
    delta = first - second
    # Truncations, not roundings, as in DWPose.
    centres = ((first + second) / 2).astype(int).tolist()
    half_lengths = (np.hypot(delta[:, 0], delta[:, 1]) / 2).astype(int).tolist()
    angles = np.degrees(np.arctan2(delta[:, 1], delta[:, 0])).astype(int).tolist()
    for limb in np.flatnonzero(seen[_LIMB_ENDS].all(axis=1)).tolist():
        axes = (half_lengths[limb], strokes.limb)
        ellipse = cv2.ellipse2Poly(centres[limb], axes, angles[limb], 0, 360, 1)
        cv2.fillConvexPoly(canvas, ellipse, _BLENDED[limb])
    whole = points.astype(int).tolist()
    for joint in np.flatnonzero(seen).tolist():
        cv2.circle(canvas, whole[joint], strokes.joint, JOINT_COLOURS[joint], thickness=-1)


def _draw_hand(canvas: np.ndarray, points: np.ndarray, seen: np.ndarray, strokes: Strokes) -> None:
    if not seen.any():
        return
    whole = points.astype(int).tolist()
    for (start, end), colour in zip(HAND_EDGES, HAND_COLOURS, strict=True):
        if seen[start] and seen[end]:
            cv2.line(canvas, whole[start], whole[end], colour, thickness=strokes.hand_line)
    for joint in np.flatnonzero(seen).tolist():
        cv2.circle(canvas, whole[joint], strokes.hand_dot, _HAND_DOT, thickness=-1)
