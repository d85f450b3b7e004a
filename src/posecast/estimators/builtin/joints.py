"""Converts BlazePose's 33 points to ``wholebody134`` with confidences of visibility."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32

from posecast.estimators.builtin.networks import Seen
from posecast.geometry.skeleton import (
    CONFIDENCE_THRESHOLD,
    FACE,
    LEFT_EYE,
    NECK,
    NOSE,
    RIGHT_EYE,
    neck_of,
)

_JOINTS = 134
# The body of openpose18 without its neck, and the feet as far as there are any.
_BODY = {0: 0, 2: 12, 3: 14, 4: 16, 5: 11, 6: 13, 7: 15, 8: 24, 9: 26, 10: 28, 11: 23, 12: 25,
         13: 27, 14: 5, 15: 2, 16: 8, 17: 7}  # fmt: skip
_FEET = {18: 31, 20: 29, 21: 32, 23: 30}
"""Big toes and heels; there are no small toes."""

# Of a face's 68 points: the tip of the nose, and those around each eye.
_NOSE_TIP, _RIGHT_RING, _LEFT_RING = 30, slice(36, 42), slice(42, 48)

# Of BlazePose's points.
_NOSE, _LEFT_EYE, _RIGHT_EYE, _LEFT_EAR, _RIGHT_EAR = 0, 2, 5, 7, 8
_DEPTH_SCALE = 0.25
"""Factor on the network's depths, which are about four times too large compared with x and y."""
_BEHIND = np.radians(115)
"""Yaw (radians) beyond which a head hides its face."""
_SIDEWAYS = 0.12
"""An ear is hidden if the nose is closer to it than this share of the line between the ears."""
_BORDER = 0.1
"""Distance to the frame's border, in sizes of the person, within which the network's own estimate
of whether a point is inside the frame is ignored."""
_HIDDEN = 0.2
"""Factor on the confidence of hidden points of a head, of which the network is always sure."""


def whole_body(
    seen: Seen,
    size: tuple[int, int],
    details: Float32[np.ndarray, "people 110 3"],
) -> Float32[np.ndarray, "people 134 3"]:
    """The people in pixels of a frame of `size` (height, width).

    `details` are faces and hands, in the order of ``wholebody134``. If there is a face, nose and
    eyes are taken from it, since they are several times as exact. The confidence of a joint is that
    it is visible, near 0 if it is hidden. Joints outside the frame are absent.
    """
    ours = {**_BODY, **_FEET}
    joints = np.zeros((len(seen), _JOINTS, 3), np.float32)
    joints[:, list(ours), :2] = seen.points[:, list(ours.values())]
    sure = seen.visible * _head_shown(seen) * np.where(_at_border(seen, size), 1, seen.within)
    joints[:, list(ours), 2] = sure[:, list(ours.values())]
    joints[:, NECK] = neck_of(joints[:, [2, 5]])
    joints[:, FACE.start :] = details
    face = joints[:, FACE]
    sure = face[:, _NOSE_TIP, 2] >= CONFIDENCE_THRESHOLD
    joints[sure, NOSE, :2] = face[sure, _NOSE_TIP, :2]
    for eye, ring in ((RIGHT_EYE, _RIGHT_RING), (LEFT_EYE, _LEFT_RING)):
        joints[sure, eye, :2] = face[sure, ring, :2].mean(axis=1)
    height, width = size
    inside = (joints[..., :2] >= -0.5).all(axis=2)
    inside &= (joints[..., 0] <= width - 0.5) & (joints[..., 1] <= height - 0.5)
    return np.where(inside[..., None] & (joints[..., 2:] > 0), joints, 0).astype(np.float32)


def _at_border(seen: Seen, size: tuple[int, int]) -> Bool[np.ndarray, "people 33"]:
    """Points too close to the frame's border for the network to know on which side they are."""
    beyond = np.array(size[::-1]) - 1 - seen.points
    margin = np.minimum(seen.points, beyond).min(axis=2)
    return np.asarray(margin < _BORDER * np.ptp(seen.points, axis=1).max(axis=1)[:, None])


def _head_shown(seen: Seen) -> Float32[np.ndarray, "people 33"]:
    """1, or less for points on the far side of a head.

    The line from ear to ear, with its depth, gives the head's yaw; the place of the nose along that
    line tells which ear is hidden.
    """
    shown = np.ones(seen.visible.shape, np.float32)
    ears = seen.points[:, _LEFT_EAR] - seen.points[:, _RIGHT_EAR]
    upright = seen.points[:, [11, 12]].mean(axis=1) - seen.points[:, [23, 24]].mean(axis=1)
    upright /= np.maximum(np.linalg.norm(upright, axis=1, keepdims=True), 1e-6)
    # Along the shoulders of somebody who faces the camera: rightwards if upright.
    across = ears[:, 0] * -upright[:, 1] + ears[:, 1] * upright[:, 0]
    deep = _DEPTH_SCALE * (seen.depth[:, _LEFT_EAR] - seen.depth[:, _RIGHT_EAR])
    turned = np.arctan2(np.abs(deep), across)
    shown[np.ix_(turned > _BEHIND, [_NOSE, _LEFT_EYE, _RIGHT_EYE])] = _HIDDEN
    nose = seen.points[:, _NOSE] - seen.points[:, _RIGHT_EAR]
    place = (nose * ears).sum(axis=1) / np.maximum((ears * ears).sum(axis=1), 1e-6)
    facing = turned <= _BEHIND
    shown[facing & (place > 1 - _SIDEWAYS), _LEFT_EAR] = _HIDDEN
    shown[facing & (place < _SIDEWAYS), _RIGHT_EAR] = _HIDDEN
    return shown
