"""Limbs as tubes: how far they reach to both sides of their axis, level by level."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float64

from posecast.cutout.stance import Bone

_MOST = 4.0
"""Farthest reach that is measured, in the half widths that a tube usually has."""
_WIDEST = 1.3
"""Farthest reach of what is continued, in the same half widths."""
_USUAL = 0.3
"""The share of the bone from which on a hidden side has the usual half width."""
_SMOOTH = 0.06
"""Standard deviation of the blur of a trunk's sides, in the range of its levels."""
_BEYOND = 3
"""A side is hidden if something hides one of so many pixels beyond it."""
_WINDOW = 0.2
"""A bulge is judged by the median reach of what is at most so far along the bone, in its length."""
_BULGE = 1.3
"""A bulge reaches so many times as far as the median."""


def bulges(own: Bool[np.ndarray, "h w"], axis: Bone, half: float) -> Bool[np.ndarray, "h w"]:
    """Pixels of a limb that reach much farther from its axis than the limb around them.

    Cuffs and sleeves widen a limb over some length, or on both sides; a bit of what lies beside
    does not. `axis` and the usual half width are in pixels of `own`.
    """
    levels = np.linspace(0, 1, max(2, round(axis.length)))
    reach, _ = _reaches(own, own, axis, levels, half)
    window = round(_WINDOW * len(levels))
    padded = np.pad(reach, ((0, 0), (window, window)), mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * window + 1, axis=1)
    usual = np.median(around, axis=-1)
    return own & ~_filled(own.shape, axis, levels, _BULGE * usual) & beside(own.shape, axis)


def limb_behind(
    own: Bool[np.ndarray, "h w"],
    hidden: Bool[np.ndarray, "h w"],
    axis: Bone,
    levels: Float[np.ndarray, " levels"],
    half: float,
) -> Bool[np.ndarray, "h w"]:
    """A limb, continued where other things are `hidden` before its sides.

    Its reach there is interpolated between the `levels` (shares of the axis) where a side is seen,
    and `half` if none is.
    """
    reach, seen = _reaches(own, hidden, axis, levels, half)
    there = reach.any(axis=0)
    for side in (0, 1):
        reach[side] = _between(levels, reach[side], seen[side], half)
    return _filled(own.shape, axis, levels, np.minimum(reach, _WIDEST * half) * there)


def trunk_behind(
    own: Bool[np.ndarray, "h w"],
    hidden: Bool[np.ndarray, "h w"],
    axis: Bone,
    levels: Float[np.ndarray, " levels"],
    half: float,
    shoulder: float,
) -> Bool[np.ndarray, "h w"]:
    """A trunk, continued as `limb_behind`, with shoulders and a waist.

    A side that is hidden at the first level begins there with the reach of a `shoulder`, and where
    a side is hidden it reaches no farther than the other one that is seen there.
    """
    reach, seen = _reaches(own, hidden, axis, levels, half)
    there, other = reach.any(axis=0), np.where(seen, reach, np.inf)[::-1]
    for side in (0, 1):
        found = _between(levels, reach[side], seen[side], half, shoulder)
        found = np.where(seen[side], found, np.minimum(found, other[side]))
        blur = _SMOOTH * len(levels)
        reach[side] = cv2.GaussianBlur(found, (0, 0), blur, borderType=cv2.BORDER_REPLICATE).ravel()
    return _filled(own.shape, axis, levels, np.minimum(reach, _WIDEST * half) * there)


def _between(
    levels: Float[np.ndarray, " levels"],
    reach: Float64[np.ndarray, " levels"],
    seen: Bool[np.ndarray, " levels"],
    half: float,
    begin: float | None = None,
) -> Float64[np.ndarray, " levels"]:
    """One side's reach at all levels; hidden at the first one, it is `begin` there."""
    places, sizes = levels[seen], reach[seen]
    if not len(places):
        places, sizes = np.array([_USUAL]), np.array([half])
    if begin is not None and not seen[0]:
        places, sizes = np.append(levels[0], places), np.append(begin, sizes)
    return np.interp(levels, places, sizes)


def _reaches(
    own: Bool[np.ndarray, "h w"],
    hidden: Bool[np.ndarray, "h w"],
    axis: Bone,
    levels: Float[np.ndarray, " levels"],
    half: float,
) -> tuple[Float64[np.ndarray, "2 levels"], Bool[np.ndarray, "2 levels"]]:
    """Reach in pixels to the left and right of an axis, and whether the side is visible there."""
    offsets = np.arange(round(_MOST * half) + _BEYOND)
    across = np.stack([1, -1])[:, None, None, None] * offsets[:, None] * _side(axis)
    places = axis.start + levels[:, None, None] * axis.way + across
    x, y = places.astype(np.float32).reshape(2, -1, len(offsets), 2).transpose(3, 0, 1, 2)
    size = (-1, len(offsets))
    mine, over = (
        cv2.remap(shown.astype(np.uint8), x.reshape(size), y.reshape(size), cv2.INTER_NEAREST) > 0
        for shown in (own, hidden)
    )
    mine[:, -_BEYOND:] = False
    last = len(offsets) - 1 - mine[:, ::-1].argmax(axis=1)
    beyond = np.minimum(last[:, None] + np.arange(1, _BEYOND + 1), len(offsets) - 1)
    seen = mine.any(axis=1) & ~np.take_along_axis(over, beyond, axis=1).any(axis=1)
    reach = np.where(mine.any(axis=1), last, 0).astype(np.float64)
    return reach.reshape(2, -1), seen.reshape(2, -1)


def _side(axis: Bone) -> Float64[np.ndarray, " xy"]:
    return np.array([-axis.way[1], axis.way[0]]) / axis.length


def _filled(
    size: tuple[int, ...],
    axis: Bone,
    levels: Float[np.ndarray, " levels"],
    reach: Float64[np.ndarray, "2 levels"],
) -> Bool[np.ndarray, "h w"]:
    """The area between the reaches to both sides."""
    middle = axis.start + levels[:, None] * axis.way
    left, right = (
        middle + sign * r[:, None] * _side(axis) for sign, r in zip((1, -1), reach, strict=True)
    )
    outline = np.rint(np.concatenate([left, right[::-1]]).clip(-1e4, 1e4)).astype(np.int32)
    return cv2.fillPoly(np.zeros(size, np.uint8), [outline], 1) > 0


def beside(size: tuple[int, ...], axis: Bone) -> Bool[np.ndarray, "h w"]:
    """Pixels beside an axis, not before its start or beyond its end."""
    y, x = np.indices(size)
    along = (x - axis.start[0]) * axis.way[0] + (y - axis.start[1]) * axis.way[1]
    return (along >= 0) & (along <= axis.length**2)
