"""Arms that look like the trunk: sleeves of its garment, or bare arms of a bare trunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

from posecast.cutout.pieces import HALF_WIDTHS, Piece
from posecast.cutout.stance import Stance

_WIDE = 2.5
"""If the mask goes on farther than so many half widths of the arm, that level is left alone."""
_ALIKE, _FIRST = 0.4, 0.1
"""A sleeve begins at the shoulder: on this first share of the bone, a larger share of the way to
the arm's outer edge looks like the trunk."""
_SOME = 0.15
"""It goes on as long as so much does: hems are slanted, and light differs."""
_SHOULDER, _OUTER = 0.1, 0.8
"""The outer part of a shoulder begins at this share of the bone, and so many half widths out."""


@dataclass(frozen=True)
class OuterSide:
    """The half of an upper arm that is away from the trunk, on a grid of pixels."""

    levels: Float64[np.ndarray, " levels"]
    """Shares of the bone."""
    x: Int[np.ndarray, "levels far"]
    y: Int[np.ndarray, "levels far"]
    """Pixels from the bone outwards."""
    person: Bool[np.ndarray, "levels far"]
    """Whether the mask reaches there without a gap; nowhere on levels that are left alone."""
    half: float
    """Half width of the arm in pixels."""
    level: Int[np.ndarray, "h w"]
    """The index of each pixel's level."""

    @classmethod
    def of(
        cls,
        piece: Piece,
        body: Stance,
        scale: float,
        corner: tuple[int, int],
        inside: Bool[np.ndarray, "h w"],
    ) -> OuterSide:
        """Of an upper arm, on the reduced copy of a box of the picture that `inside` masks."""
        bone = body.bones[piece]
        axis, half = bone.on_copy(scale, corner), HALF_WIDTHS[piece] * body.height * scale
        across = np.array([-axis.way[1], axis.way[0]]) / axis.length
        trunk = (body.trunk.top + body.trunk.bottom) / 2
        if across @ (bone.start + bone.way / 2 - trunk) < 0:
            across = -across
        levels = np.linspace(0, 1, max(2, round(axis.length)))
        far = np.arange(0, _WIDE * half + 1)
        at = axis.start + levels[:, None, None] * axis.way + far[:, None] * across
        x, y = np.moveaxis(np.rint(at).astype(int), -1, 0)
        known = (x >= 0) & (y >= 0) & (x < inside.shape[1]) & (y < inside.shape[0])
        x, y = x.clip(0, inside.shape[1] - 1), y.clip(0, inside.shape[0] - 1)
        person = np.logical_and.accumulate(inside[y, x] & known, axis=1)
        person[person[:, -1]] = False
        rows, columns = np.indices(inside.shape)
        along = (columns - axis.start[0]) * axis.way[0] + (rows - axis.start[1]) * axis.way[1]
        share = (along / axis.length**2).clip(0, 1)
        level = np.rint(share * (len(levels) - 1)).astype(int)
        return cls(levels, x, y, person, half, level)

    def covered(self, alike: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
        """Where the arm looks like the trunk (`alike`) from the shoulder on, up to its outer edge.

        A bare arm whose bone is a little off lies on the trunk, but its outer edge does not; and a
        trunk before an arm does not begin at the shoulder.
        """
        share = (alike[self.y, self.x] & self.person).sum(axis=1)
        share = share / self.person.sum(axis=1).clip(1)
        first = max(1, round(_FIRST * len(share)))
        share[:first] = share[:first].mean()
        return (np.logical_and.accumulate(share > _SOME) & (share[0] > _ALIKE))[self.level]

    def shoulder(self, end: float, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
        """The outer part of the shoulder, down to a share of the bone."""
        found = np.zeros(size, bool)
        there = self.person.copy()
        there[(self.levels < _SHOULDER) | (self.levels > end)] = False
        there[:, : 1 + round(_OUTER * self.half)] = False
        found[self.y[there], self.x[there]] = True
        return found
