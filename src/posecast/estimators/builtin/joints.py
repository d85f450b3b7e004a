"""BlazePose's 33 points as ``wholebody134``, with confidences that mean something."""

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
"""The network's depths are about four times too large beside its x and y."""
_BEHIND = np.radians(115)
"""Heads turned further away from the camera hide their faces."""
_SIDEWAYS = 0.12
"""An ear is hidden where the nose lies over it: so near to its end of the line between them."""
_BORDER = 0.1
"""So near to the frame's border, by a person's size, it does not matter whether the network takes a
point to be within: we know it."""
_HIDDEN = 0.2
"""What is left of a hidden point's confidence: the network is sure of every point of a head."""


def whole_body(
    seen: Seen,
    size: tuple[int, int],
    details: Float32[np.ndarray, "people 110 3"],
) -> Float32[np.ndarray, "people 134 3"]:
    """The people in pixels of a frame of `size` (height, width).

    `details` are faces and hands, in the order of ``wholebody134``; nose and eyes are the face's,
    which are several times as exact, where there is one. The confidence of a joint is how surely it
    is seen: near 0 for one that is hidden. A joint outside of the frame is absent.
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
    """Points so near to the border of the frame that the network cannot know on which side."""
    beyond = np.array(size[::-1]) - 1 - seen.points
    margin = np.minimum(seen.points, beyond).min(axis=2)
    return np.asarray(margin < _BORDER * np.ptp(seen.points, axis=1).max(axis=1)[:, None])


def _head_shown(seen: Seen) -> Float32[np.ndarray, "people 33"]:
    """1, or less for the points of a head that are on its far side.

    The line from ear to ear, with its depth, says how far a head is turned away; where the nose
    lies on that line, which ear it hides.
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
