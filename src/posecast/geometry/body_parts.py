"""The parts that a body is cut into: where they are, and which lies over which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from posecast.geometry.body_part import BodyPart
from posecast.geometry.dilation import MIN_RADIUS
from posecast.geometry.head_pose import HeadPose, head_poses
from posecast.geometry.parts import ARMS, Part
from posecast.geometry.skeleton import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_EYE,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    LEG_AND_ARM_BONES,
    NECK,
    NOSE,
    RIGHT_ANKLE,
    RIGHT_ELBOW,
    RIGHT_EYE,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    present,
    skeleton_height,
)

# How far a part reaches around its bone, in heights of the skeleton.
_TRUNK_RADIUS = 0.04
_NECK_RADIUS = 0.05
_LAP_RADIUS = 0.05
_FOOT_RADIUS = 0.045
_BONE_RADII = {
    Part.RIGHT_THIGH: 0.085,
    Part.RIGHT_SHIN: 0.07,
    Part.LEFT_THIGH: 0.085,
    Part.LEFT_SHIN: 0.07,
    Part.RIGHT_UPPER_ARM: 0.06,
    Part.RIGHT_FOREARM: 0.052,
    Part.LEFT_UPPER_ARM: 0.06,
    Part.LEFT_FOREARM: 0.052,
}
# The same of a head and of the features on it, in radii of the head.
_HEAD_RADIUS = 1.6
_FEATURE_RADIUS = 0.25

# Levels: added to distances (in reaches) where parts compete, so that the lower one lies in front.
_ARM_LEVEL = -0.65
_FEATURE_LEVEL = -0.5  # only an arm hides them
_HEAD_LEVEL = -0.1
_NECK_LEVEL = 0.2
_TRUNK_LEVEL = 0.3
_LAP_LEVEL = 0.4
_LEG_LEVEL = 0.6
_FOOT_LEVEL = 0.6
_FAR_ARM_LEVEL = 1.0

_FOREARM_JOINTS = ((RIGHT_ELBOW, RIGHT_WRIST), (LEFT_ELBOW, LEFT_WRIST))
_FRONTAL = 0.85
"""Cosine of the yaw from which on a trunk is seen from the front, or from behind."""
_SHOULDERS = 0.115
"""Least half width of a trunk at the shoulders, in heights."""
_HIPS = 0.09
"""Half width of a trunk at the hips, in heights."""
_DEPTH = 0.65
"""Depth of a trunk, in widths of it."""
_MARGIN = 0.01
"""Cloth beside a trunk's shoulders, in heights."""
_BEYOND = {
    Part.RIGHT_SHIN: 0.02,
    Part.LEFT_SHIN: 0.02,
    Part.RIGHT_FOREARM: 0.04,
    Part.LEFT_FOREARM: 0.04,
}
"""How far heels and hands go on beyond ankles and wrists, in heights."""
_MOUTH = 0.45
"""From the nose down to the mouth, in radii of the head."""
_MOUTH_WIDTH = 0.15
"""Half the width of a mouth, in radii of the head."""
_FOOT = 0.06
"""From an ankle to its toes, seen from the side, in heights."""
_OUTWARD = 0.022
"""The same seen from the front, outward."""
_SOLE = 0.014
"""From an ankle down to the middle of its foot, in heights."""
WIDE_SKIRT = 0.3
"""How long a skirt is taken to be where nothing is known, in heights."""
_LEAST_SLANT = 0.6
"""Least sine of the angle between a skirt and the hips at which its bands are parallel to them."""
THIGH = 0.27
"""Length of a thigh, in heights."""
_FLARE = 0.25
"""How much wider than at the hips a skirt is a thigh's length down, as a share."""


