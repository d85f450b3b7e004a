"""Pose frames as public pose guiders know them: the DWPose/OpenPose drawing convention.

Limbs are filled ellipses in their colour times 0.6, joints discs in full colour; hand edges run
round the hue circle with blue dots, face points are white (method.md "Poses"; the constants are
those of DWPose's ``draw_bodypose``, ``draw_handpose`` and ``draw_facepose``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from posecast.geometry.skeleton import (
    BODY,
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
    step: int = 1
    """Degrees between the corners of the polygon that a limb's ellipse is drawn as."""

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
            step=6,
        )


def draw_poses(
    keypoints: Float[np.ndarray, "characters joints 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw skeletons on black, RGB, in DWPose's own order.

    `keypoints` are pixels of a canvas of `size` (height, width), 18 or 134 joints. Each limb is
    drawn for all people before the next limb, then each joint, then left hands, right hands and
    faces. The order of people is that of their tracks, never that of depth: a pose frame that
    showed who is in front would make the depth order guider's work its own (method.md 5).
    """
    canvas = np.zeros((*size, 3), dtype=np.uint8)
    strokes = Strokes.for_size(size)
    draw_bodies(canvas, keypoints, strokes)
    if keypoints.shape[1] > 18:
        draw_hands(canvas, keypoints, strokes)
        for points, there in _listed(keypoints[:, FACE]):
            for x, y in (p for p, seen_ in zip(points, there, strict=True) if seen_):
                cv2.circle(canvas, (int(x), int(y)), strokes.face_dot, _FACE_DOT, thickness=-1)
    return canvas


def limb_outline(
    start: Sequence[float], end: Sequence[float], half_width: int, step: int = 1
) -> np.ndarray:
    """The corners (n, 2) of the ellipse that is drawn for a limb between two joints (x, y)."""
    (x1, y1), (x2, y2) = start, end
    # Truncations, not roundings, as in DWPose.
    centre = (int((x1 + x2) / 2), int((y1 + y2) / 2))
    axes = (int(math.hypot(x1 - x2, y1 - y2) / 2), half_width)
    angle = int(math.degrees(math.atan2(y1 - y2, x1 - x2)))
    return np.asarray(cv2.ellipse2Poly(centre, axes, angle, 0, 360, step))


def draw_bodies(
    canvas: UInt8[np.ndarray, "height width 3"],
    keypoints: Float[np.ndarray, "characters joints 3"],
    strokes: Strokes,
) -> None:
    """Draw the limbs and then the joints of bodies on a canvas."""
    people = _listed(keypoints[:, BODY])
    for (a, b), colour in zip(LIMBS, _BLENDED, strict=True):
        for points, there in people:
            if there[a] and there[b]:
                ellipse = limb_outline(points[a], points[b], strokes.limb, strokes.step)
                cv2.fillConvexPoly(canvas, ellipse, colour)
    for joint, colour in enumerate(JOINT_COLOURS):
        for points, there in people:
            if there[joint]:
                x, y = points[joint]
                cv2.circle(canvas, (int(x), int(y)), strokes.joint, colour, thickness=-1)


def draw_hands(
    canvas: UInt8[np.ndarray, "height width 3"],
    keypoints: Float[np.ndarray, "characters joints 3"],
    strokes: Strokes,
) -> None:
    """Draw left and then right hands on a canvas; of 18 joints there are none."""
    for hand in (LEFT_HAND, RIGHT_HAND) if keypoints.shape[1] > BODY.stop else ():
        for points, there in _listed(keypoints[:, hand]):
            _draw_hand(canvas, points, there, strokes)


def _listed(keypoints: np.ndarray) -> list[tuple[list[list[float]], list[bool]]]:
    """Places and presence as plain lists: so few joints are too few for arrays to pay."""
    seen = present(keypoints)
    positions = np.where(seen[..., None], keypoints[..., :2], 0.0).tolist()
    return list(zip(positions, seen.tolist(), strict=True))


def _draw_hand(
    canvas: np.ndarray, points: list[list[float]], there: list[bool], strokes: Strokes
) -> None:
    whole = [(int(x), int(y)) for x, y in points]
    for (a, b), colour in zip(HAND_EDGES, HAND_COLOURS, strict=True):
        if there[a] and there[b]:
            cv2.line(canvas, whole[a], whole[b], colour, thickness=strokes.hand_line)
    for point, seen in zip(whole, there, strict=True):
        if seen:
            cv2.circle(canvas, point, strokes.hand_dot, _HAND_DOT, thickness=-1)
