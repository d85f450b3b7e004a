"""The parts that a body is cut into: where they are, and which lies over which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from posecast.geometry.body_part import BodyPart
from posecast.geometry.dilation import MIN_RADIUS
from posecast.geometry.head_pose import HeadPose, head_poses
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

MIRROR = (0, 3, 4, 1, 2, 7, 8, 5, 6, 9, 10, 12, 11, 13, 15, 14, 16)
"""The part on the other side of the body, by index."""
HEAD_PART, FEET, LAP, FEATURES = 9, (11, 12), 13, (14, 15, 16)
"""By index. The lap comes after all that everybody has; last the features of a face, which are on
the head: eyes, and nose and mouth."""
THIGHS, LEGS = (1, 3), (1, 2, 3, 4)
LIMBS = (*range(1, 9), *FEET)
_TRUNK_RADIUS, _HEAD_RADIUS, _NECK_RADIUS, _LAP_RADIUS = 0.04, 1.6, 0.05, 0.05
_BONE_RADII = (0.085, 0.07, 0.085, 0.07, 0.06, 0.052, 0.06, 0.052)
"""How far a part reaches around its bone, by the height of the skeleton; the head by its radius."""
_ARM_LEVEL, _HEAD_LEVEL, _TRUNK_LEVEL, _NECK_LEVEL, _LEG_LEVEL, _LAP_LEVEL, _FAR_ARM_LEVEL = (
    -0.65, -0.1, 0.3, 0.2, 0.6, 0.4, 1.0,
)  # fmt: skip
"""Added to distances where parts compete: near arms lie over the head, the head over all else."""
_FOREARMS = ((RIGHT_ELBOW, RIGHT_WRIST), (LEFT_ELBOW, LEFT_WRIST))
_FRONTAL = 0.85
"""Cosine of the yaw from which on a trunk is seen from the front, or from behind."""
_SHOULDERS, _HIPS, _DEPTH, _MARGIN = 0.115, 0.09, 0.65, 0.01
"""Half a trunk's width above and below, by the height; its depth by its width; cloth beside it."""
_BEYOND = {RIGHT_KNEE: 0.02, LEFT_KNEE: 0.02, RIGHT_ELBOW: 0.04, LEFT_ELBOW: 0.04}
"""How far heels and hands go on beyond ankles and wrists before they end as limbs do."""
_FEATURE, _MOUTH, _MOUTH_WIDTH, _FEATURE_LEVEL = 0.25, 0.45, 0.15, -0.5
"""How far eyes reach, how far below the nose the mouth is and half its width, by the radius; their
level, so low that only an arm hides them."""
_FOOT, _OUTWARD, _SOLE, _FOOT_RADIUS, _FOOT_LEVEL = 0.06, 0.022, 0.014, 0.045, 0.6
"""From an ankle to its toes from the side, from the front, and down, and its reach, by the height;
its level is a leg's."""
WIDE_SKIRT = 0.3
"""How long a skirt is taken to be where nothing is known, by the height."""
_LEAST_SLANT = 0.6
"""Of the sine of the angle between a skirt and the hips."""
THIGH, _FLARE = 0.27, 0.25
"""A thigh's length by the height; how much wider a skirt is there than at the hips."""


def body_parts(
    keypoints: np.ndarray, other: np.ndarray, reach: float = 1.0, skirt: float = WIDE_SKIRT
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
    arms = _arm_levels(points, there, trunk, shoulders * height, head)
    for (a, b), radius in zip(LEG_AND_ARM_BONES, _BONE_RADII, strict=True):
        level = _LEG_LEVEL
        if a in (RIGHT_SHOULDER, RIGHT_ELBOW, LEFT_SHOULDER, LEFT_ELBOW):
            level = arms[a in (LEFT_SHOULDER, LEFT_ELBOW)]
        if not (there[a] and there[b]):
            parts.append(None)
            continue
        strip = _strip(points[a], points[b], _reach(radius, height), level)
        beyond = _BEYOND.get(a, 0.0)
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
    nearer = [side >= 0, side <= 0]
    if abs(facing) > _FRONTAL:
        for arm, forearm in enumerate(_FOREARMS):
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
    return BodyPart((x, y), head.axis, length, (half, half), _FEATURE * radius, _FEATURE_LEVEL)


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