def body_parts(
    keypoints: np.ndarray,
    other: np.ndarray,
    reach: float = 1.0,
    skirt: float = WIDE_SKIRT,
    least_side: float = 0.0,
) -> list[BodyPart | None]:
    """Trunk, bones, head, neck, feet, lap and features of a face; None where a joint is missing.

    Of somebody (joints, 3); the trunk by what this and the `other` pose of them show. Parts
    reach `reach` times as far around their bones as a body in tight clothes does.
    """
    heights = [max(skeleton_height(pose), 1.0) for pose in (keypoints, other)]
    height = heights[0]
    there = present(keypoints).tolist()
    points = keypoints[:18, :2].astype(np.float64)
    parts: list[BodyPart | None] = []
    both = present(keypoints) & present(other)
    shoulders = _shoulders((keypoints, other), heights)
    trunk = _trunk(keypoints, both, height, shoulders)
    parts.append(trunk)
    head = head_poses(np.stack([keypoints[:18], other[:18]]), np.array(heights))[0]
    arms = _arm_levels(points, there, trunk, shoulders * height, head, least_side)
    for (a, b), (bone, radius) in zip(LEG_AND_ARM_BONES, _BONE_RADII.items(), strict=True):
        level = _LEG_LEVEL
        if bone in ARMS:
            level = arms[a in (LEFT_SHOULDER, LEFT_ELBOW)]
        if not (there[a] and there[b]):
            parts.append(None)
            continue
        strip = _strip(points[a], points[b], _reach(radius, height), level)
        beyond = _BEYOND.get(bone, 0.0)
        strip = replace(strip, length=strip.length + beyond * height)
        parts.append(strip)
    parts.append(_head(head))
    parts.append(_neck(points, head, height))
    for ankle, outward in ((RIGHT_ANKLE, -1), (LEFT_ANKLE, 1)):
        parts.append(_foot(points[ankle], head, height, outward) if there[ankle] else None)
    parts.append(_lap(points, there, trunk, height, skirt))
    for joint in (RIGHT_EYE, LEFT_EYE, NOSE):
        feature = _feature(points[joint], head, joint == NOSE) if head else None
        parts.append(feature if there[joint] else None)
    return [part and replace(part, radius=part.radius * reach) for part in parts]


def _reach(radius: float, height: float) -> float:
    return max(MIN_RADIUS, radius * height)


def _strip(start: np.ndarray, stop: np.ndarray, radius: float, level: float) -> BodyPart:
    x, y = start.tolist()
    dx, dy = (stop - start).tolist()
    length = max(math.hypot(dx, dy), 1e-3)
    return BodyPart((x, y), (dx / length, dy / length), length, (0.0, 0.0), radius, level)


def _shoulders(poses: Sequence[np.ndarray], heights: Sequence[float]) -> float:
    """Half the width of a person's shoulders, by the height: the widest that is seen."""
    widths = [_SHOULDERS]
    for pose, height in zip(poses, heights, strict=True):
        if present(pose)[[RIGHT_SHOULDER, LEFT_SHOULDER]].all():
            widths.append(
                float(np.hypot(*(pose[LEFT_SHOULDER, :2] - pose[RIGHT_SHOULDER, :2]))) / 2 / height
            )
    return max(widths)


def _trunk(
    keypoints: np.ndarray, both: np.ndarray, height: float, shoulders: float
) -> BodyPart | None:
    """From the middle of the shoulders to that of the hips, or as far down as shoulders tell."""
    if not present(keypoints)[[RIGHT_SHOULDER, LEFT_SHOULDER]].all():
        return None
    points = keypoints[:18, :2].astype(np.float64)
    right, left = points[RIGHT_SHOULDER], points[LEFT_SHOULDER]
    top = (right + left) / 2
    hips = bool(both[[RIGHT_HIP, LEFT_HIP]].all())
    if hips:
        right_hip, left_hip = points[RIGHT_HIP], points[LEFT_HIP]
        strip = _strip(top, (right_hip + left_hip) / 2, _reach(_TRUNK_RADIUS, height), _TRUNK_LEVEL)
        sides = left_hip - right_hip
    else:
        # Nobody's hips to be seen: straight down from the shoulders, one and a half widths.
        sides = left - right
        down = np.array([-sides[1], sides[0]]) * 1.5
        down = down if down[1] >= 0 else -down
        strip = _strip(top, top + down, _reach(_TRUNK_RADIUS, height), _TRUNK_LEVEL)
    ax, ay = strip.axis
    widths = [float(pair[1] * ax - pair[0] * ay) / 2 for pair in (left - right, sides)]
    # Seen from the side, a trunk shows its depth.
    whole = shoulders * height
    shown = min(abs(widths[0]), whole)
    upper = math.hypot(shown, _DEPTH * math.sqrt(whole**2 - shown**2))
    turn = upper / whole
    return replace(
        strip,
        half_widths=(upper + _MARGIN * height, _HIPS * height * (0.6 + 0.4 * turn)),
        turned=widths[0] + widths[1] < 0,
    )


