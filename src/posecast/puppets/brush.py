"""Draws anti-aliased polygons and records which body part covers each sample."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from posecast.puppets.looks import Colour

SHIFT = 4
_FIXED = float(1 << SHIFT)
_ARC = np.linspace(-np.pi / 2, np.pi / 2, 7)
_COS, _SIN = np.cos(_ARC), np.sin(_ARC)
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 20, endpoint=False)),
                    np.sin(np.linspace(0, 2 * np.pi, 20, endpoint=False))], axis=1)  # fmt: skip


class Brush:
    """Collects shapes, then paints them into a picture and, without blending, into a part map.

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
        """Add a convex polygon; points (n, 2) in samples."""
        self._shapes.append(("polygon", len(self._polygons), colour, self.part))
        self._polygons.append(points)

    def ellipse(self, centre: np.ndarray, rx: float, ry: float, colour: Colour) -> None:
        """Add an ellipse with half axes in samples."""
        self._shapes.append(("ellipse", len(self._ellipses), colour, self.part))
        self._ellipses.append((centre[0], centre[1], rx, ry))

    def capsule(
        self, start: np.ndarray, end: np.ndarray, w0: float, w1: float, colour: Colour
    ) -> None:
        """Add a limb with round ends, from `start` (half width w0) to `end` (half width w1)."""
        self._shapes.append(("capsule", len(self._capsules), colour, self.part))
        self._capsules.append((start[0], start[1], end[0], end[1], w0, w1))

    def flush(self) -> None:
        """Paint the collected shapes in order, and forget them."""
        outlines: dict[str, Sequence[np.ndarray] | np.ndarray] = {
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
