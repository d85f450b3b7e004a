"""The reference's own pixels, carried to where a pose asks for them (our extension).

A character is cut into ten parts: trunk, head, and the two bones of each arm and leg. Each has
coordinates along and across it, in the reference and in the target; a pixel of the target shows
what the reference has at the same coordinates of the same part. It is what a paper puppet does, and
what Balakrishnan et al. do before their network (arXiv 1804.07739): rough at the joints, blind to
what the reference hides, but true to patterns, which no network of a few megabytes
redraws from memory. docs/method.md, "Condition maps" 7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from posecast.geometry.depth_order import paint_order
from posecast.geometry.dilation import MIN_RADIUS, dilation_maps
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

_TRUNK_RADIUS, _HEAD_RADIUS = 0.09, 0.12
_BONE_RADII = (0.085, 0.07, 0.085, 0.07, 0.06, 0.052, 0.06, 0.052)
"""How far a part reaches around its bone, by the height of the skeleton."""
_TRUNK_LEVEL, _LEG_LEVEL, _ARM_LEVEL, _HEAD_LEVEL = 0.3, 0.0, -0.3, -0.2
"""Added to distances where parts compete: arms lie over the head, the head over all else."""
_MIN_HALF_TRUNK = 0.06
"""Half the width, by the height, of a trunk seen from the side."""
_TOLERANCE = 0.25
"""A source counts as the part's own up to this much nearer to another part of the character."""
_LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class _Part:
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
        top, left = max(0, int(ys[0] - reach)), max(0, int(xs[0] - reach))
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
        self, other: _Part, along: np.ndarray, across: np.ndarray
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


@dataclass(frozen=True)
class ReferenceWarp:
    """A reference picture (RGB bytes) ready to be carried to any pose of its characters.

    `ranks` are the reference's own: who hides whom there. Pixels inside a character's dilation map
    are no background.
    """

    picture: UInt8[np.ndarray, "height width 3"]
    keypoints: Float[np.ndarray, "characters joints 3"]
    ranks: Int[np.ndarray, " characters"]
    _owner: Int[np.ndarray, "height width"] = field(init=False, repr=False)
    _nearest: Float32[np.ndarray, "height width"] = field(init=False, repr=False)
    _background: Bool[np.ndarray, "height width"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size = (self.picture.shape[0], self.picture.shape[1])
        owner, nearest = np.full(size, -1), np.full(size, np.inf, np.float32)
        for character in paint_order(self.ranks):
            own = np.full(size, np.inf, np.float32)
            for part in _parts(self.keypoints[character], self.keypoints[character]):
                if part is not None:
                    box = part.box(size)
                    distance = part.distance(*part.coordinates(box))
                    np.minimum(own[box], distance, out=own[box])
            there = np.isfinite(own)
            owner[there], nearest[there] = character, own[there]
        object.__setattr__(self, "_owner", owner)
        object.__setattr__(self, "_nearest", nearest)
        people = dilation_maps(self.keypoints, size)
        object.__setattr__(self, "_background", ~people.any(axis=0) & (owner < 0))

    def to(
        self,
        keypoints: Float[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
        out: Float32[np.ndarray, "4 height width"] | None = None,
    ) -> Float32[np.ndarray, "4 height width"]:
        """Red, green and blue (0..1) of the warped picture, and where it is known (0 or 1).

        Painted far to near. The background stays where it is. What the reference does not show
        takes the colours around it. Written into `out` where it is given.
        """
        size = self._background.shape
        # Where each pixel comes from, and whether that is to be seen there.
        grid = np.indices(size, dtype=np.float32)
        x, y = grid[1], grid[0]
        known = self._background.copy()
        for character in paint_order(ranks):
            self._place(character, keypoints[character], x, y, known)
        colours = cv2.remap(
            self.picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32)
        filled = _filled(colours / np.float32(255), known.astype(np.float32))
        if out is None:
            out = np.empty((4, *size), np.float32)
        out[:3] = filled.transpose(2, 0, 1)
        out[3] = known
        return out

    def _place(
        self, character: int, target: np.ndarray, x: np.ndarray, y: np.ndarray, known: np.ndarray
    ) -> None:
        """Say for the pixels of one character where they come from."""
        height, width = known.shape
        nearest = np.full((height, width), np.inf, np.float32)
        source = self.keypoints[character]
        pairs = zip(_parts(target, source), _parts(source, target), strict=True)
        for part, origin in pairs:
            if part is None:
                continue
            box = part.box((height, width))
            along, across = part.coordinates(box)
            distance = part.distance(along, across)
            mine = distance < nearest[box]
            if not mine.any():
                continue
            nearest[box][mine] = distance[mine]
            if origin is None:
                known[box][mine] = False
                continue
            from_x, from_y = part.moved_to(origin, along[mine], across[mine])
            column, row = np.rint(from_x).astype(np.int64), np.rint(from_y).astype(np.int64)
            seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            place = (row.clip(0, height - 1), column.clip(0, width - 1))
            seen &= self._owner[place] == character
            seen &= distance[mine] <= self._nearest[place] + np.float32(_TOLERANCE)
            x[box][mine], y[box][mine], known[box][mine] = from_x, from_y, seen


def _parts(keypoints: np.ndarray, other: np.ndarray) -> list[_Part | None]:
    """Trunk, bones and head of somebody; None where a joint is missing.

    The trunk is laid out by what both this and the `other` pose of the same person show.
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
    return parts


def _reach(radius: float, height: float) -> float:
    return max(MIN_RADIUS, radius * height)


def _strip(start: np.ndarray, stop: np.ndarray, radius: float, level: float) -> _Part:
    x, y = start.tolist()
    dx, dy = (stop - start).tolist()
    length = max(math.hypot(dx, dy), 1e-3)
    return _Part((x, y), (dx / length, dy / length), length, 0.0, radius, level)


def _trunk(keypoints: np.ndarray, both: np.ndarray, height: float) -> _Part | None:
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


def _head(points: np.ndarray, there: Sequence[bool], height: float) -> _Part | None:
    """A disc around the face's points, upright as the line from the neck."""
    seen = [joint for joint in HEAD if there[joint]]
    if not seen or not there[NECK]:
        return None
    centre = points[seen].mean(axis=0)
    upright = _strip(centre, 2 * centre - points[NECK], _reach(_HEAD_RADIUS, height), _HEAD_LEVEL)
    return replace(upright, length=0.0)


def _filled(
    colours: Float32[np.ndarray, "height width 3"], known: Float32[np.ndarray, "height width"]
) -> Float32[np.ndarray, "height width 3"]:
    """Holes take the weighted mean of what is around them, from a pyramid of means."""
    levels = [(colours * known[..., None], known)]
    while min(levels[-1][1].shape) > 1:
        levels.append((cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])))
    total, weight = levels.pop()
    filled = total / np.maximum(weight, _LEAST_WEIGHT)[..., None]
    for total, weight in reversed(levels):
        rows, columns = weight.shape
        around = cv2.resize(filled, (columns, rows), interpolation=cv2.INTER_LINEAR)
        share = np.minimum(weight, 1)[..., None]
        filled = total / np.maximum(weight, _LEAST_WEIGHT)[..., None] * share + around * (1 - share)
    return filled
