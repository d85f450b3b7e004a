"""The joints of a person, their links and colours, and the mapping from other layouts.

A person is an array ``(joints, 3)`` of ``x, y, confidence`` in pixels: OpenPose-18 body order
(``openpose18``), or 134 points (``wholebody134``): body 18, feet 6, face 68, left hand 21, right
hand 21 (docs/method.md "Poses"). An absent joint is ``(0, 0, 0)``.
"""

from __future__ import annotations

import colorsys
import math
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

CONFIDENCE_THRESHOLD = 0.3
"""A joint with lower confidence is absent, and so is every limb that ends in it."""

MAX_COORDINATE = 1e5
"""A joint farther from the origin than this, in pixels, is invalid and counts as absent."""

BODY_JOINTS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
FOOT_JOINTS = (
    "left_big_toe", "left_small_toe", "left_heel",
    "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
JOINT_NAMES = (
    *BODY_JOINTS,
    *FOOT_JOINTS,
    *(f"face_{i}" for i in range(68)),
    *(f"left_hand_{i}" for i in range(21)),
    *(f"right_hand_{i}" for i in range(21)),
)
"""The 134 names of ``wholebody134``; the first 18 are ``openpose18``."""

BODY = slice(0, 18)
FEET = slice(18, 24)
FACE = slice(24, 92)
LEFT_HAND = slice(92, 113)
RIGHT_HAND = slice(113, 134)

NOSE, NECK = 0, 1
RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST = 2, 3, 4
LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST = 5, 6, 7
RIGHT_HIP, RIGHT_KNEE, RIGHT_ANKLE = 8, 9, 10
LEFT_HIP, LEFT_KNEE, LEFT_ANKLE = 11, 12, 13
RIGHT_EYE, LEFT_EYE, RIGHT_EAR, LEFT_EAR = 14, 15, 16, 17

HEAD = (NOSE, RIGHT_EYE, LEFT_EYE, RIGHT_EAR, LEFT_EAR)
TRUNK = (RIGHT_SHOULDER, LEFT_SHOULDER, LEFT_HIP, RIGHT_HIP)
"""The corners of the trunk, in order around it."""
LEG_AND_ARM_BONES = (
    (RIGHT_HIP, RIGHT_KNEE), (RIGHT_KNEE, RIGHT_ANKLE), (LEFT_HIP, LEFT_KNEE),
    (LEFT_KNEE, LEFT_ANKLE), (RIGHT_SHOULDER, RIGHT_ELBOW), (RIGHT_ELBOW, RIGHT_WRIST),
    (LEFT_SHOULDER, LEFT_ELBOW), (LEFT_ELBOW, LEFT_WRIST),
)  # fmt: skip
"""Thigh and shin, upper arm and forearm, the right side's first."""

LIMBS: tuple[tuple[int, int], ...] = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""The 17 limbs that DWPose draws, in its order (its last two, ear to shoulder, are never drawn)."""

JOINT_COLOURS: tuple[tuple[int, int, int], ...] = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255),
    (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""DWPose's RGB colours of the 18 body joints."""

LIMB_COLOURS = JOINT_COLOURS[:17]
"""DWPose's RGB colours of the limbs, before their blend of 0.6."""

HAND_EDGES: tuple[tuple[int, int], ...] = tuple((0 if i % 4 == 0 else i, i + 1) for i in range(20))
"""Wrist to tip of thumb, index, middle, ring and little finger, four edges each."""

HAND_COLOURS: tuple[tuple[int, int, int], ...] = tuple(
    tuple(int(np.rint(255 * c)) for c in colorsys.hsv_to_rgb(i / 20, 1.0, 1.0))  # type: ignore[misc]
    for i in range(20)
)
"""RGB of the hand edges: once round the hue circle."""

FOOT_EDGES: tuple[tuple[int, int], ...] = (
    (LEFT_ANKLE, 20), (LEFT_ANKLE, 18), (LEFT_ANKLE, 19), (20, 18), (18, 19),
    (RIGHT_ANKLE, 23), (RIGHT_ANKLE, 21), (RIGHT_ANKLE, 22), (23, 21), (21, 22),
)  # fmt: skip
"""Edges of ``wholebody134`` from the ankles to heels and toes (drawn in dilation maps only)."""

# The body of openpose18 as indices into BODY_25, and the feet in the order of COCO-WholeBody.
_BODY25_BODY = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
_BODY25_MID_HIP = 8
_BODY25_FEET = [19, 20, 21, 22, 23, 24]
# The same for BODY_25B, which has no neck joint of its own: index 17 is its upper neck.
_BODY25B_BODY = [0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
_BODY25B_FEET = [19, 20, 21, 22, 23, 24]
# openpose18 without its neck as indices into COCO's 17.
_COCO17_BODY = [0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]

# The feet of Halpe (AlphaPose), whose first 17 joints are COCO's.
_HALPE_FEET = [20, 22, 24, 21, 23, 25]

_STATURE_JOINTS = (0, 1, 2, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)
_SHOULDERS_TO_HEIGHT = 3.4
_LEG_CHAINS = (
    (NOSE, NECK, RIGHT_HIP, RIGHT_KNEE, RIGHT_ANKLE),
    (NOSE, NECK, LEFT_HIP, LEFT_KNEE, LEFT_ANKLE),
)


def present(keypoints: Float[np.ndarray, "*people 3"]) -> Bool[np.ndarray, "*people"]:
    """Which joints are there: confident enough, finite, and within `MAX_COORDINATE`."""
    with np.errstate(invalid="ignore"):
        return np.asarray(
            (keypoints[..., 2] >= CONFIDENCE_THRESHOLD)
            & (np.abs(keypoints[..., 0]) <= MAX_COORDINATE)
            & (np.abs(keypoints[..., 1]) <= MAX_COORDINATE)
        )


def skeleton_height(keypoints: Float[np.ndarray, "joints 3"]) -> float:
    """A person's size in pixels, nearly the same whether it stands, crouches or lies.

    The largest of: the longer side of the box around head, shoulders, hips and legs; the bones from
    the nose to an ankle laid end to end, on the longer side of the body; and 3.4 times the width of
    the shoulders, which tells the size of somebody cut at the chest and does not exceed the others
    in a whole figure. Arms do not count, unless nothing else is present. 0 for nobody.
    """
    seen = present(keypoints)
    points = keypoints[:, :2].tolist()
    there = seen.tolist()
    stature = [points[joint] for joint in _STATURE_JOINTS if there[joint]]
    if len(stature) < 2:
        stature = keypoints[seen, :2].tolist()
    if len(stature) < 2:
        return 0.0
    sides = [max(side) - min(side) for side in zip(*stature, strict=True)]
    chains = [
        sum(math.dist(points[a], points[b]) for a, b in pairwise(chain) if there[a] and there[b])
        for chain in _LEG_CHAINS
    ]
    if there[RIGHT_SHOULDER] and there[LEFT_SHOULDER]:
        sides.append(
            _SHOULDERS_TO_HEIGHT * math.dist(points[RIGHT_SHOULDER], points[LEFT_SHOULDER])
        )
    return float(max(*sides, *chains))


def neck_of(shoulders: Float[np.ndarray, "*people 2 3"]) -> Float[np.ndarray, "*people 3"]:
    """The neck as the mean of two shoulders; its confidence is the lower of theirs."""
    neck = shoulders.mean(axis=-2)
    neck[..., 2] = shoulders[..., 2].min(axis=-1)
    return np.where(neck[..., 2:] > 0, neck, 0.0).astype(shoulders.dtype)


def coco17_to_openpose18(keypoints: Float[np.ndarray, "*people 17 3"]) -> np.ndarray:
    """COCO's 17 body joints to ``(..., 18, 3)``; the neck is made of the shoulders."""
    body = np.empty((*keypoints.shape[:-2], 18, 3), dtype=keypoints.dtype)
    body[..., [0, *range(2, 18)], :] = keypoints[..., _COCO17_BODY, :]
    body[..., NECK, :] = neck_of(keypoints[..., [5, 6], :])
    return body


def wholebody133_to_134(keypoints: Float[np.ndarray, "*people 133 3"]) -> np.ndarray:
    """COCO-WholeBody's 133 (17 body, 6 feet, 68 face, 2x21 hands) to ``(..., 134, 3)``."""
    body = coco17_to_openpose18(keypoints[..., :17, :])
    return np.concatenate([body, keypoints[..., 17:, :]], axis=-2)


def body25_to_openpose18(keypoints: Float[np.ndarray, "*people 25 3"]) -> np.ndarray:
    """OpenPose BODY_25 to ``(..., 18, 3)``: the mid hip and the feet are left out."""
    return keypoints[..., _BODY25_BODY, :]


def openpose18_to_body25(
    body: Float[np.ndarray, "*people 18 3"],
    mid_hip: Float[np.ndarray, "*people 3"],
    feet: Float[np.ndarray, "*people 6 3"],
) -> Float[np.ndarray, "*people 25 3"]:
    """OpenPose BODY_25 of a body, its mid hip, and feet in the order of ``wholebody134``."""
    points = np.zeros((*body.shape[:-2], 25, 3), dtype=body.dtype)
    points[..., _BODY25_BODY, :] = body
    points[..., _BODY25_MID_HIP, :] = mid_hip
    points[..., _BODY25_FEET, :] = feet
    return points


def body25b_to_openpose18(keypoints: Float[np.ndarray, "*people 25 3"]) -> np.ndarray:
    """OpenPose BODY_25B to ``(..., 18, 3)``; the neck is the mean of the shoulders.

    BODY_25B's own upper neck sits at the chin, above the point that OpenPose-18 calls neck.
    """
    body = keypoints[..., _BODY25B_BODY, :].copy()
    body[..., NECK, :] = neck_of(keypoints[..., [5, 6], :])
    return body


def body25_feet(keypoints: Float[np.ndarray, "*people 25 3"]) -> np.ndarray:
    """The feet of BODY_25 or BODY_25B as ``(..., 6, 3)``: left big, small toe, heel, then right."""
    return keypoints[..., _BODY25_FEET, :]


def halpe26_to_openpose18(keypoints: Float[np.ndarray, "*people 26 3"]) -> np.ndarray:
    """Halpe's 26 body joints (AlphaPose) to ``(..., 18, 3)``: COCO's 17, whose neck is made."""
    return coco17_to_openpose18(keypoints[..., :17, :])


def halpe_feet(keypoints: Float[np.ndarray, "*people 26 3"]) -> np.ndarray:
    """The feet of Halpe's 26 as ``(..., 6, 3)``: left big, small toe, heel, then right."""
    return keypoints[..., _HALPE_FEET, :]
