"""The parts that a body is cut into, and the coordinates along and across each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from posecast.geometry.dilation import MIN_RADIUS
from posecast.geometry.skeleton import (
    HEAD,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEG_AND_ARM_BONES,
    NECK,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    present,
    skeleton_height,
)

MIRROR = (0, 3, 4, 1, 2, 7, 8, 5, 6, 9)
"""The part on the other side of the body, by index."""
_TRUNK_RADIUS, _HEAD_RADIUS = 0.09, 0.12
_BONE_RADII = (0.085, 0.07, 0.085, 0.07, 0.06, 0.052, 0.06, 0.052)
"""How far a part reaches around its bone, by the height of the skeleton."""
_TRUNK_LEVEL, _LEG_LEVEL, _ARM_LEVEL, _HEAD_LEVEL = 0.3, 0.0, -0.3, -0.2
"""Added to distances where parts compete: arms lie over the head, the head over all else."""
_MIN_HALF_TRUNK = 0.06
"""Half the width, by the height, of a trunk seen from the side."""


@dataclass(frozen=True)
class BodyPart:
    """A rectangle of `length` along `axis` from `origin` and twice `half_width`, and around it.

    `turned`: seen from behind, its left is at the right.
    """

    origin: tuple[float, float]
    axis: tuple[float, float]
    length: float
    half_width: float
    radius: float
    level: float
    turned: bool = False

    def box(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of a picture that the part can reach."""
        (x, y), (ax, ay) = self.origin, self.axis
        reach = self.radius + self.half_width
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

    def distance(self, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        """How far out of the rectangle, 1 at the part's reach, plus its level; infinite beyond."""
        half = np.float32(self.length / 2)
        past = np.maximum(np.abs(along - half) - half, 0)
        beside = np.maximum(np.abs(across) - np.float32(self.half_width), 0)
        square = (past * past + beside * beside) / np.float32(self.radius**2)
        return np.where(square < 1, np.sqrt(square) + np.float32(self.level), np.float32(np.inf))

    def moved_to(
        self, other: BodyPart, along: np.ndarray, across: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The x and y that have the same coordinates in `other`, stretched as it is."""
        grow = np.float32(other.radius / self.radius)
        inside = np.clip(along, 0, self.length)
        along = inside * np.float32(other.length / max(self.length, 1e-6)) + (along - inside) * grow
        inside = np.clip(across, -self.half_width, self.half_width)
        stretch = np.float32(other.half_width / max(self.half_width, 1e-6))
        across = inside * stretch + (across - inside) * grow
        if self.turned != other.turned:
            across = -across
        (x, y), (ax, ay) = other.origin, other.axis
        return (
            along * np.float32(ax) - across * np.float32(ay) + np.float32(x),
            along * np.float32(ay) + across * np.float32(ax) + np.float32(y),
        )


def body_parts(
    keypoints: np.ndarray, other: np.ndarray, reach: float = 1.0
) -> list[BodyPart | None]:
    """Trunk, bones and head of somebody (joints, 3); None where a joint is missing.

    The trunk is laid out by what both this and the `other` pose of the same person show. Parts
    reach `reach` times as far around their bones as a body in tight clothes does.
    """
    height = max(skeleton_height(keypoints), 1.0)
    there = present(keypoints).tolist()
    points = keypoints[:18, :2].astype(np.float64)
    parts = [_trunk(keypoints, present(keypoints) & present(other), height)]
    for (a, b), radius in zip(LEG_AND_ARM_BONES, _BONE_RADII, strict=True):
        level = _LEG_LEVEL if a in (RIGHT_HIP, RIGHT_KNEE, LEFT_HIP, LEFT_KNEE) else _ARM_LEVEL
        parts.append(
            _strip(points[a], points[b], _reach(radius, height), level)
            if there[a] and there[b]
            else None
        )
    parts.append(_head(points, there, height))
    return [part and replace(part, radius=part.radius * reach) for part in parts]


def _reach(radius: float, height: float) -> float:
    return max(MIN_RADIUS, radius * height)


def _strip(start: np.ndarray, stop: np.ndarray, radius: float, level: float) -> BodyPart:
    x, y = start.tolist()
    dx, dy = (stop - start).tolist()
    length = max(math.hypot(dx, dy), 1e-3)
    return BodyPart((x, y), (dx / length, dy / length), length, 0.0, radius, level)


def _trunk(keypoints: np.ndarray, both: np.ndarray, height: float) -> BodyPart | None:
    """From the middle of the shoulders to that of the hips, or as far down as shoulders tell."""
    if not present(keypoints)[[RIGHT_SHOULDER, LEFT_SHOULDER]].all():
        return None
    points = keypoints[:18, :2].astype(np.float64)
    right, left = points[RIGHT_SHOULDER], points[LEFT_SHOULDER]
    top = (right + left) / 2
    if both[[RIGHT_HIP, LEFT_HIP]].all():
        right_hip, left_hip = points[RIGHT_HIP], points[LEFT_HIP]
        strip = _strip(top, (right_hip + left_hip) / 2, _reach(_TRUNK_RADIUS, height), _TRUNK_LEVEL)
        sides = (left - right + left_hip - right_hip) / 2
    else:
        # Nobody's hips to be seen: straight down from the shoulders, one and a half widths.
        sides = left - right
        down = np.array([-sides[1], sides[0]]) * 1.5
        down = down if down[1] >= 0 else -down
        strip = _strip(top, top + down, _reach(_TRUNK_RADIUS, height), _TRUNK_LEVEL)
    ax, ay = strip.axis
    width = float(sides[1] * ax - sides[0] * ay) / 2
    half = max(abs(width), _MIN_HALF_TRUNK * height)
    return replace(strip, half_width=half, turned=width < 0)


def _head(points: np.ndarray, there: Sequence[bool], height: float) -> BodyPart | None:
    """A disc around the face's points, upright as the line from the neck."""
    seen = [joint for joint in HEAD if there[joint]]
    if not seen or not there[NECK]:
        return None
    centre = points[seen].mean(axis=0)
    upright = _strip(centre, 2 * centre - points[NECK], _reach(_HEAD_RADIUS, height), _HEAD_LEVEL)
    return replace(upright, length=0.0)