def _arm_levels(
    points: np.ndarray,
    there: Sequence[bool],
    trunk: BodyPart | None,
    half: float,
    head: HeadPose | None,
    least_side: float,
) -> tuple[float, float]:
    """Of the right and the left arm: whether it is likelier before the trunk or behind it.

    A trunk whose shoulders show the cosine of its yaw, and whose face its side, has one arm nearer
    than the other. Arms bend forward: a forearm on a trunk that is seen from the front is before
    it, and behind one that is seen from behind.
    """
    if trunk is None:
        return _ARM_LEVEL, _ARM_LEVEL
    right, left = points[RIGHT_SHOULDER], points[LEFT_SHOULDER]
    ax, ay = trunk.axis
    across = float((left[0] - right[0]) * ay - (left[1] - right[1]) * ax) / 2
    facing = min(1.0, max(-1.0, across / half))
    side = math.sqrt(1 - facing**2) * math.sin(head.yaw) if head else 0.0
    nearer = [side >= -least_side, side <= least_side]
    if abs(facing) > _FRONTAL:
        for arm, forearm in enumerate(_FOREARM_JOINTS):
            if all(there[joint] for joint in forearm):
                elbow, wrist = points[[*forearm]]
                if trunk.holds(wrist) or trunk.holds((elbow + wrist) / 2):
                    nearer[arm] = facing > 0
    levels = [_ARM_LEVEL if near else _FAR_ARM_LEVEL for near in nearer]
    return levels[0], levels[1]


def _head(pose: HeadPose | None) -> BodyPart | None:
    if pose is None:
        return None
    size = pose.radius
    return BodyPart(
        pose.centre, pose.axis, 0.0, (size, size), size * _HEAD_RADIUS, _HEAD_LEVEL, yaw=pose.yaw
    )


def _feature(point: np.ndarray, head: HeadPose, mouth: bool) -> BodyPart:
    """What is around a point of a face: it keeps its shape where the head turns."""
    radius = head.radius
    length, half = (_MOUTH * radius, _MOUTH_WIDTH * radius) if mouth else (0.0, 0.0)
    x, y = point.tolist()
    return BodyPart(
        (x, y), head.axis, length, (half, half), _FEATURE_RADIUS * radius, _FEATURE_LEVEL
    )


def _neck(points: np.ndarray, head: HeadPose | None, height: float) -> BodyPart | None:
    if head is None:
        return None
    centre = np.array(head.centre)
    return _strip(points[NECK], centre, _reach(_NECK_RADIUS, height), _NECK_LEVEL)


def _foot(ankle: np.ndarray, head: HeadPose | None, height: float, outward: int) -> BodyPart:
    """From the ankle to where the face looks, level: feet seen from the front are short."""
    yaw = head.yaw if head else 0.0
    ahead = height * (_FOOT * math.sin(yaw) + _OUTWARD * outward * math.cos(yaw))
    reach = _reach(_FOOT_RADIUS, height)
    start, axis = ankle + (0.0, _SOLE * height), (math.copysign(1.0, ahead), 0.0)
    return BodyPart(
        tuple(start.tolist()), axis, abs(ahead), (0.0, 0.0), reach, _FOOT_LEVEL, slant=(0.0, 1.0)
    )


def _lap(
    points: np.ndarray, there: Sequence[bool], trunk: BodyPart | None, height: float, skirt: float
) -> BodyPart | None:
    """From the hips toward the knees, as wide as a skirt."""
    if trunk is None or not all(
        there[joint] for joint in (RIGHT_HIP, LEFT_HIP, RIGHT_KNEE, LEFT_KNEE)
    ):
        return None
    hips = (points[RIGHT_HIP] + points[LEFT_HIP]) / 2
    knees = (points[RIGHT_KNEE] + points[LEFT_KNEE]) / 2
    strip = _strip(hips, knees, _reach(_LAP_RADIUS, height), _LAP_LEVEL)
    ax, ay = strip.axis
    sides = points[LEFT_KNEE] - points[RIGHT_KNEE]
    spread = abs(float(sides[1] * ax - sides[0] * ay)) / 2
    top, share = trunk.half_widths[1], skirt / THIGH
    bottom = top * (1 + _FLARE * share) + spread * min(share, 1.0)
    # Its bands are parallel to the hips, unless it hangs nearly along them.
    slant = (-trunk.axis[1], trunk.axis[0])
    if ax * slant[1] - ay * slant[0] < _LEAST_SLANT:
        slant = (-ay, ax)
    return replace(strip, length=skirt * height, half_widths=(top, bottom), slant=slant)
