"""Tests joints and limbs against a skeleton picture: discs and strokes must be where they claim.

Every present joint was drawn as a disc over all limbs, and every limb between two such joints as an
ellipse over the earlier limbs. So no joint lies where the picture is black or shows a limb, and no
limb crosses black or lies under an earlier limb. A joint whose disc the picture's edge cuts off is
treated as outside.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

from posecast.media.pose_formats.skeleton_strokes import HUES, LIT

_NEVER = 20.0
"""Cost of what the picture rules out; it exceeds all other costs together."""
_DISC = 175
"""Least brightness (of 255) of a disc's pixel; limbs have 153, and compression blurs."""
_COVERED = 0.5  # share of a joint's disc that must be at least that bright
_REACH = 3.0  # radii around the end of a limb within which its joint may be covered
_SAMPLES = 24  # sampled places along a limb
_MIDDLE = 0.1, 0.9  # sampled part of a limb: discs cover its ends
_DRAWN = 0.85  # share of a limb that must be drawn
_STEEPNESS = 40.0  # cost per missing share of a limb
_CUT_DISC = 0.55  # least visible share of a disc at the edge whose centre is inside
_OWN, _OWN_STEEPNESS = 0.25, 8.0  # as `_DRAWN` and `_STEEPNESS`, for a limb's own colour


