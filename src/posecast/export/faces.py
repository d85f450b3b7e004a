"""Where somebody's face is, as Wan-Animate cuts it out (`get_face_bboxes`)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from posecast.geometry.skeleton import FACE, HEAD, present, skeleton_height

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, pixels."""

FACE_SIZE = 512
"""Sides of its face video."""
_AREA = 1.3
"""By how much the box around the points of the face grows."""
_ENOUGH = 40
"""Points of a face, of 68, whose box is that of the whole."""
_HALF = 0.055
"""Half a side of a face by a person's height, where only the head's five points are known."""


def face_box(person: Float[np.ndarray, "joints 3"], size: tuple[int, int]) -> Box | None:
    """The box of a face within a frame of `size` (height, width); None where no head is seen."""
    seen = present(person)
    if len(person) > FACE.start and seen[FACE].sum() >= _ENOUGH:
        points = person[FACE][seen[FACE], :2]
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    else:
        head = [joint for joint in HEAD if seen[joint]]
        half = _HALF * float(skeleton_height(person.astype(np.float32)))
        if not head or half <= 0:
            return None
        points = person[head, :2]
        x, y = points.mean(axis=0)
        half = max(half, float(np.ptp(points[:, 0])) / 2)
        left, top, right, bottom = x - half, y - half, x + half, y + half
    return _grown((float(left), float(top), float(right), float(bottom)), size)


def _grown(box: tuple[float, float, float, float], size: tuple[int, int]) -> Box | None:
    """The box with its area grown by `_AREA`, three times as much upwards as downwards."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    wider, higher = width * (_AREA**0.5 - 1), height * (_AREA**0.5 - 1)
    grown = (
        int(max(left - wider / 2, 0)),
        int(max(top - 3 * higher / 4, 0)),
        int(min(right + wider / 2, size[1])),
        int(min(bottom + higher / 4, size[0])),
    )
    return grown if grown[0] < grown[2] and grown[1] < grown[3] else None
