"""Pieces of cloth on a puppet: their borders and their patterns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecast.puppets.brush import Brush
from posecast.puppets.looks import Fabric, shade


@dataclass(frozen=True)
class Cloth:
    """An area between a left and a right border, both straight between rows.

    Row k goes from ``left[k]`` to ``right[k]``, at ``stops[k]`` along the cloth: 0 is its start, 1
    its end. Points are in samples.
    """

    stops: tuple[float, ...]
    left: tuple[np.ndarray, ...]
    right: tuple[np.ndarray, ...]

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Points of the left and the right border at `t`, 0 to 1 along the cloth."""
        k = 0
        while k < len(self.stops) - 2 and t >= self.stops[k + 1]:
            k += 1
        share = (t - self.stops[k]) / (self.stops[k + 1] - self.stops[k])
        left, right = self.left, self.right
        return (
            left[k] + share * (left[k + 1] - left[k]),
            right[k] + share * (right[k + 1] - right[k]),
        )

    def cell(self, t0: float, t1: float, s0: float, s1: float) -> np.ndarray:
        """The quadrilateral from t0 to t1 along the cloth and from s0 to s1 across it."""
        (a, b), (c, d) = self.at(t0), self.at(t1)
        return np.stack([a + s0 * (b - a), a + s1 * (b - a), c + s1 * (d - c), c + s0 * (d - c)])


def limb_cloth(start: np.ndarray, end: np.ndarray, w0: float, w1: float) -> Cloth:
    """A sleeve or trouser leg of half width w0 at `start` and w1 at `end`."""
    along = end - start
    length = float(np.hypot(along[0], along[1]))
    along = along / length if length > 1e-6 else np.array([0.0, 1.0])
    across = np.array([-along[1], along[0]])
    return Cloth(
        (0.0, 1.0),
        (start + w0 * across, end + w1 * across),
        (start - w0 * across, end - w1 * across),
    )


def paint_pattern(brush: Brush, fabric: Fabric, cloth: Cloth, front: float = 1.0) -> None:
    """Paint a fabric's second colour over an area already filled with its base colour.

    Args:
        cloth: the area.
        front: cosine of the yaw; badges and sashes are only on the front.
    """
    colour, n = fabric.second, fabric.count
    if fabric.pattern == "bands":
        for k in range(n):
            t = (k + 0.6) / (n + 0.2)
            brush.polygon(cloth.cell(t, min(1.0, t + 0.5 / n), 0, 1), colour)
    elif fabric.pattern == "stripes":
        for k in range(n):
            s = (k + 0.25) / n
            brush.polygon(cloth.cell(0.02, 1, s, s + 0.5 / n), colour)
    elif fabric.pattern == "checks":
        for i in range(n + 1):
            for k in range(i % 2, 3, 2):
                cell = cloth.cell(i / (n + 1), (i + 1) / (n + 1), k / 3, (k + 1) / 3)
                brush.polygon(cell, colour)
    elif fabric.pattern == "dots":
        size = float(np.linalg.norm(cloth.at(0.5)[0] - cloth.at(0.5)[1])) / 9
        for i in range(n):
            for k in range(2 + i % 2):
                a, b = cloth.at((i + 0.7) / (n + 0.4))
                s = (k + 0.75) / 2.5 if i % 2 == 0 else (k + 0.5) / 3
                brush.ellipse(a + s * (b - a), size, size, colour)
    elif fabric.pattern == "block":
        brush.polygon(cloth.cell(0.5, 1, 0, 1), colour)
    elif fabric.pattern == "badge" and front > 0.15:
        a, b = cloth.at(0.38)
        size = float(np.linalg.norm(a - b)) / 4
        brush.ellipse((a + b) / 2, size, size, colour)
        brush.ellipse((a + b) / 2, size * 0.5, size * 0.5, fabric.base)
    elif fabric.pattern == "sash":
        (a, b), (c, d) = cloth.at(0.02), cloth.at(0.98)
        if front < 0:
            a, b, c, d = b, a, d, c
        points = np.stack([a, a + 0.35 * (b - a), d, c + 0.65 * (d - c)])
        brush.polygon(points, colour)


def paint_shadow(brush: Brush, fabric: Fabric, cloth: Cloth) -> None:
    """Paint a darker strip along the side away from the light."""
    brush.polygon(cloth.cell(0.03, 1, 0.84, 1), shade(fabric.base, 0.78))
