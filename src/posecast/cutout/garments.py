"""Skirts, dresses and coats: detects cloth that hangs from the hips and moves it with the legs.

The silhouette decides whether a person wears one. It is filled between the legs from the crotch
down to a hem. At the hem it becomes narrower on both sides, or opens between the legs abruptly.
Trousers open gradually, from the crotch on. Levels are fractions of the way from the hips (0) to
the ankles (1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from posecast.cutout.motion import Motion, Places, rotation
from posecast.cutout.pieces import (
    HALF_WIDTHS,
    LEFT_ARM,
    LEFT_LEG,
    RIGHT_ARM,
    RIGHT_LEG,
    Piece,
)
from posecast.cutout.stance import Stance

_LEVELS = 65
"""Number of levels from the hips (0) to the ankles (1) at which a silhouette is measured."""
_CROTCH = 0.125
"""Down to this level, trousers are filled between the legs too."""
_SPAN = 0.125
"""Range of levels over which a hem shows."""
_FILLED = 0.97
"""Minimum share of the pixels between the axes of both legs that belong to the person above a
hem."""
_OPEN, _APART = 0.5, 0.1
"""Below a hem, at least `_OPEN` of the pixels between the legs are not the person's, if the legs
are at least `_APART` body heights apart. Legs closer together may have a gap anywhere."""
_NARROWER, _STEP = 0.77, 0.015
"""Below a hem, the silhouette has at most `_NARROWER` of the width above it. If the gap between the
legs does not show the hem, each side must step in by at least `_STEP` body heights."""
_AT_ONCE = 0.6
"""If a gap opens at a hem, at least this share of it is open after two levels. At a crotch it opens
more slowly."""
_EDGE = 0.15
"""The hem lies between the levels at which this share of the lost width is lost, and all but this
share."""
_GOWN = 1.3
"""A silhouette filled down to the ankles is a gown if it is this many times as wide there as at the
crotch's level."""
_REACH, _STEPS = 0.35, 281
"""Reach to both sides in body heights, and number of samples, of a silhouette's measurement."""
_ARM = 1.1
"""Pixels up to this many half widths from an arm's bone do not count as the garment's outline."""
_BESIDE = 0.25
"""Share of the way between the legs up to which cloth moves only with the nearer one."""
_HIPS = (-0.02, 0.3)
"""Range of levels over which cloth changes from moving with the trunk to moving with the legs."""
_FOLLOWS = 0.5
"""Share of a leg's turn relative to the trunk by which the cloth beside it turns: it hangs down."""
_KNEES = 0.12
"""Range of levels above and below the knees over which cloth bends with them."""
_TIGHT = 0.25
"""Legs that come together narrow the cloth by at most this share of their distance in the
picture."""


@dataclass(frozen=True)
class Garment:
    """A piece of cloth from the hips to a hem."""

    axes: tuple[Float64[np.ndarray, "k 2"], Float64[np.ndarray, "k 2"]]
    """Points of the right and the left leg at the levels 0, 0.5 and 1: hip, knee and ankle."""
    hem: tuple[float, float]
    """The level down to which it surely reaches, and the level from which on it surely has
    ended."""

    def axis(self, side: int, levels: np.ndarray) -> Float64[np.ndarray, "n 2"]:
        """Points of a leg (0 right, 1 left) at the given levels."""
        return _along(self.axes[side], levels)

    @property
    def outline(self) -> Float64[np.ndarray, "n 2"]:
        """The polygon between the legs' axes, down to the hem."""
        levels = np.linspace(0, self.hem[0], 9)
        return np.concatenate([self.axis(0, levels), self.axis(1, levels)[::-1]])


def garment_of(matte: Float32[np.ndarray, "height width"], body: Stance) -> Garment | None:
    """The garment over both legs, judged by the silhouette (0..1); None for trousers or no legs."""
    if not {RIGHT_LEG[0], LEFT_LEG[0]} <= set(body.bones):
        return None
    axes = _axis(body, RIGHT_LEG), _axis(body, LEFT_LEG)
    hem = _hem(matte, body, axes)
    return None if hem is None else Garment(axes, hem)


def _axis(body: Stance, limb: tuple[Piece, ...]) -> Float64[np.ndarray, "3 2"]:
    """Hip, knee and ankle; a missing shin is assumed to continue the thigh."""
    upper = body.bones[limb[0]]
    lower = body.bones.get(limb[1])
    return np.stack([upper.start, upper.end, upper.end + (lower or upper).way])


def _along(axis: Float64[np.ndarray, "3 2"], levels: np.ndarray) -> Float64[np.ndarray, "n 2"]:
    return np.stack([np.interp(levels, (0, 0.5, 1), axis[:, i]) for i in (0, 1)], axis=-1)


