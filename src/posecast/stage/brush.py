"""Drawing with anti-aliased polygons while remembering which part covers each sample."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from posecast.stage.looks import Colour, Fabric, shade

SHIFT = 4
_FIXED = float(1 << SHIFT)
_ARC = np.linspace(-np.pi / 2, np.pi / 2, 7)
_COS, _SIN = np.cos(_ARC), np.sin(_ARC)
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 20, endpoint=False)),
                    np.sin(np.linspace(0, 2 * np.pi, 20, endpoint=False))], axis=1)  # fmt: skip

Edges = Callable[[float], tuple[np.ndarray, np.ndarray]]
"""Left and right border of a piece of cloth at 0 (its start) .. 1 (its end)."""


class Brush:
    """Paints convex polygons into a colour picture and, without blending, their part into another."""

    def __init__(self, colour: np.ndarray | None, parts: np.ndarray) -> None:
        self.colour = colour
        self.parts = parts
        self.part = 0

    def polygon(self, points: np.ndarray, colour: Colour) -> None:
        """A convex polygon; points (n, 2) in samples."""
        fixed = np.rint(points * _FIXED).astype(np.int32)
        if self.colour is not None:
            cv2.fillConvexPoly(self.colour, fixed, colour, cv2.LINE_AA, SHIFT)
        if self.part:
            cv2.fillConvexPoly(self.parts, fixed, self.part, cv2.LINE_8, SHIFT)

    def ellipse(
        self, centre: np.ndarray, rx: float, ry: float, colour: Colour, angle: float = 0.0
    ) -> None:
        """An ellipse with half axes in samples, turned by `angle` radians."""
        points = _CIRCLE * (rx, ry)
        if angle:
            c, s = np.cos(angle), np.sin(angle)
            points = points @ np.array([[c, s], [-s, c]])
        self.polygon(centre + points, colour)

    def capsule(
        self, start: np.ndarray, end: np.ndarray, w0: float, w1: float, colour: Colour
    ) -> None:
        """A limb: from `start` with half width w0 to `end` with half width w1, round at both ends."""
        along = end - start
        length = float(np.hypot(along[0], along[1]))
        along = along / length if length > 1e-6 else np.array([0.0, 1.0])
        across = np.array([-along[1], along[0]])
        front = end + w1 * (_COS[:, None] * along + _SIN[:, None] * across)
        back = start - w0 * (_COS[:, None] * along + _SIN[:, None] * across)
        self.polygon(np.concatenate([front, back]), colour)

    def line(self, start: np.ndarray, end: np.ndarray, colour: Colour, thickness: int) -> None:
        """A thin line in the colour picture alone."""
        if self.colour is not None:
            a, b = np.rint(np.stack([start, end]) * _FIXED).astype(int).tolist()
            cv2.line(self.colour, a, b, colour, thickness, cv2.LINE_AA, SHIFT)


def limb_edges(start: np.ndarray, end: np.ndarray, w0: float, w1: float) -> Edges:
    """The borders of a limb's sleeve or trouser leg."""
    along = end - start
    length = float(np.hypot(along[0], along[1]))
    along = along / length if length > 1e-6 else np.array([0.0, 1.0])
    across = np.array([-along[1], along[0]])

    def edges(t: float) -> tuple[np.ndarray, np.ndarray]:
        middle = start + t * (end - start)
        half = (w0 + t * (w1 - w0)) * across
        return middle + half, middle - half

    return edges


def _cell(edges: Edges, t0: float, t1: float, s0: float, s1: float) -> np.ndarray:
    (a, b), (c, d) = edges(t0), edges(t1)
    return np.stack([a + s0 * (b - a), a + s1 * (b - a), c + s1 * (d - c), c + s0 * (d - c)])


def paint_pattern(brush: Brush, fabric: Fabric, edges: Edges, front: float = 1.0) -> None:
    """Lays a fabric's second colour over an area already filled with its base.

    Args:
        edges: the area's borders.
        front: cosine of the yaw; badges and sashes are on the front alone.
    """
    colour, n = fabric.second, fabric.count
    if fabric.pattern == "bands":
        for k in range(n):
            t = (k + 0.6) / (n + 0.2)
            brush.polygon(_cell(edges, t, min(1.0, t + 0.5 / n), 0, 1), colour)
    elif fabric.pattern == "stripes":
        for k in range(n):
            s = (k + 0.25) / n
            brush.polygon(_cell(edges, 0.02, 1, s, s + 0.5 / n), colour)
    elif fabric.pattern == "checks":
        for i in range(n + 1):
            for k in range(i % 2, 3, 2):
                cell = _cell(edges, i / (n + 1), (i + 1) / (n + 1), k / 3, (k + 1) / 3)
                brush.polygon(cell, colour)
    elif fabric.pattern == "dots":
        size = float(np.linalg.norm(edges(0.5)[0] - edges(0.5)[1])) / 9
        for i in range(n):
            for k in range(2 + i % 2):
                a, b = edges((i + 0.7) / (n + 0.4))
                s = (k + 0.75) / 2.5 if i % 2 == 0 else (k + 0.5) / 3
                brush.ellipse(a + s * (b - a), size, size, colour)
    elif fabric.pattern == "block":
        brush.polygon(_cell(edges, 0.5, 1, 0, 1), colour)
    elif fabric.pattern == "badge" and front > 0.15:
        a, b = edges(0.38)
        size = float(np.linalg.norm(a - b)) / 4
        brush.ellipse((a + b) / 2, size, size, colour)
        brush.ellipse((a + b) / 2, size * 0.5, size * 0.5, fabric.base)
    elif fabric.pattern == "sash":
        (a, b), (c, d) = edges(0.02), edges(0.98)
        if front < 0:
            a, b, c, d = b, a, d, c
        points = np.stack([a, a + 0.35 * (b - a), d, c + 0.65 * (d - c)])
        brush.polygon(points, colour)


def paint_shadow(brush: Brush, fabric: Fabric, edges: Edges) -> None:
    """A darker strip along the side away from the light."""
    brush.polygon(_cell(edges, 0.03, 1, 0.84, 1), shade(fabric.base, 0.78))
