"""Pose frames as public pose guiders know them: the DWPose/OpenPose drawing convention.

Limbs are filled ellipses in their colour times 0.6, joints discs in full colour; hand edges run
round the hue circle with blue dots, face points are white (method.md "Poses"; the constants are
those of DWPose's ``draw_bodypose``, ``draw_handpose`` and ``draw_facepose``). Models that were
trained with OpenPose's older drawing of the body (ControlNet's first) can have that one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

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

Drawing = Literal["dwpose", "openpose"]
"""How a pose frame is drawn: as DWPose does (bodies, hands, faces), or the bodies alone as OpenPose
does: joints first, then the limbs, in full colour, six tenths opaque."""
DRAWINGS: tuple[Drawing, ...] = get_args(Drawing)

_LIMB_BLEND = 0.6
_BLENDED = tuple(tuple(int(_LIMB_BLEND * c) for c in colour) for colour in LIMB_COLOURS)
_People = list[tuple[list[list[float]], list[bool]]]
"""For each person, the joints' (x, y), and whether each is there."""
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
    keypoints: Float[np.ndarray, "characters joints 3"],
    size: tuple[int, int],
    drawing: Drawing = "dwpose",
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw skeletons on black, RGB, in DWPose's own order, or as `drawing` says.

    `keypoints` are pixels of a canvas of `size` (height, width), 18 or 134 joints. Each limb is
    drawn for all people before the next limb, then each joint, then left hands, right hands and
    faces. The order of people is that of their tracks, never that of depth: a pose frame that
    showed who is in front would make the depth order guider's work its own (method.md 5).
    """
    canvas = np.zeros((*size, 3), dtype=np.uint8)
    strokes = Strokes.for_size(size)
    if drawing == "openpose":
        people = _listed(keypoints[:, BODY])
        _draw_joints(canvas, people, strokes)
        _blend_limbs(canvas, people, strokes)
        return canvas
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
    _draw_joints(canvas, people, strokes)


def _blend_limbs(canvas: np.ndarray, people: _People, strokes: Strokes) -> None:
    """Each limb over what is there, in a copy of the part of the canvas that it touches."""
    height, width = canvas.shape[:2]
    for (a, b), colour in zip(LIMBS, LIMB_COLOURS, strict=True):
        for points, there in people:
            if not (there[a] and there[b]):
                continue
            ellipse = limb_outline(points[a], points[b], strokes.limb, strokes.step)
            left, top = np.clip(ellipse.min(axis=0), 0, (width, height)).tolist()
            right, bottom = np.clip(ellipse.max(axis=0) + 1, 0, (width, height)).tolist()
            part = canvas[top:bottom, left:right]
            if part.size:
                drawn = np.ascontiguousarray(part)
                over = drawn.copy()
                cv2.fillConvexPoly(over, ellipse - (left, top), colour)
                part[:] = cv2.addWeighted(drawn, 1 - _LIMB_BLEND, over, _LIMB_BLEND, 0)


def _draw_joints(canvas: np.ndarray, people: _People, strokes: Strokes) -> None:
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
