"""Finds wrists under drawn hands: the place whose forearm explains the picture best.

A hand hides its wrist's disc and the end of the forearm, but some evidence remains. Drawn from the
elbow to a candidate place, the forearm's ellipse and the wrist's disc may not cover black or an
earlier limb, because only later strokes lie over them, and their visible pixels must have their
colours. If several places remain, the hand's first dot, which lies near the wrist, decides.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from posecast.geometry.drawing import limb_outline
from posecast.geometry.skeleton import LIMBS
from posecast.media.pose_formats.skeleton_strokes import BRIGHT, HUES, LIT, MAX_HIDDEN, Limb

_BEYOND = 3.0  # longest forearm, as a multiple of its visible length
_LEEWAY = 4.0  # number of unexplained pixels that cost 1
_ROOT_WEIGHT = 4.0  # cost of a wrist one disc radius away from the start of its hand
_ROOT_MOST = 9.0  # largest squared distance that is counted, in squared radii
_ASIDE = 0.7  # largest distance in radii of a dot on the line from the elbow


class _Window:
    """Part of a skeleton picture, with the limbs or joints to which each pixel may belong."""

    def __init__(self, picture: np.ndarray, points: np.ndarray, margin: int) -> None:
        low = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
        high = np.ceil(points.max(axis=0)).astype(int) + margin + 1
        self.corner = low
        part = picture[low[1] : high[1], low[0] : high[0]]
        hue, _, value = cv2.split(cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2HSV))
        self._step = np.rint(hue / (180 / HUES)).astype(int) % HUES
        self._bright, self._black = value >= BRIGHT, value < LIT
        self._mask = np.zeros(value.shape, np.uint8)

    def limb_weights(self, limb: int) -> np.ndarray:
        """1 where the limb cannot be, -1 where it is visible, 0 where something may cover it."""
        dim = ~self._bright & ~self._black
        wrong = self._black | (dim & (self._step < limb))
        return (wrong.astype(np.float32) - (dim & (self._step == limb))).ravel()

    def disc_weights(self, joint: int) -> np.ndarray:
        """The same for a joint's disc, which only bright strokes can cover."""
        seen = self._bright & (self._step == joint)
        return ((~self._bright).astype(np.float32) - seen).ravel()

    def limb_cost(
        self, weights: np.ndarray, start: np.ndarray, end: np.ndarray, half_width: int
    ) -> float:
        """Number of pixels that a limb between two places leaves unexplained, up to a constant."""
        self._mask[:] = 0
        # A joint is drawn at the pixel that contains it, so the pixel's centre is the best guess.
        first, last = (np.stack([start, end]) - self.corner + 0.5).tolist()
        cv2.fillConvexPoly(self._mask, limb_outline(first, last, half_width), 1)
        return float(weights[self._mask.ravel() > 0].sum())

    def disc_cost(self, weights: np.ndarray, centre: np.ndarray, radius: int) -> float:
        """The same for a disc."""
        self._mask[:] = 0
        x, y = (centre - self.corner).astype(int).tolist()
        cv2.circle(self._mask, (x, y), radius, 1, thickness=-1)
        return float(weights[self._mask.ravel() > 0].sum())


def limb_half_width(
    picture: UInt8[np.ndarray, "height width 3"],
    joints: Float64[np.ndarray, "18 2"],
    sure: list[int],
    radius: int,
) -> int:
    """The drawn limbs' half width in pixels, measured on those in `sure` (indices of LIMBS)."""
    widths = range(1, 2 * radius + 2)
    costs = np.zeros(len(widths))
    for limb in sure:
        start, end = joints[list(LIMBS[limb])]
        window = _Window(picture, np.stack([start, end]), 2 * radius + 2)
        weights = window.limb_weights(limb)
        costs += [window.limb_cost(weights, start, end, width) for width in widths]
    return widths[int(costs.argmin())] if sure else radius


def wrist_under_hand(
    picture: UInt8[np.ndarray, "height width 3"],
    elbow: Float64[np.ndarray, " 2"],
    read: Float64[np.ndarray, " 2"],
    forearm: tuple[int, Limb | None],
    dots: Float64[np.ndarray, "_ 2"],
    strokes: tuple[int, int],
) -> Float64[np.ndarray, " 2"]:
    """The place of a wrist whose disc is not visible: `read`, or a better place.

    `forearm` is the limb's number and its visible part, `dots` are the pixels of the hands' dots,
    `strokes` are the half width of limbs and the radius of discs. All in pixels, points as x, y.
    """
    half_width, radius = strokes
    limb, seen = forearm
    wrist = LIMBS[limb][1]
    reach = MAX_HIDDEN * radius
    if seen is not None:
        reach = max(reach, _BEYOND * float(np.linalg.norm(seen.ends - elbow, axis=1).max()))
    dots = dots[np.linalg.norm(dots - elbow, axis=1) < reach]
    if not len(dots):
        return read
    places = np.concatenate([_lattice(dots, max(1, radius // 2)), read[None]])
    window = _Window(picture, np.concatenate([places, elbow[None]]), 2 * radius + half_width + 2)
    arm, disc = window.limb_weights(limb), window.disc_weights(wrist)
    unexplained = [
        window.limb_cost(arm, elbow, place, half_width) + window.disc_cost(disc, place, radius)
        for place in places
    ]
    cost = np.array(unexplained) / _LEEWAY + _root_costs(places, elbow, dots, radius)
    likely = np.exp(cost.min() - cost)
    return np.asarray((likely[:, None] * places).sum(axis=0) / likely.sum())


def _lattice(points: np.ndarray, step: int) -> np.ndarray:
    """The points on a grid of `step` pixels."""
    return points[((points.astype(int) % step) == 0).all(axis=1)]


def _root_costs(
    places: np.ndarray, elbow: np.ndarray, dots: np.ndarray, radius: int
) -> Float64[np.ndarray, " places"]:
    """Cost of each place by its distance to the first dot on the line from the elbow to it."""
    steps = places - elbow
    length = np.maximum(np.linalg.norm(steps, axis=1), 1e-9)
    axes = steps / length[:, None]
    from_elbow = dots - elbow
    along = from_elbow @ axes.T
    aside = np.abs(from_elbow @ np.stack([-axes[:, 1], axes[:, 0]]))
    met = np.where((aside <= _ASIDE * radius) & (along > 0), along, np.inf).min(axis=0) + radius
    return np.asarray(_ROOT_WEIGHT * np.minimum(((length - met) / radius) ** 2, _ROOT_MOST))
