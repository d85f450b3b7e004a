"""The parts that a body is cut into, and the coordinates along and across each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from posecast.geometry.dilation import MIN_RADIUS
from posecast.geometry.head_pose import HeadPose, head_poses
from posecast.geometry.skeleton import (
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEG_AND_ARM_BONES,
    NECK,
    RIGHT_ELBOW,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    present,
    skeleton_height,
)

MIRROR = (0, 3, 4, 1, 2, 7, 8, 5, 6, 9, 10, 11)
"""The part on the other side of the body, by index."""
HEAD_PART, LAP = 9, 11
THIGHS, LEGS = (1, 3), (1, 2, 3, 4)
_TRUNK_RADIUS, _HEAD_RADIUS, _NECK_RADIUS, _LAP_RADIUS = 0.04, 1.6, 0.05, 0.05
_BONE_RADII = (0.085, 0.07, 0.085, 0.07, 0.06, 0.052, 0.06, 0.052)
"""How far a part reaches around its bone, by the height of the skeleton; the head by its radius."""
_ARM_LEVEL, _HEAD_LEVEL, _TRUNK_LEVEL, _NECK_LEVEL, _LEG_LEVEL, _LAP_LEVEL = (
    -0.3, -0.2, 0.3, 0.6, 0.6, 0.8,
)  # fmt: skip
"""Added to distances where parts compete: arms lie over the head, the head over all else."""
_SHOULDERS, _HIPS, _DEPTH, _MARGIN = 0.115, 0.09, 0.65, 0.01
"""Half a trunk's width above and below, by the height; its depth by its width; cloth beside it."""
_EDGE = math.radians(60)
"""From here on a ball's surface is seen too slantwise: its mirror image may show more."""
_BEYOND = 0.04
"""How far feet and hands go on beyond ankles and wrists before they end as limbs do."""
WIDE_SKIRT = 0.3
"""How long a skirt is taken to be where nothing is known, by the height."""
THIGH, _FLARE = 0.27, 0.25
"""A thigh's length by the height; how much wider a skirt is there than at the hips."""


