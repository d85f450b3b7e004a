"""Mirroring of pictures, skeletons and motion, with left and right exchanged."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

from posecast.geometry.skeleton import FACE, JOINT_NAMES


def _face_pairs() -> dict[int, int]:
    """Pairs of mirrored points among the 68 points of a face (iBUG's order)."""
    rows = (
        *(range(17), range(17, 27), range(31, 36), range(48, 55), range(55, 60), range(60, 65)),
        (36, 37, 38, 39, 42, 43, 44, 45),
        (41, 40, 47, 46),
        (65, 66, 67),
    )
    return {a: b for row in rows for a, b in zip(row, reversed(row), strict=True)}


def _other_side(joint: int) -> int:
    name = JOINT_NAMES[joint]
    if name.startswith("face_"):
        point = joint - FACE.start
        return FACE.start + _face_pairs().get(point, point)
    swapped = name.replace("left", "LEFT").replace("right", "left").replace("LEFT", "right")
    return JOINT_NAMES.index(swapped)


OTHER_SIDE = tuple(_other_side(joint) for joint in range(len(JOINT_NAMES)))
"""For each of the 134 joints its counterpart on the other side of the body; the joint itself in the
middle. The first 18 are those of ``openpose18``."""


def mirrored_keypoints(
    keypoints: Float[np.ndarray, "*people joints 3"], width: int
) -> Float32[np.ndarray, "*people joints 3"]:
    """Mirrored people in a picture `width` pixels wide: a right hand becomes a left hand."""
    joints = keypoints.shape[-2]
    mirrored = np.asarray(keypoints[..., OTHER_SIDE[:joints], :], dtype=np.float32).copy()
    there = mirrored[..., 2] > 0
    mirrored[..., 0] = np.where(there, width - 1 - mirrored[..., 0], mirrored[..., 0])
    return mirrored


def mirrored_flow(
    flow: Float[np.ndarray, "*frames 2 height width"],
) -> Float32[np.ndarray, "*frames 2 height width"]:
    """A mirrored flow field: motion to the right becomes motion to the left."""
    mirrored = np.asarray(flow[..., ::-1], dtype=np.float32).copy()
    mirrored[..., 0, :, :] *= -1
    return mirrored