def _hem(
    matte: Float32[np.ndarray, "height width"],
    body: Stance,
    axes: tuple[Float64[np.ndarray, "3 2"], Float64[np.ndarray, "3 2"]],
) -> tuple[float, float] | None:
    """The levels of the hem (`Garment.hem`); None if there is none."""
    rows = _Rows.of(matte, body, axes)
    levels = np.linspace(0, 1, _LEVELS)
    crotch, span = (round(level * (_LEVELS - 1)) for level in (_CROTCH, _SPAN))
    bare = np.flatnonzero((rows.filled < _FILLED) & (levels > _CROTCH))
    end = int(bare[0]) if len(bare) else _LEVELS
    best, narrowest = None, _NARROWER
    for above in range(crotch + 1, min(end, _LEVELS - span)):
        narrower = float(rows.width[above + span] / max(rows.width[above], 1e-6))
        if narrower < narrowest and rows.end_there(above, above + span, end):
            best, narrowest = above, narrower
    if best is not None:
        widths = rows.width[best : best + span + 1]
        lost = (widths[0] - widths) / (widths[0] - widths[-1])
        edge = [int((lost <= _EDGE).nonzero()[0][-1]), int((lost >= 1 - _EDGE).nonzero()[0][0])]
        return float(levels[best + min(edge)]), float(levels[best + max(edge)])
    if end == _LEVELS and rows.width[-span] >= _GOWN * rows.width[crotch]:
        return 1.0, 1.0
    return None


@dataclass(frozen=True)
class _Rows:
    """Measurements of a silhouette across the legs, level by level, in body heights."""

    filled: Float64[np.ndarray, " levels"]
    """Share of the pixels between the legs' axes that belong to the person."""
    apart: Float64[np.ndarray, " levels"]
    """Distance from axis to axis."""
    width: Float64[np.ndarray, " levels"]
    left: Float64[np.ndarray, " levels"]
    """Distance from the middle to the silhouette's end; `right` is the same to the right."""
    right: Float64[np.ndarray, " levels"]

    @classmethod
    def of(
        cls,
        matte: Float32[np.ndarray, "height width"],
        body: Stance,
        axes: tuple[Float64[np.ndarray, "3 2"], Float64[np.ndarray, "3 2"]],
    ) -> _Rows:
        levels = np.linspace(0, 1, _LEVELS)
        right, left = _along(axes[0], levels), _along(axes[1], levels)
        middle = (right + left) / 2
        down = middle[-1] - middle[0]
        down /= max(float(np.hypot(*down)), 1e-6)
        across = np.array([down[1], -down[0]])
        offsets = np.linspace(-_REACH, _REACH, _STEPS)
        places = middle[:, None] + offsets[:, None] * body.height * across
        ends = np.sort([(right - middle) @ across, (left - middle) @ across], axis=0) / body.height
        between = (offsets >= ends[0][:, None]) & (offsets <= ends[1][:, None])
        between |= np.abs(offsets) <= _REACH / _STEPS
        x, y = places.astype(np.float32).transpose(2, 0, 1)
        whole, bare = (
            cv2.remap(shown, x, y, cv2.INTER_LINEAR) > 0.5
            for shown in (matte, _without_arms(matte, body))
        )
        seen = np.where(between, whole, bare)
        runs = [_run(row, inside) for row, inside in zip(seen, between, strict=True)]
        step = offsets[1] - offsets[0]
        return cls(
            (whole & between).sum(axis=1) / between.sum(axis=1),
            ends[1] - ends[0],
            np.array([run.sum() for run in runs]) * step,
            np.array([-offsets[run].min(initial=0) for run in runs]),
            np.array([offsets[run].max(initial=0) for run in runs]),
        )

    def end_there(self, above: int, below: int, opening: int) -> bool:
        """Whether cloth ends between two levels; `opening` is the first level with a gap.

        It does if the legs are far apart with a wide gap between them, so that they alone cannot
        have filled the space above; or if the outline steps in on both sides and any gap opens
        abruptly.
        """
        gap = 1 - self.filled
        if min(self.apart[above], self.apart[below]) >= _APART and gap[below] >= _OPEN:
            return True
        soon = min(opening + 2, _LEVELS - 1)
        if gap[below] > 1 - _FILLED and gap[soon] < _AT_ONCE * gap[below]:
            return False
        sides = (side[above] - side[below] for side in (self.left, self.right))
        return bool(min(sides) >= _STEP)


def _without_arms(
    matte: Float32[np.ndarray, "height width"], body: Stance
) -> Float32[np.ndarray, "height width"]:
    bare = matte.copy()
    for piece in (*RIGHT_ARM, *LEFT_ARM):
        if piece in body.bones:
            bone = body.bones[piece]
            start, end = np.rint([bone.start, bone.end]).clip(-1e4, 1e4).astype(int).tolist()
            cv2.line(
                bare, start, end, 0, max(1, round(2 * _ARM * HALF_WIDTHS[piece] * body.height))
            )
    return bare


