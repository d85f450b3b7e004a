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
    """Collects shapes; paints them into a picture and, without blending, into a map of parts.

    Shapes are kept as parameters until `flush`, which computes all outlines of a puppet at once.
    """

    def __init__(self, colour: np.ndarray | None, parts: np.ndarray) -> None:
        self.colour = colour
        self.parts = parts
        self.part = 0
        self._shapes: list[tuple[str, int, Colour, int]] = []
        self._polygons: list[np.ndarray] = []
        self._capsules: list[tuple[float, ...]] = []
        self._ellipses: list[tuple[float, ...]] = []

    def polygon(self, points: np.ndarray, colour: Colour) -> None:
        """A convex polygon; points (n, 2) in samples."""
        self._shapes.append(("polygon", len(self._polygons), colour, self.part))
        self._polygons.append(points)

    def ellipse(self, centre: np.ndarray, rx: float, ry: float, colour: Colour) -> None:
        """An ellipse with half axes in samples."""
        self._shapes.append(("ellipse", len(self._ellipses), colour, self.part))
        self._ellipses.append((centre[0], centre[1], rx, ry))

    def capsule(
        self, start: np.ndarray, end: np.ndarray, w0: float, w1: float, colour: Colour
    ) -> None:
        """A limb from `start` (half width w0) to `end` (half width w1), round at both ends."""
        self._shapes.append(("capsule", len(self._capsules), colour, self.part))
        self._capsules.append((start[0], start[1], end[0], end[1], w0, w1))

    def flush(self) -> None:
        """Paints what was collected, in order."""
        outlines = {
            "polygon": [np.rint(p * _FIXED).astype(np.int32) for p in self._polygons],
            "capsule": _capsule_outlines(self._capsules),
            "ellipse": _ellipse_outlines(self._ellipses),
        }
        for kind, index, colour, part in self._shapes:
            outline = outlines[kind][index]
            if self.colour is not None:
                cv2.fillConvexPoly(self.colour, outline, colour, cv2.LINE_AA, SHIFT)
            if part:
                cv2.fillConvexPoly(self.parts, outline, part, cv2.LINE_8, SHIFT)
        for shapes in (self._shapes, self._polygons, self._capsules, self._ellipses):
            shapes.clear()


def _capsule_outlines(capsules: list[tuple[float, ...]]) -> np.ndarray:
    table = np.asarray(capsules).reshape(-1, 6, 1)
    start, end = table[:, 0:2].swapaxes(1, 2), table[:, 2:4].swapaxes(1, 2)
    along = end - start
    length = np.linalg.norm(along, axis=2, keepdims=True)
    along = np.where(length > 1e-6, along / np.maximum(length, 1e-6), [0.0, 1.0])
    across = np.stack([-along[..., 1], along[..., 0]], axis=2)
    arc = _COS[:, None] * along + _SIN[:, None] * across
    points = np.concatenate([end + table[:, 5:6] * arc, start - table[:, 4:5] * arc], axis=1)
    return np.rint(points * _FIXED).astype(np.int32)


def _ellipse_outlines(ellipses: list[tuple[float, ...]]) -> np.ndarray:
    table = np.asarray(ellipses).reshape(-1, 1, 4)
    return np.rint((table[..., :2] + _CIRCLE * table[..., 2:]) * _FIXED).astype(np.int32)


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