class Evidence:
    """Evidence from one RGB picture. Places are x, y in pixels, NaN for none."""

    def __init__(self, picture: UInt8[np.ndarray, "height width 3"], radius: float) -> None:
        self._size = np.array([picture.shape[1], picture.shape[0]])
        # Work in a window around the drawing: the picture is black outside.
        red, green, blue = cv2.split(picture)
        lit = cv2.inRange(cv2.max(cv2.max(red, green), blue), LIT, 255)
        x, y, width, height = cv2.boundingRect(lit)
        margin = 2 + int(2 * radius)
        low = np.maximum((x - margin, y - margin), 0)
        high = np.minimum((x + width + margin, y + height + margin), self._size)
        self._low, self._window = low, high - low
        part = np.ascontiguousarray(picture[low[1] : high[1], low[0] : high[0]])
        hue, _, value = cv2.split(cv2.cvtColor(part, cv2.COLOR_RGB2HSV))
        self._masks_of: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._step = np.rint(hue / (180 / HUES)).astype(np.int8) % HUES
        self._bright = (value >= _DISC).astype(np.uint8)
        self._dim = (value >= LIT) & (value < _DISC)
        side = max(1, 2 * round(0.7 * radius) + 1)
        self._share = cv2.blur(
            self._bright.astype(np.float32), (side, side), borderType=cv2.BORDER_REPLICATE
        )
        self._radius = radius

    def joint_costs(
        self, places: Float64[np.ndarray, "places 2"]
    ) -> Float64[np.ndarray, " places"]:
        """Cost of a joint at each place: 0 if its disc can be there, `_NEVER` if it cannot."""
        there = np.isfinite(places).all(axis=1)
        inside = there & self._inside(np.nan_to_num(places, nan=-1.0))
        x, y = self._pixels(places[inside]).T
        costs = np.where(there, _NEVER, 0.0)
        costs[inside] = np.where(self._share[y, x] >= _COVERED, 0.0, _NEVER)
        return costs

    def covered_near(self, place: Float64[np.ndarray, " 2"]) -> Float64[np.ndarray, " 2"] | None:
        """The nearest place at which something may cover a joint's disc, if there is one."""
        reach = int(_REACH * self._radius) + 1
        centre = place.astype(int) - self._low
        low = np.clip(centre - reach, 0, self._window)
        high = np.clip(centre + reach + 1, 0, self._window)
        rows, columns = np.nonzero(self._share[low[1] : high[1], low[0] : high[0]] >= _COVERED)
        if not len(rows):
            return None
        places = np.stack([columns, rows], axis=1) + low + self._low + 0.5
        return np.asarray(places[int(np.linalg.norm(places - place, axis=1).argmin())])

    def limb_costs(
        self,
        limb: int,
        parents: Float64[np.ndarray, "parents 2"],
        children: Float64[np.ndarray, "children 2"],
    ) -> Float64[np.ndarray, "parents children"]:
        """Cost of a limb between each two places, from its undrawn share; 0 if none is missing."""
        steps = np.linspace(*_MIDDLE, _SAMPLES)[:, None]
        start, end = parents[:, None, None], children[None, :, None]
        points = start + steps * (end - start)
        there = np.isfinite(points).all(axis=(2, 3))
        points = np.nan_to_num(points)
        inside = self._inside(points)
        x, y = np.moveaxis(self._pixels(points), -1, 0)
        possible, own = self._masks(limb)
        drawn = (possible[y, x] & inside).mean(axis=2)
        coloured = (own[y, x] & inside).mean(axis=2)
        cost = np.clip((_DRAWN - drawn) * _STEEPNESS, 0.0, _NEVER)
        # A short limb is hidden by its discs.
        length = np.linalg.norm(np.nan_to_num(end - start), axis=-1)[..., 0]
        long = np.clip(length / self._radius / 2 - 1.5, 0.0, 1.0)
        cost += np.clip((_OWN - coloured) * _OWN_STEEPNESS, 0.0, _NEVER) * long
        return np.where(there, cost, 0.0)

    def cut_costs(
        self,
        ends: Float64[np.ndarray, "2 2"],
        parents: Float64[np.ndarray, "parents 2"],
        children: Float64[np.ndarray, "children 2"],
    ) -> Float64[np.ndarray, "parents children"]:
        """Cost of a pair of joints of which neither lies where the picture's edge cuts the limb."""
        costs = np.zeros((len(parents), len(children)))
        for end in ends:
            if self.at_edge(end):
                far = np.minimum(
                    np.linalg.norm(parents - end, axis=1)[:, None],
                    np.linalg.norm(children - end, axis=1),
                )
                costs += np.nan_to_num(np.clip(4 * (far / self._radius - 3), 0.0, _NEVER))
        return costs

    def is_drawn(
        self, limb: int, start: Float64[np.ndarray, " 2"], end: Float64[np.ndarray, " 2"]
    ) -> bool:
        """Whether a limb's own colour is visible between two places."""
        points = start + np.linspace(*_MIDDLE, _SAMPLES)[:, None] * (end - start)
        x, y = self._pixels(points).T
        _, own = self._masks(limb)
        return bool((own[y, x] & self._inside(points)).mean() >= _OWN)

    def radii(self, start: Float64[np.ndarray, " 2"], end: Float64[np.ndarray, " 2"]) -> float:
        """The distance between two places in disc radii."""
        return float(np.linalg.norm(end - start)) / self._radius

    def is_cut_disc(self, centre: Float64[np.ndarray, " 2"], pixels: int) -> bool:
        """Whether so little of a disc is visible at the edge that its centre lies outside."""
        border = np.minimum(centre, self._size - 1 - centre).min()
        whole = np.pi * self._radius**2
        return bool(border < self._radius and pixels < _CUT_DISC * whole)

    def at_edge(self, place: Float64[np.ndarray, " 2"]) -> bool:
        """Whether a limb whose visible end is here is cut off by the picture's edge."""
        reach = 0.5 * self._radius + 1.5
        return bool((place < reach).any() or (place > self._size - 1 - reach).any())

    def _masks(self, limb: int) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
        """Where a limb can be, with one pixel of tolerance, and where its own colour is."""
        if limb in self._masks_of:
            return self._masks_of[limb]
        own = self._dim & (self._step == limb)
        later = self._dim & (self._step > limb)
        possible = (own | later).astype(np.uint8) | self._bright
        square = np.ones((3, 3), np.uint8)
        masks = (
            cv2.dilate(possible, square).view(bool),
            cv2.dilate(own.astype(np.uint8), square).view(bool),
        )
        self._masks_of[limb] = masks
        return masks

    def _inside(self, places: np.ndarray) -> np.ndarray:
        places = places - self._low
        return np.asarray(((places >= 0) & (places < self._window)).all(axis=-1))

    def _pixels(self, places: np.ndarray) -> np.ndarray:
        return np.clip(places.astype(int) - self._low, 0, self._window - 1)
