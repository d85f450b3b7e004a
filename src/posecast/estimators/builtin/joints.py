"""BlazePose's 33 points as ``wholebody134``, with confidences that mean something."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from posecast.estimators.builtin.networks import Seen
from posecast.geometry.skeleton import NECK, neck_of

_JOINTS = 134
# The body of openpose18 without its neck, and the feet as far as there are any.
_BODY = {0: 0, 2: 12, 3: 14, 4: 16, 5: 11, 6: 13, 7: 15, 8: 24, 9: 26, 10: 28, 11: 23, 12: 25,
         13: 27, 14: 5, 15: 2, 16: 8, 17: 7}  # fmt: skip
_FEET = {18: 31, 20: 29, 21: 32, 23: 30}
"""Big toes and heels; there are no small toes."""


def whole_body(seen: Seen, size: tuple[int, int]) -> Float32[np.ndarray, "people 134 3"]:
    """The people in pixels of a frame of `size` (height, width).

    The confidence of a joint is how surely it is seen: near 0 for one that is hidden. A joint
    outside of the frame is absent.
    """
    ours = {**_BODY, **_FEET}
    joints = np.zeros((len(seen), _JOINTS, 3), np.float32)
    joints[:, list(ours), :2] = seen.points[:, list(ours.values())]
    joints[:, list(ours), 2] = seen.visible[:, list(ours.values())]
    joints[:, NECK] = neck_of(joints[:, [2, 5]])
    height, width = size
    inside = (joints[..., :2] >= -0.5).all(axis=2)
    inside &= (joints[..., 0] <= width - 0.5) & (joints[..., 1] <= height - 0.5)
    return np.where(inside[..., None] & (joints[..., 2:] > 0), joints, 0).astype(np.float32)
