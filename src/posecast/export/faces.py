"""Face boxes as Wan-Animate computes them (`get_face_bboxes`)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from posecast.geometry.skeleton import FACE, HEAD, present, skeleton_height

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""

FACE_SIZE = 512
"""Side of Wan-Animate's face video, in pixels."""
_AREA = 1.3
"""Factor by which the area of the box around a face's points grows."""
_ENOUGH = 40
"""Minimum number of known points, of 68, whose box counts as the whole face's."""
_HALF = 0.055
"""Half the side of a face in body heights, if only the head's five points are known."""


def face_box(person: Float[np.ndarray, "joints 3"], size: tuple[int, int]) -> Box | None:
    """The box of a face in a frame of `size` (height, width); None if no head is present."""
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
    """The box with its area multiplied by `_AREA`; it grows upwards three times as much as down."""
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