def _run(row: Bool[np.ndarray, " n"], inside: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """The connected parts of a row that have a pixel `inside`."""
    numbers = np.cumsum(np.diff(row.astype(np.int8), prepend=0) == 1) * row
    touched = np.unique(numbers[inside & row])
    return np.isin(numbers, touched[touched > 0]) & row


@dataclass(frozen=True)
class Drape:
    """Mesh points of a garment that move with both legs: it stretches and never tears."""

    garment: Garment
    places: Int[np.ndarray, " k"]
    """Indices of the mesh points."""
    levels: Float64[np.ndarray, " k"]
    offsets: tuple[Places, Places]
    """Offsets in pixels from the axes of the right and of the left leg."""
    legs: Float64[np.ndarray, " k"]
    """Weight 0..1 of the legs; the rest is the trunk's."""
    left: Float64[np.ndarray, " k"]
    """Share 0..1 of the left leg in that weight."""

    @classmethod
    def of(
        cls, garment: Garment, places: Float[np.ndarray, "n 2"], own: Bool[np.ndarray, " n"]
    ) -> Drape:
        """Make it for the garment's `own` points among those of a mesh in the picture."""
        middle = (garment.axes[0] + garment.axes[1]) / 2
        levels = _levels(middle, places)
        own = own & (levels > _HIPS[0])
        inside = levels[own].clip(0, 1)
        right, left = (places[own] - garment.axis(side, inside) for side in (0, 1))
        to_right, to_left = np.hypot(*right.T), np.hypot(*left.T)
        share = to_right / np.maximum(to_right + to_left, 1e-6)
        return cls(
            garment,
            np.flatnonzero(own),
            inside,
            (right, left),
            _smooth((levels[own] - _HIPS[0]) / (_HIPS[1] - _HIPS[0])),
            _smooth((share - _BESIDE) / (1 - 2 * _BESIDE)),
        )

    def moved(self, motion: Motion, trunk: Places) -> Places:
        """The new places of the points; `trunk` are their places if they moved with the trunk."""
        right, left = (self._with_leg(motion, side) for side in (0, 1))
        hips = self.garment.axes[1][:1] - self.garment.axes[0][:1]
        turn = motion.turns[Piece.TRUNK]
        hips = turn.facing(hips) @ rotation(turn.angle).T
        across = hips[0] / max(float(np.hypot(*hips[0])), 1e-6)
        was = np.hypot(*(self.offsets[0] - self.offsets[1]).T)
        apart = left - right
        lacking = np.maximum(-_TIGHT * motion.scale * was - apart @ across, 0)
        apart += lacking[:, None] * across
        cloth = (right + left) / 2 + (self.left - 0.5)[:, None] * apart
        return trunk + self.legs[:, None] * (cloth - trunk)

    def _with_leg(self, motion: Motion, side: int) -> Places:
        thigh, shin = (RIGHT_LEG, LEFT_LEG)[side][:2]
        hip, knee, ankle = self.garment.axes[side]
        upper = motion.turns[thigh]
        lower = motion.turns.get(shin, upper)
        axis = np.concatenate([upper(np.stack([hip, knee])), lower(ankle[None])])
        trunk = motion.turns[Piece.TRUNK]
        bends = [math.remainder(turn.angle - trunk.angle, 2 * math.pi) for turn in (upper, lower)]
        below = _smooth((self.levels - 0.5 + _KNEES) / (2 * _KNEES))
        angle = trunk.angle + _FOLLOWS * (bends[0] + below * (bends[1] - bends[0]))
        offset = trunk.facing(self.offsets[side]) * motion.scale
        c, s = np.cos(angle), np.sin(angle)
        beside = np.stack(
            [c * offset[:, 0] - s * offset[:, 1], s * offset[:, 0] + c * offset[:, 1]], axis=1
        )
        return _along(axis, self.levels) + beside


def _levels(
    middle: Float64[np.ndarray, "3 2"], places: Float[np.ndarray, "n 2"]
) -> Float64[np.ndarray, " n"]:
    """Levels of points along the line midway between the legs, which continues beyond its ends."""
    upper, lower = np.diff(middle, axis=0)
    first = (places - middle[0]) @ upper / max(float(upper @ upper), 1e-6) / 2
    second = 0.5 + (places - middle[1]) @ lower / max(float(lower @ lower), 1e-6) / 2
    return np.where(first < 0.5, first, np.maximum(second, 0.5))


def _smooth(share: np.ndarray) -> Float64[np.ndarray, " n"]:
    share = share.clip(0, 1)
    return share * share * (3 - 2 * share)
