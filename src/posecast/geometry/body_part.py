"""One part of a body, and the coordinates along and across it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_EDGE, _SLANTER, _LIMB, _TEMPLE_EDGE = (math.radians(angle) for angle in (50, 5, 80, 75))
"""From the first on, and more than the second further than where it is asked for, a head's surface
is seen so slantwise that its mirror image may show more; from the third on neither shows it; the
fourth is where a temple is sampled for it."""
_BREADTH, _TALL = 1.04, 1.14
"""Half axes of a head with its hair, by its radius."""
_TEMPLE = -0.55
"""Where temples are along a head, by its radius: what is hidden is like them, or higher up."""


@dataclass(frozen=True)
class BodyPart:
    """A trapezoid of `length` along `axis` from `origin`, and what is around it.

    `half_widths`: half its width at its start and at its end. `turned`: seen from behind, its left
    is at the right. A head has no length, `half_widths` of its radius and a `yaw`; it turns as an
    egg does, or `flat`, is carried as it is, mirrored where it looks the other way.
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
    slant: tuple[float, float] | None = None
    """The unit vector that across is measured along where that is not at right angles to the axis.
    """

    @property
    def _sideways(self) -> tuple[float, float]:
        return self.slant or (-self.axis[1], self.axis[0])

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
        (x, y), (ax, ay), (sx, sy) = self.origin, self.axis, self._sideways
        dy = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None] - np.float32(y)
        dx = np.arange(box[1].start, box[1].stop, dtype=np.float32) - np.float32(x)
        area = ax * sy - ay * sx
        along = dx * np.float32(sy / area) - dy * np.float32(sx / area)
        return along, dy * np.float32(ax / area) - dx * np.float32(ay / area)

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

    def holds(self, point: np.ndarray) -> bool:
        """Whether a place x, y of the picture is in the trapezoid."""
        (x, y), (ax, ay) = self.origin, self.axis
        dx, dy = float(point[0]) - x, float(point[1]) - y
        along, across = np.array([[dx * ax + dy * ay], [dx * ay - dy * ax]], np.float32)
        return bool(self.inside(along, across).all())

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
                along, across = self._rotated(along, across, self.yaw, other.yaw)
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
        (x, y), (ax, ay), (sx, sy) = other.origin, other.axis, other._sideways
        return (
            along * np.float32(ax) + across * np.float32(sx) + np.float32(x),
            along * np.float32(ay) + across * np.float32(sy) + np.float32(y),
        )

    def _rotated(
        self, along: np.ndarray, across: np.ndarray, yaw: float, other: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Along and across, after an egg of the head's size has turned from one yaw to another.

        A face's halves are alike: what has turned out of sight is looked for in the other one. The
        back of the head, which neither shows, is like the temples. What is around the egg stays.
        """
        # Across points to the image's left where the axis points down.
        slices = self._slices(along)
        angle = np.arcsin(np.clip(-across / slices, -1, 1))
        own, mirrored = _wrapped(angle - (yaw - other)), _wrapped(yaw + other - angle)
        least = np.maximum(_EDGE, np.abs(angle) + _SLANTER)
        hidden = (np.abs(own) > least) & (np.abs(mirrored) < np.abs(own))
        angle = np.where(hidden, mirrored, own)
        inside = np.abs(across) < slices
        back = inside & (np.abs(angle) > _LIMB)
        angle = np.clip(angle, -_TEMPLE_EDGE, _TEMPLE_EDGE, out=angle, where=back)
        place = np.float32(_TEMPLE * self.half_widths[0])
        along = np.where(back, np.minimum(along, place), along)
        return along, np.where(inside, -np.sin(angle) * self._slices(along), across)

    def _slices(self, along: np.ndarray) -> np.ndarray:
        """Half the width of an egg of the head's size at places along it."""
        radius = self.half_widths[0]
        wide, low = np.float32(_BREADTH * radius), along * np.float32(_BREADTH / _TALL)
        return np.sqrt(np.maximum(wide * wide - low * low, np.float32(0.01) * wide * wide))


def _wrapped(angle: np.ndarray) -> np.ndarray:
    """Angles in -pi..pi."""
    turn = np.float32(math.tau)
    return angle - turn * np.rint(angle / turn)