@dataclass(frozen=True)
class BodyPart:
    """A trapezoid of `length` along `axis` from `origin`, and what is around it.

    `half_widths`: half its width at its start and at its end. `turned`: seen from behind, its left
    is at the right. A head has no length, `half_widths` of its radius and a `yaw`; it turns as a
    ball does, or `flat`, is carried as it is, mirrored where it looks the other way.
    """

    origin: tuple[float, float]
    axis: tuple[float, float]
    length: float
    half_widths: tuple[float, float]
    radius: float
    level: float
    turned: bool = False
    yaw: float | None = None
    flat: bool = False

    def box(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of a picture that the part can reach."""
        (x, y), (ax, ay) = self.origin, self.axis
        reach = self.radius + max(self.half_widths)
        xs, ys = sorted((x, x + ax * self.length)), sorted((y, y + ay * self.length))
        top, left = (
            min(side, max(0, int(low - reach)))
            for side, low in zip(size, (ys[0], xs[0]), strict=True)
        )
        bottom, right = min(size[0], int(ys[1] + reach) + 2), min(size[1], int(xs[1] + reach) + 2)
        return slice(top, max(top, bottom)), slice(left, max(left, right))

    def coordinates(self, box: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        """Along and across the part, in pixels, of every pixel of a box."""
        (x, y), (ax, ay) = self.origin, self.axis
        dy = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None] - np.float32(y)
        dx = np.arange(box[1].start, box[1].stop, dtype=np.float32) - np.float32(x)
        return dx * np.float32(ax) + dy * np.float32(ay), dy * np.float32(ax) - dx * np.float32(ay)

    def _half(self, along: np.ndarray) -> np.ndarray | np.float32:
        """Half the width at places along the part, of those past its ends at the ends."""
        start, end = self.half_widths
        if start == end:
            return np.float32(start)
        share = np.clip(along, 0, self.length) * np.float32(1 / max(self.length, 1e-6))
        return np.float32(start) + share * np.float32(end - start)

    def inside(self, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        """Whether places are in the trapezoid itself."""
        return (along > 0) & (along < self.length) & (np.abs(across) < self._half(along))

    def distance(self, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        """How far out of the trapezoid, 1 at the part's reach, plus its level; infinite beyond."""
        half = np.float32(self.length / 2)
        past = np.maximum(np.abs(along - half) - half, 0)
        if self.yaw is not None:
            square = (along * along + across * across) / np.float32(self.radius**2)
        else:
            beside = np.maximum(np.abs(across) - self._half(along), 0)
            square = (past * past + beside * beside) / np.float32(self.radius**2)
        return np.where(square < 1, np.sqrt(square) + np.float32(self.level), np.float32(np.inf))

    def moved_to(
        self, other: BodyPart, along: np.ndarray, across: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The x and y that have the same coordinates in `other`, stretched as it is."""
        grow = np.float32(other.radius / self.radius)
        if self.yaw is not None and other.yaw is not None:
            if not self.flat:
                across = self._rotated(along, across, self.yaw, other.yaw)
            elif math.sin(self.yaw) * math.sin(other.yaw) < 0:
                across = -across
            along, across = along * grow, across * grow
        else:
            inside = np.clip(along, 0, self.length)
            beyond = (along - inside) * grow
            along = inside * np.float32(other.length / max(self.length, 1e-6))
            half = self._half(inside)
            middle = np.clip(across, -half, half)
            stretch = other._half(along) / np.maximum(half, np.float32(1e-6))
            across = middle * stretch + (across - middle) * grow
            along = along + beyond
        if self.turned != other.turned:
            across = -across
        (x, y), (ax, ay) = other.origin, other.axis
        return (
            along * np.float32(ax) - across * np.float32(ay) + np.float32(x),
            along * np.float32(ay) + across * np.float32(ax) + np.float32(y),
        )

    def _rotated(
        self, along: np.ndarray, across: np.ndarray, yaw: float, other: float
    ) -> np.ndarray:
        """Across, after a ball of the head's size has turned from one yaw to another.

        A face's halves are alike: what has turned out of sight is looked for in the other one.
        What is around the ball stays.
        """
        radius = self.half_widths[0]
        slice_ = np.sqrt(
            np.maximum(np.float32(radius**2) - along * along, np.float32(0.01 * radius**2))
        )
        # Across points to the image's left where the axis points down.
        angle = np.arcsin(np.clip(-across / slice_, -1, 1))
        own, mirrored = _wrapped(angle - (yaw - other)), _wrapped(yaw + other - angle)
        hidden = (np.abs(own) > _EDGE) & (np.abs(mirrored) < np.abs(own))
        angle = np.clip(np.where(hidden, mirrored, own), -math.pi / 2, math.pi / 2)
        return np.where(np.abs(across) < slice_, -np.sin(angle) * slice_, across)


def _wrapped(angle: np.ndarray) -> np.ndarray:
    """Angles in -pi..pi."""
    turn = np.float32(math.tau)
    return angle - turn * np.rint(angle / turn)


def body_parts(
    keypoints: np.ndarray, other: np.ndarray, reach: float = 1.0, skirt: float = WIDE_SKIRT
) -> list[BodyPart | None]:
    """Trunk, bones, head, neck and lap of somebody (joints, 3); None where a joint is missing.

    The trunk is laid out by what both this and the `other` pose of the same person show. Parts
    reach `reach` times as far around their bones as a body in tight clothes does.
    """
    heights = [max(skeleton_height(pose), 1.0) for pose in (keypoints, other)]
    height = heights[0]
    there = present(keypoints).tolist()
    points = keypoints[:18, :2].astype(np.float64)
    parts: list[BodyPart | None] = []
    both = present(keypoints) & present(other)
    trunk = _trunk(keypoints, both, height, _shoulders((keypoints, other), heights))
    parts.append(trunk)
    for (a, b), radius in zip(LEG_AND_ARM_BONES, _BONE_RADII, strict=True):
        level = _LEG_LEVEL if a in (RIGHT_HIP, RIGHT_KNEE, LEFT_HIP, LEFT_KNEE) else _ARM_LEVEL
        if not (there[a] and there[b]):
            parts.append(None)
            continue
        strip = _strip(points[a], points[b], _reach(radius, height), level)
        if a in (RIGHT_KNEE, LEFT_KNEE, RIGHT_ELBOW, LEFT_ELBOW):
            strip = replace(strip, length=strip.length + _BEYOND * height)
        parts.append(strip)
    head = head_poses(np.stack([keypoints[:18], other[:18]]), np.array(heights))[0]
    parts.append(_head(head))
    parts.append(_neck(points, head, height))
    parts.append(_lap(points, there, trunk, height, skirt))
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


def _head(pose: HeadPose | None) -> BodyPart | None:
    if pose is None:
        return None
    size = pose.radius
    return BodyPart(
        pose.centre, pose.axis, 0.0, (size, size), size * _HEAD_RADIUS, _HEAD_LEVEL, yaw=pose.yaw
    )


def _neck(points: np.ndarray, head: HeadPose | None, height: float) -> BodyPart | None:
    if head is None:
        return None
    centre = np.array(head.centre)
    return _strip(points[NECK], centre, _reach(_NECK_RADIUS, height), _NECK_LEVEL)


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
    return replace(strip, length=skirt * height, half_widths=(top, bottom))
